//! `[model]` of a spec: which model, which of its parameters are trained, and where.

use serde::{Deserialize, Serialize};

use super::{SpecError, check};

/// The table `[model]`: which model is trained, and which of its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// `embedded`, `mock`, or a directory with `config.json`, `model.safetensors`,
    /// `tokenizer.json`.
    pub backbone: String,
    /// Which parameters are trained.
    pub tuning: TuningName,
    /// How many blocks `top_layers` trains.
    #[serde(default = "default_top_layers")]
    pub top_layers: u32,
    /// What `lora` adds.
    #[serde(default)]
    pub lora: LoraSpec,
    /// How frozen parameters are kept in memory.
    #[serde(default)]
    pub frozen_precision: Precision,
    /// How much of what the frozen blocks compute is cached.
    #[serde(default)]
    pub trunk_cache: TrunkCacheSpec,
    /// Where the model computes.
    #[serde(default)]
    pub device: Device,
    /// Longest sequence; longer prompts lose their oldest tokens.
    pub max_tokens: u32,
    /// How a conversation is written as one text: `auto` (the model's own template, `plain` where it
    /// has none), one of [`CHAT_TEMPLATES`], or a file.
    // Runs stored before there were templates read prompt and answer as they stand.
    #[serde(default = "plain")]
    pub chat_template: String,
}

/// The chat templates that have a name.
pub const CHAT_TEMPLATES: [&str; 9] =
    ["auto", "plain", "hh", "question-answer", "alpaca", "chatml", "llama-2", "llama-3", "zephyr"];

fn plain() -> String {
    "plain".to_owned()
}

/// The chat template that a model read with, as its run keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatTemplateRecord {
    /// `own`, a name of [`CHAT_TEMPLATES`], or a path.
    pub name: String,
    /// SHA-256 of the text, in hex.
    pub digest: String,
    /// The template, in Jinja.
    pub text: String,
}

fn default_top_layers() -> u32 {
    2
}

/// `[model.trunk_cache]`: with `top_layers` or `head`, what the frozen blocks compute for a pair is
/// kept for later epochs, rounds and runs. Changes no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkCacheSpec {
    /// In memory, in MiB; 0 keeps nothing there.
    pub memory_mib: u32,
    /// On disk, in MiB, for all models together; 0 writes nothing.
    pub disk_mib: u32,
}

impl Default for TrunkCacheSpec {
    fn default() -> Self {
        Self { memory_mib: 1024, disk_mib: 8192 }
    }
}

/// Which parameters are trained. The reward head always is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TuningName {
    #[default]
    Full,
    /// Low-rank updates of some matrices (Hu et al. 2022).
    Lora,
    TopLayers,
    /// The reward head alone.
    Head,
}

/// Which parameters are trained, with the settings of that choice; the reward head (with the pooler
/// of an encoder) always is.
#[derive(Debug, Clone, PartialEq)]
pub enum Tuning {
    Full,
    /// Low-rank updates beside frozen matrices.
    Lora(LoraSpec),
    /// The last so many blocks, and the last norm.
    TopLayers(usize),
    /// The reward head alone.
    Head,
}

impl Tuning {
    /// Whether whole layers at the bottom never change, so that what they compute can be kept.
    #[must_use]
    pub fn freezes_layers(&self) -> bool {
        matches!(self, Self::TopLayers(_) | Self::Head)
    }
}

impl ModelSpec {
    /// The tuning that the keys `tuning`, `lora` and `top_layers` describe together.
    #[must_use]
    pub fn tuning(&self) -> Tuning {
        match self.tuning {
            TuningName::Full => Tuning::Full,
            TuningName::Lora => Tuning::Lora(self.lora.clone()),
            TuningName::TopLayers => Tuning::TopLayers(self.top_layers as usize),
            TuningName::Head => Tuning::Head,
        }
    }
}

/// `[model.lora]`: `y += (alpha / rank) B A dropout(x)` beside a frozen matrix (Hu et al. 2022; names
/// and scaling as PEFT).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraSpec {
    /// Rows of `A`.
    pub rank: u32,
    /// The update is scaled by `alpha / rank`.
    pub alpha: f32,
    /// Dropout probability on the input of `A`; 0 is off.
    pub dropout: f32,
    /// Which matrices of each block get one.
    pub targets: Vec<LoraTarget>,
}

impl Default for LoraSpec {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 16.0,
            dropout: 0.0,
            targets: vec![LoraTarget::Query, LoraTarget::Value],
        }
    }
}

/// A matrix of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoraTarget {
    Query,
    Key,
    Value,
    Output,
    /// Gate of the feed-forward block (decoders).
    Gate,
    /// The widening matrix of the feed-forward block.
    Up,
    /// The narrowing matrix of the feed-forward block.
    Down,
}

/// Number format of a matrix product's operands, or of stored parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Precision {
    /// Floats of 32 bits.
    #[default]
    F32,
    /// 16-bit brain floats; sums are kept in 32 bits.
    Bf16,
}

impl Precision {
    /// As a spec writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Where a model computes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// The processor, with this program's own kernels.
    #[default]
    Cpu,
    /// The processor, through candle: slow, an independent second implementation.
    CandleCpu,
    /// The first NVIDIA GPU (needs a build with the feature `cuda`).
    Cuda,
    /// The GPU of a Mac (needs a build with the feature `metal`).
    Metal,
}

impl Device {
    /// The part of the machine whose slots a run on this device takes, as the table `[slots]` of
    /// `config.toml` names it.
    #[must_use]
    pub fn slots_name(self) -> &'static str {
        match self {
            Self::Cpu | Self::CandleCpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

impl ModelSpec {
    /// Checks every range of the table.
    ///
    /// # Errors
    /// The first value out of its range, by key.
    pub fn validate(&self) -> Result<(), SpecError> {
        check("model.max_tokens", self.max_tokens, self.max_tokens >= 8, "at least 8")?;
        check("model.top_layers", self.top_layers, self.top_layers >= 1, "at least 1")?;
        let lora = &self.lora;
        let rank_is_fine = (1..=1024).contains(&lora.rank);
        check("model.lora.rank", lora.rank, rank_is_fine, "from 1 to 1024")?;
        let alpha_is_fine = lora.alpha.is_finite() && lora.alpha > 0.0;
        check("model.lora.alpha", lora.alpha, alpha_is_fine, "above 0")?;
        let dropout_is_fine = (0.0..1.0).contains(&lora.dropout);
        check("model.lora.dropout", lora.dropout, dropout_is_fine, "from 0 to below 1")?;
        let n_targets = lora.targets.len();
        check("model.lora.targets", "[]", n_targets > 0, "a list of at least one matrix")
    }
}
