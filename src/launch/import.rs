//! Imports sources as a data set of the store. A fingerprint of their content identifies it, so the
//! same content is imported once.

use std::collections::BTreeMap;

use super::{LaunchError, LaunchResult, Place, read_ahead};
use crate::data::{
    self, BadPairPolicy, DataError, DatasetFormat, DropReason, Fingerprint, GroupBy, MixtureReader,
    Part, ReadSettings, SourceItem, Understanding,
};
use crate::domain::source::data_files;
use crate::domain::spec::{ColumnsSpec, ExperimentSpec, SourcePart};
use crate::domain::text::words::count;
use crate::store::rows::DatasetRow;
use crate::store::{Batches, ImportItem, NewDataset, Store};

/// What stands for the data set inside the program, whose layout nobody needs to be told.
const EMBEDDED: &str = "embedded";
/// How many unused columns are named in the note about them.
const UNUSED_MAX: usize = 12;
/// Pairs between two updates of the progress line.
const PAIRS_PER_UPDATE: u64 = 5_000;

/// How to read what the person named.
#[derive(Debug, Clone, Copy)]
pub struct ImportSettings<'a> {
    /// Which files of a folder are read.
    pub part: data_files::Part,
    /// `auto`, or a format's name.
    pub format: &'a str,
    /// `prompt`, or a column.
    pub group: &'a str,
    /// A random sample of so many pairs over all sources; 0 is all.
    pub limit: u64,
    /// Keys that sample.
    pub rng_seed: u64,
    /// Most pairs of one record; 0 is all.
    pub pairs_per_record: u32,
    /// Which columns hold a pair.
    pub columns: &'a ColumnsSpec,
}

impl<'a> ImportSettings<'a> {
    /// What a spec says.
    #[must_use]
    pub fn of_spec(spec: &'a ExperimentSpec) -> Self {
        let ExperimentSpec { rng_seed, data: spec, .. } = spec;
        Self {
            part: data_files::Part::Train,
            rng_seed: *rng_seed,
            format: &spec.format,
            group: &spec.group,
            limit: spec.limit,
            pairs_per_record: spec.pairs_per_record,
            columns: &spec.columns,
        }
    }

    /// The settings for the reader; `policy` says what becomes of unusable pairs.
    ///
    /// # Errors
    /// When there is no such format.
    pub fn read(&self, policy: BadPairPolicy) -> LaunchResult<ReadSettings> {
        Ok(ReadSettings {
            part: self.part,
            format: DatasetFormat::parse(self.format)?,
            columns: self.columns.clone(),
            group: match self.group {
                "prompt" => GroupBy::Prompt,
                column => GroupBy::Column(column.to_owned()),
            },
            limit: self.limit,
            rng_seed: self.rng_seed,
            pairs_per_record: self.pairs_per_record,
            policy,
        })
    }
}

/// A data set, and whether this import made it.
#[derive(Debug)]
pub struct Imported {
    pub dataset: DatasetRow,
    /// False when the same content had been imported before.
    pub is_new: bool,
}

/// Finds the files of some sources and their formats, and says which files of a folder are not
/// read.
///
/// # Errors
/// When a source names no file, or the first record of one is broken.
pub fn find_parts(
    place: Place<'_>,
    sources: &[SourcePart],
    read: &ReadSettings,
) -> LaunchResult<Vec<Part>> {
    if sources.is_empty() {
        return Err(LaunchError::NoSource);
    }
    let mut parts = Vec::with_capacity(sources.len());
    for source in sources {
        let part = Part::find(source, read)?;
        if let Some(other) = part.others.first() {
            place.say(&format!(
                "note: {} of the files of `{}` are read for the `{}` split, and {} are not, such \
                 as `{other}`",
                part.files.len(),
                part.name,
                read.part.word(),
                part.others.len()
            ));
        }
        parts.push(part);
    }
    Ok(parts)
}

/// What is said about how a part is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// Which columns are what.
    Columns,
    /// The same, and the first pair.
    WithPair,
}

