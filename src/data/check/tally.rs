//! The counts behind a report, one pair at a time.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::characters::Characters;
use super::lengths::Lengths;
use super::near::{Leakage, Prompts};
use super::records::Records;
use super::report::{
    CheckReport, Divided, DropCount, Example, Finding, LengthBias, PairTokens, Reading, TokenReport,
};
use crate::data::drop_reason::DropReason;
use crate::data::reader::SourcePair;
use crate::data::source::Source;
use crate::domain::random::text_hash;
use crate::domain::split::{SplitError, group_hash};
use crate::domain::stats::wilson_interval;

/// How many records a report names for one reason.
const N_FIRST: usize = 5;

/// Pairs that can be divided whatever the shares, if each is a group.
const N_TO_DIVIDE: u64 = 100;

/// Most slices that are counted. A column with more values is no slice but an id.
const MAX_SLICES: usize = 1_000;

#[derive(Default)]
pub(super) struct Tally {
    n_pairs: u64,
    n_fallback: u64,
    duplicates: Repeats,
    contradictions: Repeats,
    n_repeated_prompts: u64,
    n_label_noise: u64,
    n_margins: u64,
    bias: LengthBias,
    dropped: BTreeMap<DropReason, (u64, Vec<u64>)>,
    // Hashes instead of texts: with 64 bits, a million pairs collide with a chance of 3 in 10^8.
    /// The first record of each pair.
    pairs: HashMap<u64, u64>,
    records: Records,
    repeated: HashSet<u64>,
    groups: Vec<u64>,
    prompts: Prompts,
    lengths: [Lengths; 3],
    characters: Characters,
    slices: BTreeMap<String, u64>,
    tokens: Option<(Lengths, u64, u64)>,
    cut: Vec<u64>,
}

/// Pairs that an earlier one stands for already, of which the first are named.
#[derive(Default)]
struct Repeats {
    n: u64,
    first: Vec<(u64, u64)>,
}

impl Repeats {
    fn add(&mut self, record: u64, earlier: u64) {
        self.n += 1;
        if self.first.len() < N_FIRST {
            self.first.push((record, earlier));
        }
    }
}

impl Tally {
    pub(super) fn add(&mut self, found: &SourcePair, file: Option<&Source>) {
        let SourcePair { at, fallback, has_margin, pair } = found;
        self.n_pairs += 1;
        self.n_fallback += u64::from(*fallback);
        self.n_label_noise += u64::from(pair.label_noise);
        self.n_margins += u64::from(*has_margin);
        let [prompt, chosen, rejected] =
            [&pair.prompt, &pair.chosen, &pair.rejected].map(|text| text_hash(text));
        let key = |better: u64, worse: u64| {
            prompt.wrapping_mul(3).wrapping_add(better).wrapping_mul(5).wrapping_add(worse)
        };
        let record = self.records.key(file, at.number);
        if let Some(earlier) = self.pairs.get(&key(rejected, chosen)) {
            self.contradictions.add(record, *earlier);
        }
        match self.pairs.entry(key(chosen, rejected)) {
            Entry::Occupied(earlier) => self.duplicates.add(record, *earlier.get()),
            Entry::Vacant(free) => drop(free.insert(record)),
        }
        self.n_repeated_prompts += u64::from(!self.repeated.insert(prompt));
        let group = group_hash(&pair.group);
        self.groups.push(group);
        self.prompts.add(&pair.prompt, prompt, group, record);
        let texts = [pair.prompt.as_str(), &pair.chosen, &pair.rejected];
        self.characters.add(texts);
        let n_chars = texts.map(|text| text.chars().count() as u64);
        for (lengths, n) in self.lengths.iter_mut().zip(n_chars) {
            lengths.add(n);
        }
        match n_chars[1].cmp(&n_chars[2]) {
            Ordering::Greater => self.bias.n_longer += 1,
            Ordering::Less => self.bias.n_shorter += 1,
            Ordering::Equal => self.bias.n_equal += 1,
        }
        if !pair.slice.is_empty() {
            if let Some(n) = self.slices.get_mut(&pair.slice) {
                *n += 1;
            } else if self.slices.len() < MAX_SLICES {
                self.slices.insert(pair.slice.clone(), 1);
            }
        }
    }

