//! The text of an answer, and its reward.

use serde_json::Value;

use crate::cli::{CliError, CliResult};
use crate::data::{Answer, Answers, Prompt};
use crate::engine::generation::Generated;
use crate::engine::scoring::Text;
use crate::engine::text_model::{Stops, Texts};
use crate::scorer::Scorer;

/// The text of an answer.
///
/// # Errors
/// When the tokens cannot be decoded.
pub(super) fn response(
    texts: &Texts,
    stops: &Stops,
    prompt: &Prompt,
    answer: &Generated,
) -> CliResult<String> {
    Ok(texts.said(texts.answer(answer, stops)?, prompt.continues))
}

/// The scores of answers to a prompt, one for each model, as `ser score` would give them; an answer that
/// the oracle or a command has no score for has none.
///
/// # Errors
/// When the record of the prompt holds answers of its own, or the answers cannot be scored.
pub(super) fn scores(
    scorer: &mut Scorer,
    prompt: &Prompt,
    texts: &[String],
) -> CliResult<Vec<Vec<f64>>> {
    let mut answers: Vec<Answer> = Vec::with_capacity(texts.len());
    for text in texts {
        let record = Value::Object(prompt.answered(text)).to_string();
        match Answers::read(&record) {
            Ok(Answers::One(answer)) => answers.push(answer),
            Ok(Answers::Pair(..) | Answers::List(_)) => {
                let message = "a record with several answers cannot be scored as a prompt";
                return Err(CliError::input(message)
                    .with_hint("leave `chosen`, `rejected` and `responses` out of the prompts"));
            }
            Err(error) => return Err(CliError::input(error.to_string()).with_hint(error.hint())),
        }
    }
    let texts: Vec<Text<'_>> = answers
        .iter()
        .map(|it| Text { form: &it.form, prompt: &it.prompt, response: &it.text })
        .collect();
    Ok(scorer.scores(&texts)?)
}
