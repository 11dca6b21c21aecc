//! One record as a JSON value that borrows every text that needs no unescaping. Tables become the
//! same value, so that a layout is read alike from all kinds of files.

mod fault;
mod lenient;
mod packed;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Number;
use serde_json::error::Category;
use std::borrow::Cow;
use std::fmt;

use super::error::{RecordError, excerpt};

pub use fault::JsonFault;
pub(super) use packed::{PackedColumns, is_message};

/// A JSON value whose texts borrow from the line where they can.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    /// `NaN`, `Infinity` or `-Infinity`, for which JSON has no number. `NaN` is how pandas writes what
    /// is missing, so it counts as null; where a value is needed it is named.
    NotFinite(f64),
    /// A value of the file that was not read. It is not a missing value, and an error names it
    /// where it is needed.
    Unread(Cow<'static, str>),
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

static NULL: Json<'static> = Json::Null;

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

    /// The same value as an owned copy.
    pub(super) fn into_owned(self) -> Json<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Null => Json::Null,
            Self::NotFinite(number) => Json::NotFinite(number),
            Self::Unread(what) => Json::Unread(what),
            Self::Bool(value) => Json::Bool(value),
            Self::Number(number) => Json::Number(number),
            Self::Text(text) => Json::Text(owned(text)),
            Self::List(list) => Json::List(list.into_iter().map(Self::into_owned).collect()),
            Self::Object(entries) => Json::Object(
                entries.into_iter().map(|(key, value)| (owned(key), value.into_owned())).collect(),
            ),
        }
    }

    /// The value of a key; null when there is none.
    pub(super) fn get(&self, key: &str) -> &Self {
        match self {
            Self::Object(entries) => entries.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
        // A static null lives as long as any record.
        .unwrap_or(&NULL)
    }

    /// The value at a path: a key, or keys and places in lists with dots between them
    /// (`question.full_text`, `annotations.0.value`); a key that holds dots itself comes first.
    pub(super) fn at(&self, path: &str) -> &Self {
        let found = match self {
            Self::List(list) => {
                let (place, rest) = path.split_once('.').unwrap_or((path, ""));
                let entry = place.parse::<usize>().ok().and_then(|place| list.get(place));
                return match entry {
                    Some(entry) if rest.is_empty() => entry,
                    Some(entry) => entry.at(rest),
                    None => &NULL,
                };
            }
            _ => self.get(path),
        };
        if !found.is_null() {
            return found;
        }
        let mut inner = path.match_indices('.').map(|(dot, _)| (&path[..dot], &path[dot + 1..]));
        inner.find(|(key, _)| self.has(key)).map_or(&NULL, |(key, rest)| self.get(key).at(rest))
    }

    /// Whether there is such a key, whatever its value.
    pub(super) fn has_key(&self, key: &str) -> bool {
        matches!(self, Self::Object(entries) if entries.iter().any(|(k, _)| k == key))
    }

    /// Whether a key has a value that is not null.
    pub(super) fn has(&self, key: &str) -> bool {
        !self.get(key).is_null()
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null) || matches!(self, Self::NotFinite(number) if number.is_nan())
    }

    /// The keys of an object, sorted.
    pub(super) fn keys(&self) -> Vec<String> {
        let Self::Object(entries) = self else { return Vec::new() };
        let mut keys: Vec<String> = entries.iter().map(|(key, _)| key.to_string()).collect();
        keys.sort();
        keys
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// A number, or a text that is one: tables and some JSON sets hold numbers as texts.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
        .filter(|number| number.is_finite())
    }

    /// A text, number or truth value as text.
    pub(super) fn to_label(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Bool(value) => Some(Cow::Owned(value.to_string())),
            _ => None,
        }
    }

    /// The type and value for a message.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::NotFinite(number) => word(*number).into(),
            Self::Unread(what) => what.to_string(),
            Self::Text(text) => format!("text {}", excerpt(text)),
            Self::List(_) => "a list".into(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Object(_) => "an object".into(),
        }
    }

    /// A text of its own.
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// As JSON, on one line.
    pub(super) fn to_text(&self) -> String {
        // Texts, numbers and lists of them cannot fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The start of the record for a message.
    pub(super) fn excerpt(&self) -> String {
        excerpt(&self.to_text())
    }
}

/// A number, as JSON knows it or not.
pub(super) fn float(number: f64) -> Json<'static> {
    Number::from_f64(number).map_or(Json::NotFinite(number), Json::Number)
}

/// As Python's `json` writes it.
fn word(number: f64) -> &'static str {
    match number {
        n if n.is_nan() => "NaN",
        n if n > 0.0 => "Infinity",
        _ => "-Infinity",
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

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;
        impl<'de> Visitor<'de> for AnyValue {
            type Value = Json<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Json<'de>, E> {
                Ok(Json::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Json<'de>, E> {
                Ok(Json::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json<'de>, E> {
                Ok(Json::Bool(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json<'de>, E> {
                Ok(Json::Number(value.into()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json<'de>, E> {
                Ok(Json::Number(value.into()))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json<'de>, E> {
                Ok(float(value))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Json<'de>, E> {
                Ok(Json::Null)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
                let mut list = Vec::new();
                while let Some(value) = seq.next_element()? {
                    list.push(value);
                }
                Ok(Json::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
                let mut entries = Vec::with_capacity(2);
                while let Some((Key(key), value)) = map.next_entry()? {
                    entries.push((key, value));
                }
                Ok(Json::Object(entries))
            }
        }
        deserializer.deserialize_any(AnyValue)
    }
}

/// A key, borrowed where it holds no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyKey;
        impl<'de> Visitor<'de> for AnyKey {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(AnyKey)
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::NotFinite(number) => serializer.serialize_str(word(*number)),
            Self::Unread(what) => serializer.serialize_str(what),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                list.iter().try_for_each(|value| seq.serialize_element(value))?;
                seq.end()
            }
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
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
