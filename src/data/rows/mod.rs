//! The records of one file, one at a time, whatever kind of file it is.
//!
//! JSON lines, a JSON array of any size (streamed element by element), a table (CSV or TSV) and
//! Parquet. What is inside decides, and the name only where the content cannot: a table is known by
//! its extension.

mod array;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod table;

use std::io::{BufRead, Read};

use super::bytes::{self, Compression, Input};
use super::error::{DataError, RecordError};
use super::json::Json;
use super::place::Place;
use super::source::{Source, extension};

/// Where bytes of text come from, for every reader of text.
pub(super) struct Text {
    path: String,
    input: Input,
    compression: Compression,
}

/// The records of one file.
pub(super) enum Rows {
    Lines(lines::LineReader),
    Array(array::ArrayReader),
    Table(table::TableReader),
    #[cfg(feature = "parquet")]
    Parquet(parquet::ParquetReader),
}

const PARQUET_MAGIC: &[u8] = b"PAR1";

impl Rows {
    /// Looks at the first bytes. A missing, empty or wrongly compressed file fails here.
    pub(super) fn open(source: &Source) -> Result<Self, DataError> {
        let path = source.to_string();
        let extension = extension(&path);
        if let Source::File(file) = source {
            let mut head = Vec::new();
            let io = |source| DataError::Io { path: path.clone(), line: 1, source };
            bytes::file(file)?.take(4).read_to_end(&mut head).map_err(io)?;
            if head == PARQUET_MAGIC {
                return Self::parquet(file, path);
            }
            if extension == "parquet" && !head.is_empty() {
                return Err(bytes::wrong_magic(path, "Parquet", &head, 4, "50 41 52 31"));
            }
        }
        let (mut input, compression) = bytes::text(source)?;
        let head =
            input.fill_buf().map_err(|error| bytes::read_error(&path, 1, compression, error))?;
        let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
        let first = head.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        let delimiter = table::delimiter(&extension, head);
        let text = Text { path, input, compression };
        Ok(match (extension.as_str(), first) {
            ("csv" | "tsv", Some(_)) => Self::Table(table::TableReader::open(text, delimiter)?),
            (_, Some(b'[')) => Self::Array(array::ArrayReader::new(text)),
            _ => Self::Lines(lines::LineReader::new(text)),
        })
    }

    #[cfg(feature = "parquet")]
    fn parquet(file: &std::path::Path, path: String) -> Result<Self, DataError> {
        parquet::ParquetReader::open(file, path).map(Self::Parquet)
    }

    #[cfg(not(feature = "parquet"))]
    fn parquet(_: &std::path::Path, path: String) -> Result<Self, DataError> {
        Err(DataError::NoParquet { path })
    }

    /// The next record, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Place, Json<'_>)>, DataError> {
        match self {
            Self::Lines(lines) => lines.next(),
            Self::Array(array) => array.next(),
            Self::Table(table) => table.next(),
            #[cfg(feature = "parquet")]
            Self::Parquet(parquet) => parquet.next(),
        }
    }
}

/// The bytes of a record as text.
fn utf8<'a>(path: &str, at: Place, bytes: &'a [u8]) -> Result<&'a str, DataError> {
    std::str::from_utf8(bytes).map_err(|error| DataError::InvalidUtf8 {
        path: path.to_owned(),
        at,
        column: error.valid_up_to() + 1,
        byte: bytes.get(error.valid_up_to()).copied().unwrap_or_default(),
    })
}

/// The record a text holds.
fn parse<'a>(path: &str, at: Place, text: &'a str) -> Result<Option<(Place, Json<'a>)>, DataError> {
    Json::parse(text).map(|record| Some((at, record))).map_err(|error| wrong(path, at, error))
}

fn wrong(path: &str, at: Place, error: RecordError) -> DataError {
    DataError::Record { path: path.to_owned(), at, error }
}

fn too_long(path: &str, at: Place, start: &[u8]) -> DataError {
    let start = String::from_utf8_lossy(&start[..start.len().min(80)]);
    DataError::TooLong {
        path: path.to_owned(),
        at,
        cap_bytes: bytes::MAX_RECORD_BYTES,
        excerpt: super::error::excerpt(&start),
    }
}

#[cfg(test)]
mod tests;
