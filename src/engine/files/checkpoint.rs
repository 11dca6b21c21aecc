//! Checkpoints that are whole or not there.
//!
//! Writer: a temporary directory beside the target; the files; fsync of each; `manifest.json` with
//! size and SHA-256 of each, last; fsync; rename; fsync of the parent. A kill at any moment leaves
//! either no checkpoint of that name or a whole one. Reader: manifest present, every digest equal,
//! else the next older one. Old checkpoints are deleted only by [`prune`], after a newer one is
//! committed, and never the last whole one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::manifest::{FORMAT, MANIFEST, broken, digest, read_manifest};
use crate::engine::{EngineError, RewardModel};

pub use super::manifest::{CheckpointFile, CheckpointManifest, digest_floats, verify};

const STATE: &str = "state.json";
/// Directories that start with this are torn writes or half-done deletions.
const TEMPORARY: &str = ".tmp-";

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
        // A leftover of that name is older than the target, which is whole and about to move there.
        let aside = parent.join(format!("{name}.replaced"));
        remove_if_there(&aside)?;
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
mod tests {
    use super::*;
    use crate::domain::preference::Side;
    use crate::engine::fixture::llama_dir;
    use crate::engine::mock::MockModel;
    use crate::engine::{Backbone, LabeledPair, Loss, OpenSettings, PairText, StepSettings};

    fn model(rng_seed: u64) -> MockModel {
        let backbone = Backbone::Mock;
        MockModel::new(&OpenSettings { n_threads: 1, ..OpenSettings::new(backbone, 8, rng_seed) })
    }

