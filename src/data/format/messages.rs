//! Message lists, in the names of OpenAI (`role`, `content`) and of ShareGPT (`from`, `value`).
//!
//! A content stays as it is, white space and all, and so does every other field that is not null:
//! what a chat template makes of them is the template's matter. Only the names of the three speakers
//! that have several spellings are made one.

use crate::data::error::{RecordError, excerpt};
use crate::data::json::{Json, missing, wrong_type};
use crate::domain::text::conversation::{ASSISTANT_ROLE, Content, Message, SYSTEM_ROLE, USER_ROLE};

/// The keys of who speaks and of what is said, by how often they are used.
const ROLE_KEYS: [&str; 3] = ["role", "from", "speaker"];
const CONTENT_KEYS: [&str; 4] = ["content", "value", "text", "parts"];

/// Other spellings of the roles, in small letters.
const SPELLINGS: [(&str, &[&str]); 4] = [
    (SYSTEM_ROLE, &["system"]),
    (USER_ROLE, &["user", "human", "prompter", "person"]),
    (
        ASSISTANT_ROLE,
        &["assistant", "gpt", "bot", "chatbot", "model", "ai", "chatgpt", "function_call"],
    ),
    ("tool", &["tool", "tool_response", "function_response"]),
];
/// Roles that published templates know by these very names.
const OTHER_ROLES: [&str; 8] = [
    "developer",
    "function",
    "ipython",
    "observation",
    "environment",
    "documents",
    "context",
    "available_tools",
];

/// Whether an object is a message.
pub(super) fn is_message(value: &Json<'_>) -> bool {
    let has = |keys: &[&str]| keys.iter().any(|key| value.has(key));
    matches!(value, Json::Object(_)) && has(&ROLE_KEYS)
}

