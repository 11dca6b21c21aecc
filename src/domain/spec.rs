//! The complete, validated description of a run.
//!
//! The names are the keys of a spec file and of `--set`. There is no hidden default: a stored spec says
//! everything, so a result can be run again.

pub mod data;
pub mod method;
pub mod model;
pub mod pool;

use serde::{Deserialize, Serialize};

use super::policy::settings::PolicySpec;
use super::review::Queue;
use super::run::RunKind;

pub use data::{ColumnsSpec, FIRST_IS_BETTER, Names, SourcePart, Sources, unescape};
pub use method::{
    Accumulation, CalibrationName, DropAction, KeepWeights, PoolLabels, PseudoTargets,
    RewardOffset, RoundsSpec, RuleName, SecondView, SelectionSpec, StartFrom, TeacherName,
};
pub use model::{
    CHAT_TEMPLATES, ChatTemplateRecord, Device, LoraSpec, LoraTarget, ModelSpec, Precision,
    TrunkCacheSpec, Tuning, TuningName,
};
pub use pool::{PoolSource, PoolSpec};

/// Pairs in the teach queue: more than a person reviews between two rounds.
pub const N_TEACH: usize = 1000;

/// A share of something when written with a fraction (`0.15`), a count when written as a whole
/// number (`300`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
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

/// The mark behind the name of a recipe that was changed.
const CHANGED: char = '*';

/// What an arm is called that follows a recipe but for some keys.
#[must_use]
pub fn changed_arm(recipe: &str) -> String {
    format!("{recipe}{CHANGED}")
}

/// The recipe that an arm is named after, changed or not.
#[must_use]
pub fn recipe_of_arm(arm: &str) -> &str {
    arm.strip_suffix(CHANGED).unwrap_or(arm)
}

/// A whole experiment spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// What the run does.
    #[serde(default, skip_serializing_if = "RunKind::is_default")]
    pub kind: RunKind,
    /// The name of the recipe, for tables; of a changed one with a mark (`ser*`).
    pub arm: String,
    /// Every random choice is a function of this number.
    pub rng_seed: u64,
    pub model: ModelSpec,
    pub data: DataSpec,
    /// Whether a policy adds pairs to the unlabeled pool.
    // Runs stored before there were such pairs had none.
    #[serde(default)]
    pub pool: PoolSpec,
    /// How it is trained.
    pub train: TrainSpec,
    /// Which pseudo-labels are kept.
    pub selection: SelectionSpec,
    pub rounds: RoundsSpec,
    /// When a person, or the oracle in their place, is asked.
    pub review: ReviewSpec,
    /// What the policy is trained for; there in runs of the kind `policy`, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Box<PolicySpec>>,
}

/// The table `[data]`: which pairs there are, and how they are divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// `embedded`, a path, or a list of paths or of parts with weights.
    pub source: Sources,
    /// `auto`, or a format name.
    pub format: String,
    /// Most pairs that are made of one record of several answers; 0 makes all.
    // Before this key no format gave more than one.
    #[serde(default = "self::data::default_pairs_per_record")]
    pub pairs_per_record: u32,
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
    /// Which columns hold a pair, for layouts that are not known by name.
    #[serde(default)]
    pub columns: ColumnsSpec,
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

/// A pairwise loss on a margin `d = reward(preferred) - reward(other)`, with the settings of that
/// loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// `-log sigmoid(d)` (Bradley and Terry 1952).
    BradleyTerry,
    /// `max(0, target_margin - d)` (SER, equation 5).
    Hinge {
        /// The margin from which on the loss of a pair is 0.
        target_margin: f32,
    },
}

impl TrainSpec {
    /// The loss that the keys `loss` and `hinge_margin` describe together.
    #[must_use]
    pub fn loss(&self) -> Loss {
        match self.loss {
            LossName::BradleyTerry => Loss::BradleyTerry,
            LossName::Hinge => Loss::Hinge { target_margin: self.hinge_margin },
        }
    }
}

/// How the learning rate moves after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleName {
    /// Down to 0 in a straight line.
    Linear,
    /// Down to 0 along half a cosine.
    Cosine,
    Constant,
}

