//! A name for the content of a data set, so that it is stored once and runs can be compared.

use std::fmt;
use std::io::Read;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::bytes;
use super::error::DataError;
use super::format::DatasetFormat;
use super::mixture::{Part, format_names};
use super::settings::{BadPairPolicy, GroupBy, ReadSettings};
use crate::domain::spec::{ColumnsSpec, Names};

/// The version of how bytes are read, a part of the fingerprint: raised when the same bytes give
/// other pairs, so that data is imported again.
const READING: u32 = 3;
/// That of the layouts whose pairs are still those of before: whole dialogues, and the embedded set.
const READING_OF_DIALOGUES: u32 = 2;

/// SHA-256 in hexadecimal over the stored bytes of the sources in order, and over every setting
/// that changes which pairs they give. The names of the files do not count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Fingerprint {
    /// Reads the files once, 64 KiB at a time. The formats are the resolved ones (see
    /// [`super::detect`]): naming one or detecting it gives the same fingerprint.
    pub fn of(parts: &[Part], settings: &ReadSettings) -> Result<Self, DataError> {
        let mut hash = Sha256::new();
        for (source, _) in parts.iter().flat_map(|part| &part.files) {
            let mut content = Sha256::new();
            let mut input = bytes::raw(source)?;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let n = input.read(&mut buffer).map_err(|error| DataError::Io {
                    path: source.to_string(),
                    line: 1,
                    source: error,
                })?;
                if n == 0 {
                    break;
                }
                content.update(&buffer[..n]);
            }
            hash.update(content.finalize());
        }
        let group = match &settings.group {
            GroupBy::Prompt => "prompt".to_owned(),
            GroupBy::Column(column) => format!("column {column}"),
        };
        // The two policies differ only in whether there is an error, so both give the same pairs.
        let (BadPairPolicy::Drop | BadPairPolicy::Refuse) = settings.policy;
        hash.update(format!("{}\n{group}\n{}\n", format_names(parts), settings.limit));
        let is_dialogue = |(_, format): &(_, DatasetFormat)| {
            matches!(format, DatasetFormat::HhRlhf | DatasetFormat::Pocket)
        };
        let are_dialogues = parts.iter().flat_map(|part| &part.files).all(is_dialogue);
        let reading = if are_dialogues { READING_OF_DIALOGUES } else { READING };
        hash.update(format!("reading {reading}\n"));
        // Settings without an effect are left out, so that data sets keep the fingerprints they
        // had.
        if settings.columns.is_set() {
            let ColumnsSpec { prompt, a, b, label, values, score, slice } = &settings.columns;
            let names = [a, b, label, values, score].map(Names::list);
            hash.update(format!("{prompt:?} {names:?} {slice:?}\n"));
        }
        if settings.pairs_per_record != ReadSettings::default().pairs_per_record {
            hash.update(format!("{} pairs a record\n", settings.pairs_per_record));
        }
        if parts.iter().any(|part| part.weight > 0.0 || part.cap > 0) {
            let mixed = |part: &Part| (part.files.len(), part.weight, part.cap);
            hash.update(format!("{:?}\n", parts.iter().map(mixed).collect::<Vec<_>>()));
        }
        if settings.limit > 0 || parts.iter().any(|part| part.cap > 0) {
            hash.update(format!("a sample by {}\n", settings.rng_seed));
        }
        Ok(Self(format!("{:x}", hash.finalize())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::SourcePart;

    #[test]
    fn content_and_settings_count_but_names_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, answer: &str| {
            let line = format!(r#"{{"prompt":"p","chosen":"c","rejected":"{answer}"}}"#);
            let path = dir.path().join(name);
            std::fs::write(&path, line).unwrap();
            SourcePart::whole(path.display().to_string())
        };
        let (a, b, c) = (write("a", "x"), write("b", "x"), write("c", "y"));
        let settings = ReadSettings::default();
        let of = |parts: &[&SourcePart], settings: &ReadSettings| {
            let parts: Vec<Part> =
                parts.iter().map(|part| Part::find(part, settings).unwrap()).collect();
            Fingerprint::of(&parts, settings).unwrap()
        };
        assert_eq!(of(&[&a], &settings), of(&[&b], &settings));
        assert_ne!(of(&[&a], &settings), of(&[&c], &settings));
        assert_ne!(of(&[&a], &settings), of(&[&a], &ReadSettings { limit: 5, ..settings.clone() }));
        let seeded = |limit, rng_seed| ReadSettings { limit, rng_seed, ..settings.clone() };
        assert_ne!(of(&[&a], &seeded(5, 1)), of(&[&a], &seeded(5, 2)));
        assert_eq!(of(&[&a], &seeded(0, 1)), of(&[&a], &seeded(0, 2)));
        let strict = ReadSettings { policy: BadPairPolicy::Refuse, ..settings.clone() };
        assert_eq!(of(&[&a], &settings), of(&[&a], &strict));
        let two = ReadSettings { pairs_per_record: 2, ..settings.clone() };
        assert_ne!(of(&[&a], &settings), of(&[&a], &two));
        let capped = SourcePart { cap: 7, ..a.clone() };
        assert_ne!(of(&[&a, &c], &settings), of(&[&capped, &c], &settings));
        assert_eq!(of(&[&a], &settings).0.len(), 64);
    }
}
