//! `RewardBench` 1 (`prompt`, `chosen`, `rejected`, `subset`, the models) and 2 (lists of right and
//! wrong answers). Prompts are instructions, or message lists in the prior sets.

use crate::data::error::RecordError;
use crate::data::format::ranking;
use crate::data::format::texts::{Found, Read, Said, Texts};
use crate::data::json::{Json, missing, text, texts};

/// Whether a record is one of the first benchmark.
pub(in crate::data::format) fn fits_first(record: &Json<'_>) -> bool {
    record.get("chosen").as_text().is_some()
        && record.has("subset")
        && record.has("prompt")
        && (record.has("chosen_model") || record.has("rejected_model"))
}

/// Whether a record is one of the second benchmark.
pub(in crate::data::format) fn fits_second(record: &Json<'_>) -> bool {
    let is_texts = |key: &str| {
        let list = record.get(key).as_list();
        list.is_some_and(|list| !list.is_empty() && list.iter().all(|x| x.as_text().is_some()))
    };
    record.get("prompt").as_text().is_some() && is_texts("chosen") && is_texts("rejected")
}

pub(in crate::data::format) fn read_first(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let prompt = prompt(record)?;
    let (chosen, rejected) = (text(record, "chosen")?, text(record, "rejected")?);
    out.push(Texts::replies(&prompt, &Said::of(chosen), &Said::of(rejected)));
    Ok(())
}

pub(in crate::data::format) fn read_second(
    record: &Json<'_>,
    cap: usize,
    out: &mut Vec<Found>,
) -> Read {
    let prompt = prompt(record)?;
    let [good, bad] = ["chosen", "rejected"].map(|field| answers(record, field));
    ranking::good_and_bad(&prompt, &good?, &bad?, cap, out);
    Ok(())
}

pub(in crate::data) fn answers<'r>(
    record: &'r Json<'_>,
    field: &str,
) -> Result<Vec<Said<'r>>, RecordError> {
    Ok(texts(record, field)?.into_iter().map(Said::of).collect())
}

pub(in crate::data) fn prompt<'r>(record: &'r Json<'_>) -> Result<Said<'r>, RecordError> {
    match record.get("prompt") {
        Json::Null => Err(missing(record, "prompt")),
        prompt => Said::read("prompt", prompt),
    }
}
