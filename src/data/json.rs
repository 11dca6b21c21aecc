//! One record as a JSON value that borrows every text that needs no unescaping. Tables become the
//! same value, so that a layout is read alike from all kinds of files.

pub(super) mod fault;
mod fields;
mod lenient;
mod packed;
mod value;

use serde_json::error::Category;
use std::borrow::Cow;

use super::error::{RecordError, excerpt};

pub use fault::JsonFault;
pub(super) use fields::{list, missing, optional_text, text, texts, wrong_type};
pub(super) use packed::{PackedColumns, is_message};
pub(super) use value::Json;
#[cfg(feature = "parquet")]
pub(super) use value::float;

impl<'a> Json<'a> {
    /// Reads a text that must hold one object.
    pub(super) fn parse(text: &'a str) -> Result<Self, RecordError> {
        let record = Self::parse_any(text)?;
        let Self::Object(entries) = &record else {
            return Err(RecordError::NotAnObject { excerpt: excerpt(text) });
        };
        match repeated_key(entries) {
            Some(key) => Err(RecordError::RepeatedKey { key: excerpt(key) }),
            None => Ok(record),
        }
    }

    /// Reads a text that must hold one value.
    pub(super) fn parse_any(text: &'a str) -> Result<Self, RecordError> {
        let read = serde_json::from_str::<Self>(text);
        let error = match read.or_else(|error| lenient::read(text, error)) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let start = text.trim_start();
        if error.classify() == Category::Data && !start.starts_with(['{', '[']) {
            return Err(RecordError::NotAnObject { excerpt: excerpt(text) });
        }
        let detail = error.to_string();
        let detail = detail.split(" at line ").next().unwrap_or_default().to_owned();
        // Elements of an array may span lines.
        let (line, column) = (error.line(), error.column());
        let before: usize =
            text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let start = text.floor_char_boundary((before + column).saturating_sub(20).max(before));
        let what = match line {
            0 | 1 => format!("column {column}: {detail}"),
            _ => format!("column {column} of its line {line}: {detail}"),
        };
        let fault = JsonFault::of(&detail, text, before + column);
        Err(RecordError::BrokenJson { what, excerpt: excerpt(&text[start..]), fault })
    }
}

