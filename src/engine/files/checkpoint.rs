//! Checkpoints that are either complete or absent.
//!
//! Writing: a temporary directory beside the target; the files; fsync of each; last `manifest.json`
//! with the size and SHA-256 of each; fsync; rename; fsync of the parent. A kill at any moment
//! leaves either no checkpoint of that name or a complete one. Reading: a checkpoint counts if its
//! manifest is there and every digest matches; otherwise the next older one is tried. Old
//! checkpoints are deleted only by [`Trust::prune`], after a newer one is complete, and never the
//! last complete one.
//!
//! A checkpoint is hashed once when it is written, and once when a process first reads it;
//! [`Trust`] remembers which checkpoints that is done for.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::manifest::{FORMAT, MANIFEST, broken, digest, read_manifest};
use crate::engine::{EngineError, Trainable};

pub use super::manifest::{CheckpointFile, CheckpointManifest, digest_floats, verify};

const STATE: &str = "state.json";
/// Directories that start with this are torn writes or half-done deletions.
const TEMPORARY: &str = ".tmp-";

/// The result of looking through a directory of checkpoints.
#[derive(Debug, Default)]
pub struct Survey {
    /// The newest whole checkpoint.
    pub latest: Option<PathBuf>,
    /// Checkpoints that are newer than it, or of unknown age, and not whole, with the reason.
    pub damaged: Vec<EngineError>,
}

/// The checkpoints whose files this process has hashed, when it wrote or first read them; they are
/// not hashed again. Damage that comes later is found when the weights are restored, since these
/// have a digest of their own.
#[derive(Debug, Default)]
pub struct Trust {
    /// The seal of each manifest, by directory.
    seals: BTreeMap<PathBuf, String>,
}

/// [`Trust::write`] of a process that writes one.
///
/// # Errors
/// As [`Trust::write`].
pub fn write_checkpoint(
    parent: &Path,
    name: &str,
    model: &dyn Trainable,
    state_json: &str,
) -> Result<CheckpointManifest, EngineError> {
    Trust::default().write(parent, name, model, state_json)
}

/// [`Trust::read`] of a process that reads one.
///
/// # Errors
/// As [`Trust::read`].
pub fn read_checkpoint(dir: &Path, model: &mut dyn Trainable) -> Result<String, EngineError> {
    Trust::default().read(dir, model)
}

/// [`Trust::survey`] of a process that only looks.
///
/// # Errors
/// As [`Trust::survey`].
pub fn survey(parent: &Path) -> Result<Survey, EngineError> {
    Trust::default().survey(parent)
}

impl Trust {
    /// Writes the model and the caller's state as the checkpoint `parent/name`. A checkpoint of that
    /// name is replaced: it stays readable under another name until the new one is committed.
    ///
    /// # Errors
    /// When a file cannot be written; nothing of the new checkpoint stays behind.
    pub fn write(
        &mut self,
        parent: &Path,
        name: &str,
        model: &dyn Trainable,
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
        if let Ok(manifest) = &written {
            self.seals.insert(parent.join(name), manifest.seal.clone());
        }
        written
    }

    /// The manifest of a whole checkpoint. Of one that is trusted only the sizes of the files are looked at.
    ///
    /// # Errors
    /// As [`verify`].
    fn verify(&mut self, dir: &Path) -> Result<CheckpointManifest, EngineError> {
        if let Some(seal) = self.seals.get(dir) {
            let manifest = read_manifest(dir)?;
            let is_there = |file: &CheckpointFile| {
                fs::metadata(dir.join(&file.name)).is_ok_and(|it| it.len() == file.n_bytes)
            };
            if manifest.seal == *seal && manifest.files.iter().all(is_there) {
                return Ok(manifest);
            }
        }
        let manifest = verify(dir)?;
        self.seals.insert(dir.to_owned(), manifest.seal.clone());
        Ok(manifest)
    }

    /// Restores a checkpoint into `model` and gives back the caller's state. Nothing is touched
    /// before every digest has been found equal.
    ///
    /// # Errors
    /// [`EngineError::BrokenCheckpoint`] when it is torn, damaged or of another model.
    pub fn read(&mut self, dir: &Path, model: &mut dyn Trainable) -> Result<String, EngineError> {
        let manifest = self.verify(dir)?;
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

    /// The newest whole checkpoint below `parent`, and the damaged ones passed over on the way.
    ///
    /// # Errors
    /// When `parent` cannot be listed; that it does not exist is an empty survey.
    pub fn survey(&mut self, parent: &Path) -> Result<Survey, EngineError> {
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
            match self.verify(&dir) {
                Ok(_) => {
                    survey.latest = Some(dir);
                    break;
                }
                Err(error) => survey.damaged.push(error),
            }
        }
        Ok(survey)
    }

    /// Deletes checkpoints older than the `n_newest` newest whole ones (at least one is always kept),
    /// except those named in `protected` (the best round, say). Returns what was deleted.
    ///
    /// # Errors
    /// When a directory cannot be removed.
    pub fn prune(
        &mut self,
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
                n_whole += usize::from(self.verify(&dir).is_ok());
            } else if !protected.contains(&name.as_str()) {
                remove(&dir, parent)?;
                self.seals.remove(&dir);
                removed.push(dir);
            }
        }
        Ok(removed)
    }
}

fn fill(
    temporary: &Path,
    parent: &Path,
    model: &dyn Trainable,
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
        seal: String::new(),
    };
    let path = temporary.join(MANIFEST);
    let (manifest, text) = manifest.seal().map_err(|error| EngineError::json(&path, &error))?;
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
        // A leftover of that name is older than the target, which is complete and about to get that
        // name.
        let aside = parent.join(format!("{name}.replaced"));
        remove_if_there(&aside)?;
        fs::rename(&target, &aside).map_err(EngineError::io("rename", &target))?;
        replaced = Some(aside);
    }
    fs::rename(temporary, &target).map_err(EngineError::io("rename", temporary))?;
    sync(parent)?;
    replaced.map_or(Ok(()), |aside| remove(&aside, parent))
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

/// Deletes a checkpoint under a temporary name, so that a kill in the middle leaves no incomplete
/// one.
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

/// Names and manifests of the checkpoints below `parent`, the newest first; their files are not
/// read.
///
/// # Errors
/// When `parent` cannot be listed.
pub fn list(parent: &Path) -> Result<Vec<(String, CheckpointManifest)>, EngineError> {
    let mut found = manifests(parent)?;
    found.sort_by_key(|(_, manifest)| std::cmp::Reverse(manifest.sequence));
    Ok(found)
}

/// Readable manifests below `parent`, with the names of their directories.
fn manifests(parent: &Path) -> Result<Vec<(String, CheckpointManifest)>, EngineError> {
    let names = names(parent)?.into_iter().filter(|name| !name.starts_with(TEMPORARY));
    Ok(names
        .filter_map(|name| read_manifest(&parent.join(&name)).ok().map(|manifest| (name, manifest)))
        .collect())
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

#[cfg(test)]
mod tests;
