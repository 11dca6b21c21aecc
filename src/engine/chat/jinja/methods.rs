//! Methods of Python's texts, lists and dictionaries, as far as chat templates call them.
//!
//! What changes its object (`append`, `pop`, …) is refused by transformers' sandbox too.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Tuple, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::python::{self, Generator, bind, failed, int_or, is_space, items, str_of};

/// `value.method(…)` of a value that has no such method in `minijinja`.
pub(super) fn call(
    _: &mut State,
    on: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if on.is_safe() || args.iter().any(Value::is_safe) {
        return Err(failed(format!("`{method}` of a text marked as safe escapes in Python")));
    }
    match on.kind() {
        ValueKind::String => text_method(on.as_str().unwrap_or_default(), method, args),
        ValueKind::Map => map_method(on, method, args),
        ValueKind::Seq => list_method(on, method, args),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
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

fn list_method(on: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let items = items(on)?;
    match method {
        "index" => {
            let [item] = bind(args, 1, ["item"])?;
            let at = items.iter().position(|other| *other == item);
            at.map(Value::from).ok_or_else(|| failed("the item is not in the list"))
        }
        "count" => {
            let [item] = bind(args, 1, ["item"])?;
            Ok(Value::from(items.iter().filter(|other| **other == item).count()))
        }
        "copy" if !on.is_tuple() => {
            let [] = bind(args, 0, [])?;
            Ok(on.clone())
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn text_method(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(value) = plain(text, method) {
        let [] = bind(args, 0, [])?;
        return value;
    }
    let texts = |parts: Vec<&str>| parts.into_iter().map(Value::from).collect::<Value>();
    match method {
        "strip" | "lstrip" | "rstrip" => {
            let [chars] = bind(args, 0, ["chars"])?;
            let chars = if chars.is_none() { None } else { chars.as_str().map(str::to_owned) };
            let is_cut =
                |c: char| chars.as_ref().map_or_else(|| is_space(c), |all| all.contains(c));
            let text = if method == "rstrip" { text } else { text.trim_start_matches(is_cut) };
            Ok(Value::from(if method == "lstrip" { text } else { text.trim_end_matches(is_cut) }))
        }
        "split" | "rsplit" => split(text, args, method == "rsplit").map(texts),
        "splitlines" => {
            let [keepends] = bind(args, 0, ["keepends"])?;
            Ok(texts(lines(text, keepends.is_true())))
        }
        "partition" | "rpartition" => {
            let [separator] = bind(args, 1, ["sep"])?;
            let separator = some_text(str_of(&separator, "sep")?)?.to_owned();
            let is_last = method == "rpartition";
            let found =
                if is_last { text.rsplit_once(&separator) } else { text.split_once(&separator) };
            let parts = match found {
                Some((before, after)) => [before, &separator, after],
                None if is_last => ["", "", text],
                None => [text, "", ""],
            };
            Ok(Value::from(Tuple::from(parts.map(Value::from))))
        }
        "removeprefix" | "removesuffix" => {
            let [part] = bind(args, 1, ["part"])?;
            let part = str_of(&part, "the part")?;
            let cut = if method == "removeprefix" {
                text.strip_prefix(part)
            } else {
                text.strip_suffix(part)
            };
            Ok(Value::from(cut.unwrap_or(text)))
        }
        "replace" => {
            let [old, new, count] = bind(args, 2, ["old", "new", "count"])?;
            let (old, new) = (str_of(&old, "old")?, str_of(&new, "new")?);
            let count = int_or(&count, -1)?;
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            Ok(Value::from(text.replacen(old, new, count)))
        }
        "join" => {
            let [parts] = bind(args, 1, ["parts"])?;
            let parts = items(&parts)?;
            let parts =
                parts.iter().map(|part| str_of(part, "a part")).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::from(parts.join(text)))
        }
        "startswith" | "endswith" | "find" | "rfind" | "index" | "rindex" | "count" => {
            within(text, method, args)
        }
        "zfill" | "center" | "ljust" | "rjust" => padded(text, method, args),
        "format" => formatted(text, args),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// Methods without arguments; what they tell of letters outside ASCII is refused where Rust and Python
/// may count them otherwise.
fn plain(text: &str, method: &str) -> Option<Result<Value, Error>> {
    let all = |test: fn(&char) -> bool| {
        let is_known =
            text.is_ascii() || text.chars().any(|letter| letter.is_ascii() && !test(&letter));
        let answer = !text.is_empty() && text.chars().all(|letter| test(&letter));
        if is_known {
            Ok(Value::from(answer))
        } else {
            Err(failed(format!("`{method}` of other letters")))
        }
    };
    let any = |test: fn(char) -> bool| text.chars().any(test);
    Some(match method {
        "upper" => Ok(Value::from(text.to_uppercase())),
        "lower" => Ok(Value::from(text.to_lowercase())),
        "capitalize" => Ok(Value::from(capitalized(text))),
        "title" => Ok(Value::from(titled(text))),
        "isalpha" => all(char::is_ascii_alphabetic),
        "isdigit" | "isnumeric" | "isdecimal" => all(char::is_ascii_digit),
        "isalnum" => all(char::is_ascii_alphanumeric),
        "isspace" => Ok(Value::from(!text.is_empty() && text.chars().all(is_space))),
        "isascii" => Ok(Value::from(text.is_ascii())),
        "isupper" => Ok(Value::from(any(char::is_uppercase) && !any(char::is_lowercase))),
        "islower" => Ok(Value::from(any(char::is_lowercase) && !any(char::is_uppercase))),
        _ => return None,
    })
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
            out.extend(letter.to_lowercase())
        } else {
            out += &capitalized(letter.encode_utf8(&mut [0; 4]))
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

/// Methods that look for a text between two places.
fn within(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let [what, start, end] = bind(args, 1, ["sub", "start", "end"])?;
    let n_letters = text.chars().count() as i64;
    let place = |value: &Value, default: i64| {
        int_or(value, default).map(|at| if at < 0 { (at + n_letters).max(0) } else { at })
    };
    let (start, end) = (place(&start, 0)?, place(&end, n_letters)?.min(n_letters));
    let offset = |at: i64| text.char_indices().nth(at as usize).map_or(text.len(), |(at, _)| at);
    let part = (start <= end).then(|| &text[offset(start)..offset(end)]);
    if matches!(method, "startswith" | "endswith") {
        let options = if what.is_tuple() { items(&what)? } else { vec![what] };
        let mut found = false;
        for option in &options {
            let option = str_of(option, "what it starts or ends with")?;
            found |= part.is_some_and(|part| {
                if method == "startswith" {
                    part.starts_with(option)
                } else {
                    part.ends_with(option)
                }
            });
        }
        return Ok(Value::from(found));
    }
    let what = str_of(&what, "what to look for")?;
    if method == "count" {
        return Ok(Value::from(part.map_or(0, |part| part.matches(what).count())));
    }
    let found = part.and_then(|part| {
        let at = if method.starts_with('r') { part.rfind(what) } else { part.find(what) };
        at.map(|at| part[..at].chars().count() as i64 + start)
    });
    match found {
        None if method.ends_with("index") => Err(failed("substring not found")),
        found => Ok(Value::from(found.unwrap_or(-1))),
    }
}

/// `zfill`, `center`, `ljust` and `rjust`.
pub(super) fn padded(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let [width, fill] = bind(args, 1, ["width", "fillchar"])?;
    let fill = if fill.is_undefined() { " " } else { str_of(&fill, "fillchar")? };
    if fill.chars().count() != 1 {
        return Err(failed("the fill must be one letter"));
    }
    let width = usize::try_from(int_or(&width, 0)?).unwrap_or(0);
    if width > 1 << 16 {
        return Err(failed("more than 65,536 letters"));
    }
    let n = width.saturating_sub(text.chars().count());
    Ok(Value::from(match method {
        "zfill" => {
            let n_sign = usize::from(text.starts_with(['+', '-']));
            [&text[..n_sign], &"0".repeat(n), &text[n_sign..]].concat()
        }
        "ljust" => [text, &fill.repeat(n)].concat(),
        "rjust" => [&fill.repeat(n), text].concat(),
        // CPython puts the odd one to the left when the width is odd.
        _ => {
            let left = n / 2 + (n & width & 1);
            [&fill.repeat(left), text, &fill.repeat(n - left)].concat()
        }
    }))
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
