//! Self-Evolved Reward learning as a state machine: what happened goes in, what to do comes out.
//!
//! ```text
//! round 0:   Train → Evaluate validation → Evaluate test
//! round n:   Score → Select → (Review) → Train → Evaluate validation → Evaluate test
//! end:       Finish
//! ```
//!
//! The loop holds no scores, weights or texts, only which pseudo-labels each round selected, so
//! its whole state fits a checkpoint and the whole algorithm can be tested as a table.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::learning_status::LearningStatus;
use super::metrics::Split;
use super::preference::{LabelSource, PairId, TrainingLabel};
use super::pseudo_label::PseudoLabel;
use super::run::StopReason;
use super::selection::Selection;
use super::spec::{Accumulation, ExperimentSpec, PoolLabels, ReviewMode};
use super::verdict::{Verdict, VerdictSet};

/// What the loop wants done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// Train on [`SerLoop::training_labels`].
    Train {
        /// Which round.
        round: u32,
    },
    /// Score a labelled split.
    Evaluate {
        /// Which round.
        round: u32,
        /// Which split.
        split: Split,
    },
    /// Score the whole unlabelled pool with the model of the round before.
    Score {
        /// The round that will train on what is selected.
        round: u32,
    },
    /// Choose pseudo-labels from those scores.
    Select {
        /// Which round.
        round: u32,
    },
    /// Wait until a person releases the selection.
    Review {
        /// Which round.
        round: u32,
    },
    /// Nothing more to do.
    Finish {
        /// Why.
        reason: StopReason,
    },
}

impl Step {
    /// The name in tables and JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Train { .. } => "train",
            Self::Evaluate { split: Split::Validation, .. } => "validate",
            Self::Evaluate { split: Split::Test, .. } => "test",
            Self::Score { .. } => "score",
            Self::Select { .. } => "select",
            Self::Review { .. } => "review",
            Self::Finish { .. } => "finish",
        }
    }
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The round's training set was trained on.
    Trained,
    /// A split was evaluated.
    Evaluated,
    /// The pool was scored.
    Scored,
    /// Pseudo-labels were chosen.
    Selected {
        /// Which filter applied.
        learning_status: LearningStatus,
        /// What it kept.
        labels: Vec<PseudoLabel>,
    },
    /// The person released the selection.
    Released,
}

impl From<&Selection> for Outcome {
    fn from(selection: &Selection) -> Self {
        Self::Selected {
            learning_status: selection.learning_status,
            labels: selection.labels.clone(),
        }
    }
}

/// An outcome that does not answer the pending step: a bug in the caller, or a damaged checkpoint.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the loop waits for the outcome of `{expected}`, not for {outcome}")]
pub struct UnexpectedOutcome {
    /// The pending step.
    pub expected: &'static str,
    /// What was reported.
    pub outcome: String,
}

/// The few parts of a spec that steer the loop.
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
}

impl From<&ExperimentSpec> for LoopRule {
    fn from(spec: &ExperimentSpec) -> Self {
        Self {
            rounds_max: spec.rounds.max,
            pool_labels: spec.rounds.pool_labels,
            include_seed_set: spec.rounds.include_seed_set,
            accumulate: spec.rounds.accumulate,
            review: spec.review.mode,
        }
    }
}

