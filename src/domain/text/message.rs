//! Messages as chat templates take them.

/// The role of instructions to the model.
pub const SYSTEM_ROLE: &str = "system";
/// The role of the person.
pub const USER_ROLE: &str = "user";
/// The role of the model.
pub const ASSISTANT_ROLE: &str = "assistant";

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Text(String),
    /// Anything else (a list of parts), as JSON.
    Json(String),
    /// The message has no such field.
    Absent,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks, as chat templates name it.
    pub role: String,
    pub content: Content,
    /// Its other fields (`tool_calls`, `name`, …) as one JSON object, in the order of the file;
    /// empty when there are none.
    pub fields: String,
}

impl Message {
    /// A message that is a text and nothing else.
    #[must_use]
    pub fn new(role: &str, content: &str) -> Self {
        Self {
            role: role.to_owned(),
            content: Content::Text(content.to_owned()),
            fields: String::new(),
        }
    }

    /// The content, where it is a text.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.content {
            Content::Text(text) => text,
            Content::Json(_) | Content::Absent => "",
        }
    }

    /// The message as one JSON object, its fields in the order of the file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let mut out = format!("{{\"role\":{}", text(&self.role));
        match &self.content {
            Content::Text(content) => out.extend([",\"content\":", &text(content)]),
            Content::Json(json) => out.extend([",\"content\":", json]),
            Content::Absent => {}
        }
        match self.fields.strip_prefix('{') {
            Some(fields) => out.extend([",", fields]),
            None => out.push('}'),
        }
        out
    }

    /// Whether the model says it.
    #[must_use]
    pub fn is_assistant(&self) -> bool {
        self.role == ASSISTANT_ROLE
    }
}
