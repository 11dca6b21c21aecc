//! LLaMA-Factory's ranking sets: Alpaca style (`instruction`, `input`, `chosen`, `rejected`, or
//! `output` as a list with the best first; `system`, `history`) and `ShareGPT` style
//! (`conversations`, `chosen` and `rejected` as one message each).

use super::texts::{Found, Read, Said, Texts};
use super::{messages, ranking};
use crate::data::error::RecordError;
use crate::data::json::{Json, list, missing, optional_text, text, texts, wrong_type};
use crate::domain::text::conversation::{ASSISTANT_ROLE, Message, SYSTEM_ROLE, USER_ROLE};

/// Whether a record is one of these.
pub(super) fn fits(record: &Json<'_>) -> bool {
    let is_pair = record.has("chosen") && record.has("rejected");
    let is_pair_of_texts =
        ["chosen", "rejected"].iter().all(|key| record.get(key).as_text().is_some());
    let is_alpaca = record.get("instruction").as_text().is_some()
        && (is_pair_of_texts || record.get("output").as_list().is_some());
    let is_message = |key: &&str| matches!(record.get(key), Json::Object(_));
    let is_sharegpt = record.get("conversations").as_list().is_some()
        && ["chosen", "rejected"].iter().any(is_message);
    is_alpaca || (is_pair && is_sharegpt)
}

pub(super) fn read(record: &Json<'_>, cap: usize, out: &mut Vec<Found>) -> Read {
    let n_before = out.len();
    if record.has("conversations") {
        read_sharegpt(record, out)?;
    } else {
        read_alpaca(record, cap, out)?;
    }
    super::trl::give_globals(record, out.iter_mut().skip(n_before))
}

fn read_alpaca(record: &Json<'_>, cap: usize, out: &mut Vec<Found>) -> Read {
    let prompt = alpaca_prompt(record)?;
    if record.has("output") && !record.has("chosen") {
        let answers: Vec<_> = texts(record, "output")?.into_iter().map(Said::of).collect();
        ranking::by_rank(&prompt, &answers, cap, out);
        return Ok(());
    }
    let (chosen, rejected) = (text(record, "chosen")?, text(record, "rejected")?);
    out.push(Texts::replies(&prompt, &Said::of(chosen), &Said::of(rejected)));
    Ok(())
}

/// System text, earlier turns, and the instruction with its input on the next line.
fn alpaca_prompt<'r>(record: &'r Json<'_>) -> Result<Said<'r>, RecordError> {
    let lines = [text(record, "instruction")?, optional_text(record, "input")?];
    let asked: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let asked = asked.join("\n");
    let mut before = system(record)?;
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
            before.push(Message::new(USER_ROLE, question));
            before.push(Message::new(ASSISTANT_ROLE, answer));
        }
    }
    before.push(Message::new(USER_ROLE, &asked));
    Ok(Said::Messages(before))
}

fn system(record: &Json<'_>) -> Result<Vec<Message>, RecordError> {
    let system = optional_text(record, "system")?;
    Ok(if system.is_empty() { Vec::new() } else { vec![Message::new(SYSTEM_ROLE, system)] })
}

fn read_sharegpt(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let mut prompt = system(record)?;
    prompt.extend(messages::read("conversations", list(record, "conversations")?)?);
    let reply = |field: &'static str| match record.get(field) {
        message @ Json::Object(_) => Ok(Said::Messages(vec![messages::message(field, message)?])),
        Json::Null => Err(missing(record, field)),
        other => Err(wrong_type(field, other, "one message with `from` and `value` (text)")),
    };
    let answers = [reply("chosen")?, reply("rejected")?];
    out.push(Texts::conversation(Said::Messages(prompt), answers, ""));
    Ok(())
}
