//! One JSON line, read without copying the texts that need no unescaping.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::hh::{ASSISTANT, HUMAN};

/// One turn of a message list.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
}

/// The value of a known field, whatever its type, so that a wrong type can be named.
#[derive(Debug, Default)]
pub(super) enum Field<'a> {
    /// Not there, or `null`.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Messages(Vec<Message<'a>>),
    Bool(bool),
    Number(String),
    /// An object.
    Object,
}

/// The fields that are read; others are skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub(super) prompt: Field<'a>,
    #[serde(borrow)]
    pub(super) chosen: Field<'a>,
    #[serde(borrow)]
    pub(super) rejected: Field<'a>,
    #[serde(borrow)]
    slice: Field<'a>,
    #[serde(borrow)]
    pub(super) skill: Field<'a>,
    #[serde(borrow)]
    subset: Field<'a>,
    #[serde(borrow)]
    source: Field<'a>,
    #[serde(borrow)]
    topic: Field<'a>,
    #[serde(borrow)]
    pub(super) fault: Field<'a>,
    #[serde(borrow)]
    pub(super) label_noise: Field<'a>,
}

impl Record<'_> {
    /// The slice: the first of `slice`, `skill`, `subset`, `source`, `topic` that is there.
    pub(super) fn slice_name(&self) -> String {
        [&self.slice, &self.skill, &self.subset, &self.source, &self.topic]
            .into_iter()
            .find_map(|field| match field {
                Field::Text(text) => Some(text.clone().into_owned()),
                Field::Number(number) => Some(number.clone()),
                _ => None,
            })
            .unwrap_or_default()
    }
}

impl Field<'_> {
    /// The type and value for an error message.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Absent => "null".into(),
            Self::Text(text) => format!("text {}", super::error::excerpt(text)),
            Self::Messages(_) => "a list".into(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.clone(),
            Self::Object => "an object".into(),
        }
    }
}

/// Renders messages in the plain dialogue template: `system` as plain text first, then
/// `\n\nHuman: …` and `\n\nAssistant: …`.
pub(super) fn render(messages: &[Message<'_>]) -> String {
    let mut out = String::new();
    for message in messages {
        let content = message.content.as_deref().unwrap_or_default().trim();
        match &*message.role {
            "assistant" | "gpt" => out.push_str(ASSISTANT),
            "system" if out.is_empty() => {
                out.push_str(content);
                continue;
            }
            "system" => {
                out.push_str("\n\n");
                out.push_str(content);
                continue;
            }
            _ => out.push_str(HUMAN),
        }
        out.push(' ');
        out.push_str(content);
    }
    out
}

/// The rendering of an answer that continues a prompt ending in `\n\nAssistant:`.
pub(super) fn render_answer(messages: &[Message<'_>]) -> String {
    let text = render(messages);
    text.strip_prefix(ASSISTANT).map_or(text.clone(), ToOwned::to_owned)
}

/// True when a list is a whole conversation, not only the answer.
pub(super) fn is_conversation(messages: &[Message<'_>]) -> bool {
    messages.iter().any(|message| matches!(&*message.role, "user" | "human" | "system"))
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyField;
        impl<'de> Visitor<'de> for AnyField {
            type Value = Field<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of messages")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Field<'de>, E> {
                Ok(Field::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Field<'de>, E> {
                Ok(Field::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Field<'de>, E> {
                Ok(Field::Bool(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Field<'de>, E> {
                Ok(Field::Number(value.to_string()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Field<'de>, E> {
                Ok(Field::Number(value.to_string()))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Field<'de>, E> {
                Ok(Field::Number(value.to_string()))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Field<'de>, E> {
                Ok(Field::Absent)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field<'de>, A::Error> {
                let mut messages = Vec::new();
                while let Some(message) = seq.next_element()? {
                    messages.push(message);
                }
                Ok(Field::Messages(messages))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Field::Object)
            }
        }
        deserializer.deserialize_any(AnyField)
    }
}
