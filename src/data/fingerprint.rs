//! A name for the content of a data set, so that it is stored once and runs can be compared.

use std::fmt;
use std::io::Read;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::DataError;
use super::settings::{BadPairPolicy, DatasetFormat, GroupBy, ReadSettings};
use super::source::Source;

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
    /// Reads the sources once, 64 KiB at a time. `format` is the resolved one (see
    /// [`super::detect`]): naming it or detecting it gives the same fingerprint.
    pub fn of(
        sources: &[Source],
        format: DatasetFormat,
        settings: &ReadSettings,
    ) -> Result<Self, DataError> {
        let mut hash = Sha256::new();
        for source in sources {
            let mut content = Sha256::new();
            let mut input = source.raw()?;
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
        // Refusing differs from dropping only by an error, so both give the same pairs.
        let (BadPairPolicy::Drop | BadPairPolicy::Refuse) = settings.policy;
        hash.update(format!("{format}\n{group}\n{}\n", settings.limit));
        Ok(Self(format!("{:x}", hash.finalize())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_and_settings_count_but_names_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            Source::File(path)
        };
        let (a, b, c) = (write("a", "x\n"), write("b", "x\n"), write("c", "y\n"));
        let settings = ReadSettings::default();
        let of = |source: &Source, settings: &ReadSettings| {
            Fingerprint::of(std::slice::from_ref(source), DatasetFormat::Jsonl, settings).unwrap()
        };
        assert_eq!(of(&a, &settings), of(&b, &settings));
        assert_ne!(of(&a, &settings), of(&c, &settings));
        assert_ne!(of(&a, &settings), of(&a, &ReadSettings { limit: 5, ..settings.clone() }));
        let strict = ReadSettings { policy: BadPairPolicy::Refuse, ..settings.clone() };
        assert_eq!(of(&a, &settings), of(&a, &strict));
        assert_eq!(of(&a, &settings).0.len(), 64);
    }
}
