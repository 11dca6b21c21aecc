//! What a data set holds and what is wrong with it, in one pass.
//!
//! Texts are kept as hashes and signatures: about 150 bytes a pair.

mod characters;
mod lengths;
mod near;
mod records;
mod report;
mod tally;

use std::collections::BTreeSet;

use super::error::DataError;
use super::format::DatasetFormat;
use super::mixture::{MixtureReader, Part, format_names};
use super::proposal::Field;
use super::proposal::fields::Profile;
use super::proposal::guess::{first_fields, first_pairs};
use super::reader::SourceItem;
use super::settings::ReadSettings;
use super::source::Source;
use super::understanding::understand;
use crate::domain::preference::PreferencePair;
use crate::domain::split::{SplitError, SplitRule, split};

pub use report::{CheckReport, Example, Finding, PairTokens, RecordName, TokenReport};
use report::{Divided, Reading, SplitCounts};
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
    /// The model whose tokens are counted.
    pub model: String,
    /// Its limit.
    pub max_tokens: u64,
    /// Whether the person named it; if not, what it cuts is told and not judged.
    pub is_model_named: bool,
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
    let reading = reading(&parts, settings);
    let mut tally = Tally::default();
    let mut waiting = Waiting::default();
    let mut reader = MixtureReader::new(parts, settings.read.clone());
    while let Some(item) = reader.next() {
        match item? {
            SourceItem::Pair(found) => {
                tally.add(&found, reader.file());
                if tokens.is_some() {
                    waiting.records.push(tally.record(reader.file(), found.at.number));
                    waiting.pairs.push(found.pair);
                }
            }
            SourceItem::Dropped { at, reason } => tally.drop(at.number, reader.file(), reason),
        }
        if waiting.pairs.len() == PAIRS_AT_ONCE {
            count_tokens(&mut tally, &mut tokens, &mut waiting)?;
        }
    }
    count_tokens(&mut tally, &mut tokens, &mut waiting)?;
    let test_groups = test.map(|test| read_test(&mut tally, test, settings)).transpose()?;
    let splits = divide(&tally, test_groups.as_ref(), settings);
    Ok(tally.report(reading, splits, settings.max_share))
}

/// What is told of the sources beside their numbers.
fn reading(parts: &[Part], settings: &CheckSettings) -> Reading {
    let names: Vec<String> = parts.iter().map(|part| part.name.clone()).collect();
    let first = parts.first().and_then(|part| part.files.first());
    let pairs = first.and_then(|(file, format)| first_pairs(file, *format, &settings.read));
    let unused = first.and_then(|(file, format)| unused(file, *format, &settings.read));
    Reading {
        source: names.join(", "),
        format: format_names(parts),
        pairs: pairs.unwrap_or_default(),
        unused: unused.unwrap_or_default(),
        model: settings.model.clone(),
        max_tokens: settings.max_tokens,
        is_model_named: settings.is_model_named,
    }
}

/// The fields of a file that nothing is read from; nothing where its first records are broken, which
/// the reading itself will say.
fn unused(file: &Source, format: DatasetFormat, settings: &ReadSettings) -> Option<Vec<Field>> {
    let understood = understand(file, format, settings).ok()??;
    let fields = first_fields(file, settings)?;
    let unused = fields.fields.iter().filter(|field| understood.unused.contains(&field.name));
    Some(unused.map(Profile::told).collect())
}

/// Pairs whose tokens are counted together, with their records.
#[derive(Default)]
struct Waiting {
    pairs: Vec<PreferencePair>,
    records: Vec<u64>,
}

fn count_tokens<E>(
    tally: &mut Tally,
    tokens: &mut Option<TokenCounter<'_, E>>,
    waiting: &mut Waiting,
) -> Result<(), E> {
    let Waiting { pairs, records } = std::mem::take(waiting);
    if let Some(counter) = tokens
        && !pairs.is_empty()
    {
        for (pair, record) in counter(&pairs)?.into_iter().zip(records) {
            tally.add_tokens(pair, record);
        }
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
    let mut reader = MixtureReader::new(parts, read);
    while let Some(item) = reader.next() {
        if let SourceItem::Pair(found) = item? {
            test.n_pairs += 1;
            test.groups.insert(tally.add_test(&found, reader.file()));
        }
    }
    Ok(test)
}

fn divide(
    tally: &Tally,
    test: Option<&TestPart>,
    settings: &CheckSettings,
) -> Result<Divided, SplitError> {
    let groups = tally.groups_of_pairs();
    let given = test.map(|test| &test.groups);
    let parts = split(groups, given, &settings.split)?;
    let own = || parts.test.iter().map(|id| groups[id.0 as usize]).collect();
    Ok(Divided {
        counts: SplitCounts {
            seed_set: parts.seed_set.len() as u64,
            validation: parts.validation.len() as u64,
            unlabeled_pool: parts.unlabeled_pool.len() as u64,
            test: test.map_or(parts.test.len() as u64, |test| test.n_pairs),
            left_out: parts.n_leaked,
        },
        test_groups: given.cloned().unwrap_or_else(own),
        wanted: wanted(groups.len() - parts.n_leaked as usize, given.is_some(), &settings.split),
    })
}

/// How many pairs the seed set with its validation, the validation and the test part should have.
fn wanted(n_pairs: usize, has_test: bool, rule: &SplitRule) -> [u64; 3] {
    let of = |share: f64, n: usize| (share * n as f64).round() as usize;
    let test = if has_test { 0 } else { of(rule.test_share, n_pairs) };
    let seed = rule.seed_labels.of(n_pairs - test);
    [seed, of(rule.validation_share, seed), test].map(|n| n as u64)
}

#[cfg(test)]
mod tests;
