//! Pairs one by one from a file, whatever its format; only one record is in memory at a time.

use std::collections::{BTreeSet, VecDeque};

use super::drop_reason::DropReason;
use super::error::{DataError, RecordError};
use super::format::{self, DatasetFormat, Found};
use super::json::Json;
use super::place::Place;
use super::proposal::Judge;
use super::proposal::guess::propose;
use super::rows::{Note, Rows};
use super::settings::{BadPairPolicy, GroupBy, ReadSettings};
use super::source::Source;
use crate::domain::preference::PreferencePair;

/// A pair and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePair {
    /// Its record in the file.
    pub at: Place,
    /// Whether the prompts of the two dialogues differed, so that their common prefix became the
    /// prompt.
    pub fallback: bool,
    /// The record says how much better the chosen answer is, which is not used.
    pub has_margin: bool,
    pub pair: PreferencePair,
}

/// What a record gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceItem {
    Pair(SourcePair),
    /// A pair that was left out.
    Dropped {
        /// Its record in the file.
        at: Place,
        reason: DropReason,
    },
}

/// Iterator over the pairs of one file. After an error it is at its end.
pub struct PairReader {
    rows: Rows,
    path: String,
    settings: ReadSettings,
    format: DatasetFormat,
    /// Pairs of the last record that were not returned yet.
    items: VecDeque<SourceItem>,
    found: Vec<Found>,
    n_accepted: u64,
    n_dropped: u64,
    first_dropped: Option<(Place, DropReason)>,
    done: bool,
}

/// Which format a file has: the one the settings name, or that of its first record.
pub fn detect(source: &Source, settings: &ReadSettings) -> Result<DatasetFormat, DataError> {
    look(source, settings).map(|(format, _)| format)
}

/// The format of a file, and what else was understood about it.
pub(super) fn look(
    source: &Source,
    settings: &ReadSettings,
) -> Result<(DatasetFormat, Vec<Note>), DataError> {
    let format = match settings.format {
        Some(DatasetFormat::Columns) if settings.columns.a.is_empty() => {
            return Err(DataError::NoColumns);
        }
        None if settings.columns.is_set() => Some(DatasetFormat::Columns),
        format => format,
    };
    let path = source.to_string();
    let mut rows = open_rows(source, settings)?;
    let notes = rows.notes().to_vec();
    if format == Some(DatasetFormat::Columns) && settings.columns.has_no_judge() {
        let answers = [settings.columns.a.list(), settings.columns.b.list()].concat().join(", ");
        let proposal = propose(source, settings).map(Box::new);
        return Err(DataError::NoLabel { path, answers, proposal });
    }
    if format == Some(DatasetFormat::Columns)
        && let Some((at, error)) = unknown_label(&mut rows, settings)
    {
        let proposal = propose(source, settings).filter(|it| it.judge != Judge::Said);
        let proposal = proposal.map(Box::new);
        return Err(DataError::Layout { path, at, error, proposal });
    }
    if let Some(format) = format {
        return Ok((format, notes));
    }
    let Some((at, record)) = rows.next()? else { return Err(DataError::Empty { path }) };
    match format::detect(&record) {
        Ok(format) => Ok((format, notes)),
        Err(error) if error.is_of_the_layout() => {
            let proposal = propose(source, settings).map(Box::new);
            Err(DataError::Layout { path, at, error, proposal })
        }
        Err(error) => Err(DataError::Record { path, at, error }),
    }
}

/// The records of a file, with the columns that the settings name.
pub(super) fn open_rows(source: &Source, settings: &ReadSettings) -> Result<Rows, DataError> {
    Rows::open_with(source, &settings.named_columns())
}

/// Most labels that are read to find out what they mean.
const N_LABELS: usize = 1000;

/// The first of the first labels whose meaning is not known, where nothing says what labels mean. What
/// else is wrong with a record is told when it is read.
fn unknown_label(rows: &mut Rows, settings: &ReadSettings) -> Option<(Place, RecordError)> {
    if settings.columns.labels().is_empty() || !settings.columns.values.is_empty() {
        return None;
    }
    for _ in 0..N_LABELS {
        let (at, record) = rows.next().ok()??;
        if let Some(error) = format::unknown_label(&record, &settings.columns) {
            return Some((at, error));
        }
    }
    None
}

/// Refuses labels whose usual meaning is ambiguous.
fn check_labels(source: &Source, settings: &ReadSettings) -> Result<(), DataError> {
    if settings.columns.labels().is_empty() || !settings.columns.values.is_empty() {
        return Ok(());
    }
    let mut rows = open_rows(source, settings)?;
    let (mut seen, mut n_read) = (BTreeSet::new(), 0);
    while n_read < N_LABELS {
        let Some((_, record)) = rows.next()? else { break };
        let labels = format::unexplained_labels(&record, &settings.columns);
        n_read += labels.len().max(1);
        seen.extend(labels);
        if !seen.is_empty() && !seen.iter().all(|label| matches!(label.as_str(), "0" | "1")) {
            return Ok(());
        }
    }
    if format::is_ambiguous(&seen) {
        let (path, column) = (source.to_string(), settings.columns.label.list().join(", "));
        return Err(DataError::AmbiguousLabels { path, column, n_read });
    }
    Ok(())
}

