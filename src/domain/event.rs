//! Everything a run can report: the closed list of past-tense facts.
//!
//! A worker numbers its events from 1 and never changes one. Applying them in order rebuilds the
//! run's rows (`Store::apply`). What an event says of every pair is not in its JSON: it is kept as
//! columns beside the line (`store/events/columns.rs`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::metrics::histogram::ConfidenceHistogram;
use super::metrics::{Evaluation, Split};
use super::phase::Phase;
use super::policy::best_of::Point;
use super::policy::metric::Metrics;
use super::policy::record::{PolicyEvaluation, PolicyVerdict, RolloutPrompt};
use super::policy::sign::Seen;
use super::pool::{GeneratedPair, Generation};
use super::preference::{PairId, Side};
use super::run::{RequestKind, RunId, RunStatus, StopReason};
use super::selection::learning_status::LearningStatus;
use super::selection::origins::ByOrigin;
use super::selection::{LeftOut, ScoredPair, confidence_floor};
use super::spec::model::ChatTemplateRecord;
use super::spec::{OracleQueue, SelectionSpec};
use super::teacher::audit::SelectionAudit;
use super::verdict::Verdict;

/// An event with its place in the run's history.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    pub run: RunId,
    /// Number of the attempt: 1 for the first start of the run, one more for every restart.
    pub attempt: u32,
    /// Counted from 1 over all attempts, without gaps.
    pub seq: u64,
    /// When, in milliseconds since 1970 (the writer's clock).
    pub at_ms: i64,
    pub event: RunEvent,
}

/// The process behind a run. A pid alone can be reused; with start time and boot id it cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerIdentity {
    pub pid: u32,
    /// Start time of the process in clock ticks since boot.
    pub process_start: u64,
    /// The kernel's boot id.
    pub boot_id: String,
    pub host: String,
}

/// Margin of one labeled pair in an evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairMargin {
    /// Which pair (of the training source, or of the test source).
    pub pair: PairId,
    /// The difference `reward(chosen) - reward(rejected)`.
    pub margin: f32,
}

/// What the oracle says about one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OracleAnswer {
    pub pair: PairId,
    /// Whether it keeps or flips the pseudo-label.
    pub verdict: Verdict,
    /// The answer it calls the better one.
    pub preferred: Side,
}

/// The counts and statistics of one selection, as the row of its round shows them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectionSummary {
    pub learning_status: LearningStatus,
    /// The constant that was subtracted from every reward before the sigmoid made it a probability
    /// (`selection.reward_offset`).
    pub reward_offset: f64,
    pub n_scored: u64,
    pub n_selected: u64,
    /// Pairs the person had vetoed at this time.
    pub n_vetoed: u64,
    /// Pool pairs whose pseudo-label differs from the one of the round before.
    pub n_flipped: Option<u64>,
    /// The share `n_selected / n_scored`.
    pub coverage: Option<f64>,
    /// Share of the kept labels that agree with the hidden human ones.
    pub pseudo_label_precision: Option<f64>,
    /// Share of all pool pairs whose pseudo-label agrees with the hidden human one.
    pub pool_accuracy: Option<f64>,
    /// How many pairs were left out for each reason.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// Confidences of all scored pairs.
    pub histogram: ConfidenceHistogram,
    /// Confidences of the selected pairs.
    pub selected_histogram: ConfidenceHistogram,
    /// The same by who wrote the answers, once a policy's pairs are in the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_origin: Option<Box<ByOrigin>>,
    /// Diagnostics of the selection: calibration, error bound, shift and length.
    #[serde(default)]
    pub audit: Box<SelectionAudit>,
}

impl SelectionSummary {
    /// The confidence below which no pair was selected: the rule's own threshold where it has one,
    /// else the least that was kept, to bucket precision. `None` where nothing was kept.
    #[must_use]
    pub fn confidence_floor(&self, rule: &SelectionSpec) -> Option<f64> {
        match self.learning_status {
            LearningStatus::Stop => None,
            status => confidence_floor(rule, status).or_else(|| self.selected_histogram.least()),
        }
    }
}

