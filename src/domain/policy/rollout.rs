//! The answers that a policy sampled for one step, as numbers, and what is measured of them.

use super::advantage::spread;
use super::kl::Estimator;
use super::metric::{Metrics, PolicyMetric as M};

/// A standard deviation up to this counts as none (TRL's tolerance).
const NO_SPREAD: f64 = 1e-8;

/// One sampled answer.
#[derive(Debug, Clone, Copy)]
pub struct Sampled<'a> {
    /// Its reward before a penalty on the divergence; `None` where it has none.
    pub reward: Option<f64>,
    /// Its score by the judge that the policy is not trained for.
    pub gold: Option<f64>,
    /// Whether it came to its end before it was cut.
    pub has_end: bool,
    /// Log-probabilities of its tokens under the policy that sampled it.
    pub old: &'a [f64],
    /// The same under the reference; empty where nobody asked.
    pub reference: &'a [f64],
}

impl Sampled<'_> {
    /// Log-ratios of the tokens to the reference.
    fn log_ratios(&self) -> impl Iterator<Item = f64> + Clone {
        self.old.iter().zip(self.reference).map(|(old, reference)| old - reference)
    }

    /// The estimated divergence of the whole answer, in nats.
    #[must_use]
    pub fn divergence(&self, estimator: Estimator) -> f64 {
        self.log_ratios().map(|ratio| estimator.at(ratio)).sum()
    }
}

/// The mean of those that are there.
fn mean(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let n = values.clone().count();
    (n > 0).then(|| values.sum::<f64>() / n as f64)
}

