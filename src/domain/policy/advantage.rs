//! How much better an answer, or a token of it, did than was to be expected.
//!
//! A reward is `None` where an answer has none: a person vetoed the answer, or the reward could not
//! be computed. Such an answer counts in no mean and has the advantage 0.

use serde::{Deserialize, Serialize};

/// Keeps a division by a spread of 0 finite (TRL's constant).
const SPREAD_MIN: f64 = 1e-4;
/// The same for the variance of [`whiten`] (TRL's constant).
const VARIANCE_MIN: f64 = 1e-8;

/// What the differences to the mean of a group are divided by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The standard deviation of the group: a prompt whose answers hardly differ weighs as much as
    /// any other.
    #[default]
    Group,
    /// The standard deviation of all rewards of the batch.
    Batch,
    /// Nothing, which does not favor prompts whose answers hardly differ (Liu et al. 2025, "Dr.
    /// GRPO").
    None,
}

/// The mean of those that are there; `None` for none.
fn mean(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let n = values.clone().count();
    (n > 0).then(|| values.sum::<f64>() / n as f64)
}

/// The standard deviation with `n - 1` of the values; `None` for fewer than two.
#[must_use]
pub fn spread(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let n = values.clone().count();
    let mean = mean(values.clone()).filter(|_| n > 1)?;
    Some((values.map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt())
}

/// GRPO's advantages (Shao et al. 2024, as TRL 1.16 computes them): rewards less the mean of their
/// group, over a standard deviation. Groups are `n_answers` neighbors.
#[must_use]
pub fn group_relative(rewards: &[Option<f64>], n_answers: usize, scale: Scale) -> Vec<f64> {
    let of_batch = spread(rewards.iter().filter_map(|it| *it));
    let mut advantages = Vec::with_capacity(rewards.len());
    for group in rewards.chunks(n_answers.max(1)) {
        let there = || group.iter().filter_map(|it| *it);
        let mean = mean(there()).unwrap_or_default();
        let divisor = match scale {
            Scale::Group => spread(there()).map(|it| it + SPREAD_MIN),
            Scale::Batch => of_batch.map(|it| it + SPREAD_MIN),
            Scale::None => Some(1.0),
        };
        advantages.extend(group.iter().map(|reward| match (reward, divisor) {
            (Some(reward), Some(divisor)) => (reward - mean) / divisor,
            _ => 0.0,
        }));
    }
    advantages
}

/// RLOO's advantages (Ahmadian et al. 2024, as TRL 1.16 computes them): each reward less the mean
/// of the others of its group, where there are others. With `normalize` they are then shifted to mean 0
/// and divided by their standard deviation over the batch. Groups are `n_answers` neighbors.
#[must_use]
pub fn leave_one_out(rewards: &[Option<f64>], n_answers: usize, normalize: bool) -> Vec<f64> {
    let mut advantages: Vec<Option<f64>> = Vec::with_capacity(rewards.len());
    for group in rewards.chunks(n_answers.max(1)) {
        let n = group.iter().flatten().count();
        let sum: f64 = group.iter().flatten().sum();
        advantages.extend(group.iter().map(|reward| {
            reward.filter(|_| n > 1).map(|reward| reward - (sum - reward) / (n - 1) as f64)
        }));
    }
    let there = || advantages.iter().filter_map(|it| *it);
    if normalize && let (Some(mean), Some(spread)) = (mean(there()), spread(there())) {
        for advantage in advantages.iter_mut().flatten() {
            *advantage = (*advantage - mean) / (spread + SPREAD_MIN);
        }
    }
    advantages.into_iter().map(Option::unwrap_or_default).collect()
}

/// What generalized advantage estimation gives for the states of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Estimate {
    pub advantages: Vec<f64>,
    /// The advantages plus the values: what the value head is to learn.
    pub returns: Vec<f64>,
}

/// Generalized advantage estimation (Schulman et al. 2016, equations 11 and 12) over the states of one
/// answer, at whose end nothing more is to be expected. Both lists have one entry for each state.
#[must_use]
pub fn generalized(rewards: &[f64], values: &[f64], gamma: f64, lambda: f64) -> Estimate {
    let mut advantages = vec![0.0; values.len()];
    let (mut later, mut next_value) = (0.0, 0.0);
    for (state, (reward, value)) in rewards.iter().zip(values).enumerate().rev() {
        later = reward + gamma * next_value - value + gamma * lambda * later;
        next_value = *value;
        advantages[state] = later;
    }
    let returns = advantages.iter().zip(values).map(|(advantage, value)| advantage + value);
    Estimate { returns: returns.collect(), advantages }
}

/// PPO's advantages and returns of a batch: [`generalized`] for each answer, then the advantages of tokens
/// whitened over the batch. Rewards and values have one entry for each state of an answer; an answer of
/// `n` tokens has `n` or `n + 1` states, and its advantages are cut to its tokens.
#[must_use]
pub fn of_batch(
    rewards: &[Vec<f64>],
    values: &[Vec<f64>],
    n_tokens: &[usize],
    (gamma, lambda): (f64, f64),
) -> Vec<Estimate> {
    let each = rewards.iter().zip(values).zip(n_tokens);
    let mut estimates: Vec<Estimate> = each
        .map(|((rewards, values), n_tokens)| {
            let mut estimate = generalized(rewards, values, gamma, lambda);
            estimate.advantages.truncate(*n_tokens);
            estimate
        })
        .collect();
    let mut advantages: Vec<Vec<f64>> =
        estimates.iter_mut().map(|it| std::mem::take(&mut it.advantages)).collect();
    whiten(&mut advantages, false);
    for (estimate, advantages) in estimates.iter_mut().zip(advantages) {
        estimate.advantages = advantages;
    }
    estimates
}

