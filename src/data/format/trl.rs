//! `prompt, chosen, rejected` as TRL and OpenRLHF read them, and HH-RLHF's whole dialogues.
//!
//! Explicit plain prompts are continued by the answers as they stand, message lists are conversations
//! (with the record's `tools` and `chat_template_kwargs`), whole dialogues and other whole texts are cut
//! by [`super::hh`].

use super::hh::{self, ASSISTANT};
use super::texts::{Said, Texts};
use super::{Found, Read, missing, wrong_type};
use crate::data::error::{RecordError, excerpt};
use crate::data::json::Json;
use crate::data::reader::DropReason;
use crate::domain::conversation::TextForm;

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
            return Err(missing(record, field));
        }
    }
    match (chosen, rejected) {
        (Json::Text(_), Json::Text(_))
        | (Json::List(_) | Json::Object(_), Json::List(_) | Json::Object(_)) => {}
        (Json::Text(_), other) => return Err(wrong_type("rejected", other, "a text")),
        (Json::List(_) | Json::Object(_), other) => {
            return Err(wrong_type("rejected", other, LIST));
        }
        (other, _) => return Err(wrong_type("chosen", other, EITHER)),
    }
    let answers = [Said::read("chosen", chosen)?, Said::read("rejected", rejected)?];
    let prompt = if prompt.is_null() { Said::NOTHING } else { Said::read("prompt", prompt)? };
    out.push(match (prompt, answers) {
        (Said::Text(prompt), [Said::Text(chosen), Said::Text(rejected)]) => {
            if record.has("prompt") {
                Ok(Texts::continued(&prompt, &chosen, &rejected))
            } else {
                from_wholes(&chosen, &rejected)
            }
        }
        (prompt, answers) => Texts::conversation(prompt, answers, &globals(record)?),
    });
    Ok(())
}

/// What the record gives a chat template beside the messages: `tools` (a list, or the same as JSON in a
/// text) and the keys of `chat_template_kwargs`, as one JSON object; empty when there is nothing.
pub(super) fn globals(record: &Json<'_>) -> Result<String, RecordError> {
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
fn from_wholes(chosen: &str, rejected: &str) -> Found {
    if chosen.contains(ASSISTANT) && rejected.contains(ASSISTANT) {
        return from_dialogues(chosen, rejected);
    }
    if chosen == rejected {
        return Err(DropReason::IdenticalResponses);
    }
    let prompt_bytes = hh::common_words(chosen, rejected);
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
