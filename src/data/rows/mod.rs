//! The records of one file, one at a time, whatever kind of file it is.
//!
//! JSON lines, JSON records over several lines, a list of any size (streamed element by element; it is
//! the file, or lies inside the one object that is the file), a table (CSV or TSV) and Parquet. What is
//! inside decides, and the name only where the content cannot: a table is known by its extension.

mod array;
pub(super) mod by_column;
#[cfg(feature = "parquet")]
mod columns;
mod lines;
mod note;
mod outline;
#[cfg(feature = "parquet")]
mod parquet;
mod table;
mod text;
mod values;

use std::io::{BufRead, Read};

pub use note::Note;

use super::bytes;
use super::error::DataError;
use super::foreign;
use super::json::{Json, PackedColumns};
use super::place::Place;
use super::source::{Source, extension};
use array::{ArrayReader, Element, Frame};
use outline::Lies;
use text::{Text, wrong};

/// The records of one file.
pub(super) struct Rows {
    path: String,
    kind: Kind,
    packed: PackedColumns,
    notes: Vec<Note>,
}

enum Kind {
    Lines(lines::LineReader),
    Array(ArrayReader),
    Table(table::TableReader),
    #[cfg(feature = "parquet")]
    Parquet(parquet::ParquetReader),
}

const PARQUET_MAGIC: &[u8] = b"PAR1";

impl Rows {
    /// Looks at the first bytes. A missing, empty or wrongly compressed file fails here, and one of
    /// a kind that is not read.
    pub(super) fn open(source: &Source) -> Result<Self, DataError> {
        Self::open_with(source, &[])
    }

    /// The same, where a person named some columns, which are read however heavy they are.
    pub(super) fn open_with(source: &Source, named: &[&str]) -> Result<Self, DataError> {
        let path = source.to_string();
        let mut notes = Vec::new();
        let kind = match Self::parquet(source, named, &mut notes)? {
            Some(parquet) => parquet,
            None => Self::text(source, &mut notes)?,
        };
        Ok(Self { path, kind, packed: PackedColumns::default(), notes })
    }

    /// The reader of a Parquet file, if it is one.
    fn parquet(
        source: &Source,
        named: &[&str],
        notes: &mut Vec<Note>,
    ) -> Result<Option<Kind>, DataError> {
        let Some(file) = source.path() else { return Ok(None) };
        let path = source.to_string();
        let mut head = Vec::new();
        let io = |source| DataError::Io { path: path.clone(), line: 1, source };
        bytes::file(file)?.take(64).read_to_end(&mut head).map_err(io)?;
        let extension = extension(&path);
        if head.starts_with(PARQUET_MAGIC) {
            return open_parquet(file, path, named, notes).map(Some);
        }
        let is_named = path.to_lowercase().ends_with(".parquet");
        if !is_named || head.is_empty() || bytes::is_compressed(&head) {
            return Ok(None);
        }
        Err(match foreign::kind(&head, &extension) {
            Some(kind) => DataError::Foreign { path, kind },
            None => bytes::wrong_magic(path, "Parquet", &head, 4, "50 41 52 31"),
        })
    }

    /// The reader of text.
    fn text(source: &Source, notes: &mut Vec<Note>) -> Result<Kind, DataError> {
        let mut text = Text::open(source)?;
        let Text { path, input, compression } = &mut text;
        let extension = extension(path);
        let head =
            input.fill_buf().map_err(|error| bytes::read_error(path, 1, *compression, error))?;
        if let Some(kind) = foreign::kind(head, &extension) {
            return Err(DataError::Foreign { path: path.clone(), kind });
        }
        let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
        let first = head.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        let delimiter = table::delimiter(&extension, head);
        let ends = table::LineEnds::of(head);
        Ok(match (extension.as_str(), first) {
            ("csv" | "tsv", Some(_)) => {
                Kind::Table(table::TableReader::open(text, delimiter, ends)?)
            }
            (_, Some(b'[')) => Kind::Array(ArrayReader::new(text, Frame::Whole, Element::Record)),
            (_, Some(b'{')) => match outline::look(source)? {
                Lies::Lines => Kind::Lines(lines::LineReader::new(text)),
                Lies::List(frame, element, note) => {
                    notes.extend(note);
                    Kind::Array(ArrayReader::new(text, frame, element))
                }
            },
            _ => Kind::Lines(lines::LineReader::new(text)),
        })
    }

    /// The next record, or `None` at the end. Columns of message lists that lie as JSON text are
    /// lists.
    pub(super) fn next(&mut self) -> Result<Option<(Place, Json<'_>)>, DataError> {
        let next = match &mut self.kind {
            Kind::Lines(lines) => lines.next(),
            Kind::Array(array) => array.next(),
            Kind::Table(table) => table.next(),
            #[cfg(feature = "parquet")]
            Kind::Parquet(parquet) => parquet.next(),
        };
        let Some((at, mut record)) = next? else { return Ok(None) };
        self.packed.unpack(&mut record).map_err(|error| wrong(&self.path, at, error))?;
        Ok(Some((at, record)))
    }

    /// What was understood about the file.
    pub(super) fn notes(&self) -> &[Note] {
        &self.notes
    }
}

#[cfg(feature = "parquet")]
fn open_parquet(
    file: &std::path::Path,
    path: String,
    named: &[&str],
    notes: &mut Vec<Note>,
) -> Result<Kind, DataError> {
    parquet::ParquetReader::open(file, path, named, notes).map(Kind::Parquet)
}

#[cfg(not(feature = "parquet"))]
fn open_parquet(
    _: &std::path::Path,
    path: String,
    _: &[&str],
    _: &mut Vec<Note>,
) -> Result<Kind, DataError> {
    Err(DataError::NoParquet { path })
}

#[cfg(test)]
mod tests;