/// Divides the numbers of all rows by their common standard deviation (with `n - 1`), once their mean
/// is taken away; `keep_mean` gives it back. Rows of fewer than two numbers in all stay as they are.
pub fn whiten(rows: &mut [Vec<f64>], keep_mean: bool) {
    let Some((mean, spread)) = ({
        let all = || rows.iter().flatten().copied();
        mean(all()).zip(spread(all()))
    }) else {
        return;
    };
    let factor = (spread * spread + VARIANCE_MIN).sqrt().recip();
    for number in rows.iter_mut().flatten() {
        *number = (*number - mean) * factor + if keep_mean { mean } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_close, cases, list, lists, number};
    use super::*;

    fn some(rewards: &[f64]) -> Vec<Option<f64>> {
        rewards.iter().copied().map(Some).collect()
    }

    #[test]
    fn group_means_by_hand() {
        // Group 1 has mean 2 and standard deviation sqrt(2), group 2 nothing to tell.
        let rewards = some(&[1.0, 3.0, 5.0, 5.0]);
        let root = 2.0_f64.sqrt() + 1e-4;
        for (scale, want) in [
            (Scale::None, [-1.0, 1.0, 0.0, 0.0]),
            (Scale::Group, [-1.0 / root, 1.0 / root, 0.0, 0.0]),
            // Mean 3.5, squares 6.25 + .25 + 2.25 + 2.25 over 3.
            (Scale::Batch, [-1.0, 1.0, 0.0, 0.0].map(|it| it / ((11.0_f64 / 3.0).sqrt() + 1e-4))),
        ] {
            all_close(&group_relative(&rewards, 2, scale), &want, 1e-12, "advantages");
        }
    }

    #[test]
    fn leave_one_out_by_hand() {
        let found = leave_one_out(&some(&[1.0, 2.0, 6.0]), 3, false);
        assert_eq!(found, [-3.0, -1.5, 4.5]);
        // Mean 0 and standard deviation sqrt((9 + 2.25 + 20.25) / 2).
        let spread = 15.75_f64.sqrt() + 1e-4;
        let found = leave_one_out(&some(&[1.0, 2.0, 6.0]), 3, true);
        all_close(&found, &[-3.0 / spread, -1.5 / spread, 4.5 / spread], 1e-12, "normalized");
    }

    #[test]
    fn an_answer_without_a_reward_counts_nowhere() {
        let rewards = [Some(1.0), None, Some(3.0), None, Some(7.0), None];
        assert_eq!(group_relative(&rewards, 3, Scale::None), [-1.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(leave_one_out(&rewards, 3, false), [-2.0, 0.0, 2.0, 0.0, 0.0, 0.0]);
        // One reward in a group has no spread, and no others to be compared with.
        assert_eq!(group_relative(&rewards, 3, Scale::Group)[3..], [0.0; 3]);
        assert_eq!(group_relative(&[], 4, Scale::Group), [0.0; 0]);
        assert_eq!(leave_one_out(&some(&[2.0, 3.0]), 1, true), [0.0, 0.0]);
    }

    #[test]
    fn advantages_are_those_of_trl() {
        for case in cases("grpo") {
            let rewards: Vec<Option<f64>> =
                case["rewards"].as_array().unwrap().iter().map(serde_json::Value::as_f64).collect();
            let scale = serde_json::from_value(case["settings"]["scale_rewards"].clone()).unwrap();
            let found = group_relative(&rewards, 4, scale);
            all_close(&found, &list(&case["advantages"]), 1e-5, &case["name"].to_string());
        }
    }

    #[test]
    fn estimation_by_hand() {
        // delta = [1 + 3 - 2, 4 - 3], with gamma lambda = 1/2.
        let found = generalized(&[1.0, 4.0], &[2.0, 3.0], 1.0, 0.5);
        assert_eq!((found.advantages, found.returns), (vec![2.5, 1.0], vec![4.5, 4.0]));
        let found = generalized(&[1.0, 4.0], &[2.0, 3.0], 0.5, 0.0);
        assert_eq!(found.advantages, [0.5, 1.0]);
        assert_eq!(generalized(&[], &[], 1.0, 0.95), Estimate::default());
    }

    #[test]
    fn estimates_are_those_of_trl() {
        for case in cases("ppo") {
            let settings = &case["settings"];
            let (gamma, lambda) = (number(&settings["gamma"]), number(&settings["lam"]));
            let want = lists(&case["advantages"]);
            let n_tokens: Vec<usize> = want.iter().map(Vec::len).collect();
            let (rewards, values) = (lists(&case["token_rewards"]), lists(&case["values"]));
            let found = of_batch(&rewards, &values, &n_tokens, (gamma, lambda));
            let each = found.iter().zip(&want).zip(lists(&case["returns"]));
            for ((found, advantages), returns) in each {
                all_close(&found.advantages, advantages, 1e-4, "advantages");
                all_close(&found.returns, &returns, 1e-4, "returns");
            }
        }
    }

    #[test]
    fn whitened_numbers_have_spread_one() {
        let mut rows = vec![vec![1.0, 2.0], vec![6.0]];
        whiten(&mut rows, true);
        let all: Vec<f64> = rows.concat();
        assert!((all.iter().sum::<f64>() / 3.0 - 3.0).abs() < 1e-12);
        assert!((spread(all.into_iter()).unwrap() - 1.0).abs() < 1e-8);
        let mut lone = vec![vec![5.0], Vec::new()];
        whiten(&mut lone, false);
        assert_eq!(lone, [vec![5.0], vec![]]);
    }
}
