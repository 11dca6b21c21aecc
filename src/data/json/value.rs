//! A record's values, and how they are looked into.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Number;
use std::borrow::Cow;
use std::fmt;

use crate::data::error::excerpt;

/// A JSON value whose texts borrow from the line where they can.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::data) enum Json<'a> {
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
    /// The same value as an owned copy.
    pub(in crate::data) fn into_owned(self) -> Json<'static> {
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
    pub(in crate::data) fn get(&self, key: &str) -> &Self {
        match self {
            Self::Object(entries) => entries.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
        // A static null lives as long as any record.
        .unwrap_or(&NULL)
    }

    /// The value at a path: a key, or keys and places in lists with dots between them
    /// (`question.full_text`, `annotations.0.value`); a key that holds dots itself comes first.
    pub(in crate::data) fn at(&self, path: &str) -> &Self {
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
    pub(in crate::data) fn has_key(&self, key: &str) -> bool {
        matches!(self, Self::Object(entries) if entries.iter().any(|(k, _)| k == key))
    }

    /// Whether a key has a value that is not null.
    pub(in crate::data) fn has(&self, key: &str) -> bool {
        !self.get(key).is_null()
    }

    pub(in crate::data) fn is_null(&self) -> bool {
        matches!(self, Self::Null) || matches!(self, Self::NotFinite(number) if number.is_nan())
    }

    /// The keys of an object, sorted.
    pub(in crate::data) fn keys(&self) -> Vec<String> {
        let Self::Object(entries) = self else { return Vec::new() };
        let mut keys: Vec<String> = entries.iter().map(|(key, _)| key.to_string()).collect();
        keys.sort();
        keys
    }

    pub(in crate::data) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(in crate::data) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// A number, or a text that is one: tables and some JSON sets hold numbers as texts.
    pub(in crate::data) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
        .filter(|number| number.is_finite())
    }

    /// A text, number or truth value as text.
    pub(in crate::data) fn to_label(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Bool(value) => Some(Cow::Owned(value.to_string())),
            _ => None,
        }
    }

    /// The type and value for a message.
    pub(in crate::data) fn describe(&self) -> String {
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
    pub(in crate::data) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// As JSON, on one line.
    pub(in crate::data) fn to_text(&self) -> String {
        // Texts, numbers and lists of them cannot fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The start of the record for a message.
    pub(in crate::data) fn excerpt(&self) -> String {
        excerpt(&self.to_text())
    }
}

/// A number, as JSON knows it or not.
pub(in crate::data) fn float(number: f64) -> Json<'static> {
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
pub(super) struct Key<'a>(pub(super) Cow<'a, str>);

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
