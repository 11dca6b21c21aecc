//! Hears people while a language model answers.

use super::WorkerError;
use super::control::Flow;
use super::reporter::{Begun, Reporter, TakesDecisions};
use crate::engine::EngineError;
use crate::engine::generation::{AnswerPlace, Generated, Listener, Reply};

/// How many tokens are drawn between two looks at what people ask.
const TOKENS_BETWEEN_LOOKS: u64 = 64;

/// Collects answers, tells how far they are, and breaks off where a person asks to stop.
pub struct Attentive<'a, 'b, S> {
    saved: &'a mut S,
    reporter: &'a mut Reporter<'b>,
    begun: Begun,
    /// Answers before the first of these.
    n_before: u64,
    answers: Vec<Generated>,
    n_tokens: u64,
    end: Result<Flow, WorkerError>,
}

impl<'a, 'b, S: TakesDecisions> Attentive<'a, 'b, S> {
    /// Listens in a phase of which so many answers were given before.
    pub fn new(
        saved: &'a mut S,
        reporter: &'a mut Reporter<'b>,
        begun: Begun,
        n_before: u64,
    ) -> Self {
        let (answers, end) = (Vec::new(), Ok(Flow::Continue));
        Self { saved, reporter, begun, n_before, answers, n_tokens: 0, end }
    }

    /// The answers in the order of their places, and how many tokens they have; `None` when a person asked
    /// to stop. `generated` is what the engine returned.
    ///
    /// # Errors
    /// What kept the worker from hearing people, else what kept the engine from answering.
    pub fn finish(
        self,
        generated: Result<(), EngineError>,
    ) -> Result<Option<(Vec<Generated>, u64)>, WorkerError> {
        let Self { reporter, begun, n_before, mut answers, n_tokens, end, .. } = self;
        if end? == Flow::Stop {
            return Ok(None);
        }
        generated?;
        reporter.progress(begun, n_before + answers.len() as u64, n_tokens)?;
        answers.sort_by_key(|answer| answer.place);
        Ok(Some((answers, n_tokens)))
    }
}

impl<S: TakesDecisions> Listener for Attentive<'_, '_, S> {
    fn on_token(&mut self, _: AnswerPlace, _: &[u32]) -> Reply {
        self.n_tokens += 1;
        if !self.n_tokens.is_multiple_of(TOKENS_BETWEEN_LOOKS) {
            return Reply::GoOn;
        }
        let n_done = self.n_before + self.answers.len() as u64;
        let heard = self
            .reporter
            .progress(self.begun, n_done, self.n_tokens)
            .and_then(|()| self.reporter.read_people(self.saved));
        match heard {
            Ok(Flow::Continue) => Reply::GoOn,
            other => {
                self.end = other;
                Reply::Cancel
            }
        }
    }

    fn on_answer(&mut self, answer: Generated) {
        self.answers.push(answer);
    }
}