/// Says how each part is read, in a line or two.
///
/// # Errors
/// When one of the first records is broken.
pub fn say_understanding(
    place: Place<'_>,
    parts: &[Part],
    read: &ReadSettings,
    telling: Telling,
) -> LaunchResult {
    for part in parts {
        for (source, note) in &part.notes {
            place.say(&format!("note: `{source}`: {note}"));
        }
        let Some((source, format)) = part.files.first() else { continue };
        let Some(it) = data::understand(source, *format, read)? else { continue };
        let name = if parts.len() > 1 { format!(" `{}`", part.name) } else { String::new() };
        place.say(&format!("understood{name}: {}", columns_in_words(&it)));
        if telling == Telling::Columns {
            continue;
        }
        let [prompt, better, worse] = &it.example;
        let prompt = if prompt.is_empty() {
            String::new()
        } else {
            format!("to \u{201c}{prompt}\u{201d}, ")
        };
        place.say(&format!(
            "first pair: {prompt}\u{201c}{better}\u{201d} is better than \u{201c}{worse}\u{201d}"
        ));
    }
    Ok(())
}

fn columns_in_words(it: &Understanding) -> String {
    let names = |columns: &[String]| format!("`{}`", columns.join("`, `"));
    let prompt = match it.prompt.as_slice() {
        [] if it.example[0].is_empty() => "no prompt".to_owned(),
        [] => "prompt: what both answers begin with".to_owned(),
        columns => format!("prompt from {}", names(columns)),
    };
    let label = match it.label.as_slice() {
        [] if it.is_in_order => "the first is the better one, as was said".to_owned(),
        [] if it.answers.len() > 1 => "label from their names".to_owned(),
        [] => "label from their order".to_owned(),
        columns => format!("label from {}", names(columns)),
    };
    let mut words = format!(
        "{} ({}); {prompt}; answers from {}; {label}",
        it.format,
        it.reading,
        names(&it.answers)
    );
    if !it.slices.is_empty() {
        words.extend(["; slices from ", &names(&it.slices)]);
    }
    let n_shown = it.unused.len().min(UNUSED_MAX);
    if n_shown > 0 {
        words.extend(["; not used: ", &names(&it.unused[..n_shown])]);
    }
    if n_shown < it.unused.len() {
        words.extend([" and ", &(it.unused.len() - n_shown).to_string(), " more"]);
    }
    words
}

/// Finds or imports the pairs of some sources as one data set.
///
/// # Errors
/// The first broken record; nothing is kept of the sources then.
pub fn import(
    place: Place<'_>,
    store: &mut Store,
    sources: &[SourcePart],
    settings: &ImportSettings<'_>,
) -> LaunchResult<Imported> {
    // A file of finished pairs is read strictly: a record without a preference is refused with its
    // line, because the person expects every pair to be there.
    let read = settings.read(BadPairPolicy::Refuse)?;
    let parts = find_parts(place, sources, &read)?;
    if sources.iter().any(|source| source.path != EMBEDDED) {
        say_understanding(place, &parts, &read, Telling::WithPair)?;
    }
    let names: Vec<&str> = sources.iter().map(|part| part.path.as_str()).collect();
    let new = NewDataset {
        source: names.join(", "),
        format: data::format_names(&parts),
        grouped_by: settings.group.to_owned(),
    };
    let (dataset, done) = std::thread::scope(|scope| -> LaunchResult<_> {
        let hashing = scope.spawn(|| Fingerprint::of(&parts, &read));
        let hashed = || match hashing.join() {
            Ok(fingerprint) => Ok(fingerprint?.0),
            Err(panic) => std::panic::resume_unwind(panic),
        };
        if !store.has_datasets_like(&new)? {
            // No stored data set can have this fingerprint, so it need not be known before the pairs
            // are read.
            let (dataset, done) = read_pairs(place, store, &new, &parts, &read, hashed)?;
            return Ok((dataset, Some(done)));
        }
        let fingerprint = hashed()?;
        if let Some(dataset) = store.find_dataset(&fingerprint)? {
            return Ok((dataset, None));
        }
        let (dataset, done) = read_pairs(place, store, &new, &parts, &read, || Ok(fingerprint))?;
        Ok((dataset, Some(done)))
    })?;
    let Some(Reading { counts, shares }) = done else {
        return Ok(Imported { dataset, is_new: false });
    };
    tracing::info!(source = new.source, format = new.format, "imported");
    counts.say(place);
    if sources.iter().any(|part| part.weight > 0.0 || part.cap > 0) {
        say_shares(place, &shares);
    }
    Ok(Imported { dataset, is_new: true })
}

