//! Finds out what a file that begins with an object contains: one record a line, records over
//! several lines, or one object around all records. Only keys and first values are kept in memory,
//! whatever the size of the file.
//!
//! A list inside the object holds the records where its elements are laid out like records, or its
//! key says so: a record may itself hold lists of objects.

use super::array::{ArrayReader, Element, Frame};
use super::by_column::ByColumn;
use super::note::Note;
use super::text::Text;
use super::values::Values;
use crate::data::error::DataError;
use crate::data::format;
use crate::data::json::{self, Json};
use crate::data::place::Place;
use crate::data::source::Source;

/// How the records of a file lie.
pub(super) enum Lies {
    Lines,
    /// One after the other, over any number of lines, or in a list inside an object.
    List(Frame, Element, Option<Note>),
}

/// The one object a file begins with.
struct Outline {
    keys: Vec<(String, Shape)>,
    /// Whether it stands on one line.
    is_line: bool,
    after: After,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    /// More on the lines below.
    Lines,
    /// More on the same line.
    SameLine,
}

/// What stands under a key, by the first value inside.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// Texts; all of them while they are few.
    Texts(Vec<String>),
    Messages,
    Viewed,
    /// A list of objects, and whether the first is laid out like a record.
    Objects(bool),
    Lists,
    /// A list of anything else, or without a value.
    List,
    /// An object by its first key, and whether an object stands there.
    Object(String, bool),
    Scalar,
}

/// Keys under which files keep their records.
const WRAPPERS: [&str; 14] = [
    "data",
    "dataset",
    "entries",
    "examples",
    "instances",
    "items",
    "pairs",
    "records",
    "rows",
    "samples",
    "test",
    "train",
    "validation",
    "values",
];

/// Looks through the first object of a file.
pub(super) fn look(source: &Source) -> Result<Lies, DataError> {
    let Some(outline) = outline(source)? else { return Ok(Lies::Lines) };
    let as_stream = || Lies::List(Frame::Stream, Element::Record, None);
    match outline.after {
        After::Lines if outline.is_line => return Ok(Lies::Lines),
        After::Lines | After::SameLine => return Ok(as_stream()),
        After::Nothing => {}
    }
    if let Some(lies) = table(&outline, source)? {
        return Ok(lies);
    }
    let is_list = |(key, shape): &&(String, Shape)| match shape {
        Shape::Objects(is_record) => *is_record || WRAPPERS.contains(&key.as_str()),
        _ => false,
    };
    let lists: Vec<&String> = outline.keys.iter().filter(is_list).map(|(key, _)| key).collect();
    if !lists.is_empty() && !is_record(source)? {
        let [key] = lists.as_slice() else {
            let keys = lists.into_iter().cloned().collect();
            return Err(DataError::SeveralLists { path: source.to_string(), keys });
        };
        return Ok(under(key, Element::Record));
    }
    Ok(if outline.is_line { Lies::Lines } else { as_stream() })
}

fn under(key: &str, element: Element) -> Lies {
    let note = Note::ListUnder { key: key.to_owned() };
    Lies::List(Frame::Under(key.to_owned()), element, Some(note))
}

/// What only a table written as one object looks like.
fn table(outline: &Outline, source: &Source) -> Result<Option<Lies>, DataError> {
    let shape = |wanted: &str| outline.keys.iter().find(|(key, _)| key == wanted).map(|(_, s)| s);
    if let (Some(Shape::Texts(columns)), Some(Shape::Lists)) = (shape("columns"), shape("data")) {
        return Ok(Some(under("data", Element::Values(columns.clone()))));
    }
    if shape("rows") == Some(&Shape::Viewed) {
        return Ok(Some(under("rows", Element::Viewed)));
    }
    let is_row = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    let all = |is: &dyn Fn(&str, &Shape) -> bool| {
        !outline.keys.is_empty() && outline.keys.iter().all(|(key, shape)| is(key, shape))
    };
    let by_column = if all(&|_, shape| matches!(shape, Shape::Object(row, false) if is_row(row))) {
        ByColumn::Columns
    } else if all(&|key, shape| is_row(key) && matches!(shape, Shape::Object(..))) {
        ByColumn::Index
    } else if all(&|_, shape| matches!(shape, Shape::Texts(_) | Shape::List | Shape::Lists))
        && outline.keys.iter().filter(|(_, s)| matches!(s, Shape::Texts(_))).count() > 1
    {
        ByColumn::Lists
    } else {
        return Ok(None);
    };
    Err(DataError::ByColumn { path: source.to_string(), kind: by_column })
}

