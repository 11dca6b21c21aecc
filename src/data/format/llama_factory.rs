//! LLaMA-Factory's ranking sets: Alpaca style (`instruction`, `input`, `chosen`, `rejected`, or
//! `output` as a list with the best first; `system`, `history`) and `ShareGPT` style
//! (`conversations`, `chosen` and `rejected` as one message each).

use super::hh::{ASSISTANT, HUMAN};
use super::{
    Found, Read, Texts, list, messages, missing, optional_text, ranking, text, texts, wrong_type,
};
use crate::data::error::RecordError;
use crate::data::json::Json;

/// Whether a record is one of these.
pub(super) fn fits(record: &Json<'_>) -> bool {
    let is_pair = record.has("chosen") && record.has("rejected");
    let is_alpaca = record.get("instruction").as_text().is_some()
        && (is_pair || record.get("output").as_list().is_some());
    is_alpaca || (is_pair && record.get("conversations").as_list().is_some())
}

pub(super) fn read(record: &Json<'_>, cap: usize, out: &mut Vec<Found>) -> Read {
    if record.has("conversations") {
        return read_sharegpt(record, out);
    }
    let prompt = alpaca_prompt(record)?;
    if record.has("output") && !record.has("chosen") {
        ranking::by_rank(&prompt, &texts(record, "output")?, cap, out);
        return Ok(());
    }
    let (chosen, rejected) = (text(record, "chosen")?, text(record, "rejected")?);
    out.push(Texts::dialogue(&prompt, chosen, rejected).usable());
    Ok(())
}

/// System text, earlier turns, and the instruction with its input on the next line.
fn alpaca_prompt(record: &Json<'_>) -> Result<String, RecordError> {
    let instruction = text(record, "instruction")?;
    let input = optional_text(record, "input")?;
    let mut prompt = optional_text(record, "system")?.trim().to_owned();
    if record.has("history") {
        for (i, turn) in list(record, "history")?.iter().enumerate() {
            let turn = turn.as_list().unwrap_or_default();
            let [Json::Text(question), Json::Text(answer)] = turn else {
                let field = format!("history[{i}]");
                return Err(RecordError::WrongType {
                    field,
                    found: format!("a list of {}", turn.len()),
                    expected: "a question and an answer (text)",
                });
            };
            prompt += &[HUMAN, " ", question.trim(), ASSISTANT, " ", answer.trim()].concat();
        }
    }
    let lines = [instruction.trim(), input.trim()];
    let asked: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    Ok(prompt + &[HUMAN, " ", &asked.join("\n"), ASSISTANT].concat())
}

fn read_sharegpt(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let system = optional_text(record, "system")?.trim();
    let turns = messages::read("conversations", list(record, "conversations")?)?;
    let prompt = format!("{system}{}{ASSISTANT}", messages::render(&turns));
    let reply = |field: &'static str| match record.get(field) {
        message @ Json::Object(_) => messages::message(field, message),
        Json::Null => Err(missing(record, field)),
        other => Err(wrong_type(field, other, "one message with `from` and `value` (text)")),
    };
    let (chosen, rejected) = (reply("chosen")?, reply("rejected")?);
    out.push(Texts::dialogue(&prompt, chosen.reply(), rejected.reply()).usable());
    Ok(())
}
