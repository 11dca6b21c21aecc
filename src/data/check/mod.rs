//! What a data set holds and what is wrong with it, in one pass.
//!
//! Texts are kept as hashes and signatures: about 150 bytes a pair.

mod characters;
mod lengths;
mod near;
mod report;
mod tally;

use std::collections::BTreeSet;

use super::error::DataError;
use super::mixture::{MixtureReader, Part, format_names};
use super::reader::SourceItem;
use super::settings::ReadSettings;
use crate::domain::preference::PreferencePair;
use crate::domain::split::{SplitRule, split};

pub use report::{CheckReport, PairTokens, TokenReport};
use report::{Divided, SplitCounts};
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

/// Counts the tokens of some pairs, in their order.
pub type TokenCounter<'a, E> = &'a mut dyn FnMut(&[PreferencePair]) -> Result<Vec<PairTokens>, E>;

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
