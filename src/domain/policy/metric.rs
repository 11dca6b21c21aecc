//! The metrics of a policy run: the names that TRL gives them, so that tables compare, and what each
//! means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::VariantArray;

/// The metrics of a step, a pass or an evaluation by their names. One without a value is not there.
pub type Metrics = BTreeMap<PolicyMetric, f64>;

/// Makes the enum of metrics: variant, name, meaning.
macro_rules! metrics {
    ($($variant:ident $name:tt $meaning:tt;)+) => {
        /// A number that is measured of a policy, or of a step of its training.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
        pub enum PolicyMetric {
            $(
                #[doc = $meaning]
                #[serde(rename = $name)]
                #[strum(serialize = $name)]
                $variant,
            )+
        }

        impl PolicyMetric {
            /// What it is, in one sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)+
                }
            }
        }
    };
}

metrics! {
    Loss "loss" "What the step lowers: the loss of its batch.";
    GradientNorm "grad_norm" "Length of the gradient of the step before it is clipped.";
    LearningRate "learning_rate" "How far the step goes along its gradient.";
    StepTime "step_time" "Seconds from the first answer of a step to its last update.";
    NumTokens "num_tokens" "Tokens of prompts and answers so far.";

    Reward "reward" "Mean reward of the sampled answers before any penalty on the divergence.";
    RewardStd "reward_std" "Standard deviation of the rewards of all answers of the step.";
    FracRewardZeroStd "frac_reward_zero_std" "Share of the prompts whose answers all have the same reward before the penalty: they teach nothing.";
    ProxyMean "rewards/proxy/mean" "Mean score of the reward model that the policy is trained for.";
    ProxyStd "rewards/proxy/std" "Standard deviation of these scores.";
    GoldMean "rewards/gold/mean" "Mean score by the judge that the policy is not trained for.";
    GoldStd "rewards/gold/std" "Standard deviation of the judge's scores.";
    Kl "kl" "Mean divergence of policy from reference at a token, in nats: k1 for RLOO, k3 for GRPO.";
    KlCoefficient "objective/kl_coef" "What the divergence is multiplied by where it is taken from the reward.";
    Entropy "entropy" "Mean entropy of the distribution that a token is drawn from, in nats.";
    ClipLowMean "clip_ratio/low_mean" "Share of tokens (RLOO: answers) that became less likely until the clip ended it.";
    ClipLowMin "clip_ratio/low_min" "The least of these shares of any answer.";
    ClipHighMean "clip_ratio/high_mean" "Share of tokens (RLOO: answers) that became more likely until the clip ended it.";
    ClipHighMax "clip_ratio/high_max" "The largest of these shares of any answer.";
    ClipRegionMean "clip_ratio/region_mean" "Share of tokens (RLOO: answers) that the clip ended on either side.";
    FarthestRatio "ratio/farthest" "Farthest that a token's ratio to the sampling policy is from 1; before the first update it is rounding.";

    MeanLength "completions/mean_length" "Mean length of the answers in tokens.";
    MinLength "completions/min_length" "Length of the shortest answer.";
    MaxLength "completions/max_length" "Length of the longest answer.";
    ClippedRatio "completions/clipped_ratio" "Share of the answers that were cut before they came to an end.";
    MeanTerminatedLength "completions/mean_terminated_length" "Mean length of the answers that came to an end.";
    MinTerminatedLength "completions/min_terminated_length" "Length of the shortest answer that came to an end.";
    MaxTerminatedLength "completions/max_terminated_length" "Length of the longest answer that came to an end.";

    ObjectiveKl "objective/kl" "Mean divergence of policy from reference over a whole answer, in nats.";
    ObjectiveEntropy "objective/entropy" "Mean negative log-probability of a whole answer, in nats.";
    NonScoreReward "objective/non_score_reward" "Mean penalty on the divergence of an answer, as a reward.";
    RlhfReward "objective/rlhf_reward" "Mean reward of an answer with the penalty on its divergence.";
    Scores "objective/scores" "Mean reward of an answer without the penalty on its divergence.";
    PolicyApproxKl "policy/approxkl_avg" "Half the mean square of the log-ratio to the policy that sampled.";
    PolicyClipFraction "policy/clipfrac_avg" "Share of tokens whose ratio the clip ended.";
    PolicyEntropy "policy/entropy_avg" "Mean entropy of the distribution that a token is drawn from, in the passes of the step.";
    PolicyLoss "loss/policy_avg" "The part of the loss that moves the policy.";
    ValueLoss "loss/value_avg" "Half the mean square of how far values miss their returns.";
    ValueClipFraction "val/clipfrac_avg" "Share of the values that the clip held.";
    Ratio "val/ratio" "Mean ratio of a token's probability to what it was when it was sampled.";
    RatioVariance "val/ratio_var" "Variance of that mean over the passes of the step.";
    NumEndTokens "val/num_eos_tokens" "Answers of the step that came to an end.";

    ChosenReward "rewards/chosen" "beta times the log-ratio of the preferred answer to the reference.";
    RejectedReward "rewards/rejected" "beta times the log-ratio of the other answer to the reference.";
    RewardAccuracies "rewards/accuracies" "Share of the pairs whose preferred answer has the higher of these rewards.";
    RewardMargins "rewards/margins" "Mean difference of these rewards.";
    ChosenLogps "logps/chosen" "Mean log-probability of the preferred answers.";
    RejectedLogps "logps/rejected" "Mean log-probability of the other answers.";
}