/// A fact about a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum RunEvent {
    /// A worker took the run.
    RunStarted {
        worker: WorkerIdentity,
        /// Name of the checkpoint it goes on from.
        resumed_from: Option<String>,
    },
    /// The model is loaded.
    ModelOpened {
        /// Such as `llama`, `bert` or `mock`.
        family: String,
        n_parameters: u64,
        /// `f32`
        precision: String,
        /// Such as `cpu, 2 threads`.
        device: String,
        /// The chat template that turns a conversation into one text; `None` where prompt and
        /// answer are joined as they stand.
        #[serde(default)]
        chat_template: Option<ChatTemplateRecord>,
    },
    /// The data set was divided.
    DataSplitMade {
        /// Human-labeled pairs that are trained on.
        n_seed_set: u64,
        /// Human-labeled pairs held out for validation, on which the run's decisions are made.
        n_validation: u64,
        /// Pairs with hidden labels.
        n_unlabeled_pool: u64,
        /// Test pairs, on which no decision of the run depends.
        n_test: u64,
        /// Training pairs dropped because their group is in the test source.
        n_leaked: u64,
        n_groups: u64,
    },
    /// All texts became tokens.
    TextsEncoded {
        n_pairs: u64,
        /// Tokens after truncation, both sides.
        n_tokens: u64,
        /// Pairs that lost tokens.
        n_truncated: u64,
        /// Oldest prompt tokens cut.
        n_prompt_tokens_cut: u64,
        n_answer_tokens_cut: u64,
    },
    /// Round 0 takes as many optimizer steps as another run (`train.match_steps`).
    StepsMatched {
        run: RunId,
        arm: String,
        /// What it took over all its rounds.
        n_steps: u64,
    },
    /// The round was not trained: its weights and scores were taken from another run whose round 0
    /// is identical.
    RoundReused {
        round: u32,
        run: RunId,
        /// SHA-256 of everything the round depends on.
        digest: String,
        /// Wall time that the other run spent on the round, in milliseconds. It counts as time of
        /// this run, since it is what the round costs.
        wall_ms: u64,
    },
    StepStarted {
        round: u32,
        step: Phase,
        /// Number of the fold, from 0; 0 where there are none.
        #[serde(default)]
        part: u32,
        /// How many folds there are; 0 where there are none.
        #[serde(default)]
        n_parts: u32,
        /// What an earlier attempt has done of it.
        #[serde(default)]
        n_before: u64,
        /// Optimizer steps, or pairs, to do.
        n_total: u64,
    },
    /// How far the step is; at most a few a second.
    Progressed {
        round: u32,
        step: Phase,
        #[serde(default)]
        part: u32,
        n_done: u64,
        n_total: u64,
        /// Tokens handled since the step began in this attempt.
        n_tokens: u64,
        /// Milliseconds of work since the step began in this attempt, without the time for which a
        /// person held the run.
        elapsed_ms: u64,
    },
    /// One optimizer step was taken.
    TrainStepTaken {
        round: u32,
        /// Which epoch, from 0.
        epoch: u32,
        /// Step within the round, from 1.
        step: u64,
        /// Steps since the beginning of the run.
        global_step: u64,
        /// Mean loss of the batch.
        loss: f32,
        /// Gradient norm before clipping.
        gradient_norm: f32,
        learning_rate: f32,
        /// Share of the batch ranked correctly before the update.
        accuracy: f32,
    },
    /// A round's training ended.
    RoundTrained {
        round: u32,
        /// Pairs trained on, after vetoes.
        n_train_pairs: u64,
        n_steps: u64,
        n_tokens: u64,
        /// How long it took in this attempt.
        elapsed_ms: u64,
        /// SHA-256 of the weights.
        weights_digest: String,
        /// Human labels among the pairs, beside the seed set.
        #[serde(default)]
        n_human_labels: u64,
    },
    /// The oracle answered for pairs of a review queue with their held-back labels
    /// (`review.oracle`).
    OracleAnswered {
        /// The first round that trains on the answers.
        round: u32,
        /// Which pairs it was asked about.
        queue: OracleQueue,
        /// What it said, in the order it was asked.
        answers: Vec<OracleAnswer>,
        /// How many answers were made wrong (`review.oracle_error`).
        n_wrong: u64,
    },
    /// A policy answered prompts of the pool, and pairs of its answers joined it.
    PairsGenerated {
        generation: Generation,
        pairs: Vec<GeneratedPair>,
    },
    /// The pool was scored.
    PoolScored {
        /// Which round will train on it.
        round: u32,
        n_pairs: u64,
        n_tokens: u64,
        /// How long it took.
        elapsed_ms: u64,
    },
    /// Each fold model scored the seed pairs that it had not been trained on.
    CrossFitted {
        n_folds: u32,
        n_pairs: u64,
        /// Seed pairs that the fold models rank as people did.
        n_correct: u64,
        /// How long it took in this attempt.
        elapsed_ms: u64,
    },
    SelectionMade {
        round: u32,
        summary: SelectionSummary,
        /// Every scored pair with its decision; kept as columns.
        #[serde(skip)]
        pairs: Vec<ScoredPair>,
    },
    /// A split was evaluated.
    Evaluated {
        round: u32,
        split: Split,
        evaluation: Evaluation,
        /// Every pair's margin; kept as columns.
        #[serde(skip)]
        margins: Vec<PairMargin>,
    },
    /// A round is complete.
    RoundFinished {
        round: u32,
        /// Wall time of the round in this attempt.
        wall_ms: u64,
        /// Tokens trained, scored and evaluated in the round, in this attempt.
        n_tokens: u64,
    },
    /// A checkpoint is whole on disk.
    CheckpointSaved {
        /// Folder name under `checkpoints/`.
        name: String,
        /// Round it belongs to.
        round: u32,
        /// Optimizer steps since the beginning of the run.
        global_step: u64,
        n_bytes: u64,
        /// SHA-256 of its manifest.
        digest: String,
    },
    /// Verdicts of people took effect, up to and including the row `last_verdict_id`.
    VerdictsRead {
        round: u32,
        /// Optimizer step from which they hold.
        global_step: u64,
        /// The last verdict row read.
        last_verdict_id: i64,
        /// Pairs vetoed in all.
        n_vetoed: u64,
        /// Pairs whose label people called right, in all.
        #[serde(default)]
        n_kept: u64,
        /// Pairs whose label people turned around, in all.
        #[serde(default)]
        n_flipped: u64,
    },
    /// A request took effect.
    RequestRead {
        request_id: i64,
        kind: RequestKind,
    },
    /// The run pauses between two steps.
    Paused {
        /// The reason of the pause: `requested` or `review`.
        reason: String,
    },
    Resumed,
    /// A round was undone: the run goes on with the weights of an earlier round.
    RolledBack {
        /// The round that is undone.
        from: u32,
        /// The round whose weights the run has again.
        to: u32,
    },
    /// The policy answered the prompts of a step.
    RolloutsSampled {
        step: u32,
        prompts: Vec<RolloutPrompt>,
    },
    /// The policy learned from the answers of a step.
    PolicyStepTaken {
        step: u32,
        metrics: Metrics,
        /// How long it took in this attempt, sampling included.
        elapsed_ms: u64,
    },
    /// The policy answered the held-out prompts, and the answers were judged.
    PolicyEvaluated {
        /// Steps that had been taken.
        step: u32,
        evaluation: PolicyEvaluation,
        prompts: Vec<RolloutPrompt>,
    },
    /// What taking the best of n answers would bring, before any step was taken.
    BestOfMeasured {
        curve: Vec<Point>,
    },
    /// A known sign of trouble was seen.
    SignSeen {
        step: u32,
        seen: Seen,
    },
    /// The weights of an earlier evaluation were taken again.
    PolicyRestored {
        from: u32,
        to: u32,
    },
    /// The policy was compared with its reference.
    PolicyJudged {
        verdict: PolicyVerdict,
    },
    /// People's decisions on rollouts took effect, up to and including the row `last_id`.
    RolloutVetoesRead {
        /// The step from which they hold.
        step: u32,
        last_id: i64,
        /// Prompts and answers that are vetoed in all.
        n_vetoed: u64,
    },
    /// Something the person should know.
    Warned {
        message: String,
    },
    /// It ended on request; a checkpoint holds its state.
    RunStopped,
    /// It ended by itself.
    RunFinished {
        reason: StopReason,
    },
    /// It ended by an error.
    RunFailed {
        message: String,
        hint: Option<String>,
        /// The kind of failure, where it has a name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<StopReason>,
    },
}

