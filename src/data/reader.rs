//! Pairs one by one from a source, whatever its format; only one line is in memory at a time.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::{DataError, excerpt};
use super::hh::ASSISTANT;
use super::layout::{self, Line, Texts};
use super::record::Field;
use super::settings::{BadPairPolicy, DatasetFormat, GroupBy, ReadSettings};
use super::source::{LineReader, Source};
use crate::domain::preference::PreferencePair;

/// Why a pair was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// `chosen` equals `rejected`.
    IdenticalResponses,
    /// Neither answer holds a visible character.
    EmptyResponses,
    /// Two dialogues without a common prompt.
    NoSharedPrompt,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdenticalResponses => "`chosen` equals `rejected`",
            Self::EmptyResponses => "both answers are empty",
            Self::NoSharedPrompt => "the dialogues share no prompt",
        })
    }
}

/// A pair and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePair {
    /// Line in the (decompressed) file, from 1.
    pub line: u64,
    /// The prompts of the two dialogues differed, so their common prefix became the prompt.
    pub fallback: bool,
    /// The pair.
    pub pair: PreferencePair,
}

/// What one line gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceItem {
    /// An accepted pair.
    Pair(SourcePair),
    /// A record that was left out.
    Dropped {
        /// Line in the (decompressed) file, from 1.
        line: u64,
        /// Why.
        reason: DropReason,
    },
}

/// Iterator over the records of one source. After an error it is at its end.
pub struct PairReader {
    lines: LineReader,
    path: String,
    settings: ReadSettings,
    format: DatasetFormat,
    n_accepted: u64,
    n_dropped: u64,
    first_dropped: Option<(u64, DropReason)>,
    done: bool,
}

/// Which format the first record of a source has.
pub fn detect(source: &Source) -> Result<DatasetFormat, DataError> {
    let mut lines = LineReader::open(source)?;
    let path = lines.path().to_owned();
    let Some((number, text)) = lines.next_line()? else {
        return Err(DataError::Empty { path });
    };
    let record = Line { path: &path, number, text }.parse()?;
    Ok(match (&record.prompt, &record.chosen, &record.rejected) {
        (Field::Absent, Field::Text(chosen), Field::Text(rejected))
            if chosen.contains(ASSISTANT) && rejected.contains(ASSISTANT) =>
        {
            DatasetFormat::HhRlhf
        }
        (Field::Text(_), Field::Text(_), Field::Text(_))
            if matches!((&record.skill, &record.fault), (Field::Text(_), Field::Text(_))) =>
        {
            DatasetFormat::Pocket
        }
        _ => DatasetFormat::Jsonl,
    })
}

/// Opens a source. A missing, empty or wrongly compressed file fails here, before any pair.
pub fn open(source: &Source, settings: &ReadSettings) -> Result<PairReader, DataError> {
    let format = match settings.format {
        Some(format) => format,
        None => detect(source)?,
    };
    Ok(PairReader {
        lines: LineReader::open(source)?,
        path: source.to_string(),
        settings: settings.clone(),
        format,
        n_accepted: 0,
        n_dropped: 0,
        first_dropped: None,
        done: false,
    })
}

impl PairReader {
    /// The format being read.
    #[must_use]
    pub fn format(&self) -> DatasetFormat {
        self.format
    }

    fn read(&mut self) -> Result<Option<SourceItem>, DataError> {
        if self.settings.limit > 0 && self.n_accepted >= self.settings.limit {
            return Ok(None);
        }
        let Some((number, text)) = self.lines.next_line()? else {
            return self.end().map(|()| None);
        };
        let line = Line { path: &self.path, number, text };
        let record = line.parse()?;
        let Texts { prompt, chosen, rejected, fallback } =
            match layout::texts(line, &record, self.format)? {
                Ok(texts) => texts,
                Err(reason) => {
                    let strict = self.settings.policy == BadPairPolicy::Refuse;
                    if strict && self.format != DatasetFormat::HhRlhf {
                        let (path, excerpt) = (self.path.clone(), excerpt(text));
                        return Err(DataError::BadPair { path, line: number, reason, excerpt });
                    }
                    self.n_dropped += 1;
                    self.first_dropped.get_or_insert((number, reason));
                    return Ok(Some(SourceItem::Dropped { line: number, reason }));
                }
            };
        let group = match &self.settings.group {
            // Pairs without any prompt have nothing in common.
            GroupBy::Prompt if prompt.is_empty() => format!("line {number}"),
            GroupBy::Prompt => prompt.clone(),
            GroupBy::Column(column) => line.column(column)?,
        };
        let label_noise = match &record.label_noise {
            Field::Absent => false,
            Field::Bool(value) => *value,
            other => return Err(line.wrong_type("label_noise", other, "true or false")),
        };
        let slice = record.slice_name();
        let pair = PreferencePair { prompt, chosen, rejected, group, slice, label_noise };
        self.n_accepted += 1;
        Ok(Some(SourceItem::Pair(SourcePair { line: number, fallback, pair })))
    }

    /// At the end of the source at least one pair must have been usable.
    fn end(&self) -> Result<(), DataError> {
        let path = self.path.clone();
        match (self.n_accepted, self.first_dropped) {
            (0, Some((line, reason))) => {
                Err(DataError::AllDropped { path, line, n_dropped: self.n_dropped, reason })
            }
            (0, None) => Err(DataError::Empty { path }),
            _ => Ok(()),
        }
    }
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
