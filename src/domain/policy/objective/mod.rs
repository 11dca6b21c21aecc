//! What a policy is trained for, as pure functions: log-probabilities in, the loss and its derivatives
//! by them out.
//!
//! The engine computes the log-probabilities of the tokens of sampled answers (and values, with a value
//! head), hands them here, and carries the derivatives on to its weights. Everything that depends on
//! several answers is known before, from the answers as they were sampled: advantages
//! ([`super::advantage`]), and the [`Totals`] that a batch is divided by. So a batch may be computed in
//! micro-batches of any size, one answer after the other, and comes to the same loss and gradient.
//!
//! Names, defaults and formulas are those of TRL (1.16; PPO of 1.12, the last that has it), so that
//! tables compare. `tests/fixtures/policy` holds what TRL computes.

pub mod dpo;
pub mod grpo;
pub mod ppo;
pub mod rloo;
mod surrogate;
mod tally;

use serde::{Deserialize, Serialize};

pub use dpo::Dpo;
pub use grpo::{Grpo, GrpoLoss};
pub use ppo::Ppo;
pub use rloo::Rloo;
pub use surrogate::ClipRange;
pub use tally::Tally;

/// What a policy is trained for, with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Nothing is trained: of several answers the one with the highest reward is taken.
    BestOfN,
    /// Pairs of answers of which one is preferred.
    Pairs(Dpo),
    /// Answers that the policy itself sampled.
    Answers(PolicyGradient),
}

/// The objectives that learn from sampled answers and their rewards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyGradient {
    Rloo(Rloo),
    Grpo(Grpo),
    Ppo(Ppo),
}

/// How much better an answer did than was to be expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Advantage<'a> {
    /// The same for the whole answer (RLOO, GRPO).
    Answer(f64),
    /// One for each token (PPO).
    Tokens(&'a [f64]),
}

impl Advantage<'_> {
    fn at(self, token: usize) -> f64 {
        match self {
            Self::Answer(advantage) => advantage,
            Self::Tokens(advantages) => advantages[token],
        }
    }
}

/// An answer as it was sampled. Lists have one entry for each token of the answer.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// Log-probabilities under the policy that sampled it.
    pub old: &'a [f64],
    /// Log-probabilities under the reference; empty where the loss holds no penalty.
    pub reference: &'a [f64],
    pub advantage: Advantage<'a>,
    /// Which tokens count; empty where all do.
    pub counted: &'a [bool],
    /// The values that the head gave the states when the answer was sampled. There are as many states
    /// as tokens or one more (see [`super::reward::of_states`]); none without a value head.
    pub values: &'a [f64],
    /// What the values are to become, one for each state.
    pub returns: &'a [f64],
}

impl Taken<'_> {
    fn counts(&self, token: usize) -> bool {
        self.counted.get(token).is_none_or(|counts| *counts)
    }

    /// How many tokens of the answer count.
    #[must_use]
    pub fn n_counted(&self) -> usize {
        (0..self.old.len()).filter(|token| self.counts(*token)).count()
    }
}

/// What the policy of now says of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// Log-probabilities of its tokens.
    pub log_probs: &'a [f64],
    /// Entropies of the distributions that the tokens were drawn from, in nats; empty where nobody
    /// asked for them.
    pub entropies: &'a [f64],
    /// Values of its states; empty without a value head.
    pub values: &'a [f64],
}

/// What the sums of a batch are divided by: all of it is known before the policy is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub n_answers: usize,
    /// Tokens that count.
    pub n_tokens: usize,
    /// States with a value.
    pub n_states: usize,
}

impl Totals {
    /// Counts the answers of one optimizer step.
    #[must_use]
    pub fn of(batch: &[Taken<'_>]) -> Self {
        batch.iter().fold(Self::default(), |sum, answer| Self {
            n_answers: sum.n_answers + 1,
            n_tokens: sum.n_tokens + answer.n_counted(),
            n_states: sum.n_states + answer.values.len(),
        })
    }
}

/// The derivatives of the loss of the batch by what the policy says of one answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gradient {
    /// By the log-probability of each token; 0 where a token does not count.
    pub log_probs: Vec<f64>,
    /// By the value of each state; empty without a value head.
    pub values: Vec<f64>,
}

/// A list whose length does not fit the answer: a bug in the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an answer of {n_tokens} tokens comes with {found} {what}, not {expected}")]
pub struct ShapeError {
    pub n_tokens: usize,
    pub what: &'static str,
    pub found: usize,
    pub expected: String,
}

impl PolicyGradient {
    /// The share of one answer in the loss of a batch with these totals: adds it to the tally, and gives
    /// the derivatives. The loss is the sum over the answers of the batch, in any grouping.
    ///
    /// # Errors
    /// When the lists do not fit each other.
    pub fn answer(
        &self,
        totals: Totals,
        taken: &Taken<'_>,
        now: &Now<'_>,
        tally: &mut Tally,
    ) -> Result<Gradient, ShapeError> {
        self.check(taken, now)?;
        tally.meet(taken, now);
        Ok(match self {
            Self::Rloo(rloo) => rloo.answer(totals, taken, now, tally),
            Self::Grpo(grpo) => grpo.answer(totals, taken, now, tally),
            Self::Ppo(ppo) => ppo.answer(totals, taken, now, tally),
        })
    }

    /// Whether the loss reads log-probabilities of the reference.
    #[must_use]
    pub fn reads_reference(&self) -> bool {
        matches!(self, Self::Grpo(grpo) if grpo.beta != 0.0)
    }

    /// Whether the loss reads values.
    #[must_use]
    pub fn has_value_head(&self) -> bool {
        matches!(self, Self::Ppo(_))
    }

    fn check(&self, taken: &Taken<'_>, now: &Now<'_>) -> Result<(), ShapeError> {
        let n = taken.old.len();
        let fits = |what: &'static str, found: usize, expected: &[usize]| {
            let words: Vec<String> = expected.iter().map(usize::to_string).collect();
            let error = ShapeError { n_tokens: n, what, found, expected: words.join(" or ") };
            if expected.contains(&found) { Ok(()) } else { Err(error) }
        };
        fits("log-probabilities", now.log_probs.len(), &[n])?;
        fits("entropies", now.entropies.len(), &[n, 0])?;
        fits("marks of what counts", taken.counted.len(), &[n, 0])?;
        if let Advantage::Tokens(advantages) = taken.advantage {
            fits("advantages", advantages.len(), &[n])?;
            if let Self::Rloo(_) = self {
                fits("advantages", advantages.len(), &[1])?;
            }
        }
        if self.reads_reference() {
            fits("log-probabilities of the reference", taken.reference.len(), &[n])?;
        }
        if self.has_value_head() {
            fits("values", now.values.len(), &[n, n + 1])?;
            fits("values when it was sampled", taken.values.len(), &[now.values.len()])?;
            fits("returns", taken.returns.len(), &[now.values.len()])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
