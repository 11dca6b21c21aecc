//! Several sources as one data set: one after the other, or mixed by weights.

use super::error::DataError;
use super::format::DatasetFormat;
use super::reader::{PairReader, SourceItem, look, open};
use super::rows::Note;
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
        for file in found.files {
            let (format, about) = look(&file, settings)?;
            notes.extend(about.into_iter().map(|note| (file.clone(), note)));
            files.push((file, format));
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
pub struct MixtureReader {
    parts: Vec<OpenPart>,
    settings: ReadSettings,
    is_mixed: bool,
    n_accepted: u64,
    done: bool,
}

struct OpenPart {
    part: Part,
    n_opened: usize,
    reader: Option<PairReader>,
    n_accepted: u64,
    is_over: bool,
}

impl MixtureReader {
    /// Over parts that were found with the same settings.
    #[must_use]
    pub fn new(parts: Vec<Part>, settings: ReadSettings) -> Self {
        let is_mixed = parts.iter().any(|part| part.weight > 0.0);
        let open =
            |part| OpenPart { part, n_opened: 0, reader: None, n_accepted: 0, is_over: false };
        let parts = parts.into_iter().map(open).collect();
        Self { parts, settings, is_mixed, n_accepted: 0, done: false }
    }

    /// How many pairs each part gave so far, by name.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.parts.iter().map(|open| (open.part.name.as_str(), open.n_accepted))
    }

    fn read(&mut self) -> Result<Option<SourceItem>, DataError> {
        loop {
            if self.settings.limit > 0 && self.n_accepted >= self.settings.limit {
                return Ok(None);
            }
            let Some(open) = self.turn() else { return Ok(None) };
            match self.parts[open].next(&self.settings)? {
                Some(item) => {
                    self.n_accepted += u64::from(matches!(item, SourceItem::Pair(_)));
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

impl OpenPart {
    fn next(&mut self, settings: &ReadSettings) -> Result<Option<SourceItem>, DataError> {
        loop {
            if self.part.cap > 0 && self.n_accepted >= self.part.cap {
                self.is_over = true;
                return Ok(None);
            }
            let reader = match &mut self.reader {
                Some(reader) => reader,
                slot => {
                    let Some((file, format)) = self.part.files.get(self.n_opened) else {
                        self.is_over = true;
                        return Ok(None);
                    };
                    self.n_opened += 1;
                    let format = Some(*format);
                    let settings = ReadSettings { format, limit: 0, ..settings.clone() };
                    slot.insert(open(file, &settings)?)
                }
            };
            match reader.next().transpose()? {
                None => self.reader = None,
                Some(item) => {
                    self.n_accepted += u64::from(matches!(item, SourceItem::Pair(_)));
                    return Ok(Some(item));
                }
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

    fn prompts(parts: Vec<Part>, limit: u64) -> String {
        let settings = ReadSettings { limit, ..ReadSettings::default() };
        let items = MixtureReader::new(parts, settings).map(Result::unwrap);
        items
            .map(|item| match item {
                SourceItem::Pair(found) => found.pair.prompt,
                SourceItem::Dropped { .. } => "!".to_owned(),
            })
            .collect()
    }

    #[test]
    fn parts_follow_each_other_or_keep_their_shares() {
        let dir = tempfile::tempdir().unwrap();
        let read =
            |specs: &[(&str, usize, f64, u64)], limit| prompts(parts(dir.path(), specs), limit);
        assert_eq!(read(&[("a", 3, 0.0, 0), ("b", 2, 0.0, 0)], 0), "aaabb");
        assert_eq!(read(&[("a", 3, 0.0, 2), ("b", 2, 0.0, 0)], 3), "aab");
        // Two of a for one of b, until a is at its end.
        assert_eq!(read(&[("a", 4, 2.0, 0), ("b", 9, 1.0, 0)], 0), "abaaba");
        // The cap ends the mixture as the end of the part would.
        assert_eq!(read(&[("a", 9, 1.0, 2), ("b", 9, 1.0, 0)], 0), "abab");
    }
}
