//! The answers on their way out: in the order of the input, with rewards.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::GenerateArgs;
use super::answers::{response, scores};
use crate::cli::{CliError, CliResult, Context};
use crate::data::Prompt;
use crate::domain::text::words;
use crate::engine::generation::{AnswerPlace, Ending, Generated, Listener, Reply};
use crate::engine::text_model::{Stops, Texts};
use crate::scorer::Scorer;

/// A line of the input.
pub(super) struct Asked {
    pub line: u64,
    /// The prompt, or why there is none.
    pub prompt: Result<Prompt, String>,
    pub tokens: Vec<u32>,
}

/// What has been done.
#[derive(Debug, Default)]
pub(super) struct Count {
    prompts: u64,
    answers: u64,
    tokens: u64,
    cut: u64,
    pub bad: u64,
}

impl Count {
    /// Says it on standard error.
    pub(super) fn tell(&self, context: &Context, model: &str, took: Duration) {
        let rate = words::rate(self.tokens, took.as_millis() as u64)
            .map_or_else(String::new, |rate| format!(", {} a second", words::count(rate)));
        context.say(&format!(
            "{model}: {} prompts, {} answers, {} tokens{rate}; {} cut at their length; {} lines left out",
            words::count(self.prompts),
            words::count(self.answers),
            words::count(self.tokens),
            words::count(self.cut),
            words::count(self.bad)
        ));
    }
}

/// What a result holds beside the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    is_full: bool,
    has_tokens: bool,
}

impl From<&GenerateArgs> for Shape {
    fn from(args: &GenerateArgs) -> Self {
        Self { is_full: args.full, has_tokens: args.tokens }
    }
}

/// Writes answers once all earlier ones are written.
pub(super) struct Results<'a, W> {
    texts: &'a Texts,
    stops: Stops,
    n_answers: usize,
    shape: Shape,
    out: &'a mut W,
    pub scorer: Option<&'a mut Scorer>,
    asked: &'a [Asked],
    /// Answers that are finished and not written.
    finished: BTreeMap<AnswerPlace, Generated>,
    /// The prompt that is written next.
    next: usize,
    failure: Option<CliError>,
    count: Count,
}

impl<'a, W: Write> Results<'a, W> {
    pub(super) fn new(
        texts: &'a Texts,
        stops: Stops,
        n_answers: usize,
        shape: Shape,
        out: &'a mut W,
    ) -> Self {
        Self {
            texts,
            stops,
            n_answers,
            shape,
            out,
            scorer: None,
            asked: &[],
            finished: BTreeMap::new(),
            next: 0,
            failure: None,
            count: Count::default(),
        }
    }

    /// Begins with other prompts.
    pub(super) fn begin(&mut self, asked: &'a [Asked]) {
        self.asked = asked;
        self.next = 0;
    }

    /// Adds what was done to `total`.
    ///
    /// # Errors
    /// The first failure to write or to score.
    pub(super) fn end(&mut self, total: &mut Count) -> CliResult {
        let Count { prompts, answers, tokens, cut, .. } = std::mem::take(&mut self.count);
        total.prompts += prompts;
        total.answers += answers;
        total.tokens += tokens;
        total.cut += cut;
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Writes why a line has no answers.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write_bad(&mut self, asked: &Asked) -> CliResult {
        if let Err(reason) = &asked.prompt {
            writeln!(self.out, "{}", json!({"line": asked.line, "error": reason}))?;
        }
        Ok(())
    }

    /// Writes the prompts all of whose answers are finished, in order.
    fn write_finished(&mut self) -> CliResult {
        loop {
            let of_next = |answer| AnswerPlace { prompt: self.next, answer };
            let n = self.finished.range(of_next(0)..of_next(self.n_answers)).count();
            if n < self.n_answers {
                return Ok(());
            }
            let later = self.finished.split_off(&of_next(self.n_answers));
            let answers = std::mem::replace(&mut self.finished, later);
            self.write(&answers.into_values().collect::<Vec<_>>())?;
            self.next += 1;
        }
    }

    fn write(&mut self, answers: &[Generated]) -> CliResult {
        let Some(Asked { line, prompt: Ok(prompt), .. }) = self.asked.get(self.next) else {
            return Ok(());
        };
        let mut texts = Vec::with_capacity(answers.len());
        for answer in answers {
            texts.push(response(self.texts, &self.stops, prompt, answer)?);
        }
        let scores = match self.scorer.as_deref_mut() {
            Some(scorer) => Some(scores(scorer, prompt, &texts)?),
            None => None,
        };
        for (i, (answer, text)) in answers.iter().zip(&texts).enumerate() {
            let mut result = if self.shape.is_full { prompt.answered(text) } else { Map::new() };
            result.insert("line".into(), json!(line));
            result.insert("answer".into(), json!(answer.place.answer));
            if !self.shape.is_full {
                result.insert("response".into(), json!(text));
            }
            if let Some(scores) = &scores {
                insert_reward(&mut result, &scores[i]);
            }
            let sum: f64 = answer.log_probabilities.iter().map(|it| f64::from(*it)).sum();
            result.insert("n_tokens".into(), json!(answer.tokens.len()));
            result.insert("log_probability".into(), json!(sum));
            result.insert("ended".into(), json!(answer.ending.name()));
            if self.shape.has_tokens {
                result.insert("tokens".into(), json!(answer.tokens));
                let each = answer.log_probabilities.iter().map(|it| number(f64::from(*it)));
                result.insert("log_probabilities".into(), each.collect());
            }
            writeln!(self.out, "{}", Value::Object(result))?;
            self.count.tokens += answer.tokens.len() as u64;
            self.count.cut += u64::from(answer.ending == Ending::Length);
        }
        self.out.flush()?;
        self.count.prompts += 1;
        self.count.answers += answers.len() as u64;
        Ok(())
    }
}

impl<W: Write> Listener for Results<'_, W> {
    fn on_token(&mut self, _: AnswerPlace, tokens: &[u32]) -> Reply {
        if self.failure.is_some() {
            return Reply::Cancel;
        }
        if self.stops.are_met(self.texts, tokens) { Reply::EndAnswer } else { Reply::GoOn }
    }

    fn on_answer(&mut self, answer: Generated) {
        self.finished.insert(answer.place, answer);
        if self.failure.is_none() {
            self.failure = self.write_finished().err();
        }
    }
}

/// The mean score, and that of each of several models; `null` where there is no score.
fn insert_reward(result: &mut Map<String, Value>, scores: &[f64]) {
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let reward = if scores.is_empty() { Value::Null } else { number(mean) };
    result.insert("reward".into(), reward);
    if scores.len() > 1 {
        result.insert("rewards".into(), scores.iter().copied().map(number).collect());
    }
}

/// The shortest decimal that reads back as the same `f32`, where the number is one; else as the same
/// `f64`.
fn number(value: f64) -> Value {
    let short = value as f32;
    if f64::from(short) != value {
        return json!(value);
    }
    short.to_string().parse::<f64>().map_or(Value::Null, |value| json!(value))
}
