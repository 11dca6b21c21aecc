//! Whole or not there, whatever happens in between.

use super::*;
use crate::domain::preference::Side;
use crate::domain::spec::Loss;
use crate::engine::fixture::llama_dir;
use crate::engine::mock::MockModel;
use crate::engine::{Backbone, LabeledPair, OpenSettings, PairText, StepSettings};

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
    let latest = survey(parent).unwrap().latest?;
    Some(latest.file_name().unwrap().to_string_lossy().into_owned())
}

#[test]
fn model_and_state_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let parent = dir.path().join("runs/r1/checkpoints");
    assert_eq!(survey(&parent).unwrap().latest, None);
    let manifest = write_checkpoint(&parent, "c1", &model(1), r#"{"epoch":2}"#).unwrap();
    assert_eq!(manifest.weights_digest, model(1).weights_digest());
    assert!(manifest.n_bytes() > 4 * 4096);
    let mut other = model(2);
    let state = read_checkpoint(&survey(&parent).unwrap().latest.unwrap(), &mut other).unwrap();
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
    let reports = [&mut network, &mut resumed].map(|m| m.train_step(&batch, &settings).unwrap());
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
    Trust::default().prune(dir.path(), 2, &["c2"]).unwrap();
    assert_eq!(names(dir.path()).unwrap(), ["c2", "c4", "c5"]);
    Trust::default().prune(dir.path(), 0, &[]).unwrap();
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
            Trust::default().prune(dir.path(), n_newest, &[]).unwrap();
            assert_eq!(latest_name(dir.path()), before, "{damage:04b} {n_newest}");
        }
    }
}

/// Every byte of a checkpoint is hashed once when it is written and once by the process that first reads
/// it, however often checkpoints are pruned.
#[test]
fn bytes_are_hashed_once_when_written_and_once_when_first_trusted() {
    use crate::engine::files::manifest::take_n_bytes_hashed;

    let dir = tempfile::tempdir().unwrap();
    let mut writer = Trust::default();
    let mut n_written = 0;
    take_n_bytes_hashed();
    for seed in 1..=6 {
        let name = format!("c{seed}");
        n_written += writer.write(dir.path(), &name, &model(seed), "{}").unwrap().n_bytes();
        writer.prune(dir.path(), 2, &["c1"]).unwrap();
    }
    writer.read(&dir.path().join("c5"), &mut model(1)).unwrap();
    assert_eq!(take_n_bytes_hashed(), n_written);
    assert_eq!(names(dir.path()).unwrap(), ["c1", "c5", "c6"]);

    // A process that goes on: the newest is read whole, the one before it when it is counted on.
    let mut reader = Trust::default();
    let latest = reader.survey(dir.path()).unwrap().latest.unwrap();
    let newest = read_manifest(&latest).unwrap().n_bytes();
    reader.read(&latest, &mut model(2)).unwrap();
    assert_eq!(take_n_bytes_hashed(), newest);
    let next = reader.write(dir.path(), "c7", &model(7), "{}").unwrap().n_bytes();
    reader.prune(dir.path(), 3, &[]).unwrap();
    let before = read_manifest(&dir.path().join("c5")).unwrap().n_bytes();
    assert_eq!(take_n_bytes_hashed(), next + before);
    reader.prune(dir.path(), 3, &[]).unwrap();
    assert_eq!(take_n_bytes_hashed(), 0);
    assert_eq!(names(dir.path()).unwrap(), ["c5", "c6", "c7"]);
}

#[test]
fn what_changes_under_a_trusted_checkpoint_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut trust = Trust::default();
    for seed in 1..=2 {
        trust.write(dir.path(), &format!("c{seed}"), &model(seed), "{}").unwrap();
    }
    // A file that is gone, at once; other weights of the same size, when they are restored.
    let newest = dir.path().join("c2");
    fs::copy(dir.path().join("c1/mock.safetensors"), newest.join("mock.safetensors")).unwrap();
    assert!(trust.read(&newest, &mut model(5)).is_err());
    fs::remove_file(newest.join("mock.safetensors")).unwrap();
    let survey = trust.survey(dir.path()).unwrap();
    assert_eq!(survey.latest, Some(dir.path().join("c1")));
    assert_eq!(survey.damaged.len(), 1);
}
