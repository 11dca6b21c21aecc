//! Pocket preferences: the embedded data set.

use super::source::EmbeddedSplit;

const TRAIN: &[u8] = include_bytes!("../../../data/pocket-train.jsonl.gz");
const TEST: &[u8] = include_bytes!("../../../data/pocket-test.jsonl.gz");

/// The stored bytes (gzip) of one part.
pub(super) fn embedded(split: EmbeddedSplit) -> &'static [u8] {
    match split {
        EmbeddedSplit::Train => TRAIN,
        EmbeddedSplit::Test => TEST,
    }
}
