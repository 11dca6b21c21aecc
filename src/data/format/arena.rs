//! Chatbot Arena's one-hot votes: `prompt`, `response_a` and `response_b` are lists of turns (also as
//! JSON in a text), and one of `winner_model_a`, `winner_model_b` and `winner_tie` is 1.

use std::borrow::Cow;

use super::texts::{Found, Read, Said, Texts};
use crate::data::drop_reason::DropReason;
use crate::data::error::RecordError;
use crate::data::json::{Json, missing, wrong_type};
use crate::domain::text::conversation::{ASSISTANT_ROLE, Message, USER_ROLE};

const WINNERS: [&str; 2] = ["winner_model_a", "winner_model_b"];
const ANSWERS: [&str; 2] = ["response_a", "response_b"];

/// Whether a record is one of these.
pub(super) fn fits_turns(record: &Json<'_>) -> bool {
    WINNERS.iter().chain(&ANSWERS).chain(&["prompt"]).all(|key| record.has(key))
}

pub(super) fn read_turns(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let asked = turns(record, "prompt")?;
    let mut votes = [0.0; 2];
    for (vote, field) in votes.iter_mut().zip(WINNERS) {
        let value = record.get(field);
        let number = match value {
            Json::Bool(is_winner) => Some(f64::from(u8::from(*is_winner))),
            value => value.as_number(),
        };
        *vote = number.ok_or_else(|| match value {
            Json::Null => missing(record, field),
            other => wrong_type(field, other, "0 or 1"),
        })?;
    }
    let mut answers = Vec::with_capacity(2);
    for field in ANSWERS {
        let replies = turns(record, field)?;
        if replies.len() != asked.len() {
            let expected = format!("{}, one for each turn of `prompt`", asked.len());
            return Err(RecordError::WrongCount {
                field: field.to_owned(),
                found: replies.len(),
                expected,
            });
        }
        let said = asked.iter().zip(&replies).map(|turn| match turn {
            (Some(question), Some(reply)) => {
                Some([Message::new(USER_ROLE, question), Message::new(ASSISTANT_ROLE, reply)])
            }
            _ => None,
        });
        answers.push(said.collect::<Option<Vec<_>>>().map(|turns| turns.concat()));
    }
    let [a, b] = votes;
    out.push(match answers.as_slice() {
        _ if a.total_cmp(&b).is_eq() => Err(DropReason::Tie),
        [Some(first), Some(second)] => {
            let both = if a > b { [first, second] } else { [second, first] };
            let both = both.map(|it| Said::Messages(it.clone()));
            Texts::conversation(Said::NOTHING, both, "")
        }
        _ => Err(DropReason::MissingAnswer),
    });
    Ok(())
}

/// The turns of one column; a turn that is null was never written.
fn turns<'r>(record: &'r Json<'_>, field: &str) -> Result<Vec<Option<Cow<'r, str>>>, RecordError> {
    const EXPECTED: &str = "a text, or a list of turns (text)";
    let value = record.get(field);
    let text = |turn: &Json<'_>| match turn {
        Json::Null => Ok(None),
        Json::Text(text) => Ok(Some(text.to_string())),
        other => Err(wrong_type(field, other, EXPECTED)),
    };
    match value {
        Json::List(list) => list.iter().map(|turn| Ok(text(turn)?.map(Cow::Owned))).collect(),
        Json::Text(one) => match serde_json::from_str::<Json<'_>>(one) {
            Ok(Json::List(list)) => {
                list.iter().map(|turn| Ok(text(turn)?.map(Cow::Owned))).collect()
            }
            _ => Ok(vec![Some(Cow::Borrowed(&**one))]),
        },
        Json::Null => Err(missing(record, field)),
        other => Err(wrong_type(field, other, EXPECTED)),
    }
}
