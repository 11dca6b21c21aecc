//! The text of an answer, and its reward.

use serde_json::Value;

use crate::cli::model::scorer::Scorer;
use crate::cli::{CliError, CliResult};
use crate::data::{Answer, Answers, Prompt};
use crate::engine::generation::Generated;
use crate::engine::scoring::{Text, encode_texts, score_texts};
use crate::engine::text_model::{Stops, Texts};

/// Tokens scored together.
const SCORE_TOKENS: usize = 8192;

/// The text of an answer. The space that parts it from the mark of its speaker is none of a message's.
///
/// # Errors
/// When the tokens cannot be decoded.
pub(super) fn response(
    texts: &Texts,
    stops: &Stops,
    prompt: &Prompt,
    answer: &Generated,
) -> CliResult<String> {
    let text = texts.answer(answer, stops)?;
    let is_message = !prompt.continues && texts.answers_with_a_space();
    Ok(match text.strip_prefix(' ').filter(|_| is_message) {
        Some(text) => text.to_owned(),
        None => text,
    })
}

/// What a reward model says of answers to a prompt, as `ser score` would.
///
/// # Errors
/// When the record of the prompt holds answers of its own, or the model cannot score.
pub(super) fn rewards(
    scorer: &mut Scorer,
    prompt: &Prompt,
    texts: &[String],
) -> CliResult<Vec<f32>> {
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
    let encoded = encode_texts(scorer.model.as_ref(), &texts)?;
    Ok(score_texts(scorer.model.as_mut(), &encoded, SCORE_TOKENS)?)
}