/// A key that occurs twice, if there is one. Nobody can know which of its values is meant.
fn repeated_key<'r>(entries: &'r [(Cow<'_, str>, Json<'_>)]) -> Option<&'r str> {
    /// Records are small; a set pays only for large ones.
    const FEW: usize = 32;
    if entries.len() > FEW {
        let mut seen = std::collections::HashSet::new();
        return entries.iter().map(|(key, _)| &**key).find(|key| !seen.insert(*key));
    }
    let is_again = |(i, (key, _)): &(usize, &(Cow<'_, str>, Json<'_>))| {
        entries[..*i].iter().any(|(before, _)| before == key)
    };
    entries.iter().enumerate().find(is_again).map(|(_, (key, _))| &**key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_without_escapes_are_not_copied() {
        let record = Json::parse(r#"{"a":"plain","b":"es\ncaped","n":3,"l":[true,null]}"#).unwrap();
        assert!(matches!(record.get("a"), Json::Text(Cow::Borrowed("plain"))));
        assert!(matches!(record.get("b"), Json::Text(Cow::Owned(text)) if text == "es\ncaped"));
        assert_eq!(record.get("n").as_number(), Some(3.0));
        assert_eq!(record.get("l").as_list().map(<[_]>::len), Some(2));
        assert!(!record.has("none") && record.has("n"));
        assert_eq!(record.keys(), ["a", "b", "l", "n"]);
        assert_eq!(record.excerpt(), r#"{"a":"plain","b":"es\ncaped","n":3,"l":[true,null]}"#);
    }

    #[test]
    fn paths_lead_into_objects_and_lists() {
        let record =
            Json::parse(r#"{"a":{"b":[{"c":1},{"c":2}],"d.e":3},"a.b":4,"x.y":{"z":5}}"#).unwrap();
        for (path, expected) in [("a.b", 4.0), ("a.d.e", 3.0), ("x.y.z", 5.0)] {
            assert_eq!(record.at(path).as_number(), Some(expected), "{path}");
        }
        let inner = record.get("a");
        assert_eq!(inner.at("b.1.c").as_number(), Some(2.0));
        for nothing in ["", "b.2.c", "b.x", "q", "b.1.c.d", "."] {
            assert!(inner.at(nothing).is_null(), "{nothing}");
        }
    }

    #[test]
    fn errors_in_a_record_of_several_lines_name_its_line() {
        let error = Json::parse("{\n \"a\": 1,\n \"b\" 2\n}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "broken JSON at column 6 of its line 3: expected `:`: ` \"b\" 2\\n}`"
        );
        assert_eq!(Json::parse("[1]").unwrap_err().to_string(), "not a JSON object: `[1]`");
    }

    #[test]
    fn words_of_python_are_harmless_until_they_are_needed() {
        let text = r#"{"a": NaN, "b":[1,-Infinity ,"NaN \\"], "c": {"Infinity": Infinity}, "d":"x\ny",
            "e": {}, "f": [], "g": [[], {}, -1.5e3]}"#;
        let record = Json::parse(text).unwrap();
        assert!(!record.has("a") && record.has_key("a"), "pandas writes NaN for what is missing");
        assert_eq!(record.get("a").describe(), "NaN");
        let list = record.get("b").as_list().unwrap();
        assert_eq!(list[1].describe(), "-Infinity");
        assert_eq!((list[1].as_number(), list[1].is_null()), (None, false));
        assert_eq!(list[2].as_text(), Some("NaN \\"));
        assert_eq!(record.get("c").get("Infinity").describe(), "Infinity");
        assert_eq!(record.get("d").as_text(), Some("x\ny"));
        assert_eq!(record.get("g").excerpt(), "[[],{},-1500.0]");
        assert_eq!(Json::parse(r#"{"a":"NaN"}"#).unwrap().get("a").as_text(), Some("NaN"));
        for (text, expected) in [
            (r#"{"a":NaN,"b" 1}"#, "broken JSON at column 14: expected `:`: `{\"a\":NaN,\"b\" 1}`"),
            (r#"{"a":NaNo}"#, "broken JSON at column 6: expected value: `{\"a\":NaNo}`"),
            (r#"{"a":nan}"#, "broken JSON at column 7: expected ident: `{\"a\":nan}`"),
            (r#"{"a":1,"b":2,"a":3}"#, "key `a` stands twice"),
        ] {
            assert_eq!(Json::parse(text).unwrap_err().to_string(), expected);
        }
        // As deep as the strict reader goes, and no deeper.
        let deep = |n: usize| format!("{{\"a\":{}NaN{}}}", "[".repeat(n), "]".repeat(n));
        assert!(Json::parse(&deep(120)).is_ok());
        assert!(Json::parse(&deep(100_000)).is_err());
    }

    #[test]
    fn what_is_broken_has_a_hint_of_its_own() {
        for (text, expected) in [
            (r"{'prompt': 'p'}", "json.dumps"),
            (r#"{"a": None}"#, "json.dumps"),
            (r#"{"a": "x",}"#, "comma"),
            (r#"{"a": "x"},"#, "comma"),
            (r#"{"a": "\ud800"}"#, "surrogate"),
            (r#"{"a": "\udc00x"}"#, "surrogate"),
            ("{\"a\": \"x\ty\"}", "`\\t`"),
            (r#"{"a": "x"#, "whole"),
            ("{", "one JSON object a line"),
            (r#"{"a" 1}"#, "repair or remove"),
            (r#"["p", "a", "b"]"#, "orient='records'"),
            (r#"{"a":1,"a":2}"#, "twice"),
        ] {
            let hint = Json::parse(text).unwrap_err().hint();
            assert!(hint.contains(expected), "{text}: {hint}");
        }
        assert_eq!(Json::parse("{\"a\":\"x\\u0000y\"}").unwrap().get("a").as_text(), Some("x\0y"));
    }
}
