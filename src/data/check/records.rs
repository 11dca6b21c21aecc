//! Numbers for the records of several files.

use super::report::RecordName;
use crate::data::source::Source;

/// Bits of the number of a record within its file.
const NUMBER_BITS: u32 = 40;

/// The files that records are of.
#[derive(Default)]
pub(super) struct Records {
    files: Vec<Source>,
}

impl Records {
    /// One number for a record and its file.
    pub(super) fn key(&mut self, file: Option<&Source>, number: u64) -> u64 {
        let Some(file) = file else { return number };
        // Records come file by file, or from a few files in turn.
        let known = self.files.iter().rposition(|it| it == file);
        let at = known.unwrap_or_else(|| {
            self.files.push(file.clone());
            self.files.len() - 1
        });
        (at as u64) << NUMBER_BITS | number
    }

    pub(super) fn name(&self, key: u64) -> RecordName {
        let number = key & ((1 << NUMBER_BITS) - 1);
        let file = match self.files.as_slice() {
            [_, _, ..] => self.files.get((key >> NUMBER_BITS) as usize).map(Source::to_string),
            _ => None,
        };
        RecordName { file: file.unwrap_or_default(), number }
    }
}