/// The messages of a list; `field` is for messages about what is wrong.
pub(super) fn read(field: &str, list: &[Json<'_>]) -> Result<Vec<Message>, RecordError> {
    let entries = list.iter().enumerate();
    entries.map(|(i, entry)| message(&format!("{field}[{i}]"), entry)).collect()
}

pub(super) fn message(field: &str, entry: &Json<'_>) -> Result<Message, RecordError> {
    let Json::Object(entries) = entry else {
        return Err(wrong_type(field, entry, "a message with `role` and `content` (text)"));
    };
    let first_of = |keys: &[&'static str]| keys.iter().copied().find(|key| entry.has(key));
    let role_key = first_of(&ROLE_KEYS).ok_or_else(|| missing(entry, "role"))?;
    let role = match entry.get(role_key) {
        Json::Text(who) => role(who).ok_or_else(|| RecordError::UnknownRole {
            field: format!("{field}.{role_key}"),
            found: excerpt(who),
        })?,
        other => return Err(wrong_type(&format!("{field}.{role_key}"), other, "a text")),
    };
    let content_key = first_of(&CONTENT_KEYS);
    let is_kept = |key: &str, value: &Json<'_>| {
        !(value.is_null() || key == role_key || Some(key) == content_key)
    };
    let fields: Vec<_> =
        entries.iter().filter(|(key, value)| is_kept(key, value)).cloned().collect();
    let content = match content_key {
        Some(key) => content(&format!("{field}.{key}"), entry.get(key))?,
        // A message that calls a tool needs no text. transformers drops keys whose value is null
        // before a template sees them, so null counts as no content.
        None if !fields.is_empty() => Content::Absent,
        None => return Err(RecordError::NoContent { field: field.to_owned() }),
    };
    let fields = if fields.is_empty() { String::new() } else { Json::Object(fields).to_text() };
    Ok(Message { role, content, fields })
}

/// The name of a role as chat templates know it; `None` for an unknown role.
fn role(who: &str) -> Option<String> {
    // Most sets write the roles as templates do.
    let is_usual = matches!(who, USER_ROLE | ASSISTANT_ROLE | SYSTEM_ROLE | "tool");
    if is_usual || OTHER_ROLES.contains(&who) {
        return Some(who.to_owned());
    }
    let who = who.trim().to_lowercase();
    let mut known = SPELLINGS.iter();
    known
        .find(|(_, spellings)| spellings.contains(&who.as_str()))
        .map(|(role, _)| (*role).to_owned())
}

/// A text, or the parts of one.
fn content(field: &str, content: &Json<'_>) -> Result<Content, RecordError> {
    match content {
        Json::Text(text) => Ok(Content::Text(text.to_string())),
        Json::List(parts) => {
            let is_part = |part: &Json<'_>| matches!(part, Json::Object(_) | Json::Text(_));
            match parts.iter().find(|part| !is_part(part)) {
                Some(part) => Err(wrong_type(field, part, "a text part")),
                None => {
                    Ok(joined(parts)
                        .map_or_else(|| Content::Json(content.to_text()), Content::Text))
                }
            }
        }
        other => Err(wrong_type(field, other, "a text")),
    }
}

/// The text of parts in a spelling that no chat template reads: Gemini's `{"text"}`, and
/// LLaMA-Factory's `{"type": "text", "value"}`. Parts in the usual spelling are left to the
/// template.
fn joined(parts: &[Json<'_>]) -> Option<String> {
    let text = |part: &Json<'_>| -> Option<String> {
        let Json::Object(entries) = part else { return None };
        let found = match part.get("type").as_text() {
            None if entries.len() == 1 => part.get("text"),
            Some("text") => part.get("value"),
            _ => return None,
        };
        found.as_text().map(str::to_owned)
    };
    parts.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(json: &str) -> Result<Message, String> {
        message("m[0]", &Json::parse(json).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn contents_and_fields_stay_as_they_are() {
        let text = one(r#"{"role":"user","content":"  a\n"}"#).unwrap();
        assert_eq!(text, Message::new("user", "  a\n"));
        let call =
            one(r#"{"role":"assistant","content":null,"z":1,"a":{"c":1,"b":null},"n":null}"#);
        let call = call.unwrap();
        assert_eq!(call.content, Content::Absent);
        assert_eq!(call.fields, r#"{"z":1,"a":{"c":1,"b":null}}"#);
        assert_eq!(one(r#"{"role":"assistant","z":1}"#).unwrap().content, Content::Absent);
        let parts = one(r#"{"role":"user","content":[{"type":"text","text":"x"}]}"#).unwrap();
        assert_eq!(parts.content, Content::Json(r#"[{"type":"text","text":"x"}]"#.into()));
        assert_eq!(one(r#"{"role":"user","content":""}"#).unwrap(), Message::new("user", ""));
    }

    #[test]
    fn parts_that_no_template_reads_are_one_text() {
        for (json, expected) in [
            (r#"{"role":"model","parts":[{"text":"a"},{"text":" b"}]}"#, "a b"),
            (r#"{"role":"assistant","content":[{"type":"text","value":"a"}]}"#, "a"),
        ] {
            assert_eq!(one(json).unwrap(), Message::new("assistant", expected), "{json}");
        }
    }

    #[test]
    fn known_spellings_are_one_and_others_are_named() {
        for (json, expected) in [
            (r#"{"from":"human","value":"x"}"#, "user"),
            (r#"{"from":"gpt","value":"x"}"#, "assistant"),
            (r#"{"role":"Assistant","text":"x"}"#, "assistant"),
            (r#"{"role":"model","content":"x"}"#, "assistant"),
            (r#"{"role":"prompter","text":"x"}"#, "user"),
            (r#"{"role":"tool","content":"x"}"#, "tool"),
            (r#"{"role":"developer","content":"x"}"#, "developer"),
            (r#"{"role":"ipython","content":"x"}"#, "ipython"),
        ] {
            assert_eq!(one(json).unwrap(), Message::new(expected, "x"), "{json}");
        }
        let unknown = one(r#"{"role":"narrator","content":"x"}"#).unwrap_err();
        assert!(unknown.contains("m[0].role") && unknown.contains("narrator"), "{unknown}");
        assert!(one(r#"{"content":"x"}"#).unwrap_err().contains("no field `role`"));
        assert!(one(r#"{"role":"user"}"#).unwrap_err().contains("m[0]"));
        assert!(one(r#"{"role":5,"content":"x"}"#).unwrap_err().contains("`m[0].role` is `5`"));
        assert!(one(r#"{"role":"user","content":[1]}"#).unwrap_err().contains("a text part"));
    }
}
