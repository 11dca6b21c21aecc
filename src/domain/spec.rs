//! The complete, validated description of a run.
//!
//! The names are the keys of a spec file and of `--set`. There is no `Option` and no hidden
//! default: a stored spec says everything, so a result can be run again.

use serde::{Deserialize, Serialize};

pub use super::model_spec::{
    Device, LoraSpec, LoraTarget, ModelSpec, Precision, TrunkCacheSpec, TuningName,
};

/// A share of something when written with a fraction (`0.15`), a count when written as a whole
/// number (`300`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// A count.
    Count(u64),
    /// A share between 0 and 1.
    Share(f64),
}

impl Amount {
    /// The count this means out of `total`.
    #[must_use]
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Share(share) => (share * total as f64).round() as usize,
        }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(share) => write!(f, "{share}"),
        }
    }
}

/// One path or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sources {
    /// One.
    One(String),
    /// Several, read one after the other as one data set.
    Many(Vec<String>),
}

impl Sources {
    /// All of them, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(source) => std::slice::from_ref(source),
            Self::Many(sources) => sources,
        }
    }
}

impl std::fmt::Display for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.as_slice().join(", "))
    }
}

/// A whole experiment spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// The name of the recipe, for tables.
    pub arm: String,
    /// Every random choice is a function of this number.
    pub rng_seed: u64,
    /// Which model.
    pub model: ModelSpec,
    /// Which pairs.
    pub data: DataSpec,
    /// How it is trained.
    pub train: TrainSpec,
    /// Which pseudo-labels are kept.
    pub selection: SelectionSpec,
    /// How often.
    pub rounds: RoundsSpec,
    /// When a person looks.
    pub review: ReviewSpec,
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// `embedded`, a path, or a list of paths.
    pub source: Sources,
    /// `auto`, or a format name.
    pub format: String,
    /// A source of test pairs, or `split` to split `test_share` off by group.
    pub test: String,
    /// Share of the pairs used for testing when `test` is `split`.
    pub test_share: f64,
    /// `prompt`, or the column whose values never stand on both sides of a split.
    pub group: String,
    /// Human labels of the seed set, as a share of the training part or a count.
    pub seed_labels: Amount,
    /// Share of the seed set held back as validation.
    pub validation_share: f64,
    /// Read at most this many pairs; 0 reads all.
    pub limit: u64,
}

/// Which loss trains the reward model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossName {
    /// `-log sigmoid(margin)`, what the published code trains with.
    BradleyTerry,
    /// `max(0, hinge_margin - margin)`, equation 5 of the paper.
    Hinge,
}

/// How the learning rate moves after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleName {
    /// Down to 0 in a straight line.
    Linear,
    /// Down to 0 along half a cosine.
    Cosine,
    /// Not at all.
    Constant,
}

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// Which loss.
    pub loss: LossName,
    /// Target margin of the hinge loss.
    pub hinge_margin: f32,
    /// Passes over the training set in each round.
    pub epochs: u32,
    /// Pairs of one optimiser step.
    pub batch_pairs: u32,
    /// Peak learning rate.
    pub learning_rate: f32,
    /// How it moves.
    pub schedule: ScheduleName,
    /// Share of a round's steps spent warming up.
    pub warmup_share: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Global gradient norm above which gradients are scaled down; 0 is off.
    pub clip_norm: f32,
    /// Dropout probability; 0 is off.
    pub dropout: f32,
    /// Number format of the operands of matrix products.
    pub precision: Precision,
    /// Tokens computed at a time; bounds memory, changes no result but rounding. 0: as many as are
    /// fast.
    #[serde(default)]
    pub micro_batch_tokens: u32,
    /// Optimiser steps between two checkpoints.
    pub checkpoint_steps: u32,
    /// `none`, or whose optimiser steps round 0 takes at least as many as: `longest` or an arm's name,
    /// among the runs of the same experiment and `rng_seed`.
    #[serde(default = "none")]
    pub match_steps: String,
}

/// The word for nothing.
fn none() -> String {
    NONE.to_owned()
}

/// What `train.match_steps` says when the epochs alone decide.
pub const NONE: &str = "none";
/// What `train.match_steps` says for the run with the most optimiser steps.
pub const LONGEST: &str = "longest";

/// Which constant is taken off the rewards before they become probabilities.
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
    /// Everything: the naive control.
    All,
}

/// `[selection]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelectionSpec {
    /// Which rule.
    #[serde(default)]
    pub rule: RuleName,
    /// What `confidence` asks of the larger of `p` and `1 - p`.
    #[serde(default = "default_confidence_threshold")]
    pub confidence_threshold: f64,
    /// Whether a round judges pairs again that earlier rounds selected.
    #[serde(default)]
    pub relabel: bool,
    /// Status 1 asks one answer's probability to be above this …
    pub high_threshold: f64,
    /// … and the other's below this.
    pub low_threshold: f64,
    /// Status 2 asks the two probabilities to differ by more than this.
    pub delta_threshold: f64,
    /// A status holds while at least so many pool pairs pass its test (a count, or a share of the
    /// pool).
    pub min_selected: Amount,
    /// What is taken off the rewards first.
    pub reward_offset: RewardOffset,
}

/// 80 %, as SSRM.
fn default_confidence_threshold() -> f64 {
    0.8
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
    /// The pretrained weights.
    Pretrained,
}

/// Which rounds' pseudo-labels a round trains on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accumulation {
    /// Its own and those of the round before: `D^n ∪ D^(n-1)` (SER, section 3).
    #[default]
    LastTwo,
    /// Its own.
    Latest,
    /// All so far.
    All,
}

