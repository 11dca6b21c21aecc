//! Texts that a language model continues: what is asked for, and what comes out.

pub mod sampling;

use self::sampling::Sampling;
use super::EngineError;
use crate::domain::random::{Place, Purpose};

/// How prompts are answered.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationSettings {
    pub sampling: Sampling,
    /// Answers to each prompt.
    pub n_answers: usize,
    /// Tokens of an answer at most, its end token included.
    pub n_tokens_max: usize,
    /// Tokens of prompt and answer together at most.
    pub max_tokens: usize,
    /// Tokens that end an answer.
    pub ends: Vec<u32>,
    /// Keys the draws, with the number of the prompt, the number of the answer and the position in it.
    pub rng_seed: u64,
    /// Number of the first prompt of the call: prompts that are answered in several calls are numbered
    /// on.
    pub first_prompt: u32,
    /// Answers that are decoded together at most. It changes no answer.
    pub n_at_a_time: usize,
    /// Bytes of cached keys and values at most, over all answers that are decoded together. It changes no
    /// answer.
    pub cache_bytes: u64,
}

impl GenerationSettings {
    /// One answer to each prompt from the plain distribution, of so many new tokens at most.
    #[must_use]
    pub fn new(n_tokens_max: usize, max_tokens: usize, rng_seed: u64) -> Self {
        Self {
            sampling: Sampling::plain(),
            n_answers: 1,
            n_tokens_max,
            max_tokens,
            ends: Vec::new(),
            rng_seed,
            first_prompt: 0,
            n_at_a_time: 128,
            cache_bytes: 1 << 30,
        }
    }

    /// Tokens that an answer to a prompt of `n_prompt` tokens may have.
    ///
    /// # Errors
    /// [`EngineError::PromptTooLong`] when there is no room for any.
    pub fn room(&self, n_prompt: usize) -> Result<usize, EngineError> {
        if n_prompt == 0 {
            return Err(EngineError::EmptyPrompt);
        }
        match self.max_tokens.saturating_sub(n_prompt) {
            0 => Err(EngineError::PromptTooLong { n_tokens: n_prompt, limit: self.max_tokens }),
            room => Ok(room.min(self.n_tokens_max.max(1))),
        }
    }

    /// The draws of an answer; each token's is at its position.
    #[must_use]
    pub fn draws(&self, place: AnswerPlace) -> Place {
        let prompt = self.first_prompt.wrapping_add(place.prompt as u32);
        Place::new(self.rng_seed, Purpose::Generation).at(prompt, place.answer as u32)
    }

    /// Whether and why an answer ends with the last of `tokens`, of which it may have `room`; `None` when
    /// the whole call is canceled.
    #[must_use]
    pub fn ending(&self, reply: Reply, tokens: &[u32], room: usize) -> Option<Option<Ending>> {
        let is_end = tokens.last().is_some_and(|token| self.ends.contains(token));
        let otherwise = match reply {
            Reply::Cancel => return None,
            Reply::EndAnswer => Some(Ending::Stop),
            Reply::GoOn => (tokens.len() >= room).then_some(Ending::Length),
        };
        Some(if is_end { Some(Ending::EndToken) } else { otherwise })
    }

    /// Refuses settings that no distribution has.
    ///
    /// # Errors
    /// [`EngineError::BadSampling`].
    pub fn check(&self) -> Result<(), EngineError> {
        match self.sampling.problem() {
            Some((key, value, expected)) => Err(EngineError::BadSampling { key, value, expected }),
            None => Ok(()),
        }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Ending {
    /// With an end token, which is its last one.
    EndToken,
    /// Whoever listened ended it: a stop string was found.
    Stop,
    /// It has as many tokens as it may have.
    Length,
}

impl Ending {
    /// Its name in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Which answer is meant: numbers from 0 within a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnswerPlace {
    pub prompt: usize,
    pub answer: usize,
}

/// An answer to a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    pub place: AnswerPlace,
    /// Its tokens, the end token included.
    pub tokens: Vec<u32>,
    /// The log-probability of each token, in nats, at temperature 1 and before any filter.
    pub log_probabilities: Vec<f32>,
    pub ending: Ending,
}

/// What happens after a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    GoOn,
    /// This answer ends here.
    EndAnswer,
    /// The call ends; answers that are not finished are lost.
    Cancel,
}

/// Whoever hears of tokens and answers as they come.
pub trait Listener {
    /// After each token, with all tokens of the answer up to it.
    fn on_token(&mut self, _: AnswerPlace, _tokens: &[u32]) -> Reply {
        Reply::GoOn
    }

    /// A finished answer; answers finish in any order.
    fn on_answer(&mut self, answer: Generated);
}

/// Collects the answers.
impl Listener for Vec<Generated> {
    fn on_answer(&mut self, answer: Generated) {
        self.push(answer);
    }
}