/// What was read, when all of it was.
struct Reading {
    counts: Counts,
    /// How many pairs each part gave.
    shares: Vec<(String, u64)>,
}

/// Reads pairs on a second thread while this one writes them to the store.
fn read_pairs(
    place: Place<'_>,
    store: &mut Store,
    new: &NewDataset,
    parts: &[Part],
    read: &ReadSettings,
    fingerprint: impl FnOnce() -> LaunchResult<String>,
) -> LaunchResult<(DatasetRow, Reading)> {
    let mut progress = Progress::new(place);
    let (dataset, reading) = read_ahead::with(
        |send| {
            let mut reader = MixtureReader::new(parts.to_vec(), read.clone());
            let mut counts = Counts::default();
            let items =
                reader.by_ref().map(|item| Ok::<_, DataError>(counts.take(item?, &mut progress)));
            let _ = Batches::new(items).try_for_each(send);
            progress.clear();
            let shares = reader.counts().map(|(name, n)| (name.to_owned(), n)).collect();
            Reading { counts, shares }
        },
        |batches| {
            let mut batches = batches.map(|batch| batch.map_err(LaunchError::from));
            store.import_dataset(new, &mut batches, fingerprint)
        },
    );
    Ok((dataset?, reading))
}

/// What was read besides the pairs themselves.
#[derive(Default)]
struct Counts {
    left_out: BTreeMap<DropReason, u64>,
    n_margins: u64,
}

impl Counts {
    /// Counts an item, and returns it in the form that the store takes.
    fn take(&mut self, item: SourceItem, progress: &mut Progress<'_>) -> ImportItem {
        match item {
            SourceItem::Dropped { reason, .. } => {
                *self.left_out.entry(reason).or_default() += 1;
                ImportItem::Dropped
            }
            SourceItem::Pair(found) => {
                progress.count();
                self.n_margins += u64::from(found.has_margin);
                ImportItem::Pair { line: found.at.number, pair: found.pair }
            }
        }
    }

    /// Says how many pairs were left out, by reason.
    fn say(&self, place: Place<'_>) {
        for (reason, n) in &self.left_out {
            let word = if reason.is_expected() { "note" } else { "warning" };
            place.say(&format!("{word}: {} pairs left out: {reason}", count(*n)));
        }
        if self.n_margins > 0 {
            let n = count(self.n_margins);
            place.say(&format!("note: {n} pairs carry a margin, which is not used"));
        }
    }
}

fn say_shares(place: Place<'_>, shares: &[(String, u64)]) {
    let shares: Vec<String> =
        shares.iter().map(|(name, n)| format!("{} of `{name}`", count(*n))).collect();
    place.say(&format!("mixed pairs: {}", shares.join(", ")));
}

/// Counts up, for whoever watches.
struct Progress<'a> {
    place: Place<'a>,
    is_shown: bool,
    n_pairs: u64,
}

impl<'a> Progress<'a> {
    fn new(place: Place<'a>) -> Self {
        Self { place, is_shown: place.say.shows_progress(), n_pairs: 0 }
    }

    fn count(&mut self) {
        self.n_pairs += 1;
        if self.is_shown && self.n_pairs.is_multiple_of(PAIRS_PER_UPDATE) {
            self.place.say.progress(Some(&format!("reading pairs: {}", count(self.n_pairs))));
        }
    }

    fn clear(&self) {
        if self.is_shown && self.n_pairs >= PAIRS_PER_UPDATE {
            self.place.say.progress(None);
        }
    }
}
