//! Methods of Python's texts, lists and dictionaries, as far as chat templates call them.
//!
//! What changes its object (`append`, `pop`, …) is refused by transformers' sandbox too.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Tuple, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::python::{self, Generator, bind, failed, int_or, is_odd_space, is_space, items, str_of};

/// `value.method(…)` of a value that has no such method in `minijinja`.
pub(super) fn call(
    state: &mut State,
    on: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if on.is_safe() || args.iter().any(Value::is_safe) {
        return Err(failed(format!("`{method}` of a text marked as safe escapes in Python")));
    }
    let own = match on.kind() {
        ValueKind::String => text_method(on.as_str().unwrap_or_default(), method, args)?,
        ValueKind::Map => return map_method(on, method, args),
        ValueKind::Seq => list_method(on, method, args)?,
        _ => None,
    };
    own.map_or_else(|| unknown_method_callback(state, on, method, args), Ok)
}

fn map_method(on: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if method == "get" {
        let [key, default] = bind(args, 1, ["key", "default"])?;
        let default = if args.len() > 1 { default } else { Value::from(()) };
        let value = on.get_item(&key)?;
        return Ok(if value.is_undefined() { default } else { value });
    }
    if !matches!(method, "items" | "keys" | "values" | "copy") {
        return Err(Error::from(ErrorKind::UnknownMethod));
    }
    let [] = bind(args, 0, [])?;
    let (keys, value) = (items(on)?, |key: &Value| on.get_item(key));
    match method {
        "keys" => Ok(Generator::value(keys, Some("dict_keys"))),
        "values" => {
            let values = keys.iter().map(value).collect::<Result<_, _>>()?;
            Ok(Generator::value(values, Some("dict_values")))
        }
        "items" => {
            let pair = |key: &Value| Ok(Value::from(Tuple::from([key.clone(), value(key)?])));
            let pairs = keys.iter().map(pair).collect::<Result<_, Error>>()?;
            Ok(Generator::value(pairs, Some("dict_items")))
        }
        _ => Ok(on.clone()),
    }
}

fn list_method(on: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "index" => {
            let [item] = bind(args, 1, ["item"])?;
            let at = items(on)?.iter().position(|other| *other == item);
            Value::from(at.ok_or_else(|| failed("the item is not in the list"))?)
        }
        "copy" if !on.is_tuple() && args.is_empty() => on.clone(),
        _ => return Ok(None),
    }))
}

/// What the library computes as Python does is left to it.
fn text_method(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let texts = |parts: Vec<&str>| parts.into_iter().map(Value::from).collect::<Value>();
    Ok(Some(match method {
        "strip" | "lstrip" | "rstrip" => {
            let [chars] = bind(args, 0, ["chars"])?;
            let text = if method == "rstrip" { text } else { trimmed(text, &chars, true)? };
            Value::from(if method == "lstrip" { text } else { trimmed(text, &chars, false)? })
        }
        "split" | "rsplit" => texts(split(text, args, method == "rsplit")?),
        "splitlines" => {
            let [keepends] = bind(args, 0, ["keepends"])?;
            texts(lines(text, keepends.is_true()))
        }
        "partition" | "rpartition" => {
            let [separator] = bind(args, 1, ["sep"])?;
            let separator = some_text(str_of(&separator, "sep")?)?;
            let is_first = method == "partition";
            let found =
                if is_first { text.split_once(separator) } else { text.rsplit_once(separator) };
            let parts = match found {
                Some((before, after)) => [before, separator, after],
                None if is_first => [text, "", ""],
                None => ["", "", text],
            };
            Value::from(Tuple::from(parts.map(Value::from)))
        }
        "removeprefix" | "removesuffix" => {
            let [part] = bind(args, 1, ["part"])?;
            let part = str_of(&part, "the part")?;
            let is_prefix = method == "removeprefix";
            let cut = if is_prefix { text.strip_prefix(part) } else { text.strip_suffix(part) };
            Value::from(cut.unwrap_or(text))
        }
        "join" => {
            let [parts] = bind(args, 1, ["parts"])?;
            let parts = items(&parts)?;
            let parts = parts.iter().map(|part| str_of(part, "a part"));
            Value::from(parts.collect::<Result<Vec<_>, _>>()?.join(text))
        }
        "title" => Value::from(titled(text)),
        "format" => formatted(text, args)?,
        "startswith" | "endswith"
            if !args.first().is_some_and(|what| what.is_tuple() || what.as_str().is_some()) =>
        {
            return Err(failed(format!(
                "`{method}` of what is neither a text nor a tuple of texts"
            )));
        }
        "isalpha" | "isdigit" | "isnumeric" | "isalnum" | "isspace"
            if !text.chars().all(|letter| letter.is_ascii() && !is_odd_space(letter)) =>
        {
            return Err(failed(format!("`{method}` of letters outside ASCII")));
        }
        _ => return Ok(None),
    }))
}

