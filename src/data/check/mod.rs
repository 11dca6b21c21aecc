//! What a data set holds and what is wrong with it, in one pass.
//!
//! Texts are kept as hashes and signatures: about 150 bytes a pair.

mod characters;
mod lengths;
mod near;
mod tally;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::error::DataError;
use super::mixture::{MixtureReader, Part, format_names};
use super::reader::{DropReason, SourceItem};
use super::settings::ReadSettings;
use crate::domain::preference::PreferencePair;
use crate::domain::split::{SplitRule, split};

pub use characters::ScriptCount;
pub use lengths::LengthSummary;
pub use near::Leakage;
use tally::Tally;

/// Pairs whose tokens are counted at a time.
const PAIRS_AT_ONCE: usize = 512;

/// Which data a check reads, and what a run would do with them.
#[derive(Debug, Clone)]
pub struct CheckSettings {
    /// How to read the sources.
    pub read: ReadSettings,
    /// How a run would divide the source.
    pub split: SplitRule,
    /// The share of the pairs from which on a finding counts as one.
    pub max_share: f64,
}

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

/// Counts the tokens of some pairs, in their order.
pub type TokenCounter<'a, E> = &'a mut dyn FnMut(&[PreferencePair]) -> Result<Vec<PairTokens>, E>;

/// Pairs left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DropCount {
    pub reason: DropReason,
    pub n: u64,
    /// The first records (lines, elements or rows), at most five.
    pub first_lines: Vec<u64>,
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
    pub what: &'static str,
    pub n: u64,
    pub of: u64,
    pub share: f64,
    /// Whether the share is above the limit.
    pub is_over: bool,
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
    /// Pairs that equal an earlier pair.
    pub n_duplicates: u64,
    /// Pairs that prefer the answer an earlier pair with the same answers rejects.
    pub n_contradictions: u64,
    /// Pairs whose prompt an earlier pair had.
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
    /// Prompts of the test part that nearly stand in the training part.
    pub leakage: Leakage,
    /// What the tokenizer says, when a model was named.
    pub tokens: Option<TokenReport>,
    /// What is wrong, also where it is rare; what does not occur is not listed.
    pub findings: Vec<Finding>,
}

/// Reads a data set to its end, and its test source if there is one.
///
/// # Errors
/// The first broken record, or what the tokenizer says.
pub fn check<E: From<DataError>>(
    parts: Vec<Part>,
    test: Option<Vec<Part>>,
    settings: &CheckSettings,
    mut tokens: Option<TokenCounter<'_, E>>,
) -> Result<CheckReport, E> {
    let names: Vec<String> = parts.iter().map(|part| part.name.clone()).collect();
    let mut tally = Tally::default();
    let format = format_names(&parts);
    let mut waiting = Vec::new();
    for item in MixtureReader::new(parts, settings.read.clone()) {
        match item? {
            SourceItem::Pair(found) => {
                tally.add(&found);
                if tokens.is_some() {
                    waiting.push(found.pair);
                }
            }
            SourceItem::Dropped { at, reason } => tally.drop(at.number, reason),
        }
        if waiting.len() == PAIRS_AT_ONCE {
            count_tokens(&mut tally, &mut tokens, &mut waiting)?;
        }
    }
    count_tokens(&mut tally, &mut tokens, &mut waiting)?;
    let test_groups = test.map(|test| read_test(&mut tally, test, settings)).transpose()?;
    let splits = divide(&tally, test_groups.as_ref(), settings);
    Ok(tally.report(names.join(", "), format, splits, settings.max_share))
}

fn count_tokens<E>(
    tally: &mut Tally,
    tokens: &mut Option<TokenCounter<'_, E>>,
    waiting: &mut Vec<PreferencePair>,
) -> Result<(), E> {
    if let Some(counter) = tokens
        && !waiting.is_empty()
    {
        for pair in counter(waiting)? {
            tally.add_tokens(pair);
        }
        waiting.clear();
    }
    Ok(())
}

/// A test source, of which only groups, prompts and the number count.
struct TestPart {
    groups: BTreeSet<u64>,
    n_pairs: u64,
}

fn read_test(
    tally: &mut Tally,
    parts: Vec<Part>,
    settings: &CheckSettings,
) -> Result<TestPart, DataError> {
    let mut test = TestPart { groups: BTreeSet::new(), n_pairs: 0 };
    let read = ReadSettings { limit: 0, ..settings.read.clone() };
    for item in MixtureReader::new(parts, read) {
        if let SourceItem::Pair(found) = item? {
            test.n_pairs += 1;
            test.groups.insert(tally.add_test(&found));
        }
    }
    Ok(test)
}

/// The parts and the groups that are tested.
struct Divided {
    counts: SplitCounts,
    test_groups: BTreeSet<u64>,
}

fn divide(tally: &Tally, test: Option<&TestPart>, settings: &CheckSettings) -> Option<Divided> {
    let groups = tally.groups_of_pairs();
    let given = test.map(|test| &test.groups);
    let parts = split(groups, given, &settings.split).ok()?;
    let own = || parts.test.iter().map(|id| groups[id.0 as usize]).collect();
    Some(Divided {
        counts: SplitCounts {
            seed_set: parts.seed_set.len() as u64,
            validation: parts.validation.len() as u64,
            unlabeled_pool: parts.unlabeled_pool.len() as u64,
            test: test.map_or(parts.test.len() as u64, |test| test.n_pairs),
            left_out: parts.n_leaked,
        },
        test_groups: given.cloned().unwrap_or_else(own),
    })
}

#[cfg(test)]
mod tests;
