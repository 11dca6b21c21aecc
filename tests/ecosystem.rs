//! Exports, imports and the shared cache against the Python programs they are meant for.

use std::path::{Path, PathBuf};
use std::process::Command;

mod policies;

/// What a script ends with when something it needs is missing.
const SKIPPED: i32 = 77;

/// Runs a script of `tests/python` with the program, the test pairs and a folder to work in. Says whether it
/// had what it needs.
fn run_script(name: &str, arguments: &[(&str, PathBuf)]) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var("SER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let work = tempfile::tempdir().unwrap();
    let mut command = Command::new(&python);
    command.arg(root.join("tests/python").join(name));
    command.args(["--ser", env!("CARGO_BIN_EXE_ser")]);
    command.arg("--pairs").arg(root.join("data/pocket-test.jsonl.gz"));
    command.arg("--work").arg(work.path());
    for (key, path) in arguments {
        command.arg(key).arg(path);
    }
    match command.status() {
        Ok(status) => {
            assert!(status.success() || status.code() == Some(SKIPPED), "{status}");
            status.success()
        }
        Err(error) => {
            println!("skipped: `{python}` does not start ({error})");
            false
        }
    }
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/models")
}

/// Needs Python (`SER_PYTHON`, else `python3`) with torch, transformers, peft, trl and datasets.
#[test]
#[ignore = "trains twelve small models and loads torch; minutes"]
fn transformers_peft_and_trl_agree_with_ser() {
    run_script("check_exports.py", &[("--models", models())]);
}

/// Needs Python (`SER_PYTHON`, else `python3`) with torch, transformers, peft, trl and datasets.
#[test]
#[ignore = "trains a tiny model of every layout and loads torch; a minute"]
fn tiny_checkpoints_leave_as_they_came() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peers");
    run_script("check_peers.py", &[("--fixtures", fixtures)]);
}

/// Needs Python (`SER_PYTHON`, else `python3`) with torch, transformers, trl, datasets and pandas.
#[test]
#[ignore = "trains a small model and loads torch; a minute"]
fn a_step_of_grpo_in_trl_is_rewarded_as_ser_scores() {
    run_script("check_grpo.py", &[]);
}

/// Needs Python (`SER_PYTHON`, else `python3`) with `huggingface_hub`.
#[test]
#[cfg(feature = "hub")]
#[ignore = "needs a Python with huggingface_hub"]
fn huggingface_hub_and_ser_share_a_cache() {
    run_script("check_hub_cache.py", &[("--model", models().join("stories260K/hf"))]);
}

/// Needs Python (`SER_PYTHON`, else `python3`) with datasets.
#[test]
#[cfg(feature = "parquet")]
#[ignore = "trains a small policy and loads datasets; half a minute"]
fn datasets_reads_the_rollouts_of_a_policy() {
    run_script("check_rollouts.py", &[]);
}
