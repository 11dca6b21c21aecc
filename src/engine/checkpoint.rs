//! Checkpoints that are whole or not there.
//!
//! Writer: a temporary directory beside the target; the files; fsync of each; `manifest.json` with
//! size and SHA-256 of each, last; fsync; rename; fsync of the parent. A kill at any moment leaves
//! either no checkpoint of that name or a whole one. Reader: manifest present, every digest equal,
//! else the next older one. Old checkpoints are deleted only by [`prune`], after a newer one is
//! committed, and never the last whole one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{EngineError, RewardModel};

const MANIFEST: &str = "manifest.json";
const STATE: &str = "state.json";
/// Directories that start with this are torn writes or half-done deletions.
const TEMPORARY: &str = ".tmp-";
const FORMAT: u32 = 1;

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointFile {
    /// Name within the directory.
    pub name: String,
    /// Size in bytes.
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
    /// Counts up within a parent directory: the larger, the newer. (Times of files lie after a
    /// copy.)
    pub sequence: u64,
    /// Family of the model: `llama`, `bert`, `mock`.
    pub family: String,
    /// Its trainable parameters.
    pub n_parameters: u64,
    /// [`RewardModel::weights_digest`] at the time of writing.
    pub weights_digest: String,
    /// Every other file, by name.
    pub files: Vec<CheckpointFile>,
}

impl CheckpointManifest {
    /// Size of all files together, in bytes.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.n_bytes).sum()
    }
}

/// What a look through a directory of checkpoints found.
#[derive(Debug, Default)]
pub struct Survey {
    /// The newest whole checkpoint.
    pub latest: Option<PathBuf>,
    /// Checkpoints that are newer than it, or of unknown age, and not whole, with the reason.
    pub damaged: Vec<EngineError>,
}

/// Writes the model and the caller's state as the checkpoint `parent/name`. A checkpoint of that
/// name is replaced: it stays readable under another name until the new one is committed.
///
/// # Errors
/// When a file cannot be written; nothing of the new checkpoint stays behind.
pub fn write_checkpoint(
    parent: &Path,
    name: &str,
    model: &dyn RewardModel,
    state_json: &str,
) -> Result<CheckpointManifest, EngineError> {
    fs::create_dir_all(parent).map_err(EngineError::io("create", parent))?;
    let temporary = parent.join(format!("{TEMPORARY}{name}-{}", std::process::id()));
    remove_if_there(&temporary)?;
    let written = fill(&temporary, parent, model, state_json)
        .and_then(|manifest| commit(&temporary, parent, name).map(|()| manifest));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_dir_all(&temporary);
    }
    written
}

