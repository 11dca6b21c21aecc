//! Several sources as one data set: one after the other, or mixed by weights.

use super::error::DataError;
use super::format::DatasetFormat;
use super::reader::{PairReader, SourceItem, look, open};
use super::rows::Note;
use super::sample::Sample;
use super::settings::ReadSettings;
use super::source::Source;
use crate::domain::spec::SourcePart;

/// One source of a data set, as files.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// As the person named it.
    pub name: String,
    /// Its files with their formats; never empty.
    pub files: Vec<(Source, DatasetFormat)>,
    /// What a person should know about how some of them are read.
    pub notes: Vec<(Source, Note)>,
    /// Data files of the folder that are not read.
    pub others: Vec<Source>,
    /// The relative share of its pairs in the mixture; 0 for every part reads them one after the
    /// other.
    pub weight: f64,
    /// Read at most this many pairs; 0 reads all.
    pub cap: u64,
}

impl Part {
    /// Finds the files of a part and their formats.
    ///
    /// # Errors
    /// When there are none, or the first record of one is broken.
    pub fn find(part: &SourcePart, settings: &ReadSettings) -> Result<Self, DataError> {
        let found = part.path.parse::<Source>()?.files(settings.part)?;
        let (mut files, mut notes) = (Vec::new(), Vec::new());
        let mut refused = None;
        for file in found.files {
            match look(&file, settings) {
                Ok((format, about)) => {
                    notes.extend(about.into_iter().map(|note| (file.clone(), note)));
                    files.push((file, format));
                }
                // Of a folder, the other files are named that could be read.
                Err(error) => drop(refused.get_or_insert(error)),
            }
        }
        match refused {
            None => {}
            Some(error) if files.is_empty() => return Err(error),
            Some(error) => {
                let readable = files.iter().map(|(file, _)| file.to_string()).collect();
                return Err(DataError::OneOfSeveral { error: Box::new(error), readable });
            }
        }
        Ok(Self {
            name: part.path.clone(),
            files,
            notes,
            others: found.others,
            weight: part.weight,
            cap: part.cap,
        })
    }
}

/// The names of the formats of some parts, each once, in order.
#[must_use]
pub fn format_names(parts: &[Part]) -> String {
    let mut names: Vec<String> = Vec::new();
    for (_, format) in parts.iter().flat_map(|part| &part.files) {
        let name = format.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// Iterator over the pairs of all parts. Without weights the parts follow each other; with weights
/// the next pair comes from the part that is furthest behind its share, until one part is at its
/// end, so that the shares hold at every length. After an error it is at its end.
///
/// The cap of a part and the limit of the whole take random samples (module `sample`), for which the
/// pairs are counted first, in a reading of its own.
pub struct MixtureReader {
    parts: Vec<OpenPart>,
    settings: ReadSettings,
    is_mixed: bool,
    /// The sample of the limit, once its pairs are counted.
    sample: Option<Sample>,
    /// The part that the last item is from.
    current: usize,
    done: bool,
}

struct OpenPart {
    part: Part,
    /// The stream of its sample.
    stream: u32,
    n_opened: usize,
    reader: Option<PairReader>,
    /// The sample of the cap, once its pairs are counted.
    sample: Option<Sample>,
    n_accepted: u64,
    /// Those of them that the limit takes.
    n_given: u64,
    is_over: bool,
}

impl MixtureReader {
    /// Over parts that were found with the same settings.
    #[must_use]
    pub fn new(parts: Vec<Part>, settings: ReadSettings) -> Self {
        let is_mixed = parts.iter().any(|part| part.weight > 0.0);
        // Stream 0 is that of the limit.
        let parts = parts.into_iter().zip(1..).map(|(part, stream)| OpenPart::new(part, stream));
        let parts = parts.collect();
        Self { parts, settings, is_mixed, sample: None, current: 0, done: false }
    }

    /// How many pairs each part gave so far, by name.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.parts.iter().map(|open| (open.part.name.as_str(), open.n_given))
    }

    /// The file of the last item.
    #[must_use]
    pub fn file(&self) -> Option<&Source> {
        let open = self.parts.get(self.current)?;
        open.part.files.get(open.n_opened.checked_sub(1)?).map(|(file, _)| file)
    }

    /// The same pairs without the limit.
    fn unlimited(&self) -> Self {
        let parts = self.parts.iter().map(|open| open.part.clone()).collect();
        Self::new(parts, ReadSettings { limit: 0, ..self.settings.clone() })
    }

    fn read(&mut self) -> Result<Option<SourceItem>, DataError> {
        let ReadSettings { limit, rng_seed, .. } = self.settings;
        if limit > 0 && self.sample.is_none() {
            let n_pairs = n_pairs(self.unlimited())?;
            self.sample = Some(Sample::of(n_pairs, limit, rng_seed, 0));
        }
        loop {
            let Some(open) = self.turn() else { return Ok(None) };
            self.current = open;
            let item = self.parts[open].next(&self.settings)?;
            let is_pair = matches!(item, Some(SourceItem::Pair(_)));
            if is_pair && !self.sample.as_mut().is_none_or(Sample::takes) {
                continue;
            }
            match item {
                Some(item) => {
                    self.parts[open].n_given += u64::from(is_pair);
                    return Ok(Some(item));
                }
                None if self.is_mixed => return Ok(None),
                None => {}
            }
        }
    }

    /// Whose turn it is.
    fn turn(&self) -> Option<usize> {
        let left = self.parts.iter().enumerate().filter(|(_, open)| !open.is_over);
        if !self.is_mixed {
            return left.map(|(i, _)| i).next();
        }
        let progress = |open: &OpenPart| (open.n_accepted as f64 + 0.5) / open.part.weight;
        left.min_by(|(_, a), (_, b)| progress(a).total_cmp(&progress(b))).map(|(i, _)| i)
    }
}

/// Counts the pairs that a reader gives.
fn n_pairs(
    mut reader: impl Iterator<Item = Result<SourceItem, DataError>>,
) -> Result<u64, DataError> {
    reader.try_fold(0, |n, item| Ok(n + u64::from(matches!(item?, SourceItem::Pair(_)))))
}

impl OpenPart {
    fn new(part: Part, stream: u32) -> Self {
        let (reader, sample) = (None, None);
        Self {
            part,
            stream,
            n_opened: 0,
            reader,
            sample,
            n_accepted: 0,
            n_given: 0,
            is_over: false,
        }
    }

    fn next(&mut self, settings: &ReadSettings) -> Result<Option<SourceItem>, DataError> {
        if self.part.cap > 0 && self.sample.is_none() {
            let mut whole = Self::new(Part { cap: 0, ..self.part.clone() }, self.stream);
            let n_pairs = n_pairs(std::iter::from_fn(|| whole.next(settings).transpose()))?;
            self.sample = Some(Sample::of(n_pairs, self.part.cap, settings.rng_seed, self.stream));
        }
        loop {
            let item = self.next_of_all(settings)?;
            let is_pair = matches!(item, Some(SourceItem::Pair(_)));
            if is_pair && !self.sample.as_mut().is_none_or(Sample::takes) {
                continue;
            }
            self.n_accepted += u64::from(is_pair);
            self.is_over = item.is_none();
            return Ok(item);
        }
    }

    /// The next item of its files.
    fn next_of_all(&mut self, settings: &ReadSettings) -> Result<Option<SourceItem>, DataError> {
        loop {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                slot => {
                    let Some((file, format)) = self.part.files.get(self.n_opened) else {
                        return Ok(None);
                    };
                    self.n_opened += 1;
                    let settings = ReadSettings { format: Some(*format), ..settings.clone() };
                    slot.insert(open(file, &settings)?)
                }
            };
            match reader.next().transpose()? {
                None => self.reader = None,
                Some(item) => return Ok(Some(item)),
            }
        }
    }
}

