//! What a check reports.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::characters::ScriptCount;
use super::lengths::LengthSummary;
use super::near::Leakage;
use crate::data::drop_reason::DropReason;
use crate::data::proposal::{Field, ShownPair};
use crate::domain::text::words;

/// What tokenizing a pair costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PairTokens {
    /// Tokens of the longer of its two texts, before anything is cut.
    pub n_tokens: u64,
    /// Whether anything is cut at the model's limit.
    pub is_truncated: bool,
    /// Whether an answer loses text.
    pub is_answer_truncated: bool,
}

/// Pairs left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DropCount {
    pub reason: DropReason,
    pub n: u64,
    /// The first records (lines, elements or rows), at most five.
    pub first_lines: Vec<u64>,
    /// The same with their files, where there are several.
    pub first_records: Vec<RecordName>,
}

/// How often the longer answer is the chosen one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct LengthBias {
    /// The chosen answer has more characters.
    pub n_longer: u64,
    pub n_shorter: u64,
    /// Both have as many.
    pub n_equal: u64,
    /// Share of the longer among the unequal, with its 95 % interval (Wilson).
    pub share: f64,
    pub ci_low: f64,
    pub ci_high: f64,
}

/// Tokens at the limit of a model.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TokenReport {
    /// The model whose tokenizer counted, and its limit in tokens.
    pub model: String,
    pub max_tokens: u64,
    /// Tokens of the longer text of a pair, before anything is cut.
    pub lengths: LengthSummary,
    /// `(64, n)`: n pairs have 32 to 63 tokens.
    pub histogram: Vec<(u64, u64)>,
    /// Pairs that lose text, of the prompt or of an answer.
    pub n_truncated: u64,
    /// Pairs of which an answer loses text.
    pub n_answers_truncated: u64,
}

/// The parts a run would make, in pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SplitCounts {
    /// Human labels to train on.
    pub seed_set: u64,
    /// Human labels that decide things.
    pub validation: u64,
    pub unlabeled_pool: u64,
    /// Pairs of the test part, or of the test source.
    pub test: u64,
    /// Pairs left out of training because their group is in the test source.
    pub left_out: u64,
}

/// Something wrong with some of the pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What, in words.
    pub what: String,
    pub n: u64,
    pub of: u64,
    pub share: f64,
    /// Whether it makes the check fail: its share is above the limit.
    pub is_over: bool,
    /// Where it is: the first records, at most five.
    pub examples: Vec<Example>,
    /// What a run does about it; empty where nothing is to be said.
    pub consequence: &'static str,
}

/// A record of a finding, beside the earlier one that it repeats or contradicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    pub record: RecordName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<RecordName>,
}

/// A record of one of several files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordName {
    /// The file; empty where the source is one file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Its line, element or row, from 1.
    pub number: u64,
}

impl std::fmt::Display for RecordName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, number } = self;
        if file.is_empty() { write!(f, "{number}") } else { write!(f, "{number} of `{file}`") }
    }
}

/// Statistics of one data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// The sources as they were named.
    pub source: String,
    pub format: String,
    /// Pairs that were accepted.
    pub n_pairs: u64,
    /// Pairs left out, by reason.
    pub dropped: Vec<DropCount>,
    /// Pairs whose prompt is the common prefix of two different dialogues.
    pub n_fallback: u64,
    pub n_groups: u64,
    /// Pairs that are equal to an earlier pair.
    pub n_duplicates: u64,
    /// Pairs whose answers an earlier pair has with the opposite preference.
    pub n_contradictions: u64,
    /// Pairs whose prompt occurred in an earlier pair.
    pub n_repeated_prompts: u64,
    /// Pairs with recorded label noise.
    pub n_label_noise: u64,
    /// Pairs with a margin, which is not used.
    pub n_margins: u64,
    /// How often the longer answer is chosen.
    pub length_bias: LengthBias,
    /// Prompt lengths in characters.
    pub prompt_chars: LengthSummary,
    /// Lengths of the chosen answers.
    pub chosen_chars: LengthSummary,
    /// Lengths of the rejected answers.
    pub rejected_chars: LengthSummary,
    /// What the texts are written in, the commonest first.
    pub scripts: Vec<ScriptCount>,
    /// Pairs with control characters or bidirectional overrides.
    pub n_control: u64,
    /// Pairs with U+FFFD, which stands where a character was lost.
    pub n_replacement: u64,
    /// Pairs by slice; empty when the source names none. At most 1,000 slices are counted.
    pub slices: BTreeMap<String, u64>,
    /// The parts a run would make; none when there are too few pairs.
    pub splits: Option<SplitCounts>,
    /// Near-duplicates across the split: prompts of the test part that resemble a training prompt.
    pub leakage: Leakage,
    /// What the tokenizer of a model says.
    pub tokens: Option<TokenReport>,
    /// The first pairs as they would be trained on.
    pub pairs: Vec<ShownPair>,
    /// Fields of the first file that nothing is read from, with what they hold.
    pub unused: Vec<Field>,
    /// Everything that is wrong, also where it is rare; findings without a pair are not listed.
    pub findings: Vec<Finding>,
}

/// What was read, and with what.
pub(super) struct Reading {
    pub(super) source: String,
    pub(super) format: String,
    pub(super) pairs: Vec<ShownPair>,
    pub(super) unused: Vec<Field>,
    /// The model whose tokens are counted, with its limit.
    pub(super) model: String,
    pub(super) max_tokens: u64,
    pub(super) is_model_named: bool,
}

/// The parts and the groups that are tested.
pub(super) struct Divided {
    pub(super) counts: SplitCounts,
    pub(super) test_groups: BTreeSet<u64>,
    /// Pairs of the seed set, validation and test as the shares of the spec would have them.
    pub(super) wanted: [u64; 3],
}

impl Divided {
    /// Whether whole groups are so large that the parts are far from what is asked for.
    pub(super) fn lopsided(&self, n_groups: u64) -> Option<Finding> {
        let SplitCounts { seed_set, validation, test, .. } = self.counts;
        let groups = format!("{} groups are never divided", words::count(n_groups));
        let [wanted_seed, _, wanted_test] = self.wanted;
        let finding = |n: u64, of: u64, what: String| Finding {
            what,
            n,
            of,
            share: n as f64 / of.max(1) as f64,
            is_over: true,
            examples: Vec::new(),
            consequence: "name a finer group with `--group` (`data.group`), or more `data.seed_labels`",
        };
        let all = seed_set + validation;
        if validation > seed_set {
            let what =
                format!("labeled pairs are validation, more than the seed set has: {groups}");
            return Some(finding(validation, all, what));
        }
        if all > 2 * wanted_seed.max(1) {
            let wanted = words::count(wanted_seed);
            let what = format!("training pairs are labeled, where {wanted} are wanted: {groups}");
            return Some(finding(all, all + self.counts.unlabeled_pool, what));
        }
        if wanted_test > 0 && test > 2 * wanted_test {
            let wanted = words::count(wanted_test);
            let what = format!("pairs are test pairs, where {wanted} are wanted: {groups}");
            return Some(finding(test, test + all + self.counts.unlabeled_pool, what));
        }
        None
    }
}
