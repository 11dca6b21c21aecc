//! Message lists, in the names of OpenAI (`role`, `content`) and of ShareGPT (`from`, `value`).

use std::borrow::Cow;

use super::hh::{ASSISTANT, HUMAN};
use super::{missing, wrong_type};
use crate::data::error::RecordError;
use crate::data::json::Json;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    System,
    Assistant,
    /// A person, a tool, anyone the assistant answers.
    Other,
}

/// One turn.
pub(super) struct Message<'r> {
    pub(super) speaker: Speaker,
    content: Cow<'r, str>,
}

/// The turns of a list; `field` is for messages about what is wrong.
pub(super) fn read<'r>(field: &str, list: &'r [Json<'_>]) -> Result<Vec<Message<'r>>, RecordError> {
    let entries = list.iter().enumerate();
    entries.map(|(i, entry)| message(&format!("{field}[{i}]"), entry)).collect()
}

/// One turn alone.
pub(super) fn message<'r>(field: &str, entry: &'r Json<'_>) -> Result<Message<'r>, RecordError> {
    if !matches!(entry, Json::Object(_)) {
        return Err(wrong_type(field, entry, "a message with `role` and `content` (text)"));
    }
    let (role, content) = if entry.has("from") { ("from", "value") } else { ("role", "content") };
    let Json::Text(who) = entry.get(role) else {
        return Err(match entry.get(role) {
            Json::Null => missing(entry, role),
            other => wrong_type(&format!("{field}.{role}"), other, "a text"),
        });
    };
    let speaker = match &**who {
        "assistant" | "gpt" | "bot" | "chatbot" | "model" | "function_call" => Speaker::Assistant,
        "system" => Speaker::System,
        _ => Speaker::Other,
    };
    Ok(Message {
        speaker,
        content: content_text(&format!("{field}.{content}"), entry.get(content))?,
    })
}

/// A text, nothing, or the text parts of a list of parts.
fn content_text<'r>(field: &str, content: &'r Json<'_>) -> Result<Cow<'r, str>, RecordError> {
    match content {
        Json::Text(text) => Ok(Cow::Borrowed(text)),
        Json::Null => Ok(Cow::Borrowed("")),
        Json::List(parts) => {
            let part = |part: &'r Json<'_>| {
                part.get("text").as_text().ok_or_else(|| wrong_type(field, part, "a text part"))
            };
            Ok(Cow::Owned(parts.iter().map(part).collect::<Result<Vec<_>, _>>()?.join("\n")))
        }
        other => Err(wrong_type(field, other, "a text")),
    }
}

/// Renders messages in the plain dialogue template: `system` as plain text first, then
/// `\n\nHuman: …` and `\n\nAssistant: …`.
pub(super) fn render(messages: &[Message<'_>]) -> String {
    let mut out = String::new();
    for message in messages {
        let content = message.content.trim();
        match message.speaker {
            Speaker::Assistant => out.push_str(ASSISTANT),
            Speaker::System if out.is_empty() => {
                out.push_str(content);
                continue;
            }
            Speaker::System => {
                out.push_str("\n\n");
                out.push_str(content);
                continue;
            }
            Speaker::Other => out.push_str(HUMAN),
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
    messages.iter().any(|message| message.speaker != Speaker::Assistant)
}

impl Message<'_> {
    /// The content alone, as a reply.
    pub(super) fn reply(&self) -> &str {
        &self.content
    }
}
