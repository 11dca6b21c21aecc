//! What a checkpoint holds, and whether it still does: the manifest and its digests.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::EngineError;

pub(in crate::engine) const MANIFEST: &str = "manifest.json";
/// The version of the manifest; a reader refuses any other.
pub(in crate::engine) const FORMAT: u32 = 1;

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointFile {
    /// Name within the directory.
    pub name: String,
    pub n_bytes: u64,
    /// SHA-256 of the content, in hex.
    pub sha256: String,
}

/// What a checkpoint holds, as `manifest.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointManifest {
    /// Version of the layout.
    pub format: u32,
    /// Counts up within a parent directory, so that the largest is the newest; file times would be
    /// wrong after a copy.
    pub sequence: u64,
    /// Family of the model: `llama`, `bert`, `mock`.
    pub family: String,
    pub n_parameters: u64,
    /// [`crate::engine::Trainable::weights_digest`] at the time of writing.
    pub weights_digest: String,
    /// Every other file, by name.
    pub files: Vec<CheckpointFile>,
    /// SHA-256 of this manifest with this field empty, so that a change of any other field is
    /// noticed too.
    pub seal: String,
}

impl CheckpointManifest {
    /// Size of all files together, in bytes.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.n_bytes).sum()
    }

    /// The manifest with its seal, as the text of the file.
    pub(in crate::engine) fn seal(mut self) -> serde_json::Result<(Self, String)> {
        self.seal = self.expected_seal()?;
        let text = serde_json::to_string_pretty(&self)?;
        Ok((self, text))
    }

    fn expected_seal(&self) -> serde_json::Result<String> {
        let unsealed = Self { seal: String::new(), ..self.clone() };
        Ok(hex(&Sha256::digest(serde_json::to_vec(&unsealed)?)))
    }
}

/// Checks a checkpoint: manifest present, every file there, sizes and digests equal.
///
/// # Errors
/// [`EngineError::BrokenCheckpoint`] with the first difference.
pub fn verify(dir: &Path) -> Result<CheckpointManifest, EngineError> {
    let manifest = read_manifest(dir)?;
    for file in &manifest.files {
        let path = dir.join(&file.name);
        let (n_bytes, sha256) = match digest(&path) {
            Err(EngineError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(broken(dir, format!("`{}` is missing", file.name)));
            }
            other => other?,
        };
        if n_bytes != file.n_bytes {
            let detail = format!("`{}` has {n_bytes} bytes, expected {}", file.name, file.n_bytes);
            return Err(broken(dir, detail));
        }
        if sha256 != file.sha256 {
            return Err(broken(dir, format!("`{}` has another digest", file.name)));
        }
    }
    Ok(manifest)
}

/// Reads and checks the manifest alone.
pub(in crate::engine) fn read_manifest(dir: &Path) -> Result<CheckpointManifest, EngineError> {
    let path = dir.join(MANIFEST);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(broken(dir, format!("`{MANIFEST}` is missing")));
        }
        Err(error) => return Err(EngineError::io("read", path)(error)),
    };
    let manifest: CheckpointManifest = serde_json::from_slice(&bytes)
        .map_err(|error| broken(dir, format!("`{MANIFEST}` is damaged ({error})")))?;
    if manifest.format != FORMAT {
        let detail = format!("its format is {}, this program reads {FORMAT}", manifest.format);
        return Err(broken(dir, detail));
    }
    if manifest.expected_seal().ok().as_ref() != Some(&manifest.seal) {
        return Err(broken(dir, format!("`{MANIFEST}` is damaged (its seal does not fit)")));
    }
    if let Some(file) = manifest.files.iter().find(|file| file.name.contains(['/', '\\'])) {
        return Err(broken(dir, format!("`{}` is not a file name", file.name)));
    }
    Ok(manifest)
}

/// Size and SHA-256 of a file.
pub(in crate::engine) fn digest(path: &Path) -> Result<(u64, String), EngineError> {
    let mut hash = Sha256::new();
    let n_bytes = feed(path, &mut hash)?;
    Ok((n_bytes, hex(&hash.finalize())))
}

#[cfg(test)]
thread_local! {
    static N_BYTES_HASHED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Bytes of files that this thread has hashed since it was asked last.
#[cfg(test)]
pub(in crate::engine) fn take_n_bytes_hashed() -> u64 {
    N_BYTES_HASHED.take()
}

/// Adds the content of a file to a hash, a block at a time; returns its length.
fn feed(path: &Path, hash: &mut Sha256) -> Result<u64, EngineError> {
    let mut file = File::open(path).map_err(EngineError::io("read", path))?;
    let (mut buffer, mut n_bytes) = (vec![0; 1 << 18], 0);
    loop {
        let n = file.read(&mut buffer).map_err(EngineError::io("read", path))?;
        if n == 0 {
            return Ok(n_bytes);
        }
        hash.update(&buffer[..n]);
        n_bytes += n as u64;
        #[cfg(test)]
        N_BYTES_HASHED.set(N_BYTES_HASHED.get() + n as u64);
    }
}

/// SHA-256 over floats as little-endian bytes, in hex: the form of [`crate::engine::Trainable::weights_digest`].
#[must_use]
pub fn digest_floats<'a>(parts: impl IntoIterator<Item = &'a [f32]>) -> String {
    let mut hash = Sha256::new();
    let mut bytes = Vec::new();
    for part in parts {
        for chunk in part.chunks(1 << 14) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
            hash.update(&bytes);
        }
    }
    hex(&hash.finalize())
}

/// The bytes in lower-case hexadecimal digits.
pub(in crate::engine) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(in crate::engine) fn broken(dir: &Path, detail: String) -> EngineError {
    EngineError::BrokenCheckpoint { path: dir.to_owned(), detail }
}