/// The table `[train]`: how the reward model is trained in each round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    pub loss: LossName,
    /// Target margin of the hinge loss.
    pub hinge_margin: f32,
    /// What a pseudo-label claims.
    #[serde(default)]
    pub pseudo_targets: PseudoTargets,
    /// Passes over the training set in each round.
    pub epochs: u32,
    /// Optimizer steps of each round in place of `epochs`; 0 goes by `epochs`.
    #[serde(default)]
    pub steps: u32,
    /// Pairs of one optimizer step.
    pub batch_pairs: u32,
    /// Peak learning rate.
    pub learning_rate: f32,
    pub schedule: ScheduleName,
    /// Share of a round's steps spent warming up.
    pub warmup_share: f32,
    pub weight_decay: f32,
    /// Global gradient norm above which gradients are scaled down; 0 is off.
    pub clip_norm: f32,
    /// Dropout probability; 0 is off.
    pub dropout: f32,
    /// Number format of the operands of matrix products.
    pub precision: Precision,
    /// Tokens of a micro-batch: they bound memory, and change results only by rounding. 0 takes as
    /// many as are fast.
    #[serde(default)]
    pub micro_batch_tokens: u32,
    /// Optimizer steps between two checkpoints.
    pub checkpoint_steps: u32,
    /// `none`, or the run whose total of optimizer steps round 0 takes at least: `longest`, or an
    /// arm's name, among the runs of the same experiment and `rng_seed`.
    #[serde(default = "none")]
    pub match_steps: String,
}

/// The default of `train.match_steps`.
fn none() -> String {
    NONE.to_owned()
}

/// What `train.match_steps` says when the epochs alone decide.
pub const NONE: &str = "none";
/// What `train.match_steps` says for the run with the most optimizer steps.
pub const LONGEST: &str = "longest";

/// How a run waits for the verdicts of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewMode {
    /// Any time; the worker reads them between steps.
    Live,
    /// The run also pauses after each selection until it is resumed.
    Gate,
}

/// The table `[review]`: when a person, or the oracle in their place, is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewSpec {
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
#[derive(strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
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

impl OracleQueue {
    /// The name in tables and in a spec.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The review queue whose pairs it answers for; `None` for a sample of the pool, which is no
    /// queue.
    #[must_use]
    pub fn shown(self) -> Option<Queue> {
        match self {
            Self::Teach => Some(Queue::Teach),
            Self::Audit => Some(Queue::Audit),
            Self::None | Self::Random => None,
        }
    }
}

/// A value outside its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", self.sentence(""))]
pub struct SpecError {
    pub key: &'static str,
    /// The value; empty where there is none.
    pub value: String,
    /// What would be accepted; of a value that is missing, who needs it.
    pub expected: &'static str,
}

impl SpecError {
    /// What is wrong, with the place of the value in words (` in …`, or nothing).
    #[must_use]
    pub fn sentence(&self, place: &str) -> String {
        let Self { key, value, expected } = self;
        if value.is_empty() {
            return format!("`{key}` is empty{place}, but {expected}");
        }
        format!("`{key}` is {value}{place}, which is not {expected}")
    }
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
        data.source.validate()?;
        data.columns.validate()?;
        self.validate_pool()?;
        self.model.validate()?;
        self.validate_train()?;
        self.selection.validate()?;
        self.rounds.validate()?;
        let labels = self.review.oracle_labels;
        let most = N_TEACH as u32;
        check("review.oracle_labels", labels, labels <= most, "from 0 to 1000")?;
        let error = self.review.oracle_error;
        check("review.oracle_error", error, (0.0..=1.0).contains(&error), "from 0 to 1")?;
        self.validate_kind()
    }

    /// Rounds after round 0 at most; of a policy run its steps.
    #[must_use]
    pub fn rounds_max(&self) -> u32 {
        match &self.policy {
            Some(policy) if policy.objective.trains() => policy.steps,
            Some(_) => 0,
            None => self.rounds.max,
        }
    }

    fn validate_kind(&self) -> Result<(), SpecError> {
        let kind = self.kind.name();
        match (self.kind, &self.policy) {
            (RunKind::Ser, None) => Ok(()),
            (RunKind::Policy, Some(policy)) => policy.validate(),
            (RunKind::Ser, Some(_)) => {
                check("kind", kind, false, "possible with keys of `[policy]`: set it to `policy`")
            }
            (RunKind::Policy, None) => {
                check("kind", kind, false, "possible without `[policy]`: set `policy.objective`")
            }
        }
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
        check("train.checkpoint_steps", checkpoint, checkpoint >= 1, "at least 1")?;
        let steps = train.steps;
        check("train.steps", steps, steps <= 10_000_000, "at most 10000000")
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
