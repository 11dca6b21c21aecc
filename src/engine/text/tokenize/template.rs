//! Which special tokens stand around the texts of a pair: the rules of every family.
//!
//! * The tokenizer's post-processor decides, as in transformers 5: Llama 3 and Mistral put a
//!   beginning before the text, Qwen and SmolLM2 nothing; BERT and DistilBERT read
//!   `[CLS] prompt [SEP] answer [SEP]`, RoBERTa `<s> prompt </s></s> answer </s>`. Neither
//!   `add_bos_token` of `tokenizer_config.json` nor `bos_token_id` of `config.json` adds to it (Qwen
//!   has one and never feeds it).
//! * A decoder's answer is followed by the end token, as TRL's `RewardTrainer` writes it: `eos_token`
//!   of the tokenizer's files, else of its class, else the first `eos_token_id` of `config.json`. A
//!   text that ends in it already does not get another one; what the post-processor puts after a text
//!   comes after it. Where the reward is read: see [`super::RewardAt`].
//! * The answer's tokens have the token type 1 where the tokenizer's class or `model_input_names` gives
//!   types and the model has a table of them.
//! * There is no padding.

use tokenizers::{Encoding, Tokenizer};

use super::class::{Refusal, TokenizerClass};
use super::guarded::guarded;
use super::special_tokens::{SpecialTokens, splits_special_tokens};
use crate::engine::config::{EncoderConfig, ModelConfig};

/// Special tokens around the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// One text: `start`, prompt and answer, `end`.
    Decoder { start: Vec<u32>, end: Vec<u32> },
    /// Two texts: `start`, prompt, `middle`, answer, `end`.
    Encoder {
        start: Vec<u32>,
        middle: Vec<u32>,
        end: Vec<u32>,
        /// Whether `answer` and `end` have the token type 1.
        has_types: bool,
        /// Before and after a text that stands alone.
        alone: [Vec<u32>; 2],
    },
}

impl Template {
    /// The template of a model.
    ///
    /// # Errors
    /// When a special token is not in the vocabulary, the tokenizer refuses a probe, or its class puts
    /// other tokens around two texts than an encoder reads.
    pub(super) fn of(
        tokenizer: &Tokenizer,
        class: TokenizerClass,
        special: &SpecialTokens,
        config: &ModelConfig,
    ) -> Result<Self, Refusal> {
        match config {
            ModelConfig::Decoder(_) if splits_special_tokens(special) => Err(Refusal::SplitEnd),
            ModelConfig::Decoder(config) => {
                decoder(tokenizer, class, special, config.eos_token_id).map_err(Refusal::Broken)
            }
            ModelConfig::Encoder(config) => {
                let has_types = config.has_segments() && class.gives_token_types(special);
                encoder(tokenizer, config, has_types)
            }
        }
    }

    /// How many tokens they are.
    #[must_use]
    pub fn n_special(&self) -> usize {
        match self {
            Self::Decoder { start, end } => start.len() + end.len(),
            Self::Encoder { start, middle, end, .. } => start.len() + middle.len() + end.len(),
        }
    }
}

fn id(tokenizer: &Tokenizer, token: &str) -> Result<u32, String> {
    tokenizer.token_to_id(token).ok_or_else(|| format!("it has no `{token}` token"))
}

fn decoder(
    tokenizer: &Tokenizer,
    class: TokenizerClass,
    special: &SpecialTokens,
    eos_token_id: Option<u32>,
) -> Result<Template, String> {
    let probe = guarded(|| tokenizer.encode("a", true))?;
    let [start, _, after] = special_runs(&probe, 1);
    let of_class = class.end_token().and_then(|token| tokenizer.token_to_id(token));
    let ending = match &special.end {
        Some(token) => Some(id(tokenizer, token)?),
        None => of_class.or(eos_token_id),
    };
    let end = ending.into_iter().chain(after).collect();
    Ok(Template::Decoder { start, end })
}

/// What the tokenizer puts around two texts.
fn encoder(
    tokenizer: &Tokenizer,
    config: &EncoderConfig,
    has_types: bool,
) -> Result<Template, Refusal> {
    let probe = guarded(|| tokenizer.encode(("a", "a"), true)).map_err(Refusal::Broken)?;
    let [start, middle, end] = special_runs(&probe, 2);
    if start.is_empty() || middle.is_empty() {
        return Err(Refusal::Class(format!(
            "it puts no special tokens around two texts (`post_processor`), which {} models read",
            config.family.name()
        )));
    }
    let types = probe.get_type_ids();
    let is_text = |&&special: &&u32| special == 0;
    let text = probe.get_special_tokens_mask()[start.len()..].iter().take_while(is_text);
    let n_first = start.len() + text.count() + middle.len();
    let is_second = |i: usize| u32::from(i >= n_first);
    let has_types = if !has_types || types.iter().all(|kind| *kind == 0) {
        false
    } else if types.iter().enumerate().all(|(i, kind)| *kind == is_second(i)) {
        true
    } else {
        return Err(Refusal::Class(format!(
            "its token types for two texts are {types:?}, expected 0 up to the answer and 1 from it on"
        )));
    };
    let single = guarded(|| tokenizer.encode("a", true)).map_err(Refusal::Broken)?;
    let [before, _, after] = special_runs(&single, 1);
    Ok(Template::Encoder { start, middle, end, has_types, alone: [before, after] })
}

/// The special tokens before, between and after the `n_texts` texts of an encoding.
fn special_runs(encoding: &Encoding, n_texts: usize) -> [Vec<u32>; 3] {
    let mut runs = [Vec::new(), Vec::new(), Vec::new()];
    let (mut run, mut was_text) = (0, false);
    let mask = encoding.get_special_tokens_mask();
    for (&id, &is_special) in encoding.get_ids().iter().zip(mask) {
        if is_special == 1 {
            if was_text {
                run = if run + 1 == n_texts { 2 } else { run + 1 };
            }
            runs[run].push(id);
        }
        was_text = is_special == 0;
    }
    runs
}
