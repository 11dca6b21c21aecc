//! What an export writes, and how others read it.

use crate::engine::config::ModelConfig;
use crate::engine::files::layout::Part;

/// The weights' file name.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// What an export is for, which decides its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// One number for a text.
    Reward,
    /// The next token. The value head of a policy is for its training alone.
    Language,
}

impl Task {
    /// Whether an export for this task has the part.
    pub(super) fn has(self, part: Part) -> bool {
        match self {
            Self::Reward => part != Part::LanguageHead,
            Self::Language => !part.is_head(),
        }
    }

    /// The value of PEFT's `task_type`.
    pub(super) fn peft_name(self) -> &'static str {
        match self {
            Self::Reward => "SEQ_CLS",
            Self::Language => "CAUSAL_LM",
        }
    }
}

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
