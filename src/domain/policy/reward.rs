//! What a policy is rewarded with: the scores of one or several reward models, shaped.

use serde::{Deserialize, Serialize};

use super::advantage::{spread, whiten};
use super::kl::Estimator;
use crate::domain::stats::bradley_terry::sigmoid;

/// What becomes of a model's score before anything else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Squash {
    #[default]
    None,
    /// `1 / (1 + exp(-score))`, as SER's published code does. Scores that differ by a constant, which
    /// Bradley-Terry cannot tell apart, become different rewards.
    Sigmoid,
}

/// How the scores of an answer become its reward.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shaping {
    pub squash: Squash,
    /// How many standard deviations of the models' scores are taken from their mean (compare the
    /// pessimism of Coste et al. 2024, who take the variance).
    pub spread_weight: f64,
    /// The reward stays within plus and minus this; 0 is off.
    pub clip: f64,
    /// What an answer loses that was cut before it came to its end. It comes after the clip, which
    /// would swallow it.
    pub missing_end_penalty: f64,
}

impl Shaping {
    /// The reward of an answer: the mean of the models' scores less `spread_weight` of their standard
    /// deviations, clipped, and penalized where the answer has no end. `None` where no model gave a
    /// finite score.
    #[must_use]
    pub fn reward(&self, scores: &[f64], has_end: bool) -> Option<f64> {
        let squashed = scores.iter().map(|score| match self.squash {
            Squash::None => *score,
            Squash::Sigmoid => sigmoid(*score),
        });
        let mean = squashed.clone().sum::<f64>() / scores.len() as f64;
        let mut reward = mean - self.spread_weight * spread(squashed).unwrap_or_default();
        if self.clip > 0.0 {
            reward = reward.clamp(-self.clip, self.clip);
        }
        if !has_end {
            reward -= self.missing_end_penalty;
        }
        reward.is_finite().then_some(reward)
    }
}

/// The rewards of an answer's states for PPO: at each token `coefficient` times the estimated
/// divergence is taken away, and at the last state the answer's reward is given. `log_ratios` are those
/// of the tokens to the reference. There are as many states as tokens, or one more: the state after the
/// last token, as TRL 1.12 counts it for answers with an end.
#[must_use]
pub fn of_states(
    reward: f64,
    log_ratios: &[f64],
    n_states: usize,
    (estimator, coefficient): (Estimator, f64),
) -> Vec<f64> {
    let mut rewards: Vec<f64> =
        log_ratios.iter().map(|it| -coefficient * estimator.at(*it)).collect();
    rewards.resize(n_states, 0.0);
    if let Some(last) = rewards.last_mut() {
        *last += reward;
    }
    rewards
}

/// Brings the rewards of all states of a batch to standard deviation 1 and keeps their mean, as TRL's
/// `whiten_rewards`.
pub fn whiten_states(rewards: &mut [Vec<f64>]) {
    whiten(rewards, true);
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_close, cases, list, lists, number};
    use super::*;

    fn plain() -> Shaping {
        Shaping { squash: Squash::None, spread_weight: 0.0, clip: 0.0, missing_end_penalty: 0.0 }
    }

    #[test]
    fn each_part_of_the_shape() {
        let root = 2.0_f64.sqrt();
        for (what, shaping, scores, has_end, want) in [
            ("the score itself", plain(), &[1.5][..], true, Some(1.5)),
            ("no end, no penalty", plain(), &[1.5], false, Some(1.5)),
            ("penalty", Shaping { missing_end_penalty: 1.0, ..plain() }, &[1.5], false, Some(0.5)),
            (
                "it has its end",
                Shaping { missing_end_penalty: 1.0, ..plain() },
                &[1.5],
                true,
                Some(1.5),
            ),
            ("mean", plain(), &[1.0, 3.0], true, Some(2.0)),
            (
                "less the spread",
                Shaping { spread_weight: 0.5, ..plain() },
                &[1.0, 3.0],
                true,
                Some(2.0 - 0.5 * root),
            ),
            (
                "one model has no spread",
                Shaping { spread_weight: 0.5, ..plain() },
                &[4.0],
                true,
                Some(4.0),
            ),
            ("clip", Shaping { clip: 1.0, ..plain() }, &[-7.0], true, Some(-1.0)),
            (
                "the penalty comes after the clip",
                Shaping { clip: 1.0, missing_end_penalty: 0.5, ..plain() },
                &[-7.0],
                false,
                Some(-1.5),
            ),
            ("sigmoid", Shaping { squash: Squash::Sigmoid, ..plain() }, &[0.0], true, Some(0.5)),
            ("no score", plain(), &[], true, None),
            ("no number", plain(), &[1.0, f64::NAN], true, None),
        ] {
            assert_eq!(shaping.reward(scores, has_end), want, "{what}");
        }
    }

    #[test]
    fn states_by_hand() {
        let penalty = (Estimator::K1, 0.5);
        assert_eq!(of_states(2.0, &[0.2, -0.4], 2, penalty), [-0.1, 2.2]);
        assert_eq!(of_states(2.0, &[0.2, -0.4], 3, penalty), [-0.1, 0.2, 2.0]);
        assert_eq!(of_states(2.0, &[], 0, penalty), [0.0; 0]);
    }

    #[test]
    fn rewards_of_states_are_those_of_trl() {
        for case in cases("ppo") {
            let settings = &case["settings"];
            let penalty = (
                serde_json::from_value(settings["kl_estimator"].clone()).unwrap(),
                number(&settings["kl_coef"]),
            );
            let (old, reference) = (lists(&case["old"]), lists(&case["reference"]));
            let want = lists(&case["token_rewards"]);
            let mut found = Vec::new();
            for (row, score) in list(&case["scores"]).into_iter().enumerate() {
                let ratios: Vec<f64> =
                    old[row].iter().zip(&reference[row]).map(|(old, it)| old - it).collect();
                found.push(of_states(score, &ratios, want[row].len(), penalty));
            }
            if settings["whiten_rewards"].as_bool().unwrap() {
                whiten_states(&mut found);
            }
            for (found, want) in found.iter().zip(&want) {
                all_close(found, want, 1e-4, &case["name"].to_string());
            }
        }
    }
}
