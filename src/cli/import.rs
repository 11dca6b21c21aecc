//! A source becomes a data set of the store, once: the fingerprint of its content names it.

use std::io::{IsTerminal, Write};

use super::{CliError, CliResult, Context, words};
use crate::data::{
    self, BadPairPolicy, DataError, Fingerprint, GroupBy, ReadSettings, Source, SourceItem,
};
use crate::store::rows::DatasetRow;
use crate::store::{ImportItem, NewDataset, Store};

/// Pairs between two updates of the progress line.
const PAIRS_PER_UPDATE: u64 = 5_000;

/// How to read what the person named.
#[derive(Debug, Clone, Copy)]
pub struct ImportSettings<'a> {
    /// `auto`, or a format's name.
    pub format: &'a str,
    /// `prompt`, or a column.
    pub group: &'a str,
    /// At most so many pairs over all sources; 0 is all.
    pub limit: u64,
}

/// A data set, and whether this import made it.
#[derive(Debug)]
pub struct Imported {
    /// The row.
    pub dataset: DatasetRow,
    /// False when the same content had been imported before.
    pub is_new: bool,
}

/// Finds or imports the pairs of some sources, read one after the other.
///
/// # Errors
/// The first broken line; nothing is kept of the sources then.
pub fn import(
    context: &Context,
    store: &mut Store,
    sources: &[Source],
    settings: &ImportSettings<'_>,
) -> CliResult<Imported> {
    let Some(first) = sources.first() else {
        return Err(CliError::input("`data.source` is an empty list").with_hint("name a file"));
    };
    let format = match data::DatasetFormat::parse(settings.format)? {
        Some(format) => format,
        None => data::detect(first)?,
    };
    let read = ReadSettings {
        format: Some(format),
        group: group_by(settings.group),
        limit: settings.limit,
        // Who names a file wants every pair of it; records that say nothing are refused by line.
        policy: BadPairPolicy::Refuse,
    };
    let fingerprint = Fingerprint::of(sources, format, &read)?.0;
    if let Some(dataset) = store.find_dataset(&fingerprint)? {
        return Ok(Imported { dataset, is_new: false });
    }
    let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
    let new = NewDataset {
        fingerprint,
        source: names.join(", "),
        format: format.to_string(),
        grouped_by: settings.group.to_owned(),
    };
    let mut progress = Progress::new(context);
    let mut items = Items {
        sources,
        read: &read,
        reader: None,
        n_left: settings.limit,
        progress: &mut progress,
    };
    let dataset = store.import_dataset::<CliError>(&new, &mut items);
    progress.clear();
    Ok(Imported { dataset: dataset?, is_new: true })
}

/// `prompt`, or a column.
#[must_use]
pub fn group_by(group: &str) -> GroupBy {
    match group {
        "prompt" => GroupBy::Prompt,
        column => GroupBy::Column(column.to_owned()),
    }
}

/// Sources one after the other, up to a limit over all of them.
struct Items<'a, 'b> {
    sources: &'a [Source],
    read: &'a ReadSettings,
    reader: Option<data::PairReader>,
    n_left: u64,
    progress: &'b mut Progress,
}

impl Items<'_, '_> {
    fn advance(&mut self) -> Result<Option<ImportItem>, DataError> {
        let has_limit = self.read.limit > 0;
        loop {
            if has_limit && self.n_left == 0 {
                return Ok(None);
            }
            let reader = match &mut self.reader {
                Some(reader) => reader,
                slot => {
                    let Some((source, rest)) = self.sources.split_first() else { return Ok(None) };
                    self.sources = rest;
                    let settings = ReadSettings { limit: self.n_left, ..self.read.clone() };
                    slot.insert(data::open(source, &settings)?)
                }
            };
            match reader.next().transpose()? {
                None => self.reader = None,
                Some(SourceItem::Dropped { .. }) => return Ok(Some(ImportItem::Dropped)),
                Some(SourceItem::Pair(found)) => {
                    self.n_left = self.n_left.saturating_sub(1);
                    self.progress.count();
                    return Ok(Some(ImportItem::Pair { line: found.line, pair: found.pair }));
                }
            }
        }
    }
}

impl Iterator for Items<'_, '_> {
    type Item = CliResult<ImportItem>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().map_err(CliError::from).transpose()
    }
}

/// A line that counts up, on a terminal only.
struct Progress {
    is_shown: bool,
    n_pairs: u64,
}

impl Progress {
    fn new(context: &Context) -> Self {
        Self { is_shown: !context.quiet && std::io::stderr().is_terminal(), n_pairs: 0 }
    }

    fn count(&mut self) {
        self.n_pairs += 1;
        if self.is_shown && self.n_pairs.is_multiple_of(PAIRS_PER_UPDATE) {
            let _ = write!(std::io::stderr(), "\rreading pairs: {} ", words::count(self.n_pairs));
        }
    }

    fn clear(&self) {
        if self.is_shown && self.n_pairs >= PAIRS_PER_UPDATE {
            // Back to the first column, and erase to the end of the line.
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
