//! Prompts that are to be answered, a JSON object each.

use serde_json::{Map, Value};

use super::error::RecordError;
use super::format::{self, Said};
use super::json::{Json, PackedColumns};
use crate::domain::text::conversation::{ASSISTANT_ROLE, FlatPair, Message, TextForm};

/// A prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// Its text; a conversation's as a model without a chat template reads it.
    pub text: String,
    /// The conversation; none for a text that is continued as it stands.
    pub messages: Option<Vec<Message>>,
    /// Whether an answer follows the text directly, so that both together are the whole text.
    pub continues: bool,
    /// What a chat template is given beside the messages, as a JSON object or nothing.
    pub globals: String,
    /// The record itself.
    record: Map<String, Value>,
}

impl Prompt {
    /// Reads a `prompt` (a text, which is a person's message or a flat dialogue, or a list of messages), a
    /// conversation as `messages`, or a `text`, which is continued as it stands.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub fn read(line: &str) -> Result<Self, RecordError> {
        let mut record = Json::parse(line)?;
        PackedColumns::default().unpack(&mut record)?;
        let record = record;
        let globals = format::globals(&record)?;
        let own = serde_json::from_str(line).unwrap_or_default();
        let said = match conversation_key(&record) {
            Some(key) => Said::read(key, record.get(key))?,
            None if record.has("prompt") => format::prompt(&record)?,
            None if record.has("text") => {
                let text = super::json::text(&record, "text")?.to_owned();
                return Ok(Self { text, messages: None, continues: true, globals, record: own });
            }
            None => return Err(RecordError::NothingToAnswer { available: record.keys() }),
        };
        let is_chat = said.is_conversation();
        let text = match &said {
            Said::Text(text) => text.clone().into_owned(),
            Said::Messages(messages) if messages.is_empty() => {
                let field = conversation_key(&record).unwrap_or("prompt").to_owned();
                return Err(RecordError::EmptyConversation { field });
            }
            Said::Messages(messages) => {
                let answer = [Message::new(ASSISTANT_ROLE, "")];
                FlatPair::of(messages, [&answer, &answer], String::new()).prompt
            }
        };
        let is_text = matches!(said, Said::Text(_));
        let continues = is_text && (!is_chat || format::is_dialogue(&text));
        let messages = is_chat.then(|| said.into_prompt());
        Ok(Self { text, messages, continues, globals, record: own })
    }

    /// The prompt of a pair, given one of its answers (the first), in the form that [`Prompt::read`] reads.
    ///
    /// # Errors
    /// As [`Prompt::read`].
    pub fn of_pair(form: &TextForm, prompt: &str, answer: &str) -> Result<Self, RecordError> {
        let mut record: Map<String, Value> =
            serde_json::from_str(form.globals()).unwrap_or_default();
        let parts = match form {
            TextForm::Messages(_) => form.parts(prompt, answer, 0),
            TextForm::Dialogue | TextForm::Plain | TextForm::Whole => None,
        };
        let key = if *form == TextForm::Whole { "text" } else { "prompt" };
        let asked = match parts {
            Some([messages, _]) => {
                let messages: Vec<String> = messages.iter().map(Message::to_json).collect();
                serde_json::from_str(&format!("[{}]", messages.join(","))).unwrap_or_default()
            }
            None => Value::from(prompt),
        };
        record.insert(key.to_owned(), asked);
        Self::read(&Value::Object(record).to_string())
    }

    /// The record with an answer, in the form that `ser score` reads.
    #[must_use]
    pub fn answered(&self, answer: &str) -> Map<String, Value> {
        let mut record = self.record.clone();
        let whole = ["messages", "conversations", "conversation"];
        if let Some(messages) = whole.iter().find_map(|key| record.remove(*key)) {
            record.insert("prompt".to_owned(), messages);
        }
        if self.messages.is_none() && !record.contains_key("prompt") {
            record.insert("text".to_owned(), [&self.text, answer].concat().into());
        } else {
            record.insert("response".to_owned(), answer.into());
        }
        record
    }

    /// The keys of the record.
    #[must_use]
    pub fn record(&self) -> &Map<String, Value> {
        &self.record
    }
}

/// The key of a whole conversation.
fn conversation_key(record: &Json<'_>) -> Option<&'static str> {
    ["messages", "conversations", "conversation"].into_iter().find(|key| record.has(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::conversation::USER_ROLE;

    fn roles(line: &str) -> Vec<(String, String)> {
        let messages = Prompt::read(line).unwrap().messages.unwrap();
        messages.iter().map(|it| (it.role.clone(), it.text().to_owned())).collect()
    }

    #[test]
    fn one_question_is_the_same_in_every_spelling() {
        let expected = [(USER_ROLE.to_owned(), "Hi".to_owned())];
        for line in [
            r#"{"prompt": "Hi"}"#,
            r#"{"prompt": [{"role": "user", "content": "Hi"}]}"#,
            r#"{"messages": [{"role": "user", "content": "Hi"}]}"#,
            r#"{"conversations": [{"from": "human", "value": "Hi"}]}"#,
            r#"{"prompt": "\n\nHuman: Hi\n\nAssistant:"}"#,
        ] {
            assert_eq!(roles(line), expected, "{line}");
        }
        let told = roles(r#"{"system": "Be kind.", "prompt": "Hi"}"#);
        assert_eq!(told[0], ("system".to_owned(), "Be kind.".to_owned()));
    }

    #[test]
    fn texts_are_continued_as_they_stand() {
        let text = Prompt::read(r#"{"id": 3, "text": "Once upon"}"#).unwrap();
        assert_eq!((text.text.as_str(), text.messages.is_none()), ("Once upon", true));
        assert_eq!(text.answered(" a time")["text"], "Once upon a time");
        let rendered = Prompt::read(r#"{"prompt": "<|im_start|>user\nHi<|im_end|>\n"}"#).unwrap();
        assert!(rendered.messages.is_none(), "a template has written it already");
        assert_eq!(rendered.answered("x")["response"], "x");
        let flat = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                       {"role": "user", "content": "c"}]}"#;
        let flat = Prompt::read(flat).unwrap();
        assert_eq!(flat.text, "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:");
        assert_eq!(flat.answered("d")["prompt"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |line: &str| Prompt::read(line).unwrap_err().to_string();
        assert_eq!(message(r#"{"id": 1}"#), "no `prompt`, `messages` or `text` among `id`");
        assert!(message(r#"{"prompt": 5}"#).starts_with("field `prompt` is `5`"));
        assert!(message(r#"{"messages": []}"#).contains("`messages`"));
    }
}
