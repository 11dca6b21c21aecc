//! A list of records that is never held whole: its elements are cut out one by one, and only one is
//! in memory at a time. The list is the file, or lies under a key of the one object that is the file,
//! or is a row of values without brackets around them.

use std::borrow::Cow;

use super::text::{Text, utf8, wrong};
use super::values::Values;
use crate::data::error::{DataError, RecordError};
use crate::data::json::Json;
use crate::data::place::{Place, Unit};

pub(in super::super) struct ArrayReader {
    values: Values,
    frame: Frame,
    element: Element,
    n_elements: u64,
    state: State,
}

/// Where the list lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// The file is a list.
    Whole,
    /// Under this key of the object that is the file.
    Under(String),
    /// One value after the other, without commas.
    Stream,
}

/// What an element of the list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    Record,
    /// A row of the data set viewer, with the record under `row`.
    Viewed,
    /// The values of these columns.
    Values(Vec<String>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Inside,
    Ended,
}

impl ArrayReader {
    pub(super) fn new(text: Text, frame: Frame, element: Element) -> Self {
        Self { values: Values::new(text), frame, element, n_elements: 0, state: State::Start }
    }

    pub(super) fn next(&mut self) -> Result<Option<(Place, Json<'_>)>, DataError> {
        let is_there = match self.state {
            State::Ended => false,
            _ if self.frame == Frame::Stream => self.find_value()?,
            _ => self.find_element()?,
        };
        if !is_there {
            self.state = State::Ended;
            return Ok(None);
        }
        self.n_elements += 1;
        let at = Place { unit: Unit::Element, number: self.n_elements, line: self.values.line };
        let is_whole = self.values.read(at)?;
        // Where no list is around the records, one that ends early says so itself.
        if !is_whole && self.frame != Frame::Stream {
            return Err(self.broken(format!("ends inside element {}", at.number)));
        }
        let path = &self.values.text.path;
        let text = utf8(path, at, &self.values.buffer)?;
        let record = self.element.record(text).map_err(|error| wrong(path, at, error))?;
        Ok(Some((at, record)))
    }

    /// Goes to the first byte of the next value of a row of values; false at the end.
    fn find_value(&mut self) -> Result<bool, DataError> {
        if self.state == State::Start {
            self.values.skip_mark()?;
            self.state = State::Inside;
        }
        Ok(self.values.visible_byte()?.is_some())
    }

    /// Goes to the first byte of the next element; false after the closing bracket.
    fn find_element(&mut self) -> Result<bool, DataError> {
        if self.state == State::Start {
            self.begin()?;
            self.state = State::Inside;
        }
        let mut needs_comma = self.n_elements > 0;
        let mut had_comma = false;
        loop {
            match self.values.visible_byte()? {
                None => {
                    let n = self.n_elements;
                    let detail = format!("ends after element {n} without a closing bracket");
                    return Err(self.broken(detail));
                }
                Some(b']') if had_comma => {
                    return Err(self.broken("a comma before the closing bracket".into()));
                }
                Some(b']') => {
                    self.values.take();
                    return match self.values.visible_byte()? {
                        Some(_) if self.frame == Frame::Whole => {
                            Err(self.broken("text after the closing bracket".into()))
                        }
                        // The object around the list was looked through before.
                        _ => Ok(false),
                    };
                }
                Some(b',') if needs_comma => {
                    self.values.take();
                    (needs_comma, had_comma) = (false, true);
                }
                Some(_) if needs_comma => {
                    let detail = format!("no comma after element {}", self.n_elements);
                    return Err(self.broken(detail));
                }
                Some(_) => return Ok(true),
            }
        }
    }

    /// Passes over everything up to the opening bracket, which was seen when the file was opened.
    fn begin(&mut self) -> Result<(), DataError> {
        self.values.skip_mark()?;
        self.values.visible_byte()?;
        self.values.take();
        if let Frame::Under(wanted) = &self.frame {
            while let Some(key) = self.values.next_key()? {
                if key == *wanted {
                    self.values.visible_byte()?;
                    self.values.take();
                    break;
                }
                self.values.visible_byte()?;
                self.values.skip()?;
            }
        }
        Ok(())
    }

    fn broken(&self, detail: String) -> DataError {
        DataError::BrokenArray {
            path: self.values.text.path.clone(),
            line: self.values.line,
            detail,
        }
    }
}

impl Element {
    fn record<'a>(&'a self, text: &'a str) -> Result<Json<'a>, RecordError> {
        match self {
            Self::Record => Json::parse(text),
            Self::Viewed => viewed(Json::parse(text)?),
            Self::Values(columns) => match Json::parse_any(text)? {
                Json::List(values) if values.len() == columns.len() => {
                    let names = columns.iter().map(|name| Cow::Borrowed(name.as_str()));
                    Ok(Json::Object(names.zip(values).collect()))
                }
                Json::List(values) => {
                    let (found, expected) = (values.len(), columns.len());
                    Err(RecordError::ValueCount { found, expected })
                }
                other => {
                    let (field, found) = ("data".to_owned(), other.describe());
                    Err(RecordError::WrongType { field, found, expected: "a list of values" })
                }
            },
        }
    }
}

/// The record of a row of the viewer, all of whose cells must be whole.
fn viewed(mut row: Json<'_>) -> Result<Json<'_>, RecordError> {
    let cells = row.get("truncated_cells").as_list().unwrap_or_default();
    if !cells.is_empty() {
        let cells = cells.iter().filter_map(Json::to_label).map(Cow::into_owned).collect();
        return Err(RecordError::Truncated { cells });
    }
    let Json::Object(entries) = &mut row else { return Ok(row) };
    let record = entries.iter().position(|(key, _)| key == "row").map(|i| entries.swap_remove(i).1);
    match record {
        Some(record @ Json::Object(_)) => Ok(record),
        _ => Err(RecordError::MissingField { field: "row".into(), available: row.keys() }),
    }
}
