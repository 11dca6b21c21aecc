//! `RewardBench` 1 (`prompt`, `chosen`, `rejected`, `subset`, the models) and 2 (lists of right and
//! wrong answers). Prompts are instructions, or message lists in the prior sets.

use super::hh::ASSISTANT;
use super::{Found, Read, Texts, messages, missing, ranking, text, texts, wrong_type};
use crate::data::best_of::BestOfPrompt;
use crate::data::error::RecordError;
use crate::data::json::Json;

/// Whether a record is one of the first benchmark.
pub(super) fn fits_first(record: &Json<'_>) -> bool {
    record.get("chosen").as_text().is_some()
        && record.has("subset")
        && record.has("prompt")
        && (record.has("chosen_model") || record.has("rejected_model"))
}

/// Whether a record is one of the second benchmark.
pub(super) fn fits_second(record: &Json<'_>) -> bool {
    let is_texts = |key: &str| {
        let list = record.get(key).as_list();
        list.is_some_and(|list| !list.is_empty() && list.iter().all(|x| x.as_text().is_some()))
    };
    record.get("prompt").as_text().is_some() && is_texts("chosen") && is_texts("rejected")
}

pub(super) fn read_first(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let prompt = prompt(record)?;
    let (chosen, rejected) = (text(record, "chosen")?, text(record, "rejected")?);
    out.push(Texts::dialogue(&prompt, chosen, rejected).usable());
    Ok(())
}

pub(super) fn read_second(record: &Json<'_>, cap: usize, out: &mut Vec<Found>) -> Read {
    let prompt = prompt(record)?;
    let (good, bad) = (texts(record, "chosen")?, texts(record, "rejected")?);
    ranking::good_and_bad(&prompt, &good, &bad, cap, out);
    Ok(())
}

/// The second benchmark as it is scored.
pub(in super::super) fn best_of(record: &Json<'_>) -> Result<BestOfPrompt, RecordError> {
    let answers = |field: &str| match texts(record, field)? {
        none if none.is_empty() => {
            let (field, expected) = (field.to_owned(), "at least one".to_owned());
            Err(RecordError::WrongCount { field, found: 0, expected })
        }
        answers => Ok(answers.into_iter().map(super::as_reply).collect()),
    };
    let label = |key: &str| record.get(key).to_label().unwrap_or_default().into_owned();
    Ok(BestOfPrompt {
        id: label("id"),
        subset: label("subset"),
        prompt: super::as_dialogue(&prompt(record)?),
        chosen: answers("chosen")?,
        rejected: answers("rejected")?,
    })
}

fn prompt(record: &Json<'_>) -> Result<String, RecordError> {
    match record.get("prompt") {
        Json::Text(prompt) => Ok(prompt.to_string()),
        Json::List(list) => Ok(messages::render(&messages::read("prompt", list)?) + ASSISTANT),
        Json::Null => Err(missing(record, "prompt")),
        other => Err(wrong_type("prompt", other, "a text or a list of messages")),
    }
}