/// Opens a file. A missing, empty or wrongly compressed one fails here, before any pair.
pub fn open(source: &Source, settings: &ReadSettings) -> Result<PairReader, DataError> {
    let format = detect(source, settings)?;
    if format == DatasetFormat::Columns {
        check_labels(source, settings)?;
    }
    Ok(PairReader {
        rows: open_rows(source, settings)?,
        path: source.to_string(),
        settings: settings.clone(),
        format,
        items: VecDeque::new(),
        found: Vec::new(),
        n_accepted: 0,
        n_dropped: 0,
        first_dropped: None,
        done: false,
    })
}

impl PairReader {
    fn read(&mut self) -> Result<Option<SourceItem>, DataError> {
        while self.items.is_empty() {
            if !self.read_record()? {
                return self.end().map(|()| None);
            }
        }
        let item = self.items.pop_front();
        match &item {
            Some(SourceItem::Pair(_)) => self.n_accepted += 1,
            Some(SourceItem::Dropped { at, reason }) => {
                self.n_dropped += 1;
                self.first_dropped.get_or_insert((*at, *reason));
            }
            None => {}
        }
        Ok(item)
    }

    /// Reads the pairs of the next record; false at the end.
    fn read_record(&mut self) -> Result<bool, DataError> {
        let Self { rows, path, settings, format, items, found, .. } = self;
        let Some((at, record)) = rows.next()? else { return Ok(false) };
        let wrong = |error| DataError::Record { path: path.clone(), at, error };
        found.clear();
        match format::read(&record, *format, settings, found) {
            Err(RecordError::NoContent { .. }) => found.push(Err(DropReason::MissingAnswer)),
            read => read.map_err(wrong)?,
        }
        let is_strict = settings.policy == BadPairPolicy::Refuse && format.is_strict();
        for found in found.drain(..) {
            items.push_back(match found.and_then(format::Texts::usable) {
                Ok(texts) => {
                    let pair = pair(texts, at, &record, *format, settings).map_err(wrong)?;
                    SourceItem::Pair(pair)
                }
                Err(reason) if is_strict && reason.is_mistake() => {
                    let (path, excerpt) = (path.clone(), record.excerpt());
                    return Err(DataError::BadPair { path, at, reason, excerpt });
                }
                Err(reason) => SourceItem::Dropped { at, reason },
            });
        }
        Ok(true)
    }

    /// Checks at the end of the source that at least one pair was usable.
    fn end(&self) -> Result<(), DataError> {
        let path = self.path.clone();
        match (self.n_accepted, self.first_dropped) {
            (0, Some((at, reason))) => {
                Err(DataError::AllDropped { path, at, n_dropped: self.n_dropped, reason })
            }
            (0, None) => Err(DataError::Empty { path }),
            _ => Ok(()),
        }
    }
}

/// The texts of a pair with what the rest of the record says about it.
fn pair(
    texts: format::Texts,
    at: Place,
    record: &Json<'_>,
    format: DatasetFormat,
    settings: &ReadSettings,
) -> Result<SourcePair, RecordError> {
    let format::Texts { prompt, chosen, rejected, form, fallback } = texts;
    let group = match &settings.group {
        // Pairs without any prompt need not stay together, so each is a group.
        GroupBy::Prompt if prompt.is_empty() => format!("line {}", at.number),
        GroupBy::Prompt => prompt.clone(),
        GroupBy::Column(column) => match record.get(column) {
            Json::Null => {
                let available = record.keys();
                return Err(RecordError::MissingField { field: column.clone(), available });
            }
            value => value.to_label().map_or_else(|| value.excerpt(), std::borrow::Cow::into_owned),
        },
    };
    let label_noise = match record.get("label_noise") {
        Json::Null => false,
        Json::Bool(value) => *value,
        other => {
            let (field, found) = ("label_noise".to_owned(), other.describe());
            return Err(RecordError::WrongType { field, found, expected: "true or false" });
        }
    };
    let slice = format::slice(record, format, settings);
    let has_margin =
        record.has("margin") || (record.has("score_chosen") && record.has("score_rejected"));
    let pair = PreferencePair { prompt, chosen, rejected, form, group, slice, label_noise };
    Ok(SourcePair { at, fallback, has_margin, pair })
}

impl Iterator for PairReader {
    type Item = Result<SourceItem, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

#[cfg(test)]
mod tests;