impl RunEvent {
    /// The run's status after this event, where it changes it.
    #[must_use]
    pub fn status(&self) -> Option<RunStatus> {
        match self {
            Self::RunStarted { .. } | Self::Resumed => Some(RunStatus::Running),
            Self::Paused { .. } => Some(RunStatus::Paused),
            Self::RunStopped => Some(RunStatus::Stopped),
            Self::RunFinished { .. } => Some(RunStatus::Finished),
            Self::RunFailed { .. } => Some(RunStatus::Failed),
            _ => None,
        }
    }

    /// Whether a viewer should see it at once rather than with the next batch.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.status().is_some()
            || matches!(
                self,
                Self::SelectionMade { .. }
                    | Self::Evaluated { .. }
                    | Self::RoundFinished { .. }
                    | Self::CheckpointSaved { .. }
                    | Self::RequestRead { .. }
                    | Self::RolledBack { .. }
                    | Self::VerdictsRead { .. }
                    | Self::RoundReused { .. }
                    | Self::OracleAnswered { .. }
                    | Self::PairsGenerated { .. }
                    | Self::Warned { .. }
                    | Self::PolicyStepTaken { .. }
                    | Self::PolicyEvaluated { .. }
                    | Self::BestOfMeasured { .. }
                    | Self::SignSeen { .. }
                    | Self::PolicyRestored { .. }
                    | Self::PolicyJudged { .. }
                    | Self::RolloutVetoesRead { .. }
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_round_trip_through_json() {
        let event = RunEvent::RunFinished { reason: StopReason::RoundLimit };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"event":"run_finished","reason":"round_limit"}"#);
        assert_eq!(serde_json::from_str::<RunEvent>(&text).unwrap(), event);
    }

    #[test]
    fn state_changes_are_urgent() {
        assert!(RunEvent::Resumed.is_urgent());
        assert_eq!(RunEvent::RunStopped.status(), Some(RunStatus::Stopped));
        let point = RunEvent::Warned { message: "x".into() };
        assert_eq!(point.status(), None);
    }
}
