//! A prompt with several answers that carry scores or ranks, or that stand best first.
//!
//! Answers are texts, or objects that hold their own score; scores may also stand in a list beside
//! them. A rank is better when it is smaller.

use super::texts::{Found, Read, Said};
use super::{messages, ranking, told};
use crate::data::error::RecordError;
use crate::data::json::{Json, list, missing, wrong_type};

const PROMPTS: [&str; 7] =
    ["prompt", "instruction", "question", "query", "input", "context", "contents"];
const ANSWERS: [&str; 7] =
    ["completions", "responses", "answers", "outputs", "output", "candidates", "generations"];
const TEXTS: [&str; 7] = ["text", "response", "content", "completion", "answer", "output", "value"];
const SCORES: [&str; 5] = ["score", "rating", "reward", "overall_score", "pm_score"];
const RANKS: [&str; 2] = ["rank", "ranking"];
const SCORE_LISTS: [&str; 4] = ["scores", "ratings", "rewards", "overall_scores"];
const RANK_LISTS: [&str; 2] = ["ranks", "rankings"];

/// The field that holds the answers, if any does.
pub(super) fn answers_field(record: &Json<'_>) -> Option<&'static str> {
    ANSWERS.into_iter().find(|key| record.get(key).as_list().is_some_and(|list| !list.is_empty()))
}

/// Whether something says which answers are better.
pub(super) fn has_order(record: &Json<'_>, answers: &str) -> bool {
    let lists = SCORE_LISTS.iter().chain(&RANK_LISTS);
    let inside = SCORES.iter().chain(&RANKS);
    let first = record.get(answers).as_list().and_then(<[_]>::first).unwrap_or(&Json::Null);
    lists.into_iter().any(|key| record.has(key)) || inside.into_iter().any(|key| first.has(key))
}

pub(super) fn read(record: &Json<'_>, cap: usize, out: &mut Vec<Found>) -> Read {
    let prompt = prompt(record)?;
    let field = answers_field(record).ok_or_else(|| missing(record, "completions"))?;
    let answers = list(record, field)?;
    let texts = answer_texts(field, answers)?;
    let scores = match score_list(record, answers.len())? {
        Some(scores) => scores,
        None => answers.iter().map(own_score).collect(),
    };
    if scores.iter().all(Option::is_none) {
        return Err(RecordError::Unordered { field });
    }
    ranking::by_score(&prompt, &texts, &scores, cap, out);
    Ok(())
}

pub(super) fn read_ranked(record: &Json<'_>, cap: usize, out: &mut Vec<Found>) -> Read {
    let prompt = prompt(record)?;
    let field = answers_field(record).ok_or_else(|| missing(record, "responses"))?;
    let texts = answer_texts(field, list(record, field)?)?;
    ranking::by_rank(&prompt, &texts, cap, out);
    Ok(())
}

fn prompt<'r>(record: &'r Json<'_>) -> Result<Said<'r>, RecordError> {
    let field = PROMPTS.into_iter().find(|key| record.has(key)).unwrap_or("prompt");
    match record.get(field) {
        Json::Null => Err(missing(record, field)),
        prompt => {
            let asked = Said::read(field, prompt)?;
            Ok(match told::system(record) {
                None => asked,
                Some(system) => told::before(&system, asked),
            })
        }
    }
}

fn answer_texts<'r>(field: &str, answers: &'r [Json<'_>]) -> Result<Vec<Said<'r>>, RecordError> {
    let text_of = |(i, answer): (usize, &'r Json<'_>)| {
        let field = format!("{field}[{i}]");
        if messages::is_message(answer) {
            return Said::read(&field, answer);
        }
        let inside = || TEXTS.iter().map(|key| answer.get(key)).find(|value| !value.is_null());
        match answer {
            Json::Object(_) => match inside() {
                Some(value) => Said::read(&field, value),
                None => Err(wrong_type(&field, answer, "a text, or an object with `text`")),
            },
            Json::Text(_) | Json::List(_) => Said::read(&field, answer),
            _ => Err(wrong_type(&field, answer, "a text, or an object with `text`")),
        }
    };
    answers.iter().enumerate().map(text_of).collect()
}

/// The scores beside the answers, the higher the better.
fn score_list(record: &Json<'_>, n: usize) -> Result<Option<Vec<Option<f64>>>, RecordError> {
    let lists = SCORE_LISTS.map(|key| (key, 1.0)).into_iter().chain(RANK_LISTS.map(|k| (k, -1.0)));
    for (field, sign) in lists {
        if !record.has(field) {
            continue;
        }
        let scores = list(record, field)?;
        if scores.len() != n {
            let expected = format!("{n}, one for each answer");
            let (field, found) = (field.to_owned(), scores.len());
            return Err(RecordError::WrongCount { field, found, expected });
        }
        let signed = |score: &Json<'_>| score.as_number().map(|score| sign * score);
        return Ok(Some(scores.iter().map(signed).collect()));
    }
    Ok(None)
}

/// The score an answer carries, the higher the better.
fn own_score(answer: &Json<'_>) -> Option<f64> {
    let number = |key: &&str| answer.get(key).as_number();
    SCORES.iter().find_map(number).or_else(|| RANKS.iter().find_map(number).map(|rank| -rank))
}
