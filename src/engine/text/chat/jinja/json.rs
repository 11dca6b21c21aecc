//! JSON in and out as Python's `json` reads and writes it.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, State};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::python::{Generator, Given, bind, failed, number};

/// The fields of an object in their order.
pub(super) struct Fields<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(InOrder).map(Fields)
    }
}

/// A value as `json.loads` reads it: whole numbers of any size that fits 128 bits stay whole.
///
/// # Errors
/// In words, when it is not JSON.
pub(super) fn load(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let fault = |error: serde_json::Error| error.to_string();
    match text.as_bytes().first() {
        Some(b'{') => {
            let Fields(fields) = serde_json::from_str(text).map_err(fault)?;
            let fields = fields.into_iter().map(|(key, raw)| Ok((key, load(raw.get())?)));
            Ok(Value::from_pairs(fields.collect::<Result<Vec<_>, String>>()?))
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(fault)?;
            items
                .into_iter()
                .map(|raw| load(raw.get()))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::from)
        }
        Some(b'-' | b'0'..=b'9') if text.contains(['.', 'e', 'E']) => {
            text.parse::<f64>().map(Value::from).map_err(|error| error.to_string())
        }
        Some(b'-' | b'0'..=b'9') => match text.parse::<i64>() {
            Ok(small) => Ok(Value::from(small)),
            Err(_) => text
                .parse::<i128>()
                .map(Value::from)
                .map_err(|_| format!("the number {text} does not fit 128 bits")),
        },
        _ => serde_json::from_str(text).map_err(fault),
    }
}

/// The filter `tojson` as transformers overrides it: `json.dumps` with its options, letters as they are.
pub(super) fn tojson(_: &State, given: Given) -> Result<String, Error> {
    let names = ["value", "ensure_ascii", "indent", "separators", "sort_keys"];
    let [value, ensure_ascii, indent, separators, sort_keys] =
        bind(&given.into_values(), 1, names)?;
    let indent = match indent.kind() {
        ValueKind::Undefined | ValueKind::None => None,
        ValueKind::String => Some(indent.to_string()),
        _ => Some(
            " ".repeat(usize::try_from(super::python::int_or(&indent, 0)?).unwrap_or(0).min(64)),
        ),
    };
    let [between, after_key] = if separators.is_undefined() || separators.is_none() {
        [if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()]
    } else {
        let pair = super::python::items(&separators)?;
        let [between, after_key] = &pair[..] else {
            return Err(failed("separators are two texts"));
        };
        [between, after_key].map(ToString::to_string)
    };
    let (is_ascii, is_sorted) = (ensure_ascii.is_true(), sort_keys.is_true());
    let writer = Writer { is_ascii, indent, between, after_key, is_sorted };
    let mut out = String::new();
    writer.write(&value, 0, &mut out)?;
    Ok(out)
}

struct Writer {
    is_ascii: bool,
    indent: Option<String>,
    between: String,
    after_key: String,
    is_sorted: bool,
}

impl Writer {
    fn write(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&json_number(value)),
            ValueKind::String => self.write_text(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq => self.write_list(value, depth, out)?,
            // Lists that were put together, but nothing that Python reads once.
            ValueKind::Iterable if is_list(value) => self.write_list(value, depth, out)?,
            ValueKind::Map => self.write_map(value, depth, out)?,
            other => return Err(failed(format!("{other} has no form in JSON"))),
        }
        Ok(())
    }

    fn write_list(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        out.push('[');
        let mut is_empty = true;
        for item in value.try_iter()?.checked() {
            self.next(&mut is_empty, depth, out);
            self.write(&item?, depth + 1, out)?;
        }
        self.close(']', is_empty, depth, out);
        Ok(())
    }

    fn write_map(&self, value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
        out.push('{');
        let mut keys = value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?;
        if self.is_sorted {
            keys.sort();
        }
        let mut is_empty = true;
        for key in keys {
            self.next(&mut is_empty, depth, out);
            match key.kind() {
                ValueKind::String => self.write_text(key.as_str().unwrap_or_default(), out),
                ValueKind::None => out.push_str("\"null\""),
                ValueKind::Bool => {
                    out.extend(["\"", if key.is_true() { "true" } else { "false" }, "\""]);
                }
                ValueKind::Number => out.extend(["\"", &json_number(&key), "\""]),
                other => return Err(failed(format!("a key in JSON is no {other}"))),
            }
            out.push_str(&self.after_key);
            self.write(&value.get_item(&key)?, depth + 1, out)?;
        }
        self.close('}', is_empty, depth, out);
        Ok(())
    }

    fn next(&self, is_first: &mut bool, depth: usize, out: &mut String) {
        if !std::mem::take(is_first) {
            out.push_str(&self.between);
        }
        self.break_line(depth + 1, out);
    }

    fn close(&self, bracket: char, is_empty: bool, depth: usize, out: &mut String) {
        if !is_empty {
            self.break_line(depth, out);
        }
        out.push(bracket);
    }

    fn break_line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    }

    fn write_text(&self, text: &str, out: &mut String) {
        out.push('"');
        for letter in text.chars() {
            match letter {
                '"' | '\\' => out.extend(['\\', letter]),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                _ if letter < ' ' || (self.is_ascii && !matches!(letter, ' '..='~')) => {
                    for unit in letter.encode_utf16(&mut [0; 2]) {
                        out.extend(["\\u", &format!("{unit:04x}")]);
                    }
                }
                _ => out.push(letter),
            }
        }
        out.push('"');
    }
}

fn json_number(value: &Value) -> String {
    match number(value).as_str() {
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        "nan" => "NaN".to_owned(),
        number => number.to_owned(),
    }
}

fn is_list(value: &Value) -> bool {
    let is = |object: &minijinja::value::DynObject| object.type_name().contains("MergeSeq");
    value.downcast_object_ref::<Generator>().is_none() && value.as_object().is_some_and(is)
}
