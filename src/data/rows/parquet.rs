//! Parquet through the record API, row by row; pages are decoded as they are needed.
//!
//! A column that the record API cannot convert, or that holds long lists of numbers or images, is
//! not read. In every record it has a value that says what it is, so that it is not taken for a
//! missing field.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};

use super::columns::{Meaning, choose};
use super::note::Note;
use crate::data::bytes;
use crate::data::error::{DataError, excerpt};
use crate::data::json::{Json, float};
use crate::data::place::{Place, Unit};

pub(in super::super) struct ParquetReader {
    path: String,
    rows: RowIter<'static>,
    n_rows: u64,
    /// What the columns that are read mean, in their order.
    meanings: Vec<Meaning>,
    /// The columns that are left aside, and what they are.
    left: Vec<(String, &'static str)>,
}

impl ParquetReader {
    /// `named` are columns that a person named, which are read however heavy they are.
    pub(super) fn open(
        file: &Path,
        path: String,
        named: &[&str],
        notes: &mut Vec<Note>,
    ) -> Result<Self, DataError> {
        let file = bytes::file(file)?;
        let opened = guarded(|| {
            let reader = SerializedFileReader::new(file)?;
            let columns = choose(reader.metadata(), named)?;
            let projection = columns.projection;
            Ok((reader.into_iter().project(projection)?, columns.meanings, columns.left))
        });
        let (rows, meanings, left) =
            opened.map_err(|detail| DataError::Parquet { path: path.clone(), detail })?;
        let mut kinds: Vec<&'static str> = left.iter().map(|(_, what)| *what).collect();
        kinds.sort_unstable();
        kinds.dedup();
        notes.extend(kinds.into_iter().map(|what| {
            let of_kind = left.iter().filter(|(_, kind)| *kind == what);
            Note::Unread { columns: of_kind.map(|(name, _)| name.clone()).collect(), what }
        }));
        Ok(Self { path, rows, n_rows: 0, meanings, left })
    }

    pub(super) fn next(&mut self) -> Result<Option<(Place, Json<'_>)>, DataError> {
        self.n_rows += 1;
        let rows = &mut self.rows;
        let row = guarded(|| rows.next().transpose()).map_err(|detail| {
            let detail = format!("row {}: {detail}", self.n_rows);
            DataError::Parquet { path: self.path.clone(), detail }
        })?;
        let Some(row) = row else { return Ok(None) };
        let at = Place { unit: Unit::Row, number: self.n_rows, line: 0 };
        let mut entries = fields(row, &self.meanings);
        let left = self.left.iter();
        entries.extend(
            left.map(|(name, what)| {
                (Cow::Borrowed(name.as_str()), Json::Unread(Cow::Borrowed(what)))
            }),
        );
        Ok(Some((at, Json::Object(entries))))
    }
}

/// Runs a call of the parquet crate. It is known to panic on some damaged files; a panic becomes an
/// error like its others, in a few words.
fn guarded<T>(call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => {
            result.map_err(|error| excerpt(error.to_string().trim_start_matches("Parquet error: ")))
        }
        Err(_) => Err("its reader panicked".into()),
    }
}

type Entries<'a> = Vec<(Cow<'a, str>, Json<'a>)>;

/// The fields of a row; those behind the last known meaning are plain.
fn fields<'a>(row: Row, meanings: &[Meaning]) -> Entries<'a> {
    let meanings = meanings.iter().chain(std::iter::repeat(&Meaning::Plain));
    let columns = row.into_columns().into_iter().zip(meanings);
    columns.map(|((name, field), meaning)| (Cow::Owned(name), value(field, meaning))).collect()
}

fn value<'a>(field: Field, meaning: &Meaning) -> Json<'a> {
    match (field, meaning) {
        (Field::Null, _) => Json::Null,
        (Field::Str(text), Meaning::Json) => json(&text),
        (Field::Str(text), _) => Json::Text(Cow::Owned(text)),
        // Some writers do not mark texts as texts.
        (Field::Bytes(bytes), meaning) => match std::str::from_utf8(bytes.data()) {
            Ok(text) if *meaning == Meaning::Json => json(text),
            Ok(text) => Json::Text(Cow::Owned(text.to_owned())),
            Err(_) => Json::Unread(Cow::Borrowed("bytes that are no text")),
        },
        (Field::Group(row), Meaning::Fields(meanings)) => Json::Object(fields(row, meanings)),
        (Field::Group(row), _) => Json::Object(fields(row, &[])),
        (Field::ListInternal(list), meaning) => {
            let inner = match meaning {
                Meaning::List(inner) => inner,
                _ => &Meaning::Plain,
            };
            Json::List(list.elements().iter().cloned().map(|field| value(field, inner)).collect())
        }
        (Field::MapInternal(map), _) => object(map.entries()),
        (field, Meaning::Names(names)) => match number(&field) {
            Some(Json::Number(class)) => {
                let name = class.as_u64().and_then(|class| names.get(class as usize));
                // `datasets` writes −1 for a row without a label.
                name.map_or(Json::Null, |name| Json::Text(Cow::Owned(name.clone())))
            }
            other => other.unwrap_or(Json::Null),
        },
        (field, _) => number(&field).unwrap_or_else(|| Json::Text(Cow::Owned(field.to_string()))),
    }
}

/// What a cell of a JSON column holds.
fn json<'a>(text: &str) -> Json<'a> {
    match Json::parse_any(text) {
        Ok(value) => value.into_owned(),
        Err(_) => Json::Unread(Cow::Borrowed("broken JSON in a column of JSON")),
    }
}

/// A map as an object: keys that are no texts are written as texts.
fn object<'a>(entries: &[(Field, Field)]) -> Json<'a> {
    let entry = |(key, field): &(Field, Field)| {
        let key = match key {
            Field::Str(key) => key.clone(),
            other => other.to_string(),
        };
        (Cow::Owned(key), value(field.clone(), &Meaning::Plain))
    };
    Json::Object(entries.iter().map(entry).collect())
}

/// Numbers, times as the numbers they are stored as, and truth values.
fn number(field: &Field) -> Option<Json<'static>> {
    Some(match *field {
        Field::Bool(value) => Json::Bool(value),
        Field::Byte(n) => Json::Number(n.into()),
        Field::Short(n) => Json::Number(n.into()),
        Field::Int(n) | Field::Date(n) | Field::TimeMillis(n) => Json::Number(n.into()),
        Field::Long(n)
        | Field::TimeMicros(n)
        | Field::TimestampMillis(n)
        | Field::TimestampMicros(n) => Json::Number(n.into()),
        Field::UByte(n) => Json::Number(n.into()),
        Field::UShort(n) => Json::Number(n.into()),
        Field::UInt(n) => Json::Number(n.into()),
        Field::ULong(n) => Json::Number(n.into()),
        Field::Float16(n) => float(n.to_f64()),
        Field::Float(n) => float(f64::from(n)),
        Field::Double(n) => float(n),
        _ => return None,
    })
}
