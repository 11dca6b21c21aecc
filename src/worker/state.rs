//! Everything beside the weights that a run needs to go on as if nothing had happened.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cross_fit::FoldJudgements;
use crate::domain::preference::TrainingLabel;
use crate::domain::ser::SerLoop;
use crate::domain::verdict::VerdictSet;

/// The state in a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Where the algorithm is.
    pub ser: SerLoop,
    /// Optimiser steps done in the pending training, 0 outside one.
    pub n_steps_done: u64,
    /// Tokens of those steps.
    pub n_step_tokens: u64,
    /// Optimiser steps since the beginning of the run.
    pub global_step: u64,
    /// Checkpoints written so far; numbers their names.
    pub n_checkpoints: u64,
    /// Tokens trained, scored and evaluated in the current round.
    pub n_round_tokens: u64,
    /// Wall time spent in the current round, without work that was lost and done again.
    pub round_wall_ms: u64,
    /// The last verdict row that took effect.
    pub last_verdict_id: i64,
    /// The verdicts up to that row.
    pub verdicts: VerdictSet,
    /// Labels that people gave beside the seed set, as the round that trains on them (or trained last)
    /// found them.
    #[serde(default)]
    pub human_labels: Vec<TrainingLabel>,
    /// Optimiser steps that round 0 takes at least, once they are known (`train.match_steps`).
    #[serde(default)]
    pub steps_to_match: Option<u64>,
    /// What other runs need to take round 0 from this one, while it is being trained.
    #[serde(default)]
    pub round_0: Option<Round0Draft>,
    /// Checkpoints written right after a round was trained, of rounds that may be gone back to.
    #[serde(default)]
    pub trained: BTreeMap<u32, String>,
    /// Margins `reward(chosen) - reward(rejected)` of the validation pairs, in their order, of the
    /// last two rounds and round 0.
    #[serde(default)]
    pub validation: BTreeMap<u32, Vec<f32>>,
    /// What the fold models of round 0 said.
    #[serde(default)]
    pub folds: Option<FoldJudgements>,
    /// The teacher of the last selection.
    #[serde(default)]
    pub teacher: Option<Teacher>,
    /// Over-confidence of the model that labelled last.
    #[serde(default)]
    pub over_confidence: Option<f64>,
}

/// What is kept of the teacher of a round; its rewards of the pool are in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// Its margins towards the human label of the validation pairs.
    pub validation: Vec<f64>,
}

/// A round 0 on its way to other runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round0Draft {
    /// SHA-256 of everything the round depends on.
    pub digest: String,
    /// Tokens trained on.
    pub n_train_tokens: u64,
}

impl RunState {
    /// The state of a run that has not begun.
    #[must_use]
    pub fn new(ser: SerLoop) -> Self {
        Self {
            ser,
            n_steps_done: 0,
            n_step_tokens: 0,
            global_step: 0,
            n_checkpoints: 0,
            n_round_tokens: 0,
            round_wall_ms: 0,
            last_verdict_id: 0,
            verdicts: VerdictSet::default(),
            human_labels: Vec::new(),
            steps_to_match: None,
            round_0: None,
            trained: BTreeMap::new(),
            validation: BTreeMap::new(),
            folds: None,
            teacher: None,
            over_confidence: None,
        }
    }
}