impl PolicyMetric {
    /// Every metric, as the variants stand.
    pub const ALL: &[Self] = <Self as VariantArray>::VARIANTS;

    /// The name in tables, JSON and exports; TRL's where TRL has the metric.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The metrics of a step that passes over its answers several times: means over the passes, as TRL's PPO
/// logs them, and the variance of the ratio between passes. [`PolicyMetric::FarthestRatio`] is that of the
/// first pass, since later ones tell how far the policy moved.
#[must_use]
pub fn over_passes(passes: &[Metrics]) -> Metrics {
    let mut found = Metrics::new();
    for metric in PolicyMetric::ALL {
        let values: Vec<f64> = passes.iter().filter_map(|pass| pass.get(metric).copied()).collect();
        if values.is_empty() {
            continue;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        found.insert(*metric, mean);
        match metric {
            PolicyMetric::FarthestRatio => {
                found.insert(*metric, values[0]);
            }
            PolicyMetric::Ratio if values.len() > 1 => {
                let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
                found.insert(PolicyMetric::RatioVariance, square / (n - 1.0));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_libraries_write_the_same_names_and_each_has_one() {
        let mut names = std::collections::BTreeSet::new();
        for metric in PolicyMetric::ALL {
            let name = metric.name();
            assert_eq!(serde_json::to_value(metric).unwrap(), name);
            assert_eq!(name.parse::<PolicyMetric>().ok(), Some(*metric));
            assert!(names.insert(name), "{name} twice");
            assert!(metric.meaning().ends_with('.') && metric.meaning().len() < 140, "{name}");
        }
    }

    #[test]
    fn metrics_are_keys_of_a_json_object() {
        let metrics = Metrics::from([(PolicyMetric::Kl, 0.5), (PolicyMetric::ClipLowMin, 0.0)]);
        let text = serde_json::to_string(&metrics).unwrap();
        assert_eq!(text, r#"{"kl":0.5,"clip_ratio/low_min":0.0}"#);
        assert_eq!(serde_json::from_str::<Metrics>(&text).unwrap(), metrics);
    }

    #[test]
    fn passes_are_averaged() {
        use PolicyMetric::{FarthestRatio, Kl, Ratio, RatioVariance};
        let pass = |ratio, farthest| Metrics::from([(Ratio, ratio), (FarthestRatio, farthest)]);
        let found = over_passes(&[pass(1.0, 1e-7), pass(0.8, 3.0)]);
        assert!(
            (found[&Ratio] - 0.9).abs() < 1e-12 && (found[&RatioVariance] - 0.02).abs() < 1e-12
        );
        assert_eq!((found[&FarthestRatio], found.get(&Kl)), (1e-7, None));
        assert_eq!(over_passes(&[pass(1.0, 0.0)]).get(&RatioVariance), None);
        assert!(over_passes(&[]).is_empty());
    }
}
