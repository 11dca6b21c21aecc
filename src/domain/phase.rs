//! The phases of a run: what its worker is at, as it tells people.
//!
//! A step of the loop ([`super::ser::Step`]) is one phase or several: cross-fitting trains a model
//! and scores pairs with it for every fold, and then asks the second view.

use serde::{Deserialize, Serialize};

/// What a worker is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// The weights of the model are read.
    Open,
    /// The texts of all pairs become tokens.
    Encode,
    Train,
    /// The validation pairs are scored.
    Validate,
    /// The test pairs are scored.
    Test,
    /// A policy answers prompts of the pool, and pairs of its answers join it.
    Answer,
    /// A fold model is trained.
    CrossFit,
    /// A fold model scores the pool, the validation pairs and its own fold.
    JudgeFold,
    /// The pretrained backbone reads all answers.
    SecondView,
    /// The pool is scored.
    Score,
    /// Pseudo-labels are chosen.
    Select,
    /// A person looks at the selection, or at the rollouts of a step.
    Review,
    /// The policy learns the answers of the seed set.
    Sft,
    /// The reward model and the judge are opened.
    OpenReward,
    /// The policy answers the prompts of a step.
    Sample,
    /// The policy learns from the answers of a step.
    Update,
    /// The policy answers the held-out prompts.
    EvaluatePolicy,
    /// The held-out prompts are answered many times, for the best-of-n curve.
    BestOf,
    /// The weights of an earlier evaluation are taken again.
    Restore,
    /// The policy is compared with its reference.
    Judge,
}

/// The kinds of work whose speed differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Forward and backward passes of the reward model.
    Train,
    /// Forward passes of the reward model.
    Score,
    /// Log-likelihoods of answers under the pretrained backbone.
    Likelihood,
    /// Answers of a policy, with their rewards.
    Generate,
}

impl Phase {
    /// The name in tables, events and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether it is part of making ready, before a round is worked on.
    #[must_use]
    pub fn is_preparation(self) -> bool {
        matches!(self, Self::Open | Self::Encode | Self::OpenReward)
    }

    /// Whether it belongs to a policy run.
    #[must_use]
    pub fn is_of_policy(self) -> bool {
        matches!(
            self,
            Self::Sft
                | Self::OpenReward
                | Self::Sample
                | Self::Update
                | Self::EvaluatePolicy
                | Self::BestOf
                | Self::Restore
                | Self::Judge
        )
    }
}

/// Which phase of a run is meant. Each comes once, unless a resumed attempt repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhaseKey {
    /// The round; of a policy run the step.
    pub round: u32,
    pub phase: Phase,
    /// Number of the fold, from 0; 0 where there are none.
    pub part: u32,
}

impl PhaseKey {
    /// A phase that is not about a fold.
    #[must_use]
    pub fn new(round: u32, phase: Phase) -> Self {
        Self { round, phase, part: 0 }
    }
}