    /// A parent with checkpoints `c1`, `c2`, … of models with those seeds.
    fn parent(n: u64) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for seed in 1..=n {
            write_checkpoint(dir.path(), &format!("c{seed}"), &model(seed), "{}").unwrap();
        }
        dir
    }

    fn flip_a_byte(path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    fn latest_name(parent: &Path) -> Option<String> {
        let latest = latest_valid(parent).unwrap()?;
        Some(latest.file_name().unwrap().to_string_lossy().into_owned())
    }

    #[test]
    fn model_and_state_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let parent = dir.path().join("runs/r1/checkpoints");
        assert_eq!(latest_valid(&parent).unwrap(), None);
        let manifest = write_checkpoint(&parent, "c1", &model(1), r#"{"epoch":2}"#).unwrap();
        assert_eq!(manifest.weights_digest, model(1).weights_digest());
        assert!(manifest.n_bytes() > 4 * 4096);
        let mut other = model(2);
        let state = read_checkpoint(&latest_valid(&parent).unwrap().unwrap(), &mut other).unwrap();
        assert_eq!(
            (state.as_str(), other.weights_digest()),
            (r#"{"epoch":2}"#, manifest.weights_digest)
        );
        assert_eq!(names(&parent).unwrap(), ["c1"], "no temporary stays behind");
    }

    #[test]
    fn a_trained_network_goes_on_from_its_checkpoint_exactly() {
        let files = llama_dir();
        let backbone = Backbone::Directory(files.path().to_owned());
        let open = |rng_seed| {
            let backbone = backbone.clone();
            crate::engine::open(&OpenSettings {
                n_threads: 1,
                ..OpenSettings::new(backbone, 16, rng_seed)
            })
        };
        let (mut network, mut resumed) = (open(1).unwrap(), open(2).unwrap());
        let pair = PairText::dialogue("the cat", " sat", " ran away");
        let pair = network.encode(&[pair]).unwrap().remove(0);
        let batch = [LabeledPair::certain(&pair, Side::A)];
        let settings = StepSettings {
            loss: Loss::BradleyTerry,
            learning_rate: 1e-2,
            weight_decay: 0.01,
            clip_norm: 1.0,
            dropout: 0.1,
            dropout_key: 7,
        };
        network.train_step(&batch, &settings).unwrap();
        let parent = tempfile::tempdir().unwrap();
        write_checkpoint(parent.path(), "c1", &*network, "{}").unwrap();
        read_checkpoint(&parent.path().join("c1"), &mut *resumed).unwrap();
        let reports =
            [&mut network, &mut resumed].map(|m| m.train_step(&batch, &settings).unwrap());
        assert_eq!(reports[0], reports[1]);
        assert_eq!(network.weights_digest(), resumed.weights_digest());
        // The same shape with another family is another model.
        let error = read_checkpoint(&parent.path().join("c1"), &mut model(1));
        assert!(error.unwrap_err().to_string().contains("not a mock model"));
    }

    #[test]
    fn the_newest_is_the_last_written_not_the_last_by_name() {
        let dir = parent(2);
        write_checkpoint(dir.path(), "a", &model(3), "{}").unwrap();
        assert_eq!(latest_name(dir.path()).unwrap(), "a");
    }

    #[test]
    fn torn_writes_are_passed_over_and_swept() {
        let dir = parent(1);
        // What a kill leaves: a temporary directory with or without a manifest.
        let torn = dir.path().join(".tmp-c2-1234");
        fs::create_dir(&torn).unwrap();
        fs::copy(dir.path().join("c1").join(MANIFEST), torn.join(MANIFEST)).unwrap();
        assert_eq!(latest_name(dir.path()).unwrap(), "c1");
        assert!(survey(dir.path()).unwrap().damaged.is_empty());
        assert_eq!(sweep(dir.path()).unwrap(), 1);
        assert_eq!(names(dir.path()).unwrap(), ["c1"]);
        assert_eq!(sweep(dir.path()).unwrap(), 0);
    }

    #[test]
    fn one_flipped_byte_anywhere_falls_back_to_the_older_one() {
        let files = names(&parent(1).path().join("c1")).unwrap();
        assert_eq!(files, [MANIFEST, "mock.safetensors", STATE]);
        for file in files {
            let dir = parent(2);
            flip_a_byte(&dir.path().join("c2").join(&file));
            assert_eq!(latest_name(dir.path()).unwrap(), "c1", "{file}");
            let survey = survey(dir.path()).unwrap();
            assert_eq!(survey.damaged.len(), 1);
            let message = survey.damaged[0].to_string();
            assert!(message.contains("c2") && message.contains(&file), "{message}");
            let mut model = model(9);
            let before = model.weights_digest();
            assert!(read_checkpoint(&dir.path().join("c2"), &mut model).is_err());
            assert_eq!(model.weights_digest(), before, "a refused checkpoint touches nothing");
        }
    }

    #[test]
    fn no_byte_of_the_manifest_can_change_unseen() {
        let dir = parent(1);
        let path = dir.path().join("c1").join(MANIFEST);
        let bytes = fs::read(&path).unwrap();
        let whole = read_manifest(&dir.path().join("c1")).unwrap();
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 4;
            fs::write(&path, damaged).unwrap();
            // White space may change: the meaning is the same.
            if let Ok(manifest) = read_manifest(&dir.path().join("c1")) {
                assert!(bytes[i].is_ascii_whitespace() && manifest == whole, "byte {i}");
            }
        }
    }

    #[test]
    fn missing_and_cut_files_are_named() {
        for file in [MANIFEST, "mock.safetensors", STATE] {
            let dir = parent(2);
            fs::remove_file(dir.path().join("c2").join(file)).unwrap();
            assert_eq!(latest_name(dir.path()).unwrap(), "c1");
            let error = verify(&dir.path().join("c2")).unwrap_err();
            assert!(error.to_string().contains(&format!("`{file}` is missing")), "{error}");
            assert!(error.hint().is_some());
        }
        let dir = parent(1);
        let path = dir.path().join("c1/mock.safetensors");
        File::options().write(true).open(path).unwrap().set_len(100).unwrap();
        let error = verify(&dir.path().join("c1")).unwrap_err();
        assert!(error.to_string().contains("has 100 bytes, expected"), "{error}");
        assert_eq!(latest_name(dir.path()), None);
    }

    #[test]
    fn a_checkpoint_of_another_model_is_refused() {
        let dir = parent(1);
        let path = dir.path().join("c1").join(MANIFEST);
        let manifest = verify(&dir.path().join("c1")).unwrap();
        let (_, text) = CheckpointManifest { family: "llama".into(), ..manifest }.seal().unwrap();
        fs::write(&path, text).unwrap();
        let error = read_checkpoint(&dir.path().join("c1"), &mut model(1)).unwrap_err();
        assert!(error.to_string().contains("a llama model"), "{error}");
    }

    #[test]
    fn a_replaced_name_holds_the_new_one() {
        let dir = parent(2);
        write_checkpoint(dir.path(), "c2", &model(7), "{}").unwrap();
        assert_eq!(names(dir.path()).unwrap(), ["c1", "c2"]);
        let mut read = model(0);
        read_checkpoint(&dir.path().join("c2"), &mut read).unwrap();
        assert_eq!(read.weights_digest(), model(7).weights_digest());
    }

    #[test]
    fn a_failed_write_leaves_nothing_and_harms_nothing() {
        let dir = parent(1);
        // A file stands where the target directory would go; renaming onto it fails.
        let error = write_checkpoint(dir.path(), "c1/x", &model(2), "{}").unwrap_err();
        assert!(matches!(error, EngineError::Io { .. }), "{error}");
        assert_eq!(names(dir.path()).unwrap(), ["c1"]);
        assert_eq!(latest_name(dir.path()).unwrap(), "c1");
    }

    #[test]
    fn pruning_keeps_the_newest_whole_ones_and_the_named() {
        let dir = parent(5);
        prune(dir.path(), 2, &["c2"]).unwrap();
        assert_eq!(names(dir.path()).unwrap(), ["c2", "c4", "c5"]);
        prune(dir.path(), 0, &[]).unwrap();
        assert_eq!(names(dir.path()).unwrap(), ["c5"]);
    }

    #[test]
    fn pruning_never_deletes_the_last_whole_one() {
        // Every subset of four checkpoints damaged, every number to keep.
        for damage in 0_u32..16 {
            for n_newest in 0..4 {
                let dir = parent(4);
                for i in (0..4).filter(|i| damage & (1 << i) != 0) {
                    flip_a_byte(&dir.path().join(format!("c{}/mock.safetensors", i + 1)));
                }
                let before = latest_name(dir.path());
                prune(dir.path(), n_newest, &[]).unwrap();
                assert_eq!(latest_name(dir.path()), before, "{damage:04b} {n_newest}");
            }
        }
    }
}
