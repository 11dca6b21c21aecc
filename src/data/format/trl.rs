//! `prompt, chosen, rejected` as TRL and OpenRLHF read them, and HH-RLHF's whole dialogues.
//!
//! Explicit plain prompts are continued by the answers as they stand, message lists are conversations
//! (with the record's `tools` and `chat_template_kwargs`), whole dialogues and other whole texts are cut
//! by [`super::hh`].

use std::borrow::Cow;

use super::hh;
use super::texts::{Found, Read, Said, Texts};
use super::{messages, told};
use crate::data::drop_reason::DropReason;
use crate::data::error::{RecordError, excerpt};
use crate::data::json::{Json, missing, wrong_type};
use crate::domain::text::conversation::{TextForm, USER_ROLE};
use crate::domain::text::dialogue::ASSISTANT;

const EITHER: &str = "a text or a list of messages";
const LIST: &str = "a list of messages";

/// Whether both answers are whole dialogues without a prompt.
pub(super) fn fits_hh(record: &Json<'_>) -> bool {
    let is_dialogue =
        |key: &str| record.get(key).as_text().is_some_and(|text| text.contains(ASSISTANT));
    !record.has("prompt") && is_dialogue("chosen") && is_dialogue("rejected")
}

/// HH-RLHF: both texts must hold an answer.
pub(super) fn read_hh(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let (Json::Text(chosen), Json::Text(rejected)) = (record.get("chosen"), record.get("rejected"))
    else {
        return read(record, out);
    };
    for (field, dialogue) in [("chosen", chosen), ("rejected", rejected)] {
        if !dialogue.contains(ASSISTANT) {
            return Err(RecordError::NoAssistantTurn { field, excerpt: excerpt(dialogue) });
        }
    }
    out.push(from_dialogues(chosen, rejected));
    Ok(())
}

/// Every layout of TRL's preference type.
pub(super) fn read(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let [prompt, chosen, rejected] = ["prompt", "chosen", "rejected"].map(|key| record.get(key));
    for (field, value) in [("chosen", chosen), ("rejected", rejected)] {
        if value.is_null() {
            if !record.has_key(field) {
                return Err(missing(record, field));
            }
            out.push(Err(DropReason::MissingAnswer));
            return Ok(());
        }
    }
    let is_said = |value: &Json<'_>| value.as_list().is_some() || messages::is_message(value);
    match (chosen, rejected) {
        (Json::Text(_), Json::Text(_)) => {}
        (Json::Text(_), Json::List(list)) if list.iter().all(|it| it.as_text().is_some()) => {
            return Err(RecordError::SeveralAnswers { field: "rejected" });
        }
        (Json::Text(_), other) => return Err(wrong_type("rejected", other, "a text")),
        (other, _) if !is_said(other) => return Err(wrong_type("chosen", other, EITHER)),
        (_, other) if !is_said(other) => return Err(wrong_type("rejected", other, LIST)),
        _ => {}
    }
    if let (Json::Text(chosen), Json::Text(rejected)) = (chosen, rejected)
        && [chosen, rejected].iter().all(|name| names_a_column(record, name))
    {
        return Err(RecordError::AnswersByName {
            better: chosen.to_string(),
            worse: rejected.to_string(),
        });
    }
    let answers = [Said::read("chosen", chosen)?, Said::read("rejected", rejected)?];
    let system = told::system(record);
    let is_bare = system.is_none();
    out.push(match (prompt, &answers) {
        (Json::Text(prompt), [Said::Text(chosen), Said::Text(rejected)]) if is_bare => {
            Ok(Texts::continued(prompt, chosen, rejected))
        }
        (prompt, [Said::Text(chosen), Said::Text(rejected)])
            if is_bare && prompt.is_null() && beside(record, &answers).is_none() =>
        {
            // A prompt that is null counts as an empty one; a prompt is implicit only if the field
            // is missing.
            from_wholes(chosen, rejected, record.has_key("prompt"))
        }
        _ => {
            let asked = asked(record, &answers)?;
            let prompt = match system {
                None => asked,
                Some(system) => told::before(&system, asked),
            };
            if answers.iter().all(|answer| matches!(answer, Said::Text(_))) {
                Texts::replies(&prompt, &answers[0], &answers[1])
            } else {
                Texts::conversation(prompt, answers, &globals(record)?)
            }
        }
    });
    Ok(())
}

/// Whether an answer is only the name of the column that holds it.
fn names_a_column(record: &Json<'_>, name: &str) -> bool {
    !matches!(name, "prompt" | "chosen" | "rejected") && record.get(name).as_text().is_some()
}

