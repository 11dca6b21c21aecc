//! `RewardBench` 1 (`prompt`, `chosen`, `rejected`, `subset`, the models) and 2 (lists of right and
//! wrong answers). Prompts are instructions, or message lists in the prior sets.

use super::hh::ASSISTANT;
use super::{Found, Read, Texts, messages, missing, ranking, text, texts, wrong_type};
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

fn prompt(record: &Json<'_>) -> Result<String, RecordError> {
    match record.get("prompt") {
        Json::Text(prompt) => Ok(prompt.to_string()),
        Json::List(list) => Ok(messages::render(&messages::read("prompt", list)?) + ASSISTANT),
        Json::Null => Err(missing(record, "prompt")),
        other => Err(wrong_type("prompt", other, "a text or a list of messages")),
    }
}
