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

mod answer;
pub mod dpo;
pub mod grpo;
pub mod ppo;
pub mod rloo;
mod surrogate;
mod tally;

use serde::{Deserialize, Serialize};

use super::metric::Metrics;

pub use answer::{Advantage, Gradient, Now, Taken, Totals};
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
    /// The metrics of a step under the names that TRL gives them for this objective.
    #[must_use]
    pub fn metrics(&self, tally: &Tally) -> Metrics {
        match self {
            Self::Rloo(_) | Self::Grpo(_) => tally.of_groups(),
            Self::Ppo(_) => tally.of_ppo(),
        }
    }

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