/// Names of columns that hold the prompt, where it is not called `prompt`.
const PROMPTS: [&str; 11] = [
    "question",
    "instruction",
    "query",
    "input",
    "inputs",
    "problem",
    "messages",
    "conversations",
    "conversation",
    "context",
    "history",
];
/// The column of another name that holds the prompt; none where the answers are whole conversations.
/// Without a usual name it is the one list of messages that waits for an answer.
fn beside<'r>(record: &'r Json<'_>, answers: &[Said<'_>; 2]) -> Option<&'r str> {
    let holds_prompt = |answer: &Said<'_>| match answer {
        Said::Text(text) => text.contains(ASSISTANT),
        Said::Messages(messages) => messages.iter().any(|message| message.role == USER_ROLE),
    };
    if answers.iter().all(holds_prompt) {
        return None;
    }
    let is_said = |value: &Json<'_>| {
        value.as_text().is_some()
            || value.as_list().is_some_and(|list| list.iter().all(messages::is_message))
    };
    if let Some(usual) = PROMPTS.into_iter().find(|key| is_said(record.get(key))) {
        return Some(usual);
    }
    let Json::Object(entries) = record else { return None };
    let waits = |(key, value): &&(Cow<'_, str>, Json<'_>)| {
        let last = value.as_list().and_then(<[_]>::last);
        let read = last.filter(|it| messages::is_message(it)).map(|it| messages::message(key, it));
        read.is_some_and(|it| it.is_ok_and(|message| message.role == USER_ROLE))
    };
    let mut waiting = entries.iter().filter(waits);
    match (waiting.next(), waiting.next()) {
        (Some((key, _)), None) => Some(key),
        _ => None,
    }
}

/// What the answers are answers to.
fn asked<'r>(record: &'r Json<'_>, answers: &[Said<'_>; 2]) -> Result<Said<'r>, RecordError> {
    let column = if record.has("prompt") { Some("prompt") } else { beside(record, answers) };
    let Some(column) = column else { return Ok(Said::NOTHING) };
    let mut asked = Said::read(column, record.get(column))?;
    // Some sets keep the whole better conversation beside both answers.
    if let Said::Messages(messages) = &mut asked
        && let [.., last] = messages.as_slice()
        && last.is_assistant()
        && answers[0].key().ends_with(last.text())
    {
        messages.pop();
    }
    Ok(asked)
}

/// Adds to pairs of messages what the record has for their chat template, as [`globals`] reads it.
pub(super) fn give_globals<'f>(
    record: &Json<'_>,
    found: impl Iterator<Item = &'f mut Found>,
) -> Read {
    let globals = globals(record)?;
    for texts in found.flatten() {
        texts.form = std::mem::take(&mut texts.form).with_globals(&globals);
    }
    Ok(())
}

/// What the record gives a chat template beside the messages: `tools` (a list, or the same as JSON in a
/// text) and the keys of `chat_template_kwargs`, as one JSON object; empty when there is nothing.
pub(in super::super) fn globals(record: &Json<'_>) -> Result<String, RecordError> {
    let mut all = Vec::new();
    match record.get("tools") {
        Json::Null => {}
        tools @ Json::List(_) => all.push(("tools", tools.to_text())),
        Json::Text(text) if text.trim().is_empty() => {}
        text @ Json::Text(json) => match serde_json::from_str::<Json<'_>>(json) {
            Ok(list @ Json::List(_)) => all.push(("tools", list.to_text())),
            _ => return Err(wrong_type("tools", text, "a list of tools")),
        },
        other => return Err(wrong_type("tools", other, "a list of tools")),
    }
    match record.get("chat_template_kwargs") {
        Json::Null => {}
        Json::Object(entries) => {
            let given = entries.iter().filter(|(_, value)| !value.is_null());
            all.extend(given.map(|(key, value)| (&**key, value.to_text())));
        }
        other => return Err(wrong_type("chat_template_kwargs", other, "an object")),
    }
    if all.is_empty() {
        return Ok(String::new());
    }
    let entries = all.iter().map(|(key, value)| format!("{}:{value}", Json::text(key).to_text()));
    Ok(format!("{{{}}}", entries.collect::<Vec<_>>().join(",")))
}

/// Two whole texts of any kind.
fn from_wholes(chosen: &str, rejected: &str, has_prompt: bool) -> Found {
    if chosen.contains(ASSISTANT) && rejected.contains(ASSISTANT) {
        return from_dialogues(chosen, rejected);
    }
    if chosen == rejected {
        return Err(DropReason::IdenticalResponses);
    }
    let prompt_bytes = if has_prompt { 0 } else { hh::common_words(chosen, rejected) };
    let split = hh::Split { prompt_bytes, fallback: false };
    Ok(cut(chosen, rejected, split, TextForm::Whole))
}

fn from_dialogues(chosen: &str, rejected: &str) -> Found {
    if chosen == rejected {
        return Err(DropReason::IdenticalResponses);
    }
    let split = hh::split_dialogues(chosen, rejected).ok_or(DropReason::NoSharedPrompt)?;
    Ok(cut(chosen, rejected, split, TextForm::Dialogue))
}

fn cut(chosen: &str, rejected: &str, split: hh::Split, form: TextForm) -> Texts {
    let (prompt, chosen) = chosen.split_at(split.prompt_bytes);
    let rejected = &rejected[split.prompt_bytes..];
    Texts { fallback: split.fallback, ..Texts::flat(prompt, chosen, rejected, form) }
}
