//! Parquet through the record API, row by row; pages are decoded as they are needed.

use std::borrow::Cow;
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use serde_json::Number;

use super::super::bytes;
use super::super::place::Unit;
use super::{DataError, Json, Note, Place};

pub(in super::super) struct ParquetReader {
    path: String,
    rows: RowIter<'static>,
    n_rows: u64,
}

impl ParquetReader {
    pub(super) fn open(
        file: &Path,
        path: String,
        _notes: &mut Vec<Note>,
    ) -> Result<Self, DataError> {
        let reader = SerializedFileReader::new(bytes::file(file)?)
            .map_err(|error| DataError::Parquet { path: path.clone(), detail: words(&error) })?;
        Ok(Self { path, rows: reader.into_iter(), n_rows: 0 })
    }

    pub(super) fn next(&mut self) -> Result<Option<(Place, Json<'_>)>, DataError> {
        self.n_rows += 1;
        let row = match self.rows.next() {
            None => return Ok(None),
            Some(row) => row.map_err(|error| {
                let detail = format!("row {}: {}", self.n_rows, words(&error));
                DataError::Parquet { path: self.path.clone(), detail }
            })?,
        };
        let at = Place { unit: Unit::Row, number: self.n_rows, line: 0 };
        Ok(Some((at, object(row))))
    }
}

fn words(error: &ParquetError) -> String {
    super::super::error::excerpt(error.to_string().trim_start_matches("Parquet error: "))
}

fn object(row: Row) -> Json<'static> {
    let fields = row.into_columns().into_iter();
    Json::Object(fields.map(|(name, field)| (Cow::Owned(name), value(field))).collect())
}

fn value(field: Field) -> Json<'static> {
    let float = |number: f64| Number::from_f64(number).map_or(Json::Null, Json::Number);
    match field {
        Field::Null => Json::Null,
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
        Field::Str(text) => Json::Text(Cow::Owned(text)),
        // Some writers leave out that a text is a text.
        Field::Bytes(bytes) => {
            Json::Text(Cow::Owned(String::from_utf8_lossy(bytes.data()).into_owned()))
        }
        Field::Group(row) => object(row),
        Field::ListInternal(list) => {
            Json::List(list.elements().iter().cloned().map(value).collect())
        }
        other @ (Field::Decimal(_) | Field::MapInternal(_)) => {
            Json::Text(Cow::Owned(other.to_string()))
        }
    }
}
