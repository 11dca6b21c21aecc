//! From one line to the three texts of a pair, for every layout of the preference formats.
//!
//! Explicit plain prompts are continued by the answers as they stand; message lists are rendered
//! in the plain dialogue template; whole dialogues and other whole texts are cut by [`super::hh`].

use serde_json::error::Category;

use super::error::{DataError, excerpt};
use super::hh::{self, ASSISTANT};
use super::reader::DropReason;
use super::record::{self, Field, Record};
use super::settings::DatasetFormat;

/// The three texts of a record.
pub(super) struct Texts {
    pub(super) prompt: String,
    pub(super) chosen: String,
    pub(super) rejected: String,
    /// The prompts of the two dialogues differed, so their common prefix became the prompt.
    pub(super) fallback: bool,
}

/// The texts, or why there is no pair.
pub(super) type Found = Result<Texts, DropReason>;

/// One line of a source, for error messages.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) path: &'a str,
    pub(super) number: u64,
    pub(super) text: &'a str,
}

const EITHER: &str = "a text or a list of messages";
const LIST: &str = "a list of messages";

/// Finds prompt and answers of a record.
pub(super) fn texts(
    at: Line<'_>,
    record: &Record<'_>,
    format: DatasetFormat,
) -> Result<Found, DataError> {
    for (field, value) in [("chosen", &record.chosen), ("rejected", &record.rejected)] {
        if matches!(value, Field::Absent) {
            return Err(at.missing_field(field));
        }
    }
    let found = match (&record.prompt, &record.chosen, &record.rejected) {
        (_, Field::Text(chosen), Field::Text(rejected)) if format == DatasetFormat::HhRlhf => {
            at.check_turns(chosen, rejected)?;
            from_dialogues(chosen, rejected)
        }
        (Field::Absent, Field::Text(chosen), Field::Text(rejected)) => {
            from_wholes(chosen, rejected)
        }
        (Field::Text(prompt), Field::Text(chosen), Field::Text(rejected)) => {
            explicit(prompt.to_string(), chosen.to_string(), rejected.to_string())
        }
        (Field::Messages(prompt), Field::Text(chosen), Field::Text(rejected)) => explicit(
            record::render(prompt) + ASSISTANT,
            format!(" {}", chosen.trim()),
            format!(" {}", rejected.trim()),
        ),
        // Some sets repeat the prompt as a text beside two whole conversations.
        (prompt, Field::Messages(chosen), Field::Messages(rejected))
            if record::is_conversation(chosen) || matches!(prompt, Field::Absent) =>
        {
            from_dialogues(&record::render(chosen), &record::render(rejected))
        }
        (Field::Messages(prompt), Field::Messages(chosen), Field::Messages(rejected)) => explicit(
            record::render(prompt) + ASSISTANT,
            record::render_answer(chosen),
            record::render_answer(rejected),
        ),
        (prompt, Field::Messages(_), Field::Messages(_)) => {
            return Err(at.wrong_type("prompt", prompt, LIST));
        }
        (prompt, Field::Text(_), Field::Text(_)) => {
            return Err(at.wrong_type("prompt", prompt, EITHER));
        }
        (_, Field::Text(_), other) => return Err(at.wrong_type("rejected", other, "a text")),
        (_, Field::Messages(_), other) => return Err(at.wrong_type("rejected", other, LIST)),
        (_, other, _) => return Err(at.wrong_type("chosen", other, EITHER)),
    };
    Ok(found.and_then(Texts::usable))
}

impl Texts {
    /// Refuses a pair that says nothing about preference.
    fn usable(self) -> Found {
        if self.chosen.trim().is_empty() && self.rejected.trim().is_empty() {
            Err(DropReason::EmptyResponses)
        } else if self.chosen == self.rejected {
            Err(DropReason::IdenticalResponses)
        } else {
            Ok(self)
        }
    }
}

// A `Result` so that every layout reads alike in `texts`.
#[expect(clippy::unnecessary_wraps)]
fn explicit(prompt: String, chosen: String, rejected: String) -> Found {
    Ok(Texts { prompt, chosen, rejected, fallback: false })
}

