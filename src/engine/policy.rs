//! A language model whose answers are trained on: log-probabilities of answers, and steps on any
//! function of them.
//!
//! An objective (PPO, RLOO, DPO, …) is a function from the log-probabilities of the answers' tokens to
//! a loss and to its derivative by each of them, its *slopes*. So the model knows nothing of
//! objectives, and objectives know nothing of models.

use std::ops::Range;

use super::generation::{GenerationSettings, Listener};
use super::{EngineError, StepSettings, Trainable};

/// A prompt and answers to it, as token ids. The prompt is computed once for all its answers.
#[derive(Debug, Clone)]
pub struct AnswersTo<'a> {
    /// Everything before an answer, special tokens included; not empty.
    pub prompt: &'a [u32],
    /// Each with its end token, where it has one.
    pub answers: Vec<&'a [u32]>,
}

impl AnswersTo<'_> {
    /// Tokens that are computed: those of the prompt once, and those of every answer.
    #[must_use]
    pub fn n_packed_tokens(&self) -> usize {
        self.prompt.len() + self.answers.iter().map(|answer| answer.len()).sum::<usize>()
    }
}

/// Whose log-probabilities are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The policy as it is trained.
    Policy,
    /// The policy before this training, which a penalty keeps it close to.
    Reference,
}

/// What a model says of the tokens of one answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AnswerScores {
    /// Log-probability of each token after everything before it, at temperature 1, in nats.
    pub log_probs: Vec<f32>,
    /// Entropy of the distribution that each token was drawn from, in nats.
    pub entropies: Vec<f32>,
    /// What the value head expects before each token.
    pub values: Vec<f32>,
}

/// The derivatives of a loss by what a model says of one answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AnswerSlopes {
    /// By each log-probability.
    pub log_probs: Vec<f32>,
    /// By each value; empty where the objective has no value head.
    pub values: Vec<f32>,
}

/// From the numbers of some answers, counted over all prompts of the step, and what the policy says
/// of them now, to their part of the loss and their slopes. The answers to one prompt come together.
pub type SlopesOf<'a> =
    &'a mut (dyn FnMut(Range<usize>, &[AnswerScores]) -> (f64, Vec<AnswerSlopes>) + Send);

/// What one step did.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyStepReport {
    /// The loss before the update.
    pub loss: f32,
    /// Global gradient norm before clipping.
    pub gradient_norm: f32,
    /// Tokens of prompts (each once) and answers.
    pub n_tokens: u64,
}

/// A decoder whose answers are trained on. Its checkpoints hold the reference, too.
///
/// A step either applies the whole update or, on an error, changes nothing.
pub trait Policy: Trainable {
    /// What the policy or its reference says of each answer, in order over all prompts. The scores of
    /// an answer do not depend on the other prompts of the call.
    ///
    /// # Errors
    /// [`EngineError::BadAnswers`] for an empty prompt or a token outside the vocabulary;
    /// [`EngineError::NonFinite`].
    fn scores(
        &mut self,
        prompts: &[AnswersTo<'_>],
        speaker: Speaker,
    ) -> Result<Vec<AnswerScores>, EngineError>;

    /// One optimizer step on the loss whose slopes `slopes_of` gives. `settings.loss` is not read.
    ///
    /// # Errors
    /// As [`Policy::scores`]; nothing is changed.
    fn train_step(
        &mut self,
        prompts: &[AnswersTo<'_>],
        slopes_of: SlopesOf<'_>,
        settings: &StepSettings,
    ) -> Result<PolicyStepReport, EngineError>;

    /// Answers prompts, each a sequence of at least one token, with the policy as it is, and tells
    /// `listener` of every token and every answer.
    ///
    /// # Errors
    /// As [`super::CausalLm::generate`].
    fn generate(
        &mut self,
        prompts: &[&[u32]],
        settings: &GenerationSettings,
        listener: &mut dyn Listener,
    ) -> Result<(), EngineError>;

    /// Makes the policy as it is now the reference.
    fn set_reference(&mut self);
}
