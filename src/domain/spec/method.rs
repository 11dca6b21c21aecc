//! `[selection]` and `[rounds]`: the parts of a self-training method, each with a switch of its own.
//!
//! A stored spec says everything. A key that did not exist when a spec was stored gets the value
//! that does what the program did then (`serde(default)`), so an old run keeps its meaning.

use serde::{Deserialize, Serialize};

use super::{Amount, SpecError, check};
use crate::domain::teacher::second_view::View;

/// The constant that is subtracted from the rewards before they become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RewardOffset {
    /// The mean reward of the scored pool. Bradley-Terry leaves rewards free up to a constant, so
    /// without this the thresholds test the drift of the head.
    PoolMean,
    /// Nothing, as the published script does.
    None,
}

/// Which pairs keep their pseudo-label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleName {
    /// The paper's learning status: one test at a time, gated by how many pairs pass it.
    #[default]
    LearningStatus,
    /// The published script: the tests of both statuses at once, without a gate.
    EitherTest,
    /// One threshold on the probability of the pair (SSRM, He et al. 2024).
    Confidence,
    /// The most confident share of the pool.
    TopShare,
    /// The largest share of the pool whose error, bounded on held-out human pairs, stays small.
    Risk,
    /// Everything: the naive control.
    All,
}

impl RuleName {
    /// Whether the rule compares the probability of an answer with `high_threshold` and
    /// `low_threshold`; any other leaves them unread.
    #[must_use]
    pub fn has_two_thresholds(self) -> bool {
        matches!(self, Self::LearningStatus | Self::EitherTest)
    }
}

/// How a margin becomes the probability of a pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationName {
    /// `sigmoid(margin)`.
    #[default]
    None,
    /// `sigmoid(margin / T)`, `T` fitted on held-out human pairs before each selection.
    Temperature,
}

/// Who labels the pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeacherName {
    /// The model of round 0.
    #[default]
    Model,
    /// In round 1 the mean reward of that model and of the fold models; in each later round the
    /// teacher before, joined by the present model where held-out human pairs show that it adds
    /// something (compare temporal ensembling, Laine and Aila 2017). The loop ends when neither it nor
    /// a person has anything new to teach.
    Ensemble,
}

/// What is asked beside the reward model when the pool is labeled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondView {
    #[default]
    None,
    /// How likely the pretrained backbone finds each answer, where it is a language model.
    Likelihood,
    /// Length, words, punctuation and layout of each answer, weighed by a model of the seed set.
    Surface,
    Both,
}

impl SecondView {
    /// Whether this view is asked.
    #[must_use]
    pub const fn asks(self, view: View) -> bool {
        match view {
            View::Likelihood => matches!(self, Self::Likelihood | Self::Both),
            View::Surface => matches!(self, Self::Surface | Self::Both),
        }
    }
}

/// The table `[selection]`: who labels the pool, and which labels are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelectionSpec {
    #[serde(default)]
    pub rule: RuleName,
    /// What `confidence` asks of the larger of `p` and `1 - p`.
    #[serde(default = "default_confidence_threshold")]
    pub confidence_threshold: f64,
    /// What `top_share` takes of the pool.
    #[serde(default = "default_top_share")]
    pub top_share: f64,
    /// Whether pairs whose longer answer is preferred, and the others, are strata of their own.
    #[serde(default)]
    pub longer_strata: bool,
    /// The error rate that `risk` allows among its labels.
    #[serde(default = "default_max_error")]
    pub max_error: f64,
    /// The probability with which `risk` has to show that the error rate is that low.
    #[serde(default = "default_certainty")]
    pub certainty: f64,
    /// How margins become probabilities.
    #[serde(default)]
    pub calibration: CalibrationName,
    /// The number of fold models. Each is trained on the seed set without one fold, so that every
    /// seed pair is scored by a model that was not trained on it. With 0 or 1 only the validation
    /// pairs are held out.
    #[serde(default)]
    pub calibration_folds: u32,
    /// Whether the weights of the fold models stay, for a policy that is not to be rewarded where they
    /// disagree.
    #[serde(default)]
    pub keep_fold_models: bool,
    /// Who labels the pool.
    #[serde(default)]
    pub teacher: TeacherName,
    /// What is asked beside the teacher.
    #[serde(default)]
    pub second_view: SecondView,
    /// Whether a round judges pairs again that earlier rounds selected.
    #[serde(default)]
    pub relabel: bool,
    /// Status 1: one answer's probability has to be above this.
    pub high_threshold: f64,
    /// Status 1: the other answer's probability has to be below this.
    pub low_threshold: f64,
    /// Status 2: the two probabilities have to differ by more than this.
    pub delta_threshold: f64,
    /// A status holds while at least so many pool pairs pass its test (a count, or a share of the
    /// pool).
    pub min_selected: Amount,
    /// The constant that is subtracted from the rewards before they become probabilities.
    pub reward_offset: RewardOffset,
}

/// 80 %, as SSRM.
fn default_confidence_threshold() -> f64 {
    0.8
}

fn default_top_share() -> f64 {
    0.3
}

fn default_max_error() -> f64 {
    0.1
}

fn default_certainty() -> f64 {
    0.9
}

