//! Exports and imports of models against the Python programs they are meant for.

use std::path::Path;
use std::process::Command;

/// What the script ends with when something it needs is missing.
const SKIPPED: i32 = 77;

/// Needs Python (`SER_PYTHON`, else `python3`) with torch, transformers, peft, trl and datasets.
#[test]
#[ignore = "trains nine small models and loads torch; minutes"]
fn transformers_peft_and_trl_agree_with_ser() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var("SER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let work = tempfile::tempdir().unwrap();
    let status = Command::new(&python)
        .arg(root.join("tests/python/check_exports.py"))
        .args(["--ser", env!("CARGO_BIN_EXE_ser")])
        .arg("--models")
        .arg(root.join("../shared/models"))
        .arg("--pairs")
        .arg(root.join("data/pocket-test.jsonl.gz"))
        .arg("--work")
        .arg(work.path())
        .status();
    match status {
        Ok(status) => assert!(status.success() || status.code() == Some(SKIPPED), "{status}"),
        Err(error) => println!("skipped: `{python}` does not start ({error})"),
    }
}
