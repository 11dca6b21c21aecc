//! The fields that a layout needs of a record.

use super::value::Json;
use crate::data::error::RecordError;

/// A field that must be a text.
pub(in crate::data) fn text<'r>(record: &'r Json<'_>, field: &str) -> Result<&'r str, RecordError> {
    match record.get(field) {
        Json::Text(text) => Ok(text),
        Json::Null => Err(missing(record, field)),
        other => Err(wrong_type(field, other, "a text")),
    }
}

/// A text that may be left out.
pub(in crate::data) fn optional_text<'r>(
    record: &'r Json<'_>,
    field: &str,
) -> Result<&'r str, RecordError> {
    if record.has(field) { text(record, field) } else { Ok("") }
}

/// A field that must be a list.
pub(in crate::data) fn list<'r, 'a>(
    record: &'r Json<'a>,
    field: &str,
) -> Result<&'r [Json<'a>], RecordError> {
    match record.get(field) {
        Json::List(list) => Ok(list),
        Json::Null => Err(missing(record, field)),
        other => Err(wrong_type(field, other, "a list")),
    }
}

/// A list of texts.
pub(in crate::data) fn texts<'r>(
    record: &'r Json<'_>,
    field: &str,
) -> Result<Vec<&'r str>, RecordError> {
    let entries = list(record, field)?.iter().enumerate();
    entries
        .map(|(i, entry)| {
            entry.as_text().ok_or_else(|| wrong_type(&format!("{field}[{i}]"), entry, "a text"))
        })
        .collect()
}

pub(in crate::data) fn missing(record: &Json<'_>, field: &str) -> RecordError {
    if record.has_key(field) && record.get(field).is_null() {
        return RecordError::Null { field: field.to_owned(), found: record.get(field).describe() };
    }
    RecordError::MissingField { field: field.to_owned(), available: record.keys() }
}

pub(in crate::data) fn wrong_type(
    field: &str,
    found: &Json<'_>,
    expected: &'static str,
) -> RecordError {
    RecordError::WrongType { field: field.to_owned(), found: found.describe(), expected }
}
