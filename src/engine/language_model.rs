//! Models of text behind the reward model: how likely a pretrained model finds an answer, training one
//! on next tokens, and answering prompts.

use super::config::ModelConfig;
use super::files::layout::{Layout, Part};
use super::files::weights::ModelFiles;
use super::generation::{GenerationSettings, Listener};
use super::model_tensor::ModelTensor;
use super::{EncodedPair, EngineError, OpenSettings, StepReport, StepSettings};

/// A causal language model.
pub trait CausalLm: Send {
    /// Mean log-probability, in nats a token, of what each side of a pair does not share with the
    /// other, given what stands before it. Length does not count: a sum would prefer the shorter.
    ///
    /// # Errors
    /// When the device refuses.
    fn answer_log_likelihoods(
        &mut self,
        pairs: &[&EncodedPair],
    ) -> Result<Vec<[f32; 2]>, EngineError>;

    /// One optimizer step on the mean cross-entropy of the tokens of `sequences` that follow another;
    /// sequences of fewer than two tokens are skipped. `settings.loss` is not read. The report counts
    /// the tokens that were predicted right in `n_correct`.
    ///
    /// # Errors
    /// [`EngineError::NonFinite`]; nothing is changed.
    fn next_token_step(
        &mut self,
        sequences: &[Vec<u32>],
        settings: &StepSettings,
    ) -> Result<StepReport, EngineError>;

    /// Continues prompts, each a sequence of at least one token, and tells `listener` of every token and
    /// every answer. An answer depends on its prompt, its numbers and the settings that say so alone.
    ///
    /// # Errors
    /// Before anything is computed when a prompt has no room for an answer, a token is unknown or a
    /// setting makes no sense; [`EngineError::NonFinite`] when a logit is not finite.
    fn generate(
        &mut self,
        prompts: &[&[u32]],
        settings: &GenerationSettings,
        listener: &mut dyn Listener,
    ) -> Result<(), EngineError>;

    /// Every tensor of the model, in the order of its files.
    ///
    /// # Errors
    /// When the device does not give its values.
    fn tensors(&self) -> Result<Vec<ModelTensor<'_>>, EngineError>;
}

/// The reason why a backbone gives no likelihoods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLikelihood {
    /// The stand-in of the process tests has no language model.
    Mock,
    /// An encoder reads both ways and predicts no next token.
    Encoder,
    /// The output head is not the embedding table and not among the tensors either, as in the export of a
    /// reward model.
    NoOutputHead,
}

impl NoLikelihood {
    /// The reason why these files are no language model; `None` where they are one.
    #[must_use]
    pub fn of(files: &ModelFiles) -> Option<Self> {
        if matches!(files.config, ModelConfig::Encoder(_)) {
            return Some(Self::Encoder);
        }
        let layout = Layout::of(&files.config);
        let head = layout.weight(None, Part::LanguageHead)?;
        (!files.weights.contains(&head.name)).then_some(Self::NoOutputHead)
    }
}

impl std::fmt::Display for NoLikelihood {
    /// Writes the reason as the end of a sentence that begins with the backbone's name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mock => "is the stand-in of tests, which has no language model",
            Self::Encoder => "is an encoder, which predicts no next token",
            Self::NoOutputHead => {
                "has no output head: `lm_head.weight` is not among its tensors, and \
                 `tie_word_embeddings` is not `true`"
            }
        })
    }
}

/// The files of a backbone that gives likelihoods, or the reason why it does not.
pub(super) fn language_files(
    settings: &OpenSettings,
) -> Result<Result<ModelFiles, NoLikelihood>, EngineError> {
    let files = ModelFiles::open_as(settings)?;
    if let Some(reason) = NoLikelihood::of(&files) {
        return Ok(Err(reason));
    }
    files.check_language_head()?;
    Ok(Ok(files))
}

/// The mean log-likelihood, in nats a token, over the tokens of each side that the other does not
/// share, `[a, b]` for each pair. `losses` holds one cross-entropy for each token of each side, in
/// order, a before b: that of the token after it.
pub(super) fn answer_means(pairs: &[&EncodedPair], losses: &[f32]) -> Vec<[f32; 2]> {
    let mut rest = losses;
    let mut mean = |tokens: &[u32], n_shared: usize| {
        let (own, after) = rest.split_at(tokens.len());
        rest = after;
        // The loss in the row before a token belongs to that token; the first token has none.
        let end = tokens.len().saturating_sub(1);
        let answer = &own[n_shared.max(1).min(end.max(1)) - 1..end];
        -answer.iter().sum::<f32>() / answer.len().max(1) as f32
    };
    let of_pair = |pair: &&EncodedPair| {
        let a = mean(&pair.tokens_a, pair.n_shared);
        [a, mean(&pair.tokens_b, pair.n_shared)]
    };
    pairs.iter().map(of_pair).collect()
}

/// The sequences that have something to predict.
pub(super) fn usable(sequences: &[Vec<u32>]) -> Vec<&[u32]> {
    sequences.iter().map(Vec::as_slice).filter(|it| it.len() > 1).collect()
}
