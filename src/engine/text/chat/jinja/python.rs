//! Values as Python writes them: `str()`, `repr()`, and arguments by position and name.

use minijinja::value::Enumerator;
use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Error, ErrorKind};
use std::sync::{Arc, Mutex};

/// Arguments of a filter, those by name last.
pub(super) type Given = Rest<ValueOrKwargs>;

/// Objects that Python prints with their address, or whose text differs.
const UNPRINTABLE: [&str; 5] = ["Loop", "Macro", "BoxedFunction", "Iterable", "Generator"];

pub(super) fn failed(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}

/// A generator or a dictionary view of Python, as templates see it.
#[derive(Debug)]
pub(super) struct Generator {
    /// The items that are left. Reading removes them, except from a view.
    left: Mutex<Vec<Value>>,
    /// `dict_keys`, …: a view, which is printed by this name and read again and again.
    view: Option<&'static str>,
}

impl Generator {
    pub(super) fn value(items: Vec<Value>, view: Option<&'static str>) -> Value {
        Value::from_object(Self { left: Mutex::new(items), view })
    }

    /// Whether a value has no length, as all of Python's lazy values but views.
    pub(super) fn is_lazy(value: &Value) -> bool {
        value.downcast_object_ref::<Self>().is_some_and(|generator| generator.view.is_none())
    }

    fn items(&self) -> Vec<Value> {
        let Ok(mut left) = self.left.lock() else { return Vec::new() };
        if self.view.is_some() { left.clone() } else { std::mem::take(&mut *left) }
    }
}

impl Object for Generator {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from(failed("what is read once has no places: put `| list` after it")))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        self.view.and_then(|_| Some(self.left.lock().ok()?.len()))
    }
}

/// `str(value)`; nothing for an undefined one.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(String::new()),
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        _ => repr(value),
    }
}

/// `repr(value)`.
pub(super) fn repr(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    write_repr(value, &mut out)?;
    Ok(out)
}

fn write_repr(value: &Value, out: &mut String) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String if value.is_safe() => {
            out.push_str("Markup(");
            write_quoted(value.as_str().unwrap_or_default(), out, false);
            out.push(')');
        }
        ValueKind::String => write_quoted(value.as_str().unwrap_or_default(), out, false),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => write_object(value, out)?,
        other => return Err(failed(format!("a template cannot print this ({other})"))),
    }
    Ok(())
}

fn write_object(value: &Value, out: &mut String) -> Result<(), Error> {
    let type_name = value.as_object().map_or("", |object| object.type_name());
    let view = value.downcast_object_ref::<Generator>().and_then(|generator| generator.view);
    let last = type_name.split('<').next().and_then(|name| name.rsplit("::").next());
    if view.is_none() && last.is_some_and(|name| UNPRINTABLE.contains(&name)) {
        return Err(failed("this cannot be printed as Python prints it: put `| list` after it"));
    }
    let is_map = value.kind() == ValueKind::Map;
    let (open, close) = match view {
        Some(name) => (format!("{name}(["), "])"),
        None if last == Some("Namespace") => ("<Namespace {".to_owned(), "}>"),
        None if is_map => ("{".to_owned(), "}"),
        None if value.is_tuple() && value.len() == Some(1) => ("(".to_owned(), ",)"),
        None if value.is_tuple() => ("(".to_owned(), ")"),
        None => ("[".to_owned(), "]"),
    };
    out.push_str(&open);
    for (i, item) in value.try_iter()?.checked().enumerate() {
        let item = item?;
        out.push_str(if i == 0 { "" } else { ", " });
        write_repr(&item, out)?;
        if is_map {
            out.push_str(": ");
            write_repr(&value.get_item(&item)?, out)?;
        }
    }
    out.push_str(close);
    Ok(())
}

/// A text in quotes; `is_ascii` writes no other letters, as `ascii()`.
pub(super) fn write_quoted(text: &str, out: &mut String, is_ascii: bool) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for letter in text.chars() {
        let code = u32::from(letter);
        match letter {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            _ if letter == quote => out.extend(['\\', letter]),
            _ if letter.is_ascii() && !letter.is_ascii_control() => out.push(letter),
            _ if !(is_ascii || is_unprintable(letter)) => out.push(letter),
            _ if code < 0x100 => out.extend(["\\x", &format!("{code:02x}")]),
            _ if code < 0x1_0000 => out.extend(["\\u", &format!("{code:04x}")]),
            _ => out.extend(["\\U", &format!("{code:08x}")]),
        }
    }
    out.push(quote);
}

/// Control and format letters, separators but the space, private ones and those that are none.
fn is_unprintable(letter: char) -> bool {
    letter.is_control()
        || (letter.is_whitespace() && letter != ' ')
        || matches!(letter, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

/// A number as Python writes it.
pub(super) fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let float = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    if !float.is_finite() {
        return float.to_string().to_lowercase();
    }
    let text = format!("{float:?}");
    match text.split_once('e') {
        Some((digits, power)) => format!("{digits}e{:+03}", power.parse::<i32>().unwrap_or(0)),
        None => text,
    }
}

/// Arguments by position, then by name; those that are not given are undefined.
pub(super) fn bind<const N: usize>(
    given: &[Value],
    n_required: usize,
    names: [&str; N],
) -> Result<[Value; N], Error> {
    let (positional, named) = match given.split_last() {
        Some((last, rest)) if last.is_kwargs() => (rest, Some(Kwargs::try_from(last.clone())?)),
        _ => (given, None),
    };
    if positional.len() > N {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let mut bound = [const { Value::UNDEFINED }; N];
    bound[..positional.len()].clone_from_slice(positional);
    if let Some(named) = named {
        for (slot, name) in bound.iter_mut().zip(names).skip(positional.len()) {
            if named.has(name) {
                *slot = named.get(name)?;
            }
        }
        named.assert_all_used()?;
    }
    match bound.iter().zip(names).take(n_required).find(|(value, _)| value.is_undefined()) {
        // A name that is undefined where something must stand fails in Python too.
        Some((_, name)) => Err(failed(format!("`{name}` is missing or undefined"))),
        None => Ok(bound),
    }
}

/// A text that an argument must be.
pub(super) fn str_of<'a>(value: &'a Value, name: &str) -> Result<&'a str, Error> {
    value.as_str().ok_or_else(|| failed(format!("{name} is no text but {}", value.kind())))
}

/// A whole number that may not be given; Python takes true and false for 1 and 0.
pub(super) fn int_or(value: &Value, default: i64) -> Result<i64, Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(default),
        ValueKind::Bool => Ok(i64::from(value.is_true())),
        _ if value.is_integer() => i64::try_from(value.clone()),
        other => Err(failed(format!("a whole number is expected, not {other}"))),
    }
}

/// The items of a list, a tuple, a text or a dictionary; no none and no number.
pub(super) fn items(value: &Value) -> Result<Vec<Value>, Error> {
    if value.is_none() {
        return Err(failed("none has no items"));
    }
    value.try_iter()?.checked().collect()
}

/// White space to Python's texts.
pub(super) fn is_space(letter: char) -> bool {
    letter.is_whitespace() || is_odd_space(letter)
}

/// What is white space to Python alone.
pub(super) fn is_odd_space(letter: char) -> bool {
    matches!(letter, '\u{1c}'..='\u{1f}')
}