    pub(super) fn drop(&mut self, number: u64, file: Option<&Source>, reason: DropReason) {
        let record = self.records.key(file, number);
        let (n, records) = self.dropped.entry(reason).or_default();
        *n += 1;
        if records.len() < N_FIRST && records.last() != Some(&record) {
            records.push(record);
        }
    }

    /// Takes the tokens of a pair of this record.
    pub(super) fn add_tokens(&mut self, pair: PairTokens, record: u64) {
        if pair.is_answer_truncated && self.cut.len() < N_FIRST {
            self.cut.push(record);
        }
        let (lengths, n_truncated, n_answers) = self.tokens.get_or_insert_default();
        lengths.add(pair.n_tokens);
        *n_truncated += u64::from(pair.is_truncated);
        *n_answers += u64::from(pair.is_answer_truncated);
    }

    /// A number for a record of a file.
    pub(super) fn record(&mut self, file: Option<&Source>, number: u64) -> u64 {
        self.records.key(file, number)
    }

    /// Takes a pair of the test source; the hash of its group.
    pub(super) fn add_test(&mut self, found: &SourcePair, file: Option<&Source>) -> u64 {
        let group = group_hash(&found.pair.group);
        let prompt = text_hash(&found.pair.prompt);
        let record = self.records.key(file, found.at.number);
        self.prompts.add(&found.pair.prompt, prompt, group, record);
        group
    }

    /// The hash of the group of each pair, in order.
    pub(super) fn groups_of_pairs(&self) -> &[u64] {
        &self.groups
    }

    /// How many groups the pairs are of.
    pub(super) fn n_groups(&self) -> u64 {
        self.groups.iter().collect::<HashSet<_>>().len() as u64
    }

    pub(super) fn report(
        self,
        reading: Reading,
        divided: Result<Divided, SplitError>,
        max_share: f64,
    ) -> CheckReport {
        let undivided = divided.as_ref().err().and_then(|error| self.undivided(error));
        let divided = divided.ok();
        let mut leakage = divided.as_ref().map_or_else(Leakage::default, |divided| {
            self.prompts.across(&|group| divided.test_groups.contains(&group))
        });
        for example in &mut leakage.examples {
            let test = self.records.name(example.test_record);
            let train = self.records.name(example.train_record);
            (example.test_record, example.test_file) = (test.number, test.file);
            (example.train_record, example.train_file) = (train.number, train.file);
        }
        let lopsided = divided.as_ref().and_then(|divided| divided.lopsided(self.n_groups()));
        let mut findings = self.findings(&leakage, &reading, max_share);
        findings.extend(lopsided.or(undivided));
        let [prompt, chosen, rejected] = &self.lengths;
        let n_groups = self.n_groups();
        let records = &self.records;
        let count = |(reason, (n, first)): (DropReason, (u64, Vec<u64>))| {
            let first_records: Vec<_> = first.into_iter().map(|it| records.name(it)).collect();
            let first_lines = first_records.iter().map(|it| it.number).collect();
            DropCount { reason, n, first_lines, first_records }
        };
        let Reading { source, format, pairs, unused, model, max_tokens, .. } = reading;
        CheckReport {
            source,
            format,
            pairs,
            unused,
            n_pairs: self.n_pairs,
            n_fallback: self.n_fallback,
            n_groups,
            n_duplicates: self.duplicates.n,
            n_contradictions: self.contradictions.n,
            n_repeated_prompts: self.n_repeated_prompts,
            n_label_noise: self.n_label_noise,
            n_margins: self.n_margins,
            length_bias: bias(self.bias),
            prompt_chars: prompt.summary(),
            chosen_chars: chosen.summary(),
            rejected_chars: rejected.summary(),
            scripts: self.characters.scripts(),
            n_control: self.characters.n_control,
            n_replacement: self.characters.n_replacement,
            splits: divided.map(|divided| divided.counts),
            leakage,
            tokens: self.tokens.map(|(lengths, n_truncated, n_answers_truncated)| TokenReport {
                model,
                max_tokens,
                lengths: lengths.summary(),
                histogram: lengths.by_powers_of_two(),
                n_truncated,
                n_answers_truncated,
            }),
            findings,
            dropped: self.dropped.into_iter().map(count).collect(),
            slices: self.slices,
        }
    }