/// The loop's state; serialised whole into every checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerLoop {
    rule: LoopRule,
    pending: Step,
    learning_status: Option<LearningStatus>,
    selected: BTreeMap<u32, Vec<PseudoLabel>>,
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
        }
    }

    /// The step to execute now.
    #[must_use]
    pub fn pending(&self) -> Step {
        self.pending
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
            (Step::Evaluate { round, split: Split::Validation }, Outcome::Evaluated) => {
                Step::Evaluate { round, split: Split::Test }
            }
            (Step::Evaluate { round, split: Split::Test }, Outcome::Evaluated) => {
                let is_control = self.rule.pool_labels == PoolLabels::Human;
                if is_control || round >= self.rule.rounds_max {
                    Step::Finish { reason: StopReason::RoundLimit }
                } else {
                    Step::Score { round: round + 1 }
                }
            }
            (Step::Score { round }, Outcome::Scored) => Step::Select { round },
            (Step::Select { round }, Outcome::Selected { learning_status, labels }) => {
                self.learning_status = Some(learning_status);
                if learning_status == LearningStatus::Stop {
                    Step::Finish { reason: StopReason::SelectionExhausted }
                } else {
                    self.selected.insert(round, labels);
                    match self.rule.review {
                        ReviewMode::Gate => Step::Review { round },
                        ReviewMode::Live => Step::Train { round },
                    }
                }
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
            Accumulation::All => 0,
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
mod tests {
    use super::super::preference::Side;
    use super::*;

    fn rule(rounds_max: u32) -> LoopRule {
        LoopRule {
            rounds_max,
            pool_labels: PoolLabels::Pseudo,
            include_seed_set: false,
            accumulate: Accumulation::LastTwo,
            review: ReviewMode::Live,
        }
    }

    fn pseudo(pair: u32) -> PseudoLabel {
        PseudoLabel { pair: PairId(pair), preferred: Side::A, confidence: 0.9 }
    }

    fn selected(learning_status: LearningStatus, pairs: &[u32]) -> Outcome {
        let labels = pairs.iter().copied().map(pseudo).collect();
        Outcome::Selected { learning_status, labels }
    }

    fn human(pair: u32) -> TrainingLabel {
        TrainingLabel { pair: PairId(pair), preferred: Side::B, source: LabelSource::Human }
    }

    /// Feeds outcomes until the loop ends; returns the names of the steps it asked for.
    fn drive(mut ser: SerLoop, selections: &[(LearningStatus, &[u32])]) -> (Vec<String>, SerLoop) {
        let mut names = Vec::new();
        let mut selections = selections.iter();
        loop {
            let step = ser.pending();
            names.push(match step {
                Step::Train { round } => format!("train {round}"),
                Step::Evaluate { .. } => "evaluate".to_owned(),
                Step::Score { round } => format!("score {round}"),
                Step::Select { .. } => "select".to_owned(),
                Step::Review { .. } => "review".to_owned(),
                Step::Finish { reason } => reason.name().to_owned(),
            });
            let outcome = match step {
                Step::Train { .. } => Outcome::Trained,
                Step::Evaluate { .. } => Outcome::Evaluated,
                Step::Score { .. } => Outcome::Scored,
                Step::Select { .. } => {
                    let (status, pairs) = selections.next().unwrap();
                    selected(*status, pairs)
                }
                Step::Review { .. } => Outcome::Released,
                Step::Finish { .. } => return (names, ser),
            };
            ser.on(outcome).unwrap();
        }
    }

    #[test]
    fn the_whole_loop_in_order() {
        let status = LearningStatus::Status1;
        let (names, ser) = drive(SerLoop::new(rule(2)), &[(status, &[1, 2]), (status, &[3])]);
        assert_eq!(
            names.join(" "),
            "train 0 evaluate evaluate score 1 select train 1 evaluate evaluate \
             score 2 select train 2 evaluate evaluate round_limit"
        );
        let pairs = |round| -> Vec<u32> {
            ser.training_labels(round, &[human(9)], &[]).iter().map(|l| l.pair.0).collect()
        };
        assert_eq!(pairs(0), [9]);
        assert_eq!(pairs(1), [1, 2]);
        assert_eq!(pairs(2), [1, 2, 3]); // D^1 ∪ D^2
        assert_eq!(ser.already_selected().len(), 3);
    }

    #[test]
    fn only_the_two_latest_selections_are_trained_on() {
        let status = LearningStatus::Status1;
        let selections: [(_, &[u32]); 3] = [(status, &[1]), (status, &[2]), (status, &[3])];
        let (_, ser) = drive(SerLoop::new(rule(3)), &selections);
        let pairs: Vec<u32> = ser.training_labels(3, &[], &[]).iter().map(|l| l.pair.0).collect();
        assert_eq!(pairs, [2, 3]);
    }

    #[test]
    fn a_round_trains_on_what_the_rule_accumulates_and_the_newest_label_holds() {
        let status = LearningStatus::Ungated;
        let selections: [(_, &[u32]); 3] = [(status, &[1, 4]), (status, &[2, 4]), (status, &[3])];
        for (accumulate, expected) in [
            (Accumulation::Latest, vec![(3, 3)]),
            (Accumulation::LastTwo, vec![(2, 2), (4, 2), (3, 3)]),
            (Accumulation::All, vec![(1, 1), (2, 2), (4, 2), (3, 3)]),
        ] {
            let rule = LoopRule { accumulate, ..rule(3) };
            let (_, ser) = drive(SerLoop::new(rule), &selections);
            let labels = ser.training_labels(3, &[], &[]);
            let found: Vec<(u32, u32)> = labels
                .iter()
                .filter_map(|label| match label.source {
                    LabelSource::Pseudo { round } => Some((label.pair.0, round)),
                    LabelSource::Human => None,
                })
                .collect();
            assert_eq!(found, expected, "{accumulate:?}");
        }
    }

    #[test]
    fn exhaustion_stops_before_training() {
        let (names, _) = drive(SerLoop::new(rule(3)), &[(LearningStatus::Stop, &[])]);
        assert!(names.join(" ").ends_with("score 1 select selection_exhausted"), "{names:?}");
    }

    #[test]
    fn controls_and_the_gate() {
        let seed_only = drive(SerLoop::new(rule(0)), &[]).0;
        assert_eq!(seed_only.join(" "), "train 0 evaluate evaluate round_limit");
        let full = LoopRule { pool_labels: PoolLabels::Human, ..rule(3) };
        let (names, ser) = drive(SerLoop::new(full), &[]);
        assert_eq!(names.join(" "), "train 0 evaluate evaluate round_limit");
        assert_eq!(ser.training_labels(0, &[human(1)], &[human(2)]).len(), 2);
        let gated = LoopRule { review: ReviewMode::Gate, ..rule(1) };
        let (names, _) = drive(SerLoop::new(gated), &[(LearningStatus::Status1, &[1])]);
        assert!(names.join(" ").contains("select review train 1"), "{names:?}");
    }

    #[test]
    fn a_wrong_outcome_changes_nothing() {
        let mut ser = SerLoop::new(rule(1));
        let before = ser.clone();
        assert!(ser.on(Outcome::Scored).is_err());
        assert_eq!(ser, before);
    }

    #[test]
    fn verdicts_touch_pseudo_labels_only() {
        let mut verdicts = VerdictSet::default();
        verdicts.record(PairId(1), Verdict::Veto);
        verdicts.record(PairId(2), Verdict::Flip);
        let label = |pair, source| TrainingLabel { pair: PairId(pair), preferred: Side::A, source };
        let pseudo = LabelSource::Pseudo { round: 1 };
        assert_eq!(apply_verdict(label(1, pseudo), &verdicts), None);
        assert_eq!(apply_verdict(label(2, pseudo), &verdicts).unwrap().preferred, Side::B);
        assert_eq!(apply_verdict(label(3, pseudo), &verdicts).unwrap().preferred, Side::A);
        assert!(apply_verdict(label(1, LabelSource::Human), &verdicts).is_some());
    }

    #[test]
    fn state_survives_serialisation() {
        let (_, ser) = drive(SerLoop::new(rule(1)), &[(LearningStatus::Status2, &[5])]);
        let text = serde_json::to_string(&ser).unwrap();
        assert_eq!(serde_json::from_str::<SerLoop>(&text).unwrap(), ser);
    }
}