fn fill(
    temporary: &Path,
    parent: &Path,
    model: &dyn RewardModel,
    state_json: &str,
) -> Result<CheckpointManifest, EngineError> {
    fs::create_dir(temporary).map_err(EngineError::io("create", temporary))?;
    model.save(temporary)?;
    let state = temporary.join(STATE);
    fs::write(&state, state_json).map_err(EngineError::io("write", &state))?;
    let mut files = Vec::new();
    for name in names(temporary)? {
        let path = temporary.join(&name);
        sync(&path)?;
        let (n_bytes, sha256) = digest(&path)?;
        files.push(CheckpointFile { name, n_bytes, sha256 });
    }
    let newest = manifests(parent)?.into_iter().map(|(_, manifest)| manifest.sequence).max();
    let info = model.info();
    let manifest = CheckpointManifest {
        format: FORMAT,
        sequence: newest.map_or(1, |sequence| sequence + 1),
        family: info.family.clone(),
        n_parameters: info.n_parameters,
        weights_digest: model.weights_digest(),
        files,
    };
    let path = temporary.join(MANIFEST);
    let text = serde_json::to_string_pretty(&manifest)
        .map_err(|error| EngineError::json(&path, &error))?;
    File::create(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(EngineError::io("write", &path))?;
    sync(&path)?;
    sync(temporary)?;
    Ok(manifest)
}

/// Gives a filled directory its name.
fn commit(temporary: &Path, parent: &Path, name: &str) -> Result<(), EngineError> {
    let target = parent.join(name);
    let mut replaced = None;
    if target.exists() {
        let aside = (1..)
            .map(|n| parent.join(format!("{name}.replaced-{n}")))
            .find(|path| !path.exists())
            .unwrap_or_else(|| parent.join(format!("{TEMPORARY}{name}-replaced")));
        fs::rename(&target, &aside).map_err(EngineError::io("rename", &target))?;
        replaced = Some(aside);
    }
    fs::rename(temporary, &target).map_err(EngineError::io("rename", temporary))?;
    sync(parent)?;
    replaced.map_or(Ok(()), |aside| remove(&aside, parent))
}

/// Restores a checkpoint into `model` and gives back the caller's state. Nothing is touched
/// before every digest has been found equal.
///
/// # Errors
/// [`EngineError::BrokenCheckpoint`] when it is torn, damaged or of another model.
pub fn read_checkpoint(dir: &Path, model: &mut dyn RewardModel) -> Result<String, EngineError> {
    let manifest = verify(dir)?;
    let info = model.info();
    if (manifest.family.as_str(), manifest.n_parameters) != (&info.family, info.n_parameters) {
        return Err(broken(
            dir,
            format!(
                "it holds a {} model with {} parameters, not a {} model with {}",
                manifest.family, manifest.n_parameters, info.family, info.n_parameters
            ),
        ));
    }
    let path = dir.join(STATE);
    let state = fs::read_to_string(&path).map_err(EngineError::io("read", path))?;
    model.load(dir)?;
    if model.weights_digest() != manifest.weights_digest {
        return Err(broken(dir, "the weights restored from it have another digest".into()));
    }
    Ok(state)
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

/// The newest whole checkpoint below `parent`, and the damaged ones passed over on the way.
///
/// # Errors
/// When `parent` cannot be listed; that it does not exist is an empty survey.
pub fn survey(parent: &Path) -> Result<Survey, EngineError> {
    let mut survey = Survey::default();
    let mut candidates = Vec::new();
    for name in names(parent)?.into_iter().filter(|name| !name.starts_with(TEMPORARY)) {
        let dir = parent.join(name);
        match read_manifest(&dir) {
            Ok(manifest) => candidates.push((manifest.sequence, dir)),
            Err(_) if !dir.is_dir() => {}
            Err(error) => survey.damaged.push(error),
        }
    }
    candidates.sort();
    while let Some((_, dir)) = candidates.pop() {
        match verify(&dir) {
            Ok(_) => {
                survey.latest = Some(dir);
                break;
            }
            Err(error) => survey.damaged.push(error),
        }
    }
    Ok(survey)
}

/// The newest whole checkpoint below `parent`, if any.
///
/// # Errors
/// As [`survey`].
pub fn latest_valid(parent: &Path) -> Result<Option<PathBuf>, EngineError> {
    survey(parent).map(|survey| survey.latest)
}

/// Removes torn writes and half-done deletions of dead processes. Call it before the first write
/// of a process, with no other writer alive.
///
/// # Errors
/// When one cannot be removed.
pub fn sweep(parent: &Path) -> Result<usize, EngineError> {
    let torn: Vec<String> =
        names(parent)?.into_iter().filter(|name| name.starts_with(TEMPORARY)).collect();
    for name in &torn {
        remove_if_there(&parent.join(name))?;
    }
    Ok(torn.len())
}

/// Deletes checkpoints older than the `n_newest` newest whole ones (at least one is always kept),
/// except those named in `protected` (the best round, say). Returns what was deleted.
///
/// # Errors
/// When a directory cannot be removed.
pub fn prune(
    parent: &Path,
    n_newest: usize,
    protected: &[&str],
) -> Result<Vec<PathBuf>, EngineError> {
    let mut oldest_first = manifests(parent)?;
    oldest_first.sort_by_key(|(_, manifest)| manifest.sequence);
    let (mut n_whole, mut removed) = (0, Vec::new());
    for (name, _) in oldest_first.into_iter().rev() {
        let dir = parent.join(&name);
        if n_whole < n_newest.max(1) {
            n_whole += usize::from(verify(&dir).is_ok());
        } else if !protected.contains(&name.as_str()) {
            remove(&dir, parent)?;
            removed.push(dir);
        }
    }
    Ok(removed)
}

/// Deletes a checkpoint under a temporary name, so that a kill half-way leaves no torn one.
fn remove(dir: &Path, parent: &Path) -> Result<(), EngineError> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let aside = parent.join(format!("{TEMPORARY}{name}-removed"));
    remove_if_there(&aside)?;
    fs::rename(dir, &aside).map_err(EngineError::io("rename", dir))?;
    fs::remove_dir_all(&aside).map_err(EngineError::io("remove", aside))
}

fn remove_if_there(dir: &Path) -> Result<(), EngineError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(EngineError::io("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

/// Readable manifests below `parent`, with the names of their directories.
fn manifests(parent: &Path) -> Result<Vec<(String, CheckpointManifest)>, EngineError> {
    let names = names(parent)?.into_iter().filter(|name| !name.starts_with(TEMPORARY));
    Ok(names
        .filter_map(|name| read_manifest(&parent.join(&name)).ok().map(|manifest| (name, manifest)))
        .collect())
}

fn read_manifest(dir: &Path) -> Result<CheckpointManifest, EngineError> {
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
    if let Some(file) = manifest.files.iter().find(|file| file.name.contains(['/', '\\'])) {
        return Err(broken(dir, format!("`{}` is not a file name", file.name)));
    }
    Ok(manifest)
}

/// Names of a directory's entries, sorted; none when it does not exist.
fn names(dir: &Path) -> Result<Vec<String>, EngineError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(EngineError::io("list", dir))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(EngineError::io("list", dir))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Flushes a file or directory to the disk.
fn sync(path: &Path) -> Result<(), EngineError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(EngineError::io("flush", path))
}

/// Size and SHA-256 of a file.
fn digest(path: &Path) -> Result<(u64, String), EngineError> {
    let mut file = File::open(path).map_err(EngineError::io("read", path))?;
    let mut hash = Sha256::new();
    let (mut buffer, mut n_bytes) = (vec![0; 1 << 18], 0);
    loop {
        let n = file.read(&mut buffer).map_err(EngineError::io("read", path))?;
        if n == 0 {
            return Ok((n_bytes, hex(&hash.finalize())));
        }
        hash.update(&buffer[..n]);
        n_bytes += n as u64;
    }
}

/// SHA-256 over floats as little-endian bytes, in hex: the form of [`RewardModel::weights_digest`].
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

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn broken(dir: &Path, detail: String) -> EngineError {
    EngineError::BrokenCheckpoint { path: dir.to_owned(), detail }
}
