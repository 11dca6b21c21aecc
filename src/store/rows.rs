//! The rows that the store hands out, ready for a screen or for JSON.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::event::{SelectionSummary, WorkerIdentity};
use crate::domain::forecast::Sizes;
use crate::domain::metrics::Evaluation;
use crate::domain::phase::Phase;
use crate::domain::pool::Origin;
use crate::domain::preference::{PairId, Side};
use crate::domain::run::{Liveness, RequestKind, RunId, RunKind, RunStatus, StopReason};
use crate::domain::selection::LeftOut;
use crate::domain::spec::ExperimentSpec;
use crate::domain::told;
use crate::domain::verdict::Verdict;

use super::people::annotations::Annotation;

/// One line of the runs list. A screen keeps ten thousand of them, so texts that many runs share
/// are stored once (`Shared`), and what few runs have is boxed.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    pub id: RunId,
    /// Name; unique.
    pub name: String,
    pub kind: RunKind,
    pub arm: Arc<str>,
    /// Name of the experiment it was launched in.
    pub experiment: Option<Arc<str>>,
    /// What its events say.
    pub status: RunStatus,
    /// What its process says.
    pub liveness: Liveness,
    /// Why it ended by itself.
    pub stop_reason: Option<StopReason>,
    pub rng_seed: u64,
    /// Current or latest (re)start.
    pub attempt: u32,
    /// Counted in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Counted in milliseconds since 1970.
    pub finished_at_ms: Option<i64>,
    /// Round being worked on (or the last one).
    pub round: u32,
    /// `rounds.max` of the spec.
    pub rounds_max: u32,
    /// Test accuracy by round, for the trend.
    pub test_accuracy: Box<[Option<f64>]>,
    pub latest_test: Option<TestAccuracy>,
    /// Pseudo-labels kept by the latest selection.
    pub n_selected: Option<u64>,
    /// Pairs vetoed at present.
    pub n_vetoed: u64,
    /// One line of what the worker does now.
    pub progress: Option<Box<ProgressRow>>,
    /// One line of why it failed.
    pub failure: Option<String>,
    /// How it is held, while it is.
    pub pause: Option<Box<PauseRow>>,
    /// Its place in the queue, from 1.
    pub queue_place: Option<u32>,
    /// Whose slots it takes: `cpu`, `cuda` or `metal`.
    pub slots: Arc<str>,
    /// What people keep about it.
    pub annotation: Arc<Annotation>,
    /// What its spec says, for lists and filters.
    pub facts: SpecFacts,
}

impl RunRow {
    /// Whether it takes a slot now. A paused run takes none.
    #[must_use]
    pub fn holds_slot(&self) -> bool {
        let is_alive = matches!(self.liveness, Liveness::Alive | Liveness::Silent);
        self.status == RunStatus::Running && is_alive
    }

    /// The runs that hold the slots which this one waits for.
    #[must_use]
    pub fn waits_behind<'a>(&self, runs: impl IntoIterator<Item = &'a Self>) -> Vec<&'a Self> {
        let is_waiting = self.status == RunStatus::Queued
            || self.pause.as_ref().is_some_and(|it| it.waits_for_slot);
        let runs = runs.into_iter().filter(|_| is_waiting);
        runs.filter(|run| run.holds_slot() && run.slots == self.slots && run.id != self.id)
            .collect()
    }

    /// Whether a worker holds the run after a selection until a person releases it.
    #[must_use]
    pub fn waits_for_review(&self) -> bool {
        let is_held = self.status == RunStatus::Paused && self.liveness == Liveness::Alive;
        is_held && self.progress.as_ref().is_some_and(|progress| progress.step == Phase::Review)
    }

    /// Latest test accuracy beside another run's; `None` without one of them, for the run itself,
    /// and for runs that are tested on other data.
    #[must_use]
    pub fn distance_to(&self, base: &Self) -> Option<f64> {
        if self.id == base.id || !self.facts.shares_test_with(&base.facts) {
            return None;
        }
        Some(self.latest_test.as_ref()?.accuracy - base.latest_test.as_ref()?.accuracy)
    }
}

