//! What an export writes, and how others read it.

use crate::engine::config::ModelConfig;

/// The weights' file name.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// How another program has to write a prompt and an answer so that the model reads them as here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputForm {
    /// As one text: prompt, answer and, at the end, this token, at which the reward is read.
    Whole {
        /// None where the model has none.
        end: Option<String>,
    },
    /// Prompt and answer as the two texts of one input.
    Two,
}

/// What an export wrote to its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The class of transformers that loads it.
    pub class: &'static str,
    /// How it reads a prompt and an answer.
    pub text: InputForm,
    /// The token that fills batches; `None` when the vocabulary has none to spare.
    pub padding: Option<String>,
    pub n_parameters: u64,
    /// Longest sequence it was trained with, in tokens.
    pub max_tokens: usize,
}

/// How a model of this shape reads a prompt and an answer.
pub(super) fn input_form(config: &ModelConfig, end: Option<String>) -> InputForm {
    if config.is_causal() { InputForm::Whole { end } } else { InputForm::Two }
}
