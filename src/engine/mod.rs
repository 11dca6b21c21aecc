//! The reward model: text in, rewards out, and the training that changes it.
//!
//! Everything outside this module talks to traits: [`RewardModel`], and [`CausalLm`] for language models
//! ([`text_model`] asks one in texts). Nothing outside knows tensors, candle or kernels. [`open`](mod@open)
//! chooses who stands behind the traits: `cpu` (explicit forward and backward passes over flat
//! buffers), `candle` (the same models on GPUs, and the oracle of the tests) or [`mock`] (a
//! deterministic stand-in for process tests).

use std::path::Path;

use crate::domain::preference::{PreferencePair, Side};
use crate::domain::spec::{ChatTemplateRecord, Loss};
use crate::domain::text::conversation::TextForm;

mod candle;
pub mod config;
mod cpu;
mod dropout_site;
mod error;
pub mod export;
pub mod files;
#[cfg(test)]
mod fixture;
pub mod generation;
mod implementation;
mod language_model;
mod low_rank;
pub mod measure;
pub mod memory;
pub mod mock;
mod model_tensor;
pub mod open;
pub mod planning;
pub mod policy;
pub mod pretrain;
pub mod schedule;
pub mod score;
pub mod scoring;
mod settings;
pub mod text;
pub mod text_model;

pub use crate::domain::pseudo_label::Claim;
pub use error::EngineError;
pub use files::peft::{AdapterError, missing_base};
pub use language_model::{CausalLm, NoLikelihood};
pub use model_tensor::{ModelTensor, Values};
pub use open::open;
pub use policy::AnswersTo;
pub use settings::{Backbone, CacheSettings, OpenSettings};

/// The texts of one pair. `prompt` followed directly by a response is the whole text.
#[derive(Debug, Clone, Copy)]
pub struct PairText<'a> {
    /// How a chat template reads the texts; the first answer is `response_a`.
    pub form: &'a TextForm,
    /// Everything before the answer.
    pub prompt: &'a str,
    pub response_a: &'a str,
    pub response_b: &'a str,
}

impl<'a> PairText<'a> {
    /// A pair with its preferred answer first. The order gives the label away, so this is for callers
    /// that know the label anyway, such as evaluations and measurements.
    #[must_use]
    pub fn preferred_first(pair: &'a PreferencePair) -> Self {
        Self {
            form: &pair.form,
            prompt: &pair.prompt,
            response_a: &pair.chosen,
            response_b: &pair.rejected,
        }
    }
}

/// One text that a chat template has written, special tokens included, cut in two where its answer
/// begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenText<'a> {
    /// Everything before the answer; empty where nobody knows where that begins.
    pub prompt: &'a str,
    pub answer: &'a str,
}

/// Token ids of both whole texts of a pair, after truncation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedPair {
    /// Prompt and `response_a`, special tokens included.
    pub tokens_a: Vec<u32>,
    /// Prompt and `response_b`, special tokens included.
    pub tokens_b: Vec<u32>,
    /// How many leading tokens are equal and may be computed once (causal models only; else 0).
    /// Always leaves each side at least one token of its own.
    pub n_shared: usize,
    /// Where the second segment (token type 1) starts on each side (encoders only; else 0).
    pub answer_start: [usize; 2],
    /// Prompt tokens cut from the front so that the longer side fits.
    pub n_prompt_tokens_cut: usize,
    /// Answer tokens cut from the end because an answer alone exceeds the limit, both sides summed.
    pub n_answer_tokens_cut: usize,
}

impl EncodedPair {
    /// Tokens a pass over both sides touches when the shared prefix is computed once.
    #[must_use]
    pub fn n_packed_tokens(&self) -> usize {
        self.tokens_a.len() + self.tokens_b.len() - self.n_shared
    }

    /// Tokens of both sides counted separately, the figure other trainers report.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.tokens_a.len() + self.tokens_b.len()
    }

    /// Whether anything was cut.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.n_prompt_tokens_cut + self.n_answer_tokens_cut > 0
    }
}

/// One example of a training batch.
#[derive(Debug, Clone, Copy)]
pub struct LabeledPair<'a> {
    pub pair: &'a EncodedPair,
    /// Which side is preferred.
    pub preferred: Side,
    pub claim: Claim,
}

