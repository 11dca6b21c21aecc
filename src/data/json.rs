//! One record as a JSON value that borrows every text that needs no unescaping. Tables become the
//! same value, so that a layout is read alike from all kinds of files.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Number;
use serde_json::error::Category;

use super::error::{RecordError, excerpt};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json<'a> {
    Null,
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
        let is_object = text.trim_start().starts_with('{');
        let error = match serde_json::from_str::<Self>(text) {
            Ok(record) if is_object => return Ok(record),
            Ok(_) => return Err(RecordError::NotAnObject { excerpt: excerpt(text) }),
            Err(error) => error,
        };
        if error.classify() == Category::Data && !is_object {
            return Err(RecordError::NotAnObject { excerpt: excerpt(text) });
        }
        let detail = error.to_string();
        let detail = detail.split(" at line ").next().unwrap_or_default().to_owned();
        // Elements of an array may span lines.
        let (line, column) = (error.line(), error.column());
        let before: usize =
            text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let start = text.floor_char_boundary((before + column).saturating_sub(20).max(before));
        let position = match line {
            0 | 1 => format!("column {column}"),
            _ => format!("column {column} of its line {line}"),
        };
        Err(RecordError::BrokenJson { position, detail, excerpt: excerpt(&text[start..]) })
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

    /// Whether a key has a value that is not null.
    pub(super) fn has(&self, key: &str) -> bool {
        !self.get(key).is_null()
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
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
                Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
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
}