/// What a list tells of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct TestAccuracy {
    /// Pairs that were evaluated.
    pub n: u64,
    /// Share of them that the model is right about.
    pub accuracy: f64,
    /// Lower end of its 95 % interval.
    pub ci_low: f64,
    pub ci_high: f64,
}

impl From<&Evaluation> for TestAccuracy {
    fn from(evaluation: &Evaluation) -> Self {
        let Evaluation { n, accuracy, ci_low, ci_high, .. } = *evaluation;
        Self { n, accuracy, ci_low, ci_high }
    }
}

impl From<&Self> for TestAccuracy {
    fn from(same: &Self) -> Self {
        *same
    }
}

/// Texts that rows share; each is stored once.
#[derive(Debug, Default)]
pub(super) struct Shared(HashSet<Arc<str>>);

impl Shared {
    /// The one copy of a text.
    pub(super) fn one(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

/// The settings that a list of runs shows and filters by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpecFacts {
    /// The value of `model.backbone`.
    pub backbone: Arc<str>,
    /// The value of `data.source`.
    pub source: Arc<str>,
    /// The value of `train.learning_rate`; of a policy that of `policy.learning_rate`.
    pub learning_rate: Option<f64>,
    /// `selection.high_threshold`
    pub high_threshold: Option<f64>,
    /// Data set of the test pairs.
    pub test_dataset: i64,
    /// The test pairs were split off the training data set, by `rng_seed`.
    pub is_test_split: bool,
}

impl SpecFacts {
    /// The rate that the weights of a run's own learn at, as a person wrote it: `1e-4` as `f32` would print
    /// as 0.0000999999974 in `f64`.
    pub(super) fn learning_rate_of(spec: &ExperimentSpec) -> f64 {
        let rate = spec.train.learning_rate;
        let written = || rate.to_string().parse().unwrap_or(f64::from(rate));
        spec.policy.as_ref().map_or_else(written, |policy| policy.learning_rate)
    }

    /// Whether two runs are tested on the same data set; their pairs can be compared one by one.
    #[must_use]
    pub fn shares_test_with(&self, other: &Self) -> bool {
        self.test_dataset == other.test_dataset
    }
}

/// How a run is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseRow {
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
    /// The login name of who asked for it; `None` at a gate.
    pub by: Option<String>,
    /// Whether a person has let it go on, so that it waits for a free slot only.
    pub waits_for_slot: bool,
}

/// What a worker is doing now.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgressRow {
    pub round: u32,
    pub step: Phase,
    /// Number of the fold, from 0.
    pub part: u32,
    /// How many folds there are; 0 where the phase is not about one.
    pub n_parts: u32,
    pub n_done: u64,
    pub n_total: u64,
    /// Tokens handled in this step and attempt.
    pub n_tokens: u64,
    /// Milliseconds spent in this step and attempt.
    pub elapsed_ms: u64,
    /// When this was written, milliseconds since 1970.
    pub at_ms: i64,
}

impl ProgressRow {
    /// What the worker does, in words.
    #[must_use]
    pub fn words(&self) -> String {
        told::doing(self.step, self.part, self.n_parts)
    }
}

/// A run with everything that belongs to it as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDetail {
    pub row: RunRow,
    /// The resolved spec as JSON (the worker's input).
    pub spec_json: String,
    /// Data set of the training pairs.
    pub dataset: i64,
    /// Data set of the test pairs, when it is a separate one.
    pub test_dataset: Option<i64>,
    pub worker: Option<WorkerIdentity>,
    /// Its latest heartbeat, milliseconds since 1970.
    pub heartbeat_at_ms: Option<i64>,
    pub checkpoint: Option<String>,
    /// What was counted at the start: seed set, validation, pool, test.
    pub sizes: Option<SplitSizes>,
    pub encoding: Option<EncodingRow>,
    /// `llama, 1.0 M parameters, f32, cpu, 2 threads`
    pub model: Option<String>,
}