impl<'a> LabeledPair<'a> {
    /// A label that is certain.
    #[must_use]
    pub fn certain(pair: &'a EncodedPair, preferred: Side) -> Self {
        Self { pair, preferred, claim: Claim::Certain }
    }
}

/// Everything one optimizer step needs besides the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepSettings {
    pub loss: Loss,
    /// Learning rate of this step (the schedule is the caller's).
    pub learning_rate: f32,
    /// Decoupled weight decay; not applied to biases, norms and embeddings.
    pub weight_decay: f32,
    /// Global gradient norm above which gradients are scaled down; 0 turns clipping off.
    pub clip_norm: f32,
    /// Dropout probability on embeddings and block outputs; 0 turns it off.
    pub dropout: f32,
    /// Key of this step's dropout masks (a pure function of run, round and step).
    pub dropout_key: u64,
}

/// What one optimizer step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Mean loss of the batch, before the update.
    pub loss: f32,
    /// Global gradient norm before clipping.
    pub gradient_norm: f32,
    /// Pairs of the batch ranked correctly before the update.
    pub n_correct: u32,
    /// Tokens of the batch ([`EncodedPair::n_tokens`]).
    pub n_tokens: u64,
}

/// What a loaded model is, for tables and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// Such as `llama`, `bert` or `mock`.
    pub family: String,
    /// Trainable parameters, reward head included.
    pub n_parameters: u64,
    /// Longest sequence the run will feed.
    pub max_tokens: usize,
    /// `f32`
    pub precision: String,
    /// Such as `cpu, 2 threads`.
    pub device: String,
    /// The chat template that turns a conversation into one text; `None` where prompt and answer
    /// are joined as they stand.
    pub chat_template: Option<ChatTemplateRecord>,
}

/// What every model that is trained has, whatever it is trained for.
pub trait Trainable: Send {
    /// What this model is.
    fn info(&self) -> &ModelInfo;

    /// Forgets the optimizer's moments and step count (each round starts with a fresh optimizer).
    fn reset_optimizer(&mut self);

    /// Writes weights and optimizer state as files into `dir`, which exists.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn save(&self, dir: &Path) -> Result<(), EngineError>;

    /// Restores exactly what [`Trainable::save`] wrote.
    ///
    /// # Errors
    /// When a file is missing, damaged or belongs to another model.
    fn load(&mut self, dir: &Path) -> Result<(), EngineError>;

    /// SHA-256 over all weights in a fixed order, in hex. It is computed once after each change.
    fn weights_digest(&self) -> String;

    /// Every tensor of the model, low-rank updates beside their matrices; empty for a model without
    /// such files.
    ///
    /// # Errors
    /// When the device does not give its values.
    fn tensors(&self) -> Result<Vec<ModelTensor<'_>>, EngineError>;
}

/// A model with a scalar reward head.
///
/// `train_step` either applies the whole update or, on an error (a non-finite loss or gradient
/// among them), changes nothing.
pub trait RewardModel: Trainable {
    /// Token ids of many pairs, in order, truncated to `max_tokens`.
    ///
    /// # Errors
    /// When the tokenizer refuses a text.
    fn encode(&self, pairs: &[PairText<'_>]) -> Result<Vec<EncodedPair>, EngineError>;

    /// Token ids of texts that are written already, each on both sides of a pair, as
    /// [`text::tokenize::PairTokenizer::encode_written`] reads them.
    ///
    /// # Errors
    /// When the tokenizer refuses a text.
    fn encode_written(&self, texts: &[WrittenText<'_>]) -> Result<Vec<EncodedPair>, EngineError>;

    /// One optimizer step on a batch.
    ///
    /// # Errors
    /// [`EngineError::NonFinite`] when the loss or a gradient is not finite; nothing is changed.
    fn train_step(
        &mut self,
        batch: &[LabeledPair<'_>],
        settings: &StepSettings,
    ) -> Result<StepReport, EngineError>;

    /// Rewards `[a, b]` of each pair, in order. The rewards of a pair do not depend on the other
    /// pairs of the call.
    ///
    /// # Errors
    /// [`EngineError::NonFinite`] when a reward is not finite.
    fn score(&mut self, pairs: &[&EncodedPair]) -> Result<Vec<[f32; 2]>, EngineError>;

    /// Goes back to the weights the model was opened with, and to a fresh optimizer.
    ///
    /// # Errors
    /// When the files it was opened from cannot be read any more.
    fn restart(&mut self) -> Result<(), EngineError>;
}