/// The mean divergence of an answer, and its standard error; `None` for fewer than two answers or
/// without a reference.
#[must_use]
pub fn divergence(answers: &[Sampled<'_>], estimator: Estimator) -> Option<(f64, f64)> {
    let of_answers = answers
        .iter()
        .filter(|answer| !answer.reference.is_empty())
        .map(|answer| answer.divergence(estimator));
    let n = of_answers.clone().count() as f64;
    Some((mean(of_answers.clone())?, spread(of_answers)? / n.sqrt()))
}

/// Metrics that every objective shares: rewards, lengths and ends. Groups are `n_answers` neighbors.
///
/// `frac_reward_zero_std` is of the rewards before a penalty. (TRL's RLOO takes it after the penalty, and
/// its GRPO with `scale_rewards = "batch"` from the batch, so that theirs is 0 even where no answer of
/// any prompt is better than another.)
#[must_use]
pub fn metrics(answers: &[Sampled<'_>], n_answers: usize) -> Metrics {
    let rewards = || answers.iter().filter_map(|it| it.reward);
    let gold = || answers.iter().filter_map(|it| it.gold);
    // A group with a single reward has no spread to lack: that of PPO, which learns by its values, or one
    // whose other answers a person took out.
    let groups = answers.chunks(n_answers.max(1));
    let flat = groups
        .filter_map(|group| Some(spread(group.iter().filter_map(|it| it.reward))? <= NO_SPREAD));
    let lengths = || answers.iter().map(|it| it.old.len() as f64);
    let ended = || answers.iter().filter(|it| it.has_end).map(|it| it.old.len() as f64);
    let n = answers.len() as f64;
    let least = |all: &mut dyn Iterator<Item = f64>| all.reduce(f64::min);
    let most = |all: &mut dyn Iterator<Item = f64>| all.reduce(f64::max);
    // Where no answer came to an end, TRL says 0.
    let or_0 = |length: Option<f64>| Some(length.unwrap_or_default()).filter(|_| n > 0.0);
    let found = [
        (M::Reward, mean(rewards())),
        (M::RewardStd, spread(rewards())),
        (M::FracRewardZeroStd, mean(flat.map(|is_flat| f64::from(u8::from(is_flat))))),
        (M::GoldMean, mean(gold())),
        (M::GoldStd, spread(gold())),
        (M::MeanLength, mean(lengths())),
        (M::MinLength, least(&mut lengths())),
        (M::MaxLength, most(&mut lengths())),
        (M::ClippedRatio, (n > 0.0).then(|| 1.0 - ended().count() as f64 / n)),
        (M::MeanTerminatedLength, or_0(mean(ended()))),
        (M::MinTerminatedLength, or_0(least(&mut ended()))),
        (M::MaxTerminatedLength, or_0(most(&mut ended()))),
    ];
    found.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect()
}

/// The mean divergence at a token, TRL's `kl` of RLOO; `None` without a reference.
#[must_use]
pub fn token_divergence(answers: &[Sampled<'_>], estimator: Estimator) -> Option<f64> {
    mean(answers.iter().flat_map(Sampled::log_ratios).map(|ratio| estimator.at(ratio)))
}

/// TRL's `objective/…` of PPO: what the answers of a step were rewarded with, given the penalty that was
/// taken from it.
#[must_use]
pub fn ppo_metrics(answers: &[Sampled<'_>], (estimator, coefficient): (Estimator, f64)) -> Metrics {
    let kl = mean(answers.iter().map(|it| it.divergence(estimator)));
    let entropy = mean(answers.iter().map(|it| -it.old.iter().sum::<f64>()));
    let scores = mean(answers.iter().filter_map(|it| it.reward));
    let penalty = kl.map(|kl| -coefficient * kl);
    let found = [
        (M::ObjectiveKl, kl),
        (M::ObjectiveEntropy, entropy),
        (M::NonScoreReward, penalty),
        (M::RlhfReward, penalty.zip(scores).map(|(penalty, scores)| penalty + scores)),
        (M::Scores, scores),
        (M::KlCoefficient, Some(coefficient)),
        (M::NumEndTokens, Some(answers.iter().filter(|it| it.has_end).count() as f64)),
    ];
    found.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cases, close, list, lists, number};
    use super::*;
    use serde_json::Value;

    fn check(found: &Metrics, want: &Value, names: &[&str]) {
        for name in names {
            let metric: M = name.parse().unwrap();
            close(found[&metric], number(&want[name]), 1e-4, name);
        }
    }

    #[test]
    fn metrics_of_a_rollout_are_those_of_trl() {
        let names = [
            "reward",
            "reward_std",
            "completions/mean_length",
            "completions/min_length",
            "completions/max_length",
        ];
        for case in ["rloo", "grpo"].into_iter().flat_map(cases) {
            let (old, reference) = (lists(&case["old"]), lists(&case["reference"]));
            let rewards = case["rewards"].as_array().unwrap();
            let answers: Vec<Sampled<'_>> = old
                .iter()
                .enumerate()
                .map(|(i, old)| Sampled {
                    reward: rewards[i].as_f64(),
                    gold: None,
                    has_end: true,
                    old,
                    reference: reference.get(i).map_or(&[], Vec::as_slice),
                })
                .collect();
            let want = &case["rollout_metrics"];
            let found = metrics(&answers, 4);
            check(&found, want, &names);
            if case.get("old_sums").is_some() && want.get("kl").is_some() {
                let kl = token_divergence(&answers, Estimator::K1).unwrap();
                close(kl, number(&want["kl"]), 1e-4, "kl");
            }
            // Two of the four groups of this reward are flat, which TRL does not say here.
            if rewards.iter().all(|it| it.as_f64().is_some_and(|it| it == 0.0 || it == 1.0)) {
                assert_eq!(
                    (found[&M::FracRewardZeroStd], number(&want["frac_reward_zero_std"])),
                    (0.5, 0.0)
                );
            }
        }
    }

    #[test]
    fn metrics_of_ppo_are_those_of_trl() {
        let names = [
            "objective/kl",
            "objective/entropy",
            "objective/non_score_reward",
            "objective/rlhf_reward",
            "objective/scores",
        ];
        for case in cases("ppo") {
            let (old, reference) = (lists(&case["old"]), lists(&case["reference"]));
            let scores = list(&case["scores"]);
            let answer = |i: usize| Sampled {
                reward: Some(scores[i]),
                gold: None,
                has_end: case["has_end"][i].as_bool().unwrap(),
                old: &old[i],
                reference: &reference[i],
            };
            let answers: Vec<Sampled<'_>> = (0..old.len()).map(answer).collect();
            let settings = &case["settings"];
            let estimator = serde_json::from_value(settings["kl_estimator"].clone()).unwrap();
            let penalty = (estimator, number(&settings["kl_coef"]));
            check(&ppo_metrics(&answers, penalty), &case["metrics"], &names);
        }
    }

    #[test]
    fn lengths_and_ends_by_hand() {
        let tokens = [-1.0; 5];
        let answer = |n: usize, has_end, reward| Sampled {
            reward,
            gold: Some(n as f64),
            has_end,
            old: &tokens[..n],
            reference: &[],
        };
        let answers = [
            answer(2, true, Some(1.0)),
            answer(5, false, None),
            answer(4, true, Some(0.0)),
            answer(5, false, Some(0.5)),
        ];
        let found = metrics(&answers, 2);
        for (metric, want) in [
            (M::Reward, 0.5),
            // The first group has one reward alone, the second two that differ.
            (M::FracRewardZeroStd, 0.0),
            (M::GoldMean, 4.0),
            (M::ClippedRatio, 0.5),
            (M::MeanTerminatedLength, 3.0),
            (M::MaxTerminatedLength, 4.0),
            (M::MaxLength, 5.0),
        ] {
            assert_eq!(found[&metric], want, "{metric:?}");
        }
        let cut = metrics(&[answer(5, false, None)], 1);
        assert!(!cut.contains_key(&M::FracRewardZeroStd), "a group of one has no spread to lack");
        assert_eq!(
            (cut[&M::ClippedRatio], cut[&M::MeanTerminatedLength], cut.get(&M::Reward)),
            (1.0, 0.0, None)
        );
        assert!(metrics(&[], 2).is_empty());
        assert_eq!(
            (divergence(&answers, Estimator::K1), token_divergence(&answers, Estimator::K1)),
            (None, None)
        );
    }

    #[test]
    fn a_divergence_has_an_error() {
        let (old, reference) = ([-1.0, -1.0], [-1.5, -2.0]);
        let answer = |n: usize| Sampled {
            reward: None,
            gold: None,
            has_end: true,
            old: &old[..n],
            reference: &reference[..n],
        };
        // 1.5 and 0.5: mean 1, standard deviation 1 / sqrt(2), error 1 / 2.
        let (mean, error) = divergence(&[answer(2), answer(1)], Estimator::K1).unwrap();
        assert!((mean - 1.0).abs() < 1e-12 && (error - 0.5).abs() < 1e-12, "{mean} {error}");
    }
}