impl Iterator for MixtureReader {
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
mod tests {
    use super::*;

    fn parts(dir: &std::path::Path, specs: &[(&str, usize, f64, u64)]) -> Vec<Part> {
        let part = |(name, n, weight, cap): &(&str, usize, f64, u64)| {
            let line = |i| {
                let rejected = format!("no {i}");
                format!(r#"{{"prompt":"{name}","chosen":"yes","rejected":"{rejected}"}}"#)
            };
            let lines: Vec<String> = (0..*n).map(line).collect();
            let path = dir.join(format!("{name}.jsonl"));
            std::fs::write(&path, lines.join("\n")).unwrap();
            let (path, weight, cap) = (path.display().to_string(), *weight, *cap);
            Part::find(&SourcePart { path, weight, cap }, &ReadSettings::default()).unwrap()
        };
        specs.iter().map(part).collect()
    }

    fn prompts(parts: Vec<Part>) -> String {
        let items = MixtureReader::new(parts, ReadSettings::default()).map(Result::unwrap);
        items
            .map(|item| match item {
                SourceItem::Pair(found) => found.pair.prompt,
                SourceItem::Dropped { .. } => "!".to_owned(),
            })
            .collect()
    }

    #[test]
    fn a_limit_and_a_cap_take_samples_from_everywhere() {
        let dir = tempfile::tempdir().unwrap();
        let read = |limit, cap, rng_seed| -> Vec<String> {
            let parts = parts(dir.path(), &[("a", 400, 0.0, cap), ("b", 400, 0.0, 0)]);
            let settings = ReadSettings { limit, rng_seed, ..ReadSettings::default() };
            let mut reader = MixtureReader::new(parts, settings);
            let item = |item| match item {
                Ok(SourceItem::Pair(found)) => found.pair.prompt + &found.pair.rejected,
                other => panic!("{other:?}"),
            };
            let found: Vec<String> = reader.by_ref().map(item).collect();
            assert_eq!(reader.counts().map(|(_, n)| n).sum::<u64>(), found.len() as u64);
            found
        };
        let limited = read(100, 0, 1);
        let of_b = limited.iter().filter(|it| it.starts_with('b')).count();
        assert!(limited.len() == 100 && (30..=70).contains(&of_b), "{of_b}");
        assert!(limited.iter().all(|it| read(300, 0, 1).contains(it)));
        assert_ne!(limited, read(100, 0, 2));
        // The sample of a part is not that of the whole.
        let capped = read(0, 50, 1);
        assert_eq!(capped.len(), 450);
        assert!(capped[..50].iter().any(|it| it.ends_with("no 39") || it.len() > 6));
        assert_eq!(read(500, 50, 1), capped);
    }

    #[test]
    fn parts_follow_each_other_or_keep_their_shares() {
        let dir = tempfile::tempdir().unwrap();
        let read = |specs: &[(&str, usize, f64, u64)]| prompts(parts(dir.path(), specs));
        assert_eq!(read(&[("a", 3, 0.0, 0), ("b", 2, 0.0, 0)]), "aaabb");
        assert_eq!(read(&[("a", 3, 0.0, 2), ("b", 2, 0.0, 0)]), "aabb");
        // Two of a for one of b, until a is at its end.
        assert_eq!(read(&[("a", 4, 2.0, 0), ("b", 9, 1.0, 0)]), "abaaba");
        // The cap ends the mixture as the end of the part would.
        assert_eq!(read(&[("a", 9, 1.0, 2), ("b", 9, 1.0, 0)]), "abab");
    }
}
