//! Conversations: messages as chat templates take them, and how the stored texts of a pair hold
//! them.
//!
//! A data set keeps a pair as three flat texts, which people read, search and compare, and which a
//! model without a chat template reads. [`TextForm`] says what these texts are to a model that has
//! one. Where they came as messages, [`Spans`] says which bytes of them are the contents of which
//! message, so that the template gets every content as it stood in the file, whatever it holds,
//! and no text is stored twice.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::dialogue::{self, ASSISTANT, HUMAN};

mod shown;

pub use super::message::{ASSISTANT_ROLE, Content, Message, SYSTEM_ROLE, USER_ROLE};

impl Message {
    /// Whether it is a text of this role and nothing else.
    fn is_bare(&self, role: &str) -> bool {
        self.role == role && self.is_text() && self.fields.is_empty()
    }

    /// Whether its content is a text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self.content, Content::Text(_))
    }

    /// Its tool calls, each as one JSON object of name and arguments on a line of its own; empty
    /// when there are none.
    #[must_use]
    pub fn tool_calls(&self) -> String {
        shown::tool_calls(&self.fields)
    }
}

/// How a chat template reads the three stored texts of a pair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TextForm {
    /// A flat dialogue: turns begin at `\n\nHuman:` and `\n\nAssistant:`.
    #[default]
    Dialogue,
    /// The prompt is one message of a person and each answer one of the model, as they stand.
    Plain,
    /// No conversation: prompt and answer are one text, which no template touches.
    Whole,
    /// Messages, whose byte ranges in the texts are known.
    Messages(Box<Spans>),
}

/// Where the messages of a pair lie in its flat texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spans {
    /// Those of the prompt.
    #[serde(rename = "p")]
    prompt: Vec<Span>,
    /// Those of the two answers, in the order of the texts beside them.
    #[serde(rename = "a")]
    answers: [Vec<Span>; 2],
    /// What the template is given beside the messages (`tools`, `chat_template_kwargs`), as one JSON
    /// object; empty when there is nothing.
    #[serde(rename = "g", default, skip_serializing_if = "String::is_empty")]
    globals: String,
}

/// One message in a flat text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    #[serde(rename = "r")]
    role: String,
    /// Bytes between the content before (or the start of the text) and this one.
    #[serde(rename = "s")]
    n_skipped: u32,
    /// Bytes of the content; 0 where it is no text.
    #[serde(rename = "n")]
    n_bytes: u32,
    /// A content that is no text, as JSON; empty where there is none at all.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(rename = "f", default, skip_serializing_if = "String::is_empty")]
    fields: String,
}

/// A pair of conversations as flat texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlatPair {
    /// What both answers follow.
    pub prompt: String,
    pub answers: [String; 2],
    /// Where the messages are.
    pub form: TextForm,
}

impl FlatPair {
    /// Writes a prompt and its two answers as texts. One message of a person and one answer stand as
    /// they are. Longer conversations get the plain dialogue layout: a system message first as plain
    /// text, then `\n\nHuman: …` and `\n\nAssistant: …`, other roles by their names; where both
    /// answers begin with the model's turn, its mark ends a prompt that is there.
    #[must_use]
    pub fn of(prompt: &[Message], answers: [&[Message]; 2], globals: String) -> Self {
        if let ([asked], [[a], [b]]) = (prompt, answers)
            && asked.is_bare(USER_ROLE)
            && [a, b].iter().all(|answer| answer.is_bare(ASSISTANT_ROLE))
        {
            return Self::exchange(asked.text(), [a.text(), b.text()], globals);
        }
        let mut flat = Writer::default();
        flat.push_all(prompt, None);
        let opens = |answer: &[Message]| answer.first().is_some_and(Message::is_assistant);
        let is_opened = !prompt.is_empty() && answers.iter().all(|answer| opens(answer));
        let write = |answer: &[Message]| {
            let mut flat = Writer { n_before: prompt.len(), ..Writer::default() };
            flat.push_all(answer, is_opened.then_some(ASSISTANT));
            flat
        };
        let (a, b) = (write(answers[0]), write(answers[1]));
        if is_opened {
            flat.text.push_str(ASSISTANT);
        }
        let spans = Spans { prompt: flat.spans, answers: [a.spans, b.spans], globals };
        Self {
            prompt: flat.text,
            answers: [a.text, b.text],
            form: TextForm::Messages(Box::new(spans)),
        }
    }
}

impl FlatPair {
    /// Writes a prompt that is one message of a person, and answers that continue it without a
    /// speaker mark, one space after it. A space at the beginning of an answer counts as that
    /// space.
    #[must_use]
    pub fn continued(prompt: &str, answers: [&str; 2]) -> Self {
        let answers = answers.map(|answer| answer.strip_prefix(' ').unwrap_or(answer));
        Self::spaced(prompt, answers, " ", String::new())
    }

