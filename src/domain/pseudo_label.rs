//! What a reward model says about an unlabeled pair.

use serde::{Deserialize, Serialize};

use super::preference::{PairId, Side};
use super::stats::bradley_terry::preference_probability;

/// Rewards of the two answers of one pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairScore {
    pub pair: PairId,
    /// The reward of `response_a`.
    pub reward_a: f32,
    /// The reward of `response_b`.
    pub reward_b: f32,
}

impl PairScore {
    /// The difference `reward_a - reward_b`.
    #[must_use]
    pub fn margin(&self) -> f64 {
        f64::from(self.reward_a) - f64::from(self.reward_b)
    }

    /// Probability that `response_a` is preferred.
    #[must_use]
    pub fn preference_probability(&self) -> f64 {
        preference_probability(self.margin())
    }

    /// `max(p, 1 - p)`, in `[0.5, 1]`.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        let p = self.preference_probability();
        p.max(1.0 - p)
    }

    /// The model's own label. An exact tie has none.
    #[must_use]
    pub fn pseudo_label(&self) -> Option<PseudoLabel> {
        let margin = self.margin();
        let preferred = if margin > 0.0 {
            Side::A
        } else if margin < 0.0 {
            Side::B
        } else {
            return None;
        };
        Some(PseudoLabel { pair: self.pair, preferred, confidence: self.confidence() })
    }
}

/// A label the model gave itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PseudoLabel {
    pub pair: PairId,
    /// The answer with the larger reward.
    pub preferred: Side,
    /// `max(p, 1 - p)`, in `[0.5, 1]`.
    pub confidence: f64,
}

/// How certain a label is about the answer it prefers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Claim {
    #[default]
    Certain,
    /// The preferred answer is better with probability `q`: the loss is `q loss(d) + (1 - q)
    /// loss(-d)`, the expectation over the true label.
    Probable(f32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_reward_is_preferred_and_a_tie_has_no_label() {
        let score = |a, b| PairScore { pair: PairId(1), reward_a: a, reward_b: b };
        let label = score(0.2, 1.2).pseudo_label().unwrap();
        assert_eq!(label.preferred, Side::B);
        assert!((label.confidence - 0.731_058_6).abs() < 1e-6);
        assert_eq!(score(1.2, 0.2).pseudo_label().unwrap().preferred, Side::A);
        assert!(score(0.5, 0.5).pseudo_label().is_none());
    }
}