    /// A finding about pairs enough to be divided in groups too few; of a handful of pairs nothing is
    /// said.
    fn undivided(&self, error: &SplitError) -> Option<Finding> {
        let finding = Finding {
            what: format!("pairs cannot be divided for a run: {error}"),
            n: self.n_pairs,
            of: self.n_pairs,
            share: 1.0,
            is_over: true,
            examples: Vec::new(),
            consequence: "name a finer group with `--group` (`data.group`)",
        };
        (self.n_pairs >= N_TO_DIVIDE).then_some(finding)
    }

    /// The findings. Ties and capped pairs come from how a format is read, and a prompt may lose
    /// its beginning, so neither is a finding.
    fn findings(&self, leakage: &Leakage, reading: &Reading, max_share: f64) -> Vec<Finding> {
        let unexpected = self.dropped.iter().filter(|(reason, _)| !reason.is_expected());
        let n_unusable = unexpected.map(|(_, (n, _))| n).sum::<u64>();
        let n_answers = self.tokens.as_ref().map_or(0, |(_, _, n)| *n);
        let all = self.n_pairs;
        let cut = format!(
            "pairs with an answer cut at {} tokens, the limit of {}",
            reading.max_tokens, reading.model
        );
        let examples = |repeats: &Repeats| -> Vec<Example> {
            let name = |it: u64| self.records.name(it);
            let example = |(record, earlier): &(u64, u64)| Example {
                record: name(*record),
                earlier: Some(name(*earlier)),
            };
            repeats.first.iter().map(example).collect()
        };
        let finding = |what: &str, n: u64, of: u64| {
            let share = n as f64 / of.max(1) as f64;
            let is_over = share > max_share;
            let (what, examples) = (what.to_owned(), Vec::new());
            Finding { what, n, of, share, is_over, examples, consequence: "" }
        };
        let near = "test prompts with a near-duplicate in the training part";
        let alone = |it: &u64| Example { record: self.records.name(*it), earlier: None };
        let found = [
            finding("unusable pairs", n_unusable, all + n_unusable),
            Finding {
                examples: examples(&self.duplicates),
                consequence: "a run keeps every copy, on the same side of its split",
                ..finding("duplicates of an earlier pair", self.duplicates.n, all)
            },
            Finding {
                examples: examples(&self.contradictions),
                consequence: "a run keeps both, on the same side of its split",
                ..finding("contradictions of an earlier pair", self.contradictions.n, all)
            },
            finding(near, leakage.n_near_duplicates, leakage.n_test_prompts),
            finding("pairs with control characters", self.characters.n_control, all),
            finding("pairs with lost characters (U+FFFD)", self.characters.n_replacement, all),
            Finding {
                // Of a model that nobody named it is told, but nothing is held against the data.
                is_over: reading.is_model_named && n_answers as f64 > max_share * all as f64,
                examples: self.cut.iter().map(alone).collect(),
                consequence: "`model.max_tokens` is the limit of a run",
                ..finding(&cut, n_answers, all)
            },
        ];
        found.into_iter().filter(|finding| finding.n > 0).collect()
    }
}

fn bias(counts: LengthBias) -> LengthBias {
    let n_unequal = counts.n_longer + counts.n_shorter;
    let interval = wilson_interval(counts.n_longer, n_unequal);
    LengthBias {
        share: counts.n_longer as f64 / n_unequal.max(1) as f64,
        ci_low: interval.map_or(0.0, |interval| interval.low),
        ci_high: interval.map_or(1.0, |interval| interval.high),
        ..counts
    }
}