/// Two whole texts of any kind.
fn from_wholes(chosen: &str, rejected: &str) -> Found {
    if chosen.contains(ASSISTANT) && rejected.contains(ASSISTANT) {
        return from_dialogues(chosen, rejected);
    }
    if chosen == rejected {
        return Err(DropReason::IdenticalResponses);
    }
    Ok(cut(
        chosen,
        rejected,
        hh::Split { prompt_bytes: hh::common_words(chosen, rejected), fallback: false },
    ))
}

fn from_dialogues(chosen: &str, rejected: &str) -> Found {
    if chosen == rejected {
        return Err(DropReason::IdenticalResponses);
    }
    let split = hh::split_dialogues(chosen, rejected).ok_or(DropReason::NoSharedPrompt)?;
    Ok(cut(chosen, rejected, split))
}

fn cut(chosen: &str, rejected: &str, split: hh::Split) -> Texts {
    let (prompt, chosen) = chosen.split_at(split.prompt_bytes);
    Texts {
        prompt: prompt.to_owned(),
        chosen: chosen.to_owned(),
        rejected: rejected[split.prompt_bytes..].to_owned(),
        fallback: split.fallback,
    }
}

type Object = serde_json::Map<String, serde_json::Value>;

impl<'a> Line<'a> {
    /// Reads the line, with the error that fits what is wrong.
    pub(super) fn parse(self) -> Result<Record<'a>, DataError> {
        let Self { path, number: line, text } = self;
        let path = path.to_owned();
        let is_object = text.trim_start().starts_with('{');
        let error = match serde_json::from_str::<Record<'a>>(text) {
            // A derived reader would also take an array as the fields in order.
            Ok(record) if is_object => return Ok(record),
            Ok(_) => return Err(DataError::NotAnObject { path, line, excerpt: excerpt(text) }),
            Err(error) => error,
        };
        if error.classify() == Category::Data && !is_object {
            return Err(DataError::NotAnObject { path, line, excerpt: excerpt(text) });
        }
        let column = error.column();
        let detail = error.to_string();
        // serde_json counts lines inside the record, which is always line 1.
        let detail = detail.split(" at line ").next().unwrap_or_default().to_owned();
        let start = text.floor_char_boundary(column.saturating_sub(20));
        Err(DataError::BrokenJson { path, line, column, detail, excerpt: excerpt(&text[start..]) })
    }

    /// The value of a column as text.
    pub(super) fn column(self, column: &str) -> Result<String, DataError> {
        let object: Object = serde_json::from_str(self.text).unwrap_or_default();
        match object.get(column) {
            None | Some(serde_json::Value::Null) => Err(self.missing_field(column)),
            Some(serde_json::Value::String(value)) => Ok(value.clone()),
            Some(other) => Ok(other.to_string()),
        }
    }

    fn missing_field(self, field: &str) -> DataError {
        let object: Object = serde_json::from_str(self.text).unwrap_or_default();
        DataError::MissingField {
            path: self.path.to_owned(),
            line: self.number,
            field: field.to_owned(),
            available: object.keys().cloned().collect(),
        }
    }

    pub(super) fn wrong_type(
        self,
        field: &'static str,
        found: &Field<'_>,
        expected: &'static str,
    ) -> DataError {
        let (path, field, found) = (self.path.to_owned(), field.to_owned(), found.describe());
        DataError::WrongType { path, line: self.number, field, found, expected }
    }

    /// Both texts of a dialogue pair must hold an answer.
    fn check_turns(self, chosen: &str, rejected: &str) -> Result<(), DataError> {
        for (field, dialogue) in [("chosen", chosen), ("rejected", rejected)] {
            if !dialogue.contains(ASSISTANT) {
                let (path, excerpt) = (self.path.to_owned(), excerpt(dialogue));
                return Err(DataError::NoAssistantTurn { path, line: self.number, field, excerpt });
            }
        }
        Ok(())
    }
}
