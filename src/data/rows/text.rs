//! The bytes of a file as text, and what is wrong with a record of it.

use crate::data::bytes::{self, Compression, Input};
use crate::data::error::{DataError, RecordError, excerpt};
use crate::data::json::Json;
use crate::data::place::Place;
use crate::data::source::Source;

/// Where bytes of text come from, for every reader of text.
pub(in crate::data) struct Text {
    pub(super) path: String,
    pub(super) input: Input,
    pub(super) compression: Compression,
}

impl Text {
    pub(super) fn open(source: &Source) -> Result<Self, DataError> {
        let (input, compression) = bytes::text(source)?;
        Ok(Self { path: source.to_string(), input, compression })
    }
}

/// The bytes of a record as text.
pub(super) fn utf8<'a>(path: &str, at: Place, bytes: &'a [u8]) -> Result<&'a str, DataError> {
    std::str::from_utf8(bytes).map_err(|error| DataError::InvalidUtf8 {
        path: path.to_owned(),
        at,
        column: error.valid_up_to() + 1,
        byte: bytes.get(error.valid_up_to()).copied().unwrap_or_default(),
    })
}

/// The record a text holds.
pub(super) fn parse<'a>(
    path: &str,
    at: Place,
    text: &'a str,
) -> Result<Option<(Place, Json<'a>)>, DataError> {
    Json::parse(text).map(|record| Some((at, record))).map_err(|error| wrong(path, at, error))
}

pub(super) fn wrong(path: &str, at: Place, error: RecordError) -> DataError {
    DataError::Record { path: path.to_owned(), at, error }
}

pub(super) fn too_long(path: &str, at: Place, start: &[u8]) -> DataError {
    let start = String::from_utf8_lossy(&start[..start.len().min(80)]);
    DataError::TooLong {
        path: path.to_owned(),
        at,
        cap_bytes: bytes::MAX_RECORD_BYTES,
        excerpt: excerpt(&start),
    }
}
