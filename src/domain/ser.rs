//! Self-Evolved Reward learning as a state machine: what happened goes in, what to do comes out.
//!
//! ```text
//! round 0:   Train → Evaluate validation → Evaluate test → (Answer) → (CrossFit)
//! round n:   Score → Select → (Review) → Train → Evaluate validation → Evaluate test → (Answer)
//! end:       Finish
//! ```
//!
//! The loop holds no scores, weights or texts, only which pseudo-labels each round selected, so
//! its whole state fits a checkpoint and the whole algorithm can be tested as a table.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::metrics::Split;
use super::preference::{LabelSource, PairId, TrainingLabel};
use super::pseudo_label::PseudoLabel;
use super::run::StopReason;
use super::selection::learning_status::LearningStatus;
use super::spec::{Accumulation, ExperimentSpec, OracleQueue, PoolLabels, ReviewMode};
use super::told;
use super::verdict::{Verdict, VerdictSet};

/// What the loop wants done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// Train on [`SerLoop::training_labels`].
    Train { round: u32 },
    /// Score a labeled split.
    Evaluate { round: u32, split: Split },
    /// Let a policy answer prompts of the pool, and let pairs of its answers join it.
    Answer {
        /// The first round whose pool they are in.
        round: u32,
    },
    /// Train models on the seed set less one fold each, and judge the folds with them.
    CrossFit {
        /// Round 0.
        round: u32,
    },
    /// Score the whole unlabeled pool with the model of the round before.
    Score {
        /// The round that will train on what is selected.
        round: u32,
    },
    /// Choose pseudo-labels from those scores.
    Select { round: u32 },
    /// Wait until a person releases the selection.
    Review { round: u32 },
    /// Nothing more to do.
    Finish { reason: StopReason },
}

impl Step {
    /// The name in tables and JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Train { .. } => "train",
            Self::Evaluate { split: Split::Validation, .. } => "validate",
            Self::Evaluate { split: Split::Test, .. } => "test",
            Self::Answer { .. } => "answer",
            Self::CrossFit { .. } => "cross_fit",
            Self::Score { .. } => "score",
            Self::Select { .. } => "select",
            Self::Review { .. } => "review",
            Self::Finish { .. } => "finish",
        }
    }
}

impl std::fmt::Display for Step {
    /// The step in words, for logs: `round 1: score pool`, `finished: all rounds done`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finish { reason } => write!(f, "finished: {}", told::stop_reason(*reason)),
            Self::Train { round }
            | Self::Evaluate { round, .. }
            | Self::Answer { round }
            | Self::CrossFit { round }
            | Self::Score { round }
            | Self::Select { round }
            | Self::Review { round } => write!(f, "round {round}: {}", told::phase(self.name())),
        }
    }
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The round's training set was trained on.
    Trained,
    /// A split was evaluated.
    Evaluated {
        /// The reason to end the loop after this round, if a guard found one.
        halt: Option<StopReason>,
    },
    /// The pairs of the policy are in the pool.
    Answered,
    /// The fold models were trained and have judged.
    CrossFitted { halt: Option<StopReason> },
    /// The pool was scored.
    Scored,
    Selected {
        learning_status: LearningStatus,
        labels: Vec<PseudoLabel>,
        /// The reason not to train on the selection, if a guard found one.
        halt: Option<StopReason>,
    },
    /// The person released the selection.
    Released,
}

/// An outcome that does not answer the pending step: a bug in the caller, or a damaged checkpoint.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the loop waits for the outcome of `{expected}`, not for {outcome}")]
pub struct UnexpectedOutcome {
    pub expected: &'static str,
    pub outcome: String,
}

/// The settings of a spec that steer the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoopRule {
    /// Rounds after round 0.
    pub rounds_max: u32,
    /// Whose labels the pool gets.
    pub pool_labels: PoolLabels,
    /// Whether every round also trains on the seed set.
    pub include_seed_set: bool,
    /// Which rounds' pseudo-labels a round trains on.
    #[serde(default)]
    pub accumulate: Accumulation,
    /// Whether a person releases each selection.
    pub review: ReviewMode,
    /// Whether fold models judge the seed set before the pool is labeled.
    #[serde(default)]
    pub cross_fit: bool,
    /// Whether an oracle adds human labels in every round, so that a round can train even if
    /// nothing is selected.
    #[serde(default)]
    pub has_oracle: bool,
    /// Whether a policy adds pairs to the pool before each labeling.
    #[serde(default)]
    pub asks_policy: bool,
}