/// Sizes of the four parts of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitSizes {
    /// Human labels trained on.
    pub n_seed_set: u64,
    /// Human labels that decide.
    pub n_validation: u64,
    pub n_unlabeled_pool: u64,
    pub n_test: u64,
    /// Dropped because their group is in the test source.
    pub n_leaked: u64,
}

impl From<SplitSizes> for Sizes {
    fn from(sizes: SplitSizes) -> Self {
        Self {
            seed_set: sizes.n_seed_set,
            validation: sizes.n_validation,
            pool: sizes.n_unlabeled_pool,
            test: sizes.n_test,
        }
    }
}

/// What tokenizing did to the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncodingRow {
    pub n_pairs: u64,
    /// Tokens after truncation.
    pub n_tokens: u64,
    /// Pairs that lost tokens.
    pub n_truncated: u64,
    pub n_prompt_tokens_cut: u64,
    pub n_answer_tokens_cut: u64,
}

/// One round of a run, with what is known of it so far.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundRow {
    pub round: u32,
    /// The selection before it (none in round 0).
    pub selection: Option<SelectionSummary>,
    pub n_train_pairs: Option<u64>,
    pub n_steps: Option<u64>,
    pub validation: Option<Evaluation>,
    pub test: Option<Evaluation>,
    /// Wall time, milliseconds; set when the round is complete.
    pub wall_ms: Option<u64>,
    /// Tokens trained, scored and evaluated; set when the round is complete.
    pub n_tokens: Option<u64>,
    /// SHA-256 of the weights after training.
    pub weights_digest: Option<String>,
    /// Labels that people had given up to here: the seed set with its validation pairs, and verdicts.
    pub n_labels_spent: Option<u64>,
}

impl RoundRow {
    /// Whether the run went back to the model of the round before.
    #[must_use]
    pub fn is_rolled_back(&self) -> bool {
        self.selection.as_ref().is_some_and(|selection| selection.audit.rolled_back)
    }
}

/// One optimizer step on the loss chart. A long series is thinned to buckets of steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossPoint {
    /// Steps since the beginning of the run (the last of the bucket).
    pub global_step: u64,
    pub round: u32,
    /// Mean loss of the bucket.
    pub loss: f32,
    /// Smallest of the bucket.
    pub min: f32,
    /// Largest of the bucket.
    pub max: f32,
}

/// A scored pool pair with its texts.
#[derive(Debug, Clone, PartialEq)]
pub struct SampledPair {
    pub pair: PairId,
    pub round: u32,
    /// Everything before the answer.
    pub prompt: String,
    pub response_a: String,
    pub response_b: String,
    /// Reward of the first.
    pub reward_a: f32,
    /// Reward of the second.
    pub reward_b: f32,
    /// `None` where the pair was selected.
    pub left_out: Option<LeftOut>,
    /// The decision in force.
    pub verdict: Option<Verdict>,
    /// The hidden label, of people or of the judge of a policy's pairs; screens show it only when asked.
    pub gold: Option<Side>,
    /// Who wrote the answers; `None` for a pair of the data set.
    pub origin: Option<Origin>,
    /// Confidence in the round before, with a minus sign where that round preferred the other
    /// answer.
    pub previous_confidence: Option<f64>,
}

/// A line of the event log.
#[derive(Debug, Clone, PartialEq)]
pub struct EventLine {
    /// Place in the run's history.
    pub seq: u64,
    pub attempt: u32,
    /// Counted in milliseconds since 1970.
    pub at_ms: i64,
    pub body: String,
}

/// A request to a worker, read or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRow {
    pub id: i64,
    pub kind: RequestKind,
}

/// A data set in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetRow {
    pub id: i64,
    /// Content hash, hex.
    pub fingerprint: String,
    /// Where it came from.
    pub source: String,
    pub format: String,
    /// How pairs were grouped.
    pub grouped_by: String,
    /// Pairs that were accepted.
    pub n_pairs: u64,
    /// Dropped rows.
    pub n_dropped: u64,
    /// Counted in milliseconds since 1970.
    pub imported_at_ms: i64,
}
