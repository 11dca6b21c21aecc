//! The state of a run: its spec, what a checkpoint keeps beside the weights, and what lasts only as
//! long as the process.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::pass::SharedScores;
use crate::domain::preference::{PairId, TrainingLabel};
use crate::domain::pseudo_label::PairScore;
use crate::domain::run::RunId;
use crate::domain::selection::Policy;
use crate::domain::ser::SerLoop;
use crate::domain::spec::{ExperimentSpec, PoolLabels};
use crate::domain::teacher::folds::FoldJudgments;
use crate::domain::teacher::lesson::Teacher;
use crate::domain::verdict::VerdictSet;

/// Where a run is, and what it is to do.
pub struct RunState {
    /// The name of the run.
    pub run: RunId,
    /// What it is to do.
    pub spec: ExperimentSpec,
    /// How it selects, parsed from the spec.
    pub policy: Policy,
    /// Whether it stands beside others in an experiment.
    pub is_in_experiment: bool,
    /// What every checkpoint keeps.
    pub saved: SavedState,
    /// Scores of the pool between the scoring and the selection.
    pub pool_scores: Option<Vec<PairScore>>,
    /// Scores of round 0 that came from another run, or that others may take.
    pub shared_scores: SharedScores,
}

impl RunState {
    /// A run with this state in its newest checkpoint.
    #[must_use]
    pub fn new(run: RunId, spec: ExperimentSpec, saved: SavedState) -> Self {
        Self {
            run,
            policy: Policy::from(&spec.selection),
            spec,
            is_in_experiment: false,
            saved,
            pool_scores: None,
            shared_scores: SharedScores::default(),
        }
    }

    /// Returns the pairs of a pool whose labels are still hidden, that is without those that people
    /// have labeled since.
    #[must_use]
    pub fn unlabeled(&self, pool: &[PairId]) -> Vec<PairId> {
        let labeled: BTreeSet<PairId> =
            self.saved.human_labels.iter().map(|label| label.pair).collect();
        pool.iter().filter(|pair| !labeled.contains(pair)).copied().collect()
    }

    /// Counts the human labels beyond the seed set, in a pool of `n_pool` pairs: verdicts, or the
    /// whole pool for the full-labels control.
    #[must_use]
    pub fn n_human_labels(&self, n_pool: usize) -> u64 {
        let pool = match self.spec.rounds.pool_labels {
            PoolLabels::Human => n_pool,
            PoolLabels::Pseudo => 0,
        };
        (pool + self.saved.human_labels.len()) as u64
    }
}

/// The state in a checkpoint: everything that a resumed run needs beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedState {
    /// Where the algorithm is.
    pub ser: SerLoop,
    /// Optimizer steps done in the pending training, 0 outside one.
    pub n_steps_done: u64,
    /// Tokens of those steps.
    pub n_step_tokens: u64,
    /// Optimizer steps since the beginning of the run.
    pub global_step: u64,
    /// Checkpoints written so far; numbers their names.
    pub n_checkpoints: u64,
    /// Tokens trained, scored and evaluated in the current round.
    pub n_round_tokens: u64,
    /// Wall time spent in the current round, without work that was lost and done again.
    pub round_wall_ms: u64,
    /// The number of the last verdict row that was taken into account.
    pub last_verdict_id: i64,
    /// The verdicts up to that row.
    pub verdicts: VerdictSet,
    /// Human labels beyond the seed set, as they were when the training that is going on, or the
    /// last one, began.
    #[serde(default)]
    pub human_labels: Vec<TrainingLabel>,
    /// Optimizer steps that round 0 takes at least, once they are known (`train.match_steps`).
    #[serde(default)]
    pub steps_to_match: Option<u64>,
    /// What other runs need to take round 0 from this run; set while that round is trained.
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
    pub folds: Option<FoldJudgments>,
    /// The teacher of the last selection.
    #[serde(default)]
    pub teacher: Option<Teacher>,
    /// Over-confidence of the model that labeled last.
    #[serde(default)]
    pub over_confidence: Option<f64>,
}

/// A round 0 that will be offered to other runs once it is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round0Draft {
    /// SHA-256 of everything the round depends on.
    pub digest: String,
    pub n_train_tokens: u64,
}

impl SavedState {
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
