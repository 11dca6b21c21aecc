//! Tables: values separated by commas, semicolons or tabs, with quotes (RFC 4180), as pandas writes
//! and reads all three. The first line names the columns; a cell is a text, and an empty one is null.

use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use super::text::{Text, too_long, wrong};
use crate::data::bytes::{Compression, Input, MAX_RECORD_BYTES, read_error};
use crate::data::error::{DataError, RecordError, excerpt};
use crate::data::json::Json;
use crate::data::place::{Place, Unit};

pub(in super::super) struct TableReader {
    path: String,
    compression: Compression,
    csv: csv::Reader<Capped>,
    n_since_record: Arc<AtomicUsize>,
    columns: Vec<String>,
    record: StringRecord,
    n_rows: u64,
    ends: LineEnds,
}

/// How the first line of a table ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    Lf,
    CrLf,
    /// As old programs do. Such lines are not counted.
    Cr,
}

impl LineEnds {
    pub(super) fn of(head: &[u8]) -> Self {
        match head.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            Some(at) if head[at] == b'\r' && head.get(at + 1) == Some(&b'\n') => Self::CrLf,
            Some(at) if head[at] == b'\r' => Self::Cr,
            _ => Self::Lf,
        }
    }

    /// The line of a record: the parser counts the second half of a line end with the next record.
    fn line(self, counted: u64) -> u64 {
        match self {
            Self::Lf => counted,
            Self::CrLf => counted + 1,
            Self::Cr => 0,
        }
    }
}

/// Stops at a row without an end (a quote that is never closed) before it fills the memory.
struct Capped {
    input: Input,
    n_since_record: Arc<AtomicUsize>,
}

impl Read for Capped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        if self.n_since_record.fetch_add(n, Ordering::Relaxed) > MAX_RECORD_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(n)
    }
}

/// What separates the cells: a tab in `.tsv` and where the first line has more tabs than commas.
pub(super) fn delimiter(extension: &str, head: &[u8]) -> u8 {
    // Old files end their lines with a carriage return alone.
    let line = head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let count = |wanted: u8| line.split(|byte| *byte == wanted).count() - 1;
    if extension == "tsv" || count(b'\t') > count(b',') {
        b'\t'
    } else if count(b';') > count(b',') {
        b';'
    } else {
        b','
    }
}

impl TableReader {
    pub(super) fn open(text: Text, delimiter: u8, ends: LineEnds) -> Result<Self, DataError> {
        let Text { path, input, compression } = text;
        let n_since_record = Arc::new(AtomicUsize::new(0));
        let capped = Capped { input, n_since_record: Arc::clone(&n_since_record) };
        let csv = ReaderBuilder::new().delimiter(delimiter).has_headers(true).from_reader(capped);
        let mut table = Self {
            path,
            compression,
            csv,
            n_since_record,
            columns: Vec::new(),
            record: StringRecord::new(),
            n_rows: 0,
            ends,
        };
        let header = match table.csv.headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(table.error(error)),
        };
        let names = header.iter().map(|name| name.trim_start_matches('\u{feff}').trim());
        table.columns = names.map(str::to_owned).collect();
        let mut seen = std::collections::HashSet::new();
        let twice = table.columns.iter().find(|name| !seen.insert(name.as_str()));
        let detail = match twice {
            Some(name) if name.is_empty() => "two columns have no name".to_owned(),
            Some(name) => format!("two columns are named `{name}`"),
            None if table.columns.len() < 2 => {
                format!("only one column: `{}`", excerpt(&table.columns[0]))
            }
            None => return Ok(table),
        };
        Err(DataError::BrokenHeader { path: table.path, detail })
    }

    pub(super) fn next(&mut self) -> Result<Option<(Place, Json<'_>)>, DataError> {
        self.n_since_record.store(0, Ordering::Relaxed);
        self.n_rows += 1;
        let line = self.csv.position().line();
        match self.csv.read_record(&mut self.record) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) => return Err(self.error(error)),
        }
        let line = self.record.position().map_or(line, csv::Position::line);
        let at = Place { unit: Unit::Row, number: self.n_rows, line: self.ends.line(line) };
        let cells = self.record.iter().map(|cell| match cell {
            "" => Json::Null,
            text => Json::Text(Cow::Borrowed(text)),
        });
        let columns = self.columns.iter().map(|name| Cow::Borrowed(name.as_str()));
        Ok(Some((at, Json::Object(columns.zip(cells).collect()))))
    }

    fn error(&self, error: csv::Error) -> DataError {
        let path = &self.path;
        let at = |line: Option<u64>| Place {
            unit: Unit::Row,
            number: self.n_rows,
            line: self.ends.line(line.unwrap_or_else(|| self.csv.position().line())),
        };
        match error.into_kind() {
            ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                too_long(path, at(None), b"")
            }
            ErrorKind::Io(error) => {
                read_error(path, self.csv.position().line(), self.compression, error)
            }
            ErrorKind::UnequalLengths { pos, expected_len: expected, len: found } => wrong(
                path,
                at(pos.map(|pos| pos.line())),
                RecordError::CellCount { found, expected },
            ),
            ErrorKind::Utf8 { pos, err } => {
                let column = self.columns.get(err.field()).cloned().unwrap_or_default();
                wrong(path, at(pos.map(|pos| pos.line())), RecordError::CellNotUtf8 { column })
            }
            other => DataError::BrokenHeader { path: path.clone(), detail: format!("{other:?}") },
        }
    }
}