impl From<&ExperimentSpec> for LoopRule {
    fn from(spec: &ExperimentSpec) -> Self {
        Self {
            rounds_max: spec.rounds.max,
            pool_labels: spec.rounds.pool_labels,
            include_seed_set: spec.rounds.include_seed_set,
            accumulate: spec.rounds.accumulate,
            review: spec.review.mode,
            cross_fit: spec.selection.cross_fits(),
            has_oracle: spec.review.oracle != OracleQueue::None && spec.review.oracle_labels > 0,
            asks_policy: spec.generates_pairs(),
        }
    }
}

/// The loop's state; serialized whole into every checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerLoop {
    rule: LoopRule,
    pending: Step,
    learning_status: Option<LearningStatus>,
    selected: BTreeMap<u32, Vec<PseudoLabel>>,
    /// Why the loop ends after this round.
    #[serde(default)]
    halt: Option<StopReason>,
    /// The last round whose pairs of the policy are in the pool; 0 before the first.
    #[serde(default)]
    answered: u32,
}

impl SerLoop {
    /// A loop at its beginning.
    #[must_use]
    pub fn new(rule: LoopRule) -> Self {
        Self {
            rule,
            pending: Step::Train { round: 0 },
            learning_status: None,
            selected: BTreeMap::new(),
            halt: None,
            answered: 0,
        }
    }

    /// The step to execute now.
    #[must_use]
    pub fn pending(&self) -> Step {
        self.pending
    }

    /// The last round whose pairs of the policy are in the pool; 0 before the first.
    #[must_use]
    pub fn answered(&self) -> u32 {
        self.answered
    }

    /// The learning status of the latest selection.
    #[must_use]
    pub fn learning_status(&self) -> Option<LearningStatus> {
        self.learning_status
    }

    /// Takes the outcome of the pending step and says what comes next.
    ///
    /// # Errors
    /// When the outcome does not belong to the pending step; the state is unchanged.
    pub fn on(&mut self, outcome: Outcome) -> Result<Step, UnexpectedOutcome> {
        let next = match (self.pending, outcome) {
            (Step::Train { round }, Outcome::Trained) => {
                Step::Evaluate { round, split: Split::Validation }
            }
            (Step::Evaluate { round, split: Split::Validation }, Outcome::Evaluated { halt }) => {
                self.halt = halt;
                Step::Evaluate { round, split: Split::Test }
            }
            (Step::Evaluate { round, split: Split::Test }, Outcome::Evaluated { .. }) => {
                self.after_round(round)
            }
            (Step::Answer { round }, Outcome::Answered) => {
                self.answered = round;
                self.before_labeling(round)
            }
            (Step::CrossFit { round }, Outcome::CrossFitted { halt }) => match halt {
                Some(reason) => Step::Finish { reason },
                None => Step::Score { round: round + 1 },
            },
            (Step::Score { round }, Outcome::Scored) => Step::Select { round },
            (Step::Select { round }, Outcome::Selected { learning_status, labels, halt }) => {
                self.after_selection(round, learning_status, labels, halt)
            }
            (Step::Review { round }, Outcome::Released) => Step::Train { round },
            (pending, outcome) => {
                return Err(UnexpectedOutcome {
                    expected: pending.name(),
                    outcome: format!("{outcome:?}"),
                });
            }
        };
        self.pending = next;
        Ok(next)
    }

    fn after_round(&self, round: u32) -> Step {
        let is_control = self.rule.pool_labels == PoolLabels::Human;
        if let Some(reason) = self.halt {
            Step::Finish { reason }
        } else if is_control || round >= self.rule.rounds_max {
            Step::Finish { reason: StopReason::RoundLimit }
        } else if self.rule.asks_policy {
            Step::Answer { round: round + 1 }
        } else {
            self.before_labeling(round + 1)
        }
    }

    /// What comes before the pool is labeled for a round, once it is complete: the fold models judge the
    /// pool as round 1 has it.
    fn before_labeling(&self, round: u32) -> Step {
        if round == 1 && self.rule.cross_fit {
            Step::CrossFit { round: 0 }
        } else {
            Step::Score { round }
        }
    }

