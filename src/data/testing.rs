//! What the tests of this layer share: files in a temporary folder, and the real data beside the
//! checkout.

use std::io::Write;
use std::path::Path;

use super::{
    CheckReport, CheckSettings, DataError, Part, ReadSettings, Source, SourceItem, SourcePair,
    check, open,
};
use crate::domain::spec::{Amount, SourcePart};
use crate::domain::split::SplitRule;

pub(super) fn write(dir: &Path, name: &str, bytes: &[u8]) -> Source {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    Source::File(path)
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The items of a text read as `settings` say, or the first error.
pub(super) fn read(text: &[u8], settings: &ReadSettings) -> Result<Vec<SourceItem>, DataError> {
    let dir = tempfile::tempdir().unwrap();
    open(&write(dir.path(), "pairs.jsonl", text), settings)?.collect()
}

/// The error without the folder of the file, and that there is a hint.
pub(super) fn error_of(name: &str, bytes: &[u8], settings: &ReadSettings) -> String {
    let dir = tempfile::tempdir().unwrap();
    let source = write(dir.path(), name, bytes);
    let error = open(&source, settings)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .expect_err("this input is wrong");
    let hint = error.hint().expect("every data error has a hint");
    assert!(!hint.is_empty() && !hint.contains('\n'), "{hint}");
    let message = error.to_string().replace(&format!("{}/", dir.path().display()), "");
    assert!(!message.contains('\n') && !message.ends_with('.'), "{message}");
    message
}

pub(super) fn only_pair(text: &str) -> SourcePair {
    match read(text.as_bytes(), &ReadSettings::default()).unwrap().remove(0) {
        SourceItem::Pair(pair) => pair,
        dropped @ SourceItem::Dropped { .. } => panic!("{dropped:?}"),
    }
}

pub(super) fn texts(text: &str) -> (String, String, String) {
    let pair = only_pair(text).pair;
    (pair.prompt, pair.chosen, pair.rejected)
}

pub(super) fn owned(prompt: &str, chosen: &str, rejected: &str) -> (String, String, String) {
    (prompt.into(), chosen.into(), rejected.into())
}

/// Tells the person who runs the tests.
pub(super) fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

/// A file of the shared folder, or `None` with a word about why the test is skipped.
pub(super) fn shared(path: &str) -> Option<Source> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")).join(path);
    if path.exists() {
        return Some(Source::File(path));
    }
    say(&format!("skipped: {} is not there", path.display()));
    None
}

pub(super) fn check_file(source: &Source) -> CheckReport {
    let settings = CheckSettings {
        read: ReadSettings::default(),
        split: SplitRule {
            rng_seed: 1,
            seed_labels: Amount::Share(0.15),
            validation_share: 0.2,
            test_share: 0.2,
        },
        max_share: 0.01,
        model: "none".to_owned(),
        max_tokens: 256,
        is_model_named: false,
    };
    let part = Part::find(&SourcePart::whole(source.to_string()), &settings.read).unwrap();
    check::<DataError>(vec![part], None, &settings, None).unwrap()
}
