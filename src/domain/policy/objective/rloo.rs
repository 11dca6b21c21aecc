//! RLOO (Ahmadian et al. 2024) as TRL 1.16 has it: the ratio of whole answers, clipped; the penalty on
//! the divergence is in the reward.

use serde::{Deserialize, Serialize};

use super::answer::{Gradient, Now, Taken, Totals};
use super::surrogate::{ClipRange, surrogate};
use super::tally::Tally;
use crate::domain::policy::kl::Estimator;

/// The settings of RLOO's loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rloo {
    pub clip: ClipRange,
}

impl Rloo {
    /// `-min(r A, clip(r) A) / N` for `N` answers, where `r` is the ratio of the probabilities of the
    /// whole answer.
    pub(super) fn answer(
        &self,
        totals: Totals,
        taken: &Taken<'_>,
        now: &Now<'_>,
        tally: &mut Tally,
    ) -> Gradient {
        let n = taken.old.len();
        let counted = || (0..n).filter(|token| taken.counts(*token));
        let log_ratio: f64 = counted().map(|token| now.log_probs[token] - taken.old[token]).sum();
        let at = surrogate(log_ratio, taken.advantage.at(0), self.clip);
        let share = 1.0 / totals.n_answers.max(1) as f64;
        tally.loss -= at.value * share;
        tally.clipped([(at.is_low, at.is_high)]);
        let mut log_probs = vec![0.0; n];
        for token in counted() {
            log_probs[token] = -at.slope * share;
        }
        Gradient { log_probs, values: Vec::new() }
    }
}

/// The reward of an answer less `beta` times its divergence from the reference: the sum over its
/// tokens of [`Estimator::K1`], as TRL takes it for RLOO. `log_ratios` are those of the sampling policy
/// to the reference.
#[must_use]
pub fn penalized(reward: f64, log_ratios: &[f64], beta: f64) -> f64 {
    reward - beta * log_ratios.iter().map(|it| Estimator::K1.at(*it)).sum::<f64>()
}
