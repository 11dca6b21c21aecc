//! `prompt, chosen, rejected` as TRL and OpenRLHF read them, and HH-RLHF's whole dialogues.
//!
//! Explicit plain prompts are continued by the answers as they stand; message lists are rendered
//! in the plain dialogue template; whole dialogues and other whole texts are cut by [`super::hh`].

use super::hh::{self, ASSISTANT};
use super::messages::{self, Message};
use super::{Found, Read, Texts, missing, wrong_type};
use crate::data::error::{RecordError, excerpt};
use crate::data::json::Json;
use crate::data::reader::DropReason;

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
    out.push(from_dialogues(chosen, rejected).and_then(Texts::usable));
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
    let found = match (chosen, rejected) {
        (Json::Text(chosen), Json::Text(rejected)) => match prompt {
            // A prompt that is there and null is an empty one; only without the field it is implicit.
            prompt if prompt.is_null() => from_wholes(chosen, rejected, record.has_key("prompt")),
            Json::Text(prompt) => Ok(Texts {
                prompt: prompt.to_string(),
                chosen: chosen.to_string(),
                rejected: rejected.to_string(),
                fallback: false,
            }),
            Json::List(prompt) => Ok(Texts {
                prompt: messages::render(&messages::read("prompt", prompt)?) + ASSISTANT,
                chosen: super::as_reply(chosen),
                rejected: super::as_reply(rejected),
                fallback: false,
            }),
            other => return Err(wrong_type("prompt", other, EITHER)),
        },
        (Json::List(chosen), Json::List(rejected)) => {
            let chosen = messages::read("chosen", chosen)?;
            let rejected = messages::read("rejected", rejected)?;
            from_messages(prompt, &chosen, &rejected)?
        }
        (Json::Text(_), other) => return Err(wrong_type("rejected", other, "a text")),
        (Json::List(_), other) => return Err(wrong_type("rejected", other, LIST)),
        (other, _) => return Err(wrong_type("chosen", other, EITHER)),
    };
    out.push(found.and_then(Texts::usable));
    Ok(())
}

fn from_messages(
    prompt: &Json<'_>,
    chosen: &[Message<'_>],
    rejected: &[Message<'_>],
) -> Result<Found, RecordError> {
    match prompt {
        // Some sets repeat the prompt as a text beside two whole conversations.
        prompt if messages::is_conversation(chosen) || prompt.is_null() => {
            Ok(from_dialogues(&messages::render(chosen), &messages::render(rejected)))
        }
        Json::List(prompt) => Ok(Ok(Texts {
            prompt: messages::render(&messages::read("prompt", prompt)?) + ASSISTANT,
            chosen: messages::render_answer(chosen),
            rejected: messages::render_answer(rejected),
            fallback: false,
        })),
        prompt => Err(wrong_type("prompt", prompt, LIST)),
    }
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
    Ok(cut(chosen, rejected, hh::Split { prompt_bytes, fallback: false }))
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
