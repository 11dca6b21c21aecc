//! RM-Bench: a prompt with right answers and wrong ones, each in the same three styles (concise,
//! detailed, detailed with markup). Every right answer is compared with every wrong one.

use crate::data::error::RecordError;
use crate::data::format::ranking;
use crate::data::format::texts::{Found, Read, Said};
use crate::data::json::{Json, missing, texts};

/// Styles of an answer.
const N_STYLES: usize = 3;

/// Whether a record is one of these: `RewardBench` 2, which also has lists, counts its answers.
pub(in crate::data::format) fn fits(record: &Json<'_>) -> bool {
    let is_styled = |key: &str| {
        let list = record.get(key).as_list();
        list.is_some_and(|list| {
            list.len() == N_STYLES && list.iter().all(|answer| answer.as_text().is_some())
        })
    };
    let counts = ["num_correct", "num_incorrect", "total_completions"];
    is_styled("chosen") && is_styled("rejected") && !counts.iter().any(|key| record.has(key))
}

pub(in crate::data::format) fn read(record: &Json<'_>, cap: usize, out: &mut Vec<Found>) -> Read {
    let prompt = match record.get("prompt") {
        prompt if prompt.is_null() => return Err(missing(record, "prompt")),
        prompt => Said::read("prompt", prompt)?,
    };
    let answers = |field| -> Result<Vec<Said<'_>>, RecordError> {
        Ok(texts(record, field)?.into_iter().map(Said::of).collect())
    };
    ranking::good_and_bad(&prompt, &answers("chosen")?, &answers("rejected")?, cap, out);
    Ok(())
}
