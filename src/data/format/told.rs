//! The system instructions of a conversation, where they stand in a column of their own.

use std::borrow::Cow;

use super::texts::Said;
use crate::data::json::Json;
use crate::domain::text::conversation::{Message, SYSTEM_ROLE};

const SYSTEMS: [&str; 5] =
    ["system", "system_prompt", "system_message", "systemInstruction", "system_instruction"];

/// The instructions of a record: a text, or Gemini's object of parts.
pub(super) fn system<'r>(record: &'r Json<'_>) -> Option<Cow<'r, str>> {
    let told = SYSTEMS.iter().map(|key| record.get(key)).find(|told| !told.is_null())?;
    let text = match told {
        Json::Text(text) => Cow::Borrowed(&**text),
        _ => {
            let parts = told.get("parts").as_list()?.iter();
            Cow::Owned(parts.map(|part| part.get("text").as_text()).collect::<Option<String>>()?)
        }
    };
    Some(text).filter(|text| !text.is_empty())
}

/// The prompt with instructions before it, unless it has its own.
pub(super) fn before<'r>(system: &str, asked: Said<'r>) -> Said<'r> {
    let mut messages = asked.into_prompt();
    if messages.first().is_none_or(|first| first.role != SYSTEM_ROLE) {
        messages.insert(0, Message::new(SYSTEM_ROLE, system));
    }
    Said::Messages(messages)
}