    fn after_selection(
        &mut self,
        round: u32,
        learning_status: LearningStatus,
        labels: Vec<PseudoLabel>,
        halt: Option<StopReason>,
    ) -> Step {
        self.learning_status = Some(learning_status);
        // Without a pseudo-label there are still the labels of the oracle to learn from.
        let halt =
            halt.filter(|reason| *reason != StopReason::Uncertified || !self.rule.has_oracle);
        let is_exhausted = learning_status == LearningStatus::Stop && !self.rule.has_oracle;
        if halt.is_some() || is_exhausted {
            return Step::Finish { reason: halt.unwrap_or(StopReason::SelectionExhausted) };
        }
        self.selected.insert(round, labels);
        match self.rule.review {
            ReviewMode::Gate => Step::Review { round },
            ReviewMode::Live => Step::Train { round },
        }
    }

    /// Every pair an earlier round selected. The published script moves selected pairs out of the
    /// pool file, so a pseudo-label is given once and never revised.
    #[must_use]
    pub fn already_selected(&self) -> BTreeSet<PairId> {
        self.selected.values().flatten().map(|label| label.pair).collect()
    }

    /// What round `round` selected.
    #[must_use]
    pub fn selected_in(&self, round: u32) -> &[PseudoLabel] {
        self.selected.get(&round).map_or(&[], Vec::as_slice)
    }

    /// The training set of a round before verdicts: the seed set in round 0, then the pseudo-labels
    /// of the rounds that the rule accumulates (SER, section 3: `D^n ∪ D^(n-1)`), with the seed set
    /// where it asks for it. Of several labels of one pair the newest holds.
    ///
    /// `seed_set` and `pool` carry human labels; the pool's are read only by the full-labels
    /// control.
    #[must_use]
    pub fn training_labels(
        &self,
        round: u32,
        seed_set: &[TrainingLabel],
        pool: &[TrainingLabel],
    ) -> Vec<TrainingLabel> {
        let mut labels = Vec::new();
        if round == 0 || self.rule.include_seed_set {
            labels.extend_from_slice(seed_set);
        }
        if round == 0 && self.rule.pool_labels == PoolLabels::Human {
            labels.extend_from_slice(pool);
        }
        let first = match self.rule.accumulate {
            Accumulation::Latest => round,
            Accumulation::LastTwo => round.saturating_sub(1),
        };
        let mut newer = BTreeSet::new();
        let mut pseudo_labels = Vec::new();
        for source in (first..=round).rev() {
            let of_round = self.selected_in(source).iter().filter(|it| newer.insert(it.pair));
            let of_round = of_round.map(|label| TrainingLabel {
                pair: label.pair,
                preferred: label.preferred,
                source: LabelSource::Pseudo { round: source },
            });
            pseudo_labels.push(of_round.collect::<Vec<_>>());
        }
        labels.extend(pseudo_labels.into_iter().rev().flatten());
        labels
    }
}

/// Adds to a training set the human labels that were given since the seed set was made; each
/// replaces the pseudo-label of its pair.
#[must_use]
pub fn with_human_labels(
    mut labels: Vec<TrainingLabel>,
    human: &[TrainingLabel],
) -> Vec<TrainingLabel> {
    let pairs: BTreeSet<PairId> = human.iter().map(|label| label.pair).collect();
    labels.retain(|label| label.source == LabelSource::Human || !pairs.contains(&label.pair));
    // Human labels stand first, those of the seed set before the others.
    let n_seed = labels.iter().take_while(|label| label.source == LabelSource::Human).count();
    labels.splice(n_seed..n_seed, human.iter().copied());
    labels
}

/// A training label after the person's verdict: `None` when the pair must not be trained on.
///
/// Human labels are not touched: verdicts are about pseudo-labels.
#[must_use]
pub fn apply_verdict(label: TrainingLabel, verdicts: &VerdictSet) -> Option<TrainingLabel> {
    if label.source == LabelSource::Human {
        return Some(label);
    }
    match verdicts.get(label.pair) {
        Some(Verdict::Veto) => None,
        Some(Verdict::Flip) => Some(TrainingLabel { preferred: label.preferred.other(), ..label }),
        Some(Verdict::Keep | Verdict::Undo) | None => Some(label),
    }
}

#[cfg(test)]
mod tests;
