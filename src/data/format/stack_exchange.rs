//! Stack Exchange: questions with answers that people voted on.
//!
//! In `stack-exchange-preferences` texts are HTML and `pm_score` is `round(log2(1 + upvotes))`, plus
//! 1 when accepted, -1 with negative votes (Askell et al., 2021). The paired layout (stack-llama,
//! SER) holds `question`, `response_j` (the better one) and `response_k`.

use super::html;
use super::ranking;
use super::texts::{Found, Read, Said, Texts};
use crate::data::json::{Json, list, missing, text, wrong_type};

/// Whether a record is a question with voted answers.
pub(super) fn fits(record: &Json<'_>) -> bool {
    record.get("question").as_text().is_some()
        && record
            .get("answers")
            .as_list()
            .is_some_and(|answers| answers.iter().any(|answer| answer.has("pm_score")))
}

pub(super) fn read(record: &Json<'_>, cap: usize, out: &mut Vec<Found>) -> Read {
    let question = html::to_text(text(record, "question")?);
    let answers = list(record, "answers")?;
    let mut texts = Vec::with_capacity(answers.len());
    let mut scores = Vec::with_capacity(answers.len());
    for (i, answer) in answers.iter().enumerate() {
        texts.push(html::to_text(text(answer, "text")?));
        let score = answer.get("pm_score");
        scores.push(match score.as_number() {
            Some(score) => Some(score),
            None if score.is_null() => return Err(missing(answer, "pm_score")),
            None => return Err(wrong_type(&format!("answers[{i}].pm_score"), score, "a number")),
        });
    }
    let texts: Vec<Said<'_>> = texts.iter().map(|text| Said::of(text)).collect();
    ranking::by_score(&Said::of(&question), &texts, &scores, cap, out);
    Ok(())
}

pub(super) fn read_paired(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let question = text(record, "question")?;
    let (better, worse) = (text(record, "response_j")?, text(record, "response_k")?);
    out.push(Texts::replies(&Said::of(question), &Said::of(better), &Said::of(worse)));
    Ok(())
}

/// The site of a question, from the first address of its metadata.
pub(super) fn site(record: &Json<'_>) -> Option<String> {
    let addresses = record.get("metadata").as_list()?;
    let address = addresses.iter().filter_map(Json::as_text).find(|text| text.contains("://"))?;
    let host = address.split("://").nth(1)?.split('/').next()?;
    Some(host.to_owned())
}