/// A text without white space, or without these letters, at its start or its end.
pub(super) fn trimmed<'a>(text: &'a str, chars: &Value, at_start: bool) -> Result<&'a str, Error> {
    let chars =
        if chars.is_undefined() || chars.is_none() { None } else { Some(str_of(chars, "chars")?) };
    let is_cut = |c: char| chars.map_or_else(|| is_space(c), |all| all.contains(c));
    Ok(if at_start { text.trim_start_matches(is_cut) } else { text.trim_end_matches(is_cut) })
}

/// The first letter large, the others small.
pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    // A letter that is two when large (`ß`) is large and small in a title.
    let first: String = first
        .to_uppercase()
        .enumerate()
        .map(|(i, c)| if i == 0 { c } else { c.to_ascii_lowercase() })
        .collect();
    first + &letters.as_str().to_lowercase()
}

fn titled(text: &str) -> String {
    let mut out = String::new();
    let mut is_inside = false;
    for letter in text.chars() {
        if is_inside {
            out.extend(letter.to_lowercase());
        } else {
            out += &capitalized(letter.encode_utf8(&mut [0; 4]));
        }
        is_inside = letter.is_lowercase() || letter.is_uppercase();
    }
    out
}

fn some_text(text: &str) -> Result<&str, Error> {
    if text.is_empty() { Err(failed("empty separator")) } else { Ok(text) }
}

fn split<'a>(text: &'a str, args: &[Value], from_end: bool) -> Result<Vec<&'a str>, Error> {
    let [separator, limit] = bind(args, 0, ["sep", "maxsplit"])?;
    let limit = usize::try_from(int_or(&limit, -1)?).unwrap_or(usize::MAX).saturating_add(1);
    if separator.is_undefined() || separator.is_none() {
        return Ok(words(text, limit, from_end));
    }
    let separator = some_text(str_of(&separator, "sep")?)?;
    let mut parts: Vec<&str> = if from_end {
        text.rsplitn(limit, separator).collect()
    } else {
        text.splitn(limit, separator).collect()
    };
    if from_end {
        parts.reverse();
    }
    Ok(parts)
}

/// Parts between white space, at most `n_max` of them; the last (or first) keeps the rest as it stands.
fn words(text: &str, n_max: usize, from_end: bool) -> Vec<&str> {
    let trim: fn(&str) -> &str = if from_end {
        |text| text.trim_end_matches(is_space)
    } else {
        |text| text.trim_start_matches(is_space)
    };
    let mut parts = Vec::new();
    let mut rest = trim(text);
    while !rest.is_empty() {
        let is_last = parts.len() + 1 == n_max;
        let (part, left) = match if from_end { rest.rfind(is_space) } else { rest.find(is_space) } {
            Some(at) if !is_last && from_end => {
                let after = at + rest[at..].chars().next().map_or(0, char::len_utf8);
                (&rest[after..], &rest[..at])
            }
            Some(at) if !is_last => rest.split_at(at),
            _ => (rest, ""),
        };
        parts.push(part);
        rest = trim(left);
    }
    if from_end {
        parts.reverse();
    }
    parts
}

pub(super) fn lines(text: &str, keeps_ends: bool) -> Vec<&str> {
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(is_end).unwrap_or(rest.len());
        let n_end = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(0, char::len_utf8)
        };
        lines.push(&rest[..if keeps_ends { at + n_end } else { at }]);
        rest = &rest[at + n_end..];
    }
    lines
}

fn formatted(text: &str, args: &[Value]) -> Result<Value, Error> {
    // The library pads by bytes, and writes numbers inside of lists otherwise.
    let is_ascii = |value: &Value| value.as_str().is_none_or(str::is_ascii);
    if text.contains(':') && !args.iter().all(is_ascii) {
        return Err(failed("`format` with a width of letters outside ASCII"));
    }
    let is_plain = |value: &Value| {
        value.is_kwargs()
            || !matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable)
    };
    let printed = |value: &Value| {
        if is_plain(value) || text.contains('[') {
            Ok(value.clone())
        } else {
            python::text(value).map(Value::from)
        }
    };
    let args = args.iter().map(printed).collect::<Result<Vec<_>, _>>()?;
    format(FormatStyle::StrFormat, text, &args).map(Value::from)
}