/// Whether the one object of a file is a record in a layout that is known.
fn is_record(source: &Source) -> Result<bool, DataError> {
    let mut reader = ArrayReader::new(Text::open(source)?, Frame::Stream, Element::Record);
    match reader.next() {
        Ok(record) => Ok(record.is_some_and(|(_, record)| format::detect(&record).is_ok())),
        // A record that is too long or broken is reported when it is read.
        Err(_) => Ok(false),
    }
}

/// The outline of the first object; `None` where it is broken or never ends.
fn outline(source: &Source) -> Result<Option<Outline>, DataError> {
    let mut values = Values::new(Text::open(source)?);
    values.skip_mark()?;
    values.visible_byte()?;
    let first_line = values.line;
    values.take();
    let mut keys = Vec::new();
    let mut is_closed = values.visible_byte()? == Some(b'}');
    if is_closed {
        values.take();
    }
    while !is_closed {
        let Some(key) = values.next_key()? else { return Ok(None) };
        let Some(shape) = shape(&mut values)? else { return Ok(None) };
        keys.push((key, shape));
        match values.visible_byte()? {
            Some(b',') => {}
            Some(b'}') => {
                values.take();
                is_closed = true;
            }
            _ => return Ok(None),
        }
    }
    let last_line = values.line;
    let after = match values.visible_byte()? {
        None => After::Nothing,
        Some(b'{') if values.line == last_line => After::SameLine,
        // Anything but an object is refused later, as the line that it is.
        Some(_) => After::Lines,
    };
    Ok(Some(Outline { keys, is_line: first_line == last_line, after }))
}

/// Passes over a value; `None` where the file ends inside.
fn shape(values: &mut Values) -> Result<Option<Shape>, DataError> {
    let shape = match values.visible_byte()? {
        Some(b'[') => {
            values.take();
            list_shape(values)?
        }
        Some(b'{') => {
            values.take();
            let Some(key) = values.next_key()? else {
                // An empty object, which is closed by now, or a broken one.
                return Ok(Some(Shape::Scalar));
            };
            let is_object = values.visible_byte()? == Some(b'{');
            values.skip_rest()?.then_some(Shape::Object(key, is_object))
        }
        Some(_) => values.skip()?.then_some(Shape::Scalar),
        None => None,
    };
    Ok(shape)
}

/// What a list holds, from behind its opening bracket.
fn list_shape(values: &mut Values) -> Result<Option<Shape>, DataError> {
    /// Most texts in a list that can still be column names; a table has no more columns.
    const MAX_NAMES: usize = 1_000;
    let shape = match values.visible_byte()? {
        Some(b'"') => {
            let mut texts = Vec::new();
            while texts.len() < MAX_NAMES && values.visible_byte()? == Some(b'"') {
                if !values.read(Place::line(values.line))? {
                    return Ok(None);
                }
                texts.extend(serde_json::from_slice::<String>(&values.buffer));
                if values.visible_byte()? == Some(b',') {
                    values.take();
                }
            }
            Shape::Texts(texts)
        }
        Some(b'{') => {
            if !values.read(Place::line(values.line))? {
                return Ok(None);
            }
            let text = std::str::from_utf8(&values.buffer).unwrap_or_default();
            match Json::parse_any(text) {
                Ok(first) if first.has_key("row_idx") && first.has_key("row") => Shape::Viewed,
                Ok(first) if json::is_message(&first) => Shape::Messages,
                Ok(first) => Shape::Objects(format::detect(&first).is_ok()),
                // Told with its place when it is read.
                Err(_) => Shape::Objects(false),
            }
        }
        Some(b'[') => Shape::Lists,
        _ => Shape::List,
    };
    Ok(values.skip_rest()?.then_some(shape))
}
