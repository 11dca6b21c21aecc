//! The counts behind a report, one pair at a time.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use super::characters::Characters;
use super::lengths::Lengths;
use super::near::{Leakage, Prompts};
use super::report::{
    CheckReport, Divided, DropCount, Finding, LengthBias, PairTokens, TokenReport,
};
use crate::data::drop_reason::DropReason;
use crate::data::reader::SourcePair;
use crate::domain::random::text_hash;
use crate::domain::split::group_hash;
use crate::domain::stats::wilson_interval;

/// How many records a report names for one reason.
const N_FIRST: usize = 5;

/// Most slices that are counted. A column with more values is no slice but an id.
const MAX_SLICES: usize = 1_000;

#[derive(Default)]
pub(super) struct Tally {
    n_pairs: u64,
    n_fallback: u64,
    n_duplicates: u64,
    n_contradictions: u64,
    n_repeated_prompts: u64,
    n_label_noise: u64,
    n_margins: u64,
    bias: LengthBias,
    dropped: BTreeMap<DropReason, (u64, Vec<u64>)>,
    // Hashes instead of texts: with 64 bits, a million pairs collide with a chance of 3 in 10^8.
    pairs: HashSet<u64>,
    repeated: HashSet<u64>,
    groups: Vec<u64>,
    prompts: Prompts,
    lengths: [Lengths; 3],
    characters: Characters,
    slices: BTreeMap<String, u64>,
    tokens: Option<(Lengths, u64, u64)>,
}

impl Tally {
    pub(super) fn add(&mut self, found: &SourcePair) {
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
        self.n_contradictions += u64::from(self.pairs.contains(&key(rejected, chosen)));
        self.n_duplicates += u64::from(!self.pairs.insert(key(chosen, rejected)));
        self.n_repeated_prompts += u64::from(!self.repeated.insert(prompt));
        let group = group_hash(&pair.group);
        self.groups.push(group);
        self.prompts.add(&pair.prompt, prompt, group, at.number);
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

    pub(super) fn drop(&mut self, record: u64, reason: DropReason) {
        let (n, records) = self.dropped.entry(reason).or_default();
        *n += 1;
        if records.len() < N_FIRST && records.last() != Some(&record) {
            records.push(record);
        }
    }

    pub(super) fn add_tokens(&mut self, pair: PairTokens) {
        let (lengths, n_truncated, n_answers) = self.tokens.get_or_insert_default();
        lengths.add(pair.n_tokens);
        *n_truncated += u64::from(pair.is_truncated);
        *n_answers += u64::from(pair.is_answer_truncated);
    }

    /// Takes a pair of the test source; the hash of its group.
    pub(super) fn add_test(&mut self, found: &SourcePair) -> u64 {
        let group = group_hash(&found.pair.group);
        let prompt = text_hash(&found.pair.prompt);
        self.prompts.add(&found.pair.prompt, prompt, group, found.at.number);
        group
    }

    /// The hash of the group of each pair, in order.
    pub(super) fn groups_of_pairs(&self) -> &[u64] {
        &self.groups
    }

    pub(super) fn report(
        self,
        source: String,
        format: String,
        divided: Option<Divided>,
        max_share: f64,
    ) -> CheckReport {
        let leakage = divided.as_ref().map_or_else(Leakage::default, |divided| {
            self.prompts.across(&|group| divided.test_groups.contains(&group))
        });
        let findings = self.findings(&leakage, max_share);
        let [prompt, chosen, rejected] = &self.lengths;
        let n_groups = self.groups.iter().collect::<HashSet<_>>().len() as u64;
        let count = |(reason, (n, first_lines))| DropCount { reason, n, first_lines };
        CheckReport {
            source,
            format,
            n_pairs: self.n_pairs,
            n_fallback: self.n_fallback,
            n_groups,
            n_duplicates: self.n_duplicates,
            n_contradictions: self.n_contradictions,
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

    /// The findings. Ties and capped pairs come from how a format is read, and a prompt may lose
    /// its beginning, so neither is a finding.
    fn findings(&self, leakage: &Leakage, max_share: f64) -> Vec<Finding> {
        let unexpected = self.dropped.iter().filter(|(reason, _)| !reason.is_expected());
        let n_unusable = unexpected.map(|(_, (n, _))| n).sum::<u64>();
        let n_answers = self.tokens.as_ref().map_or(0, |(_, _, n)| *n);
        let all = self.n_pairs;
        let found = [
            ("unusable pairs", n_unusable, all + n_unusable),
            ("duplicates of an earlier pair", self.n_duplicates, all),
            ("contradictions of an earlier pair", self.n_contradictions, all),
            (
                "test prompts with a near-duplicate in the training part",
                leakage.n_near_duplicates,
                leakage.n_test_prompts,
            ),
            ("pairs with control characters", self.characters.n_control, all),
            ("pairs with lost characters (U+FFFD)", self.characters.n_replacement, all),
            ("pairs with an answer cut at the model's limit", n_answers, all),
        ];
        found
            .into_iter()
            .filter(|(_, n, _)| *n > 0)
            .map(|(what, n, of)| {
                let share = n as f64 / of.max(1) as f64;
                Finding { what, n, of, share, is_over: share > max_share }
            })
            .collect()
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