impl SelectionSpec {
    /// Whether fold models are trained.
    #[must_use]
    pub fn cross_fits(&self) -> bool {
        self.calibration_folds >= 2
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first value out of its range, by key.
    pub fn validate(&self) -> Result<(), SpecError> {
        let (high, low, delta) = (self.high_threshold, self.low_threshold, self.delta_threshold);
        let inside = |value: f64| value > 0.0 && value < 1.0;
        check("selection.high_threshold", high, inside(high), "above 0 and below 1")?;
        let low_is_fine = inside(low) && low <= high;
        check("selection.low_threshold", low, low_is_fine, "above 0 and at most `high_threshold`")?;
        check("selection.delta_threshold", delta, inside(delta), "above 0 and below 1")?;
        let confidence = self.confidence_threshold;
        let confidence_is_fine = (0.5..1.0).contains(&confidence);
        let expected = "from 0.5 to below 1";
        check("selection.confidence_threshold", confidence, confidence_is_fine, expected)?;
        let share = self.top_share;
        let share_is_fine = share > 0.0 && share <= 1.0;
        check("selection.top_share", share, share_is_fine, "a share above 0 and at most 1")?;
        let error = self.max_error;
        check("selection.max_error", error, error > 0.0 && error < 0.5, "above 0 and below 0.5")?;
        let certainty = self.certainty;
        check("selection.certainty", certainty, inside(certainty), "above 0 and below 1")?;
        let folds = self.calibration_folds;
        check("selection.calibration_folds", folds, folds <= 20, "at most 20")?;
        let keep_is_fine = !self.keep_fold_models || self.cross_fits();
        let expected = "false without fold models: set `selection.calibration_folds`";
        check("selection.keep_fold_models", self.keep_fold_models, keep_is_fine, expected)?;
        let teacher_is_fine = self.teacher == TeacherName::Model || self.cross_fits();
        let expected = "possible without fold models: set `selection.calibration_folds`";
        let teacher = match self.teacher {
            TeacherName::Model => "model",
            TeacherName::Ensemble => "ensemble",
        };
        check("selection.teacher", teacher, teacher_is_fine, expected)?;
        let view_is_fine = self.second_view == SecondView::None || self.cross_fits();
        let view = match self.second_view {
            SecondView::None => "none",
            SecondView::Likelihood => "likelihood",
            SecondView::Surface => "surface",
            SecondView::Both => "both",
        };
        check("selection.second_view", view, view_is_fine, expected)?;
        if let Amount::Share(value) = self.min_selected {
            let is_fine = (0.0..=1.0).contains(&value);
            check("selection.min_selected", value, is_fine, "a share from 0 to 1, or a count")?;
        }
        Ok(())
    }
}

/// Whose labels the pool gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolLabels {
    /// The model's own: Self-Evolved Reward learning.
    Pseudo,
    /// The human ones, all of them in round 0: the full-labels control.
    Human,
}

/// What a round's training starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartFrom {
    /// The weights of the round before (the paper's curves continue, so it warm-starts).
    PreviousRound,
    Pretrained,
}

/// Which rounds' pseudo-labels a round trains on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accumulation {
    /// Its own and those of the round before: `D^n ∪ D^(n-1)` (SER, section 3).
    #[default]
    LastTwo,
    /// The round trains on its own alone.
    Latest,
}

/// What a pseudo-label claims when it is trained on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PseudoTargets {
    /// The preferred answer is better.
    #[default]
    Hard,
    /// It is better with probability `q`, its calibrated confidence.
    Soft,
}

/// What a significant drop on the validation pairs leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropAction {
    #[default]
    Ignore,
    /// The loop ends after the round.
    Stop,
    /// It ends, and the run goes back to the weights of the round before.
    Rollback,
}

/// Which rounds' weights stay on disk beside the newest checkpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepWeights {
    /// Those of the round with the best validation accuracy so far.
    #[default]
    Best,
    /// Those of every round.
    All,
    /// Those of no other round.
    Newest,
}

/// The table `[rounds]`: how often, and what a round trains on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundsSpec {
    /// Rounds after round 0; 0 trains on the seed set only.
    pub max: u32,
    /// Whose labels the pool gets.
    pub pool_labels: PoolLabels,
    /// Whether every round also trains on the seed set.
    pub include_seed_set: bool,
    /// Which rounds' pseudo-labels it trains on.
    #[serde(default)]
    pub accumulate: Accumulation,
    /// What a round starts from.
    pub start_from: StartFrom,
    /// Whether round 0 may come from another run that trained the very same one.
    #[serde(default = "yes")]
    pub reuse_round_0: bool,
    /// Significance level of the test that the seed model ranks held-out human pairs better than
    /// chance. A model that fails the test labels no pool; 0 skips the test.
    #[serde(default)]
    pub chance_level: f64,
    /// Significance level of the paired test for a drop on the validation pairs.
    #[serde(default = "default_level")]
    pub drop_level: f64,
    /// What the run does after a significant drop.
    #[serde(default)]
    pub on_drop: DropAction,
    /// Largest share of the selected labels that may prefer the longer answer, or the shorter one; 1
    /// allows all.
    #[serde(default = "all")]
    pub one_sided_max: f64,
    /// Which rounds' weights stay on disk beside the newest checkpoints.
    #[serde(default)]
    pub keep_weights: KeepWeights,
}

fn default_level() -> f64 {
    0.05
}

fn yes() -> bool {
    true
}

fn all() -> f64 {
    1.0
}

impl RoundsSpec {
    /// Checks every range.
    ///
    /// # Errors
    /// The first value out of its range, by key.
    pub fn validate(&self) -> Result<(), SpecError> {
        check("rounds.max", self.max, self.max <= 100, "at most 100")?;
        for (key, level) in
            [("rounds.chance_level", self.chance_level), ("rounds.drop_level", self.drop_level)]
        {
            check(key, level, (0.0..0.5).contains(&level), "from 0 to below 0.5")?;
        }
        let one_sided = self.one_sided_max;
        let is_fine = (0.5..=1.0).contains(&one_sided);
        check("rounds.one_sided_max", one_sided, is_fine, "from 0.5 to 1")
    }
}