    /// A question and two answers to it, as they stand.
    fn exchange(prompt: &str, answers: [&str; 2], globals: String) -> Self {
        Self::spaced(prompt, answers, "", globals)
    }

    fn spaced(prompt: &str, answers: [&str; 2], gap: &str, globals: String) -> Self {
        let span = |role: &str, n_skipped: usize, text: &str| Span {
            role: role.to_owned(),
            n_skipped: n_skipped as u32,
            n_bytes: text.len() as u32,
            content: None,
            fields: String::new(),
        };
        let spans = Spans {
            prompt: vec![span(USER_ROLE, 0, prompt)],
            answers: answers.map(|text| vec![span(ASSISTANT_ROLE, gap.len(), text)]),
            globals,
        };
        Self {
            prompt: prompt.to_owned(),
            answers: answers.map(|text| format!("{gap}{text}")),
            form: TextForm::Messages(Box::new(spans)),
        }
    }
}

/// A flat text in the making.
#[derive(Default)]
struct Writer {
    text: String,
    spans: Vec<Span>,
    /// Where the last content ends.
    end: usize,
    /// Number of messages in the texts before this one.
    n_before: usize,
}

impl Writer {
    /// Writes messages. `is_written` is the speaker mark that the text before ends with; the first
    /// message does not repeat it.
    fn push_all(&mut self, messages: &[Message], is_written: Option<&str>) {
        for (i, message) in messages.iter().enumerate() {
            let mark = match mark(message, self.n_before + i) {
                Some(mark) if i == 0 && is_written == Some(mark.as_str()) => Some(String::new()),
                mark => mark,
            };
            if let Some(mark) = mark {
                self.text.push_str(&mark);
                self.text.push(' ');
            }
            self.push(message);
        }
    }

    fn push(&mut self, message: &Message) {
        self.text.push_str(&shown::reasoning(&message.fields));
        let start = self.text.len();
        self.text.push_str(message.text());
        let end = self.text.len();
        if let Content::Json(json) = &message.content {
            self.text.push_str(&shown::parts(json));
        }
        let calls = message.tool_calls();
        if !(calls.is_empty() || self.text[start..].is_empty()) {
            self.text.push('\n');
        }
        self.text.push_str(&calls);
        self.spans.push(Span {
            role: message.role.clone(),
            n_skipped: (start - self.end) as u32,
            n_bytes: (end - start) as u32,
            content: match &message.content {
                Content::Text(_) => None,
                Content::Json(json) => Some(json.clone()),
                Content::Absent => Some(String::new()),
            },
            fields: message.fields.clone(),
        });
        self.end = end;
    }
}

/// What stands before a message in a flat text; nothing before instructions at its very start.
fn mark(message: &Message, position: usize) -> Option<String> {
    match message.role.as_str() {
        USER_ROLE => Some(HUMAN.to_owned()),
        ASSISTANT_ROLE => Some(ASSISTANT.to_owned()),
        SYSTEM_ROLE | "developer" if position == 0 => None,
        other => {
            let mut letters = other.chars();
            let first = letters.next().map(char::to_uppercase).into_iter().flatten();
            Some(["\n\n", &first.chain(letters).collect::<String>(), ":"].concat())
        }
    }
}

/// The messages at their places; `None` where the places do not fit the text.
fn messages(text: &str, spans: &[Span]) -> Option<Vec<Message>> {
    let mut end = 0;
    let message = |span: &Span| {
        let start = end + span.n_skipped as usize;
        end = start + span.n_bytes as usize;
        let said = text.get(start..end)?;
        let content = match &span.content {
            None => Content::Text(said.to_owned()),
            Some(none) if none.is_empty() => Content::Absent,
            Some(json) => Content::Json(json.clone()),
        };
        let (role, fields) = (span.role.clone(), span.fields.clone());
        Some(Message { role, content, fields })
    };
    spans.iter().map(message).collect()
}

/// The stored words for the forms that have no byte ranges.
const PLAIN: &str = "plain";
const WHOLE: &str = "whole";

impl TextForm {
    /// The conversation of a prompt and one of its answers (0 or 1), in the order of the texts this
    /// form came with; `None` where the texts are no conversation.
    #[must_use]
    pub fn messages(&self, prompt: &str, answer: &str, which: usize) -> Option<Vec<Message>> {
        match self {
            Self::Dialogue => Some(dialogue::messages(prompt, answer)),
            Self::Plain => {
                Some(vec![Message::new(USER_ROLE, prompt), Message::new(ASSISTANT_ROLE, answer)])
            }
            Self::Whole => None,
            Self::Messages(spans) => {
                let mut all = messages(prompt, &spans.prompt)?;
                all.extend(messages(answer, &spans.answers[which])?);
                Some(all)
            }
        }
    }

