//! Direct preference optimization (Rafailov et al. 2023): the sigmoid loss, as TRL 1.16 has it, with a
//! weight for each pair.

use serde::{Deserialize, Serialize};

use crate::domain::policy::metric::{Metrics, PolicyMetric};
use crate::domain::stats::bradley_terry::{log_sigmoid, sigmoid};

/// The settings of DPO's loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dpo {
    /// How strongly the policy is held to the reference.
    pub beta: f64,
}

/// An answer's log-probability under policy and reference: the sum over its tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    pub new: f64,
    pub reference: f64,
}

/// A pair of answers of which one is preferred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub chosen: Sums,
    pub rejected: Sums,
    /// What its loss is multiplied by: 1 for a human label, less for an uncertain pseudo-label. Weights
    /// are not brought to a common sum, as with TRL's `use_weighting`: the loss is divided by the number
    /// of pairs.
    pub weight: f64,
}

/// The weight of a pseudo-label that is right with probability `confidence`: `2 confidence - 1`, and 0 for
/// one that is wrong more often than right. That is how far the label moves a policy that is at the
/// reference, on average over being right and wrong, compared with a certain one.
#[must_use]
pub fn weight_of(confidence: f64) -> f64 {
    (2.0 * confidence - 1.0).max(0.0)
}

/// The derivatives of the loss of a batch by the log-probability of every token of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PairGradient {
    pub chosen: f64,
    pub rejected: f64,
}

/// Sums over the pairs of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PairTally {
    /// The loss so far.
    pub loss: f64,
    n: u64,
    n_right: u64,
    chosen_reward: f64,
    rejected_reward: f64,
    chosen: f64,
    rejected: f64,
}

impl Dpo {
    /// `-w log sigmoid(beta (log-ratio of the chosen answer - log-ratio of the rejected one)) / n` of a
    /// batch of `n` pairs: adds it to the tally, and gives the derivatives. All tokens of an answer have
    /// the same.
    pub fn pair(&self, n_pairs: usize, pair: &Pair, tally: &mut PairTally) -> PairGradient {
        let chosen = self.beta * (pair.chosen.new - pair.chosen.reference);
        let rejected = self.beta * (pair.rejected.new - pair.rejected.reference);
        let margin = chosen - rejected;
        let share = pair.weight / n_pairs.max(1) as f64;
        tally.loss -= share * log_sigmoid(margin);
        tally.n += 1;
        tally.n_right += u64::from(chosen > rejected);
        tally.chosen_reward += chosen;
        tally.rejected_reward += rejected;
        tally.chosen += pair.chosen.new;
        tally.rejected += pair.rejected.new;
        let slope = share * self.beta * sigmoid(-margin);
        PairGradient { chosen: -slope, rejected: slope }
    }
}

impl PairTally {
    /// The metrics of the step; none for no pairs.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        if self.n == 0 {
            return Metrics::new();
        }
        let mean = |sum: f64| sum / self.n as f64;
        Metrics::from([
            (PolicyMetric::Loss, self.loss),
            (PolicyMetric::ChosenReward, mean(self.chosen_reward)),
            (PolicyMetric::RejectedReward, mean(self.rejected_reward)),
            (PolicyMetric::RewardAccuracies, mean(self.n_right as f64)),
            (PolicyMetric::RewardMargins, mean(self.chosen_reward - self.rejected_reward)),
            (PolicyMetric::ChosenLogps, mean(self.chosen)),
            (PolicyMetric::RejectedLogps, mean(self.rejected)),
        ])
    }
}