/// `[rounds]`
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
}

fn yes() -> bool {
    true
}

/// When the person's verdicts come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewMode {
    /// Any time; the worker reads them between steps.
    Live,
    /// The run also pauses after each selection until it is resumed.
    Gate,
}

/// `[review]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewSpec {
    /// When.
    pub mode: ReviewMode,
    /// Seconds after which a gate opens by itself; 0 waits for ever.
    // Runs stored before there was a timeout waited for ever.
    #[serde(default)]
    pub timeout: u64,
    /// Which pairs the held-back labels answer for in place of a person.
    #[serde(default)]
    pub oracle: OracleQueue,
    /// Pairs it answers for after each selection.
    #[serde(default)]
    pub oracle_labels: u32,
    /// Share of its answers that are wrong.
    #[serde(default)]
    pub oracle_error: f64,
}

/// Which pairs the oracle is asked about: a reviewer who is always there, so that what review is
/// worth can be measured without one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OracleQueue {
    /// There is no oracle.
    #[default]
    None,
    /// The head of the teach queue.
    Teach,
    /// A random sample of the pool.
    Random,
    /// The head of the audit queue, a random sample of the selected pairs.
    Audit,
}

/// A value outside its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{key}` is {value}, which is not {expected}")]
pub struct SpecError {
    /// The dotted key.
    pub key: &'static str,
    /// The value given.
    pub value: String,
    /// What would be accepted.
    pub expected: &'static str,
}

impl ExperimentSpec {
    /// Checks every range.
    ///
    /// # Errors
    /// The first value out of its range, by key.
    pub fn validate(&self) -> Result<(), SpecError> {
        let share = "a share above 0 and below 1";
        let is_fine = match self.data.seed_labels {
            Amount::Share(value) => value > 0.0 && value <= 1.0,
            Amount::Count(value) => value >= 2,
        };
        let expected = "a share above 0 (1.0 is every pair), or a count of at least 2";
        check("data.seed_labels", self.data.seed_labels, is_fine, expected)?;
        let data = &self.data;
        let inside = |value: f64| value > 0.0 && value < 1.0;
        check(
            "data.validation_share",
            data.validation_share,
            inside(data.validation_share),
            share,
        )?;
        check("data.test_share", data.test_share, inside(data.test_share), share)?;
        self.model.validate()?;
        self.validate_train()?;
        self.validate_selection()?;
        let error = self.review.oracle_error;
        check("review.oracle_error", error, (0.0..=1.0).contains(&error), "from 0 to 1")
    }

    fn validate_train(&self) -> Result<(), SpecError> {
        let train = &self.train;
        let rate = train.learning_rate;
        check("train.learning_rate", rate, rate > 0.0 && rate <= 1.0, "above 0 and at most 1")?;
        check("train.epochs", train.epochs, (1..=1000).contains(&train.epochs), "from 1 to 1000")?;
        let batch_is_fine = (1..=4096).contains(&train.batch_pairs);
        check("train.batch_pairs", train.batch_pairs, batch_is_fine, "from 1 to 4096")?;
        let warmup = train.warmup_share;
        check("train.warmup_share", warmup, (0.0..1.0).contains(&warmup), "from 0 to below 1")?;
        let dropout = train.dropout;
        check("train.dropout", dropout, (0.0..1.0).contains(&dropout), "from 0 to below 1")?;
        let decay = train.weight_decay;
        check("train.weight_decay", decay, (0.0..=1.0).contains(&decay), "from 0 to 1")?;
        let clip = train.clip_norm;
        check("train.clip_norm", clip, clip.is_finite() && clip >= 0.0, "0 or more")?;
        let hinge = train.hinge_margin;
        check("train.hinge_margin", hinge, hinge.is_finite() && hinge > 0.0, "above 0")?;
        let micro = train.micro_batch_tokens;
        let micro_is_fine = micro == 0 || (16..=1 << 24).contains(&micro);
        check("train.micro_batch_tokens", micro, micro_is_fine, "0, or at least 16")?;
        let checkpoint = train.checkpoint_steps;
        check("train.checkpoint_steps", checkpoint, checkpoint >= 1, "at least 1")
    }

    fn validate_selection(&self) -> Result<(), SpecError> {
        let rule = &self.selection;
        let (high, low, delta) = (rule.high_threshold, rule.low_threshold, rule.delta_threshold);
        let inside = |value: f64| value > 0.0 && value < 1.0;
        check("selection.high_threshold", high, inside(high), "above 0 and below 1")?;
        let low_is_fine = inside(low) && low <= high;
        check("selection.low_threshold", low, low_is_fine, "above 0 and at most `high_threshold`")?;
        check("selection.delta_threshold", delta, inside(delta), "above 0 and below 1")?;
        let confidence = rule.confidence_threshold;
        let confidence_is_fine = (0.5..1.0).contains(&confidence);
        let expected = "from 0.5 to below 1";
        check("selection.confidence_threshold", confidence, confidence_is_fine, expected)?;
        if let Amount::Share(value) = rule.min_selected {
            let is_fine = (0.0..=1.0).contains(&value);
            check("selection.min_selected", value, is_fine, "a share from 0 to 1, or a count")?;
        }
        check("rounds.max", self.rounds.max, self.rounds.max <= 100, "at most 100")
    }
}

pub(super) fn check(
    key: &'static str,
    value: impl std::fmt::Display,
    is_fine: bool,
    expected: &'static str,
) -> Result<(), SpecError> {
    if is_fine { Ok(()) } else { Err(SpecError { key, value: format!("{value}"), expected }) }
}
