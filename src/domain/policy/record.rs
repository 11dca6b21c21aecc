//! What a policy run keeps of its rollouts and evaluations, for people to read.

use serde::{Deserialize, Serialize};

use super::best_of::Measured;
use super::win::WinRate;
use super::win::length::LengthControlled;

/// The answers to one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutPrompt {
    /// A pair whose prompt it is: of the training source, or of the test source for an evaluation.
    pub pair: u32,
    /// The answers in the order in which they are numbered.
    pub answers: Vec<RolloutAnswer>,
}

/// One answer, with all that is measured of it. What nobody asked for is `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RolloutAnswer {
    pub text: String,
    /// Tokens, the end token included.
    pub n_tokens: u32,
    /// Whether it came to its end before it was cut.
    pub has_end: bool,
    /// The reward before any penalty on the divergence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward: Option<f64>,
    /// The judge's score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold: Option<f64>,
    /// How much better it did than was to be expected; of PPO the mean over its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advantage: Option<f64>,
    /// Estimated divergence from the reference over the whole answer, in nats (k1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divergence: Option<f64>,
    /// Whether a person had taken it, or its prompt, out of the batch.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_vetoed: bool,
}

/// What an evaluation on the held-out prompts measured. Means are over prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyEvaluation {
    pub n_prompts: u64,
    /// The reward that the policy is trained for; `None` without one.
    pub proxy: Option<Measured>,
    /// The judge's score; `None` without a judge.
    pub gold: Option<Measured>,
    /// Divergence of an answer from the reference, in nats (k1).
    pub divergence: Option<Measured>,
    /// Tokens of an answer.
    pub length: Measured,
    /// Share of the answers that were cut before their end.
    pub clipped_ratio: f64,
    /// Answers that the reward gave no score, so that `proxy` is a mean over fewer.
    #[serde(default)]
    pub n_without_reward: u64,
    /// The same of the judge.
    #[serde(default)]
    pub n_without_gold: u64,
}

/// How the policy fares against its reference on the held-out prompts, by the judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVerdict {
    /// Steps behind the weights that were judged.
    pub step: u32,
    /// Who judged: `policy.gold`.
    pub judge: String,
    pub win_rate: WinRate,
    /// The rate at equal length; `None` where lengths tell nothing.
    pub at_equal_length: Option<LengthControlled>,
}