    /// How the texts are read, in words.
    #[must_use]
    pub fn reading(&self) -> &'static str {
        match self {
            Self::Dialogue => "flat dialogue",
            Self::Plain => "question and answer",
            Self::Whole => "whole texts",
            Self::Messages(spans) => {
                let is_one = |spans: &[Span]| spans.len() == 1;
                let is_exchange =
                    is_one(&spans.prompt) && spans.answers.iter().all(|it| is_one(it));
                if is_exchange { "question and answer" } else { "messages" }
            }
        }
    }

    /// What the template is given beside the messages, as a JSON object; mostly empty.
    #[must_use]
    pub fn globals(&self) -> &str {
        match self {
            Self::Messages(spans) => &spans.globals,
            Self::Dialogue | Self::Plain | Self::Whole => "",
        }
    }

    /// The form with what a template is given beside the messages, unless it has its own.
    #[must_use]
    pub fn with_globals(mut self, globals: &str) -> Self {
        if let Self::Messages(spans) = &mut self
            && spans.globals.is_empty()
        {
            globals.clone_into(&mut spans.globals);
        }
        self
    }

    /// The form of the same texts with the answers in the other order.
    #[must_use]
    pub fn swapped(&self) -> Self {
        match self {
            Self::Messages(spans) => {
                let mut spans = spans.clone();
                spans.answers.swap(0, 1);
                Self::Messages(spans)
            }
            other => other.clone(),
        }
    }

    /// The prompt of a pair with two other answers, each one message, given the first of its own answers. The
    /// prompt stays as it stands, and so does the gap that parts it from an answer.
    #[must_use]
    pub fn answered(&self, prompt: &str, first: &str, answers: [&str; 2]) -> FlatPair {
        let Self::Messages(spans) = self else {
            let answers = answers.map(str::to_owned);
            return FlatPair { prompt: prompt.to_owned(), answers, form: self.clone() };
        };
        let skipped = spans.answers[0].first().and_then(|it| first.get(..it.n_skipped as usize));
        // What else stands before a content is the reasoning of that answer.
        let gap = skipped.filter(|it| it.trim().is_empty()).unwrap_or(" ");
        let span = |text: &str| Span {
            role: ASSISTANT_ROLE.to_owned(),
            n_skipped: gap.len() as u32,
            n_bytes: text.len() as u32,
            content: None,
            fields: String::new(),
        };
        let spans = Spans { answers: answers.map(|text| vec![span(text)]), ..(**spans).clone() };
        FlatPair {
            prompt: prompt.to_owned(),
            answers: answers.map(|text| format!("{gap}{text}")),
            form: Self::Messages(Box::new(spans)),
        }
    }

    /// The form of a pair that has this answer on both sides.
    #[must_use]
    pub fn doubled(&self, which: usize) -> Self {
        match self {
            Self::Messages(spans) => {
                let mut spans = spans.clone();
                let [first, second] = &mut spans.answers;
                if which == 0 {
                    second.clone_from(first);
                } else {
                    first.clone_from(second);
                }
                Self::Messages(spans)
            }
            other => other.clone(),
        }
    }

    /// The messages of the prompt alone, and of the answer alone; `None` where the texts are no
    /// conversation.
    #[must_use]
    pub fn parts(&self, prompt: &str, answer: &str, which: usize) -> Option<[Vec<Message>; 2]> {
        let mut prompt_messages = self.messages(prompt, answer, which)?;
        let n_prompt = match self {
            Self::Messages(spans) => spans.prompt.len(),
            _ => prompt_messages.len().saturating_sub(1),
        };
        let answer = prompt_messages.split_off(n_prompt);
        Some([prompt_messages, answer])
    }

    /// As the store keeps it; nothing for a flat dialogue.
    #[must_use]
    pub fn to_stored(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Dialogue => None,
            Self::Plain => Some(Cow::Borrowed(PLAIN)),
            Self::Whole => Some(Cow::Borrowed(WHOLE)),
            // Texts and numbers in a struct cannot fail to serialize.
            Self::Messages(spans) => serde_json::to_string(spans).ok().map(Cow::Owned),
        }
    }

    /// Reads what [`TextForm::to_stored`] gave for these texts.
    ///
    /// # Errors
    /// In words, when it is none of these, or does not fit the texts.
    pub fn from_stored(
        stored: Option<&str>,
        prompt: &str,
        answers: [&str; 2],
    ) -> Result<Self, String> {
        let spans: Spans = match stored {
            None => return Ok(Self::Dialogue),
            Some(PLAIN) => return Ok(Self::Plain),
            Some(WHOLE) => return Ok(Self::Whole),
            Some(json) => serde_json::from_str(json).map_err(|error| error.to_string())?,
        };
        let fits = |text: &str, spans: &[Span]| messages(text, spans).is_some();
        if fits(prompt, &spans.prompt)
            && answers.iter().zip(&spans.answers).all(|(text, spans)| fits(text, spans))
        {
            return Ok(Self::Messages(Box::new(spans)));
        }
        Err("the messages do not lie within the texts".to_owned())
    }
}

#[cfg(test)]
mod tests;
