//! Which special tokens stand around the texts of a pair: the rules of every family.
//!
//! * The tokenizer's own post-processor decides, as in transformers: Llama 3 and Mistral put a
//!   beginning before the text, Qwen and SmolLM2 nothing; BERT and DistilBERT read
//!   `[CLS] prompt [SEP] answer [SEP]`, RoBERTa `<s> prompt </s></s> answer </s>`.
//! * `add_bos_token` of `tokenizer_config.json` asks for a beginning that the post-processor does
//!   not put; `bos_token_id` of `config.json` alone asks for nothing (Qwen has one and never feeds
//!   it).
//! * A decoder's answer is followed by the end token, and the reward is read there, as TRL's
//!   `RewardTrainer` does: `eos_token` of `tokenizer_config.json`, else of
//!   `special_tokens_map.json`, else the first `eos_token_id` of `config.json`. A text that ends in
//!   it already does not get another one.
//! * There is no padding.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tokenizers::{Encoding, Tokenizer};

use super::guarded;
use crate::engine::chat::DEFAULT;
use crate::engine::config::{EncoderFamily, ModelConfig};

/// What `tokenizer_config.json` and `special_tokens_map.json` say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `add_bos_token`
    pub adds_beginning: bool,
    /// `bos_token`
    pub beginning: Option<String>,
    /// `eos_token`
    pub end: Option<String>,
    /// `cls_token`
    pub class: Option<String>,
    /// `sep_token`
    pub separator: Option<String>,
    /// Every `…_token` by its key, for chat templates.
    pub all: BTreeMap<String, String>,
    /// `chat_template`: one text is the template `default`, several have names.
    pub chat_templates: Option<BTreeMap<String, String>>,
}

impl SpecialTokens {
    /// Of the two files' keys; the first that has a token wins.
    #[must_use]
    pub fn of(files: &[Map<String, Value>]) -> Self {
        let token = |key: &str| files.iter().find_map(|file| content(file.get(key)?));
        let flag = |key: &str| files.iter().find_map(|file| file.get(key)?.as_bool());
        Self {
            adds_beginning: flag("add_bos_token").unwrap_or(false),
            beginning: token("bos_token"),
            end: token("eos_token"),
            class: token("cls_token"),
            separator: token("sep_token"),
            all: tokens(files),
            chat_templates: files.iter().find_map(|file| own_templates(file.get("chat_template")?)),
        }
    }
}

fn tokens(files: &[Map<String, Value>]) -> BTreeMap<String, String> {
    let keys = files.iter().rev().flatten().filter(|(key, _)| key.ends_with("_token"));
    keys.filter_map(|(key, value)| Some((key.clone(), content(value)?))).collect()
}

/// A template is written as its text, or several are as a list of objects with names (of one name the
/// last counts), or as an object by name.
fn own_templates(value: &Value) -> Option<BTreeMap<String, String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let named = |entry: &Value| Some((text(&entry["name"])?, text(&entry["template"])?));
    match value {
        Value::Null => None,
        Value::String(text) => Some([(DEFAULT.to_owned(), text.clone())].into()),
        Value::Object(named) => {
            let named = named.iter();
            Some(named.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect())
        }
        other => Some(other.as_array().into_iter().flatten().filter_map(named).collect()),
    }
}

/// A token is written as its text, or as an object with settings of its own.
fn content(value: &Value) -> Option<String> {
    value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned)
}

/// Special tokens around the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// One text: `start`, prompt and answer, `end`.
    Decoder {
        /// Before the text.
        start: Vec<u32>,
        /// After it.
        end: Vec<u32>,
    },
    /// Two texts: `start`, prompt, `middle`, answer, `end`.
    Encoder {
        /// Before the prompt.
        start: Vec<u32>,
        /// Between the texts.
        middle: Vec<u32>,
        /// After the answer.
        end: Vec<u32>,
    },
}

impl Template {
    /// The template of a model.
    ///
    /// # Errors
    /// In words, when a special token is not in the vocabulary or the tokenizer refuses a probe.
    pub fn of(
        tokenizer: &Tokenizer,
        special: &SpecialTokens,
        config: &ModelConfig,
    ) -> Result<Self, String> {
        match config {
            ModelConfig::Decoder(config) => decoder(tokenizer, special, config.eos_token_id),
            ModelConfig::Encoder(config) => encoder(tokenizer, special, config.family),
        }
    }

    /// How many tokens they are.
    #[must_use]
    pub fn n_special(&self) -> usize {
        match self {
            Self::Decoder { start, end } => start.len() + end.len(),
            Self::Encoder { start, middle, end } => start.len() + middle.len() + end.len(),
        }
    }
}

fn id(tokenizer: &Tokenizer, token: &str) -> Result<u32, String> {
    tokenizer.token_to_id(token).ok_or_else(|| format!("it has no `{token}` token"))
}

fn decoder(
    tokenizer: &Tokenizer,
    special: &SpecialTokens,
    eos_token_id: Option<u32>,
) -> Result<Template, String> {
    let probe = guarded(|| tokenizer.encode("a", true))?;
    let [mut start, _, mut end] = special_runs(&probe, 1);
    if let Some(token) = special.beginning.as_deref().filter(|_| special.adds_beginning) {
        let beginning = id(tokenizer, token)?;
        if !start.contains(&beginning) {
            start.insert(0, beginning);
        }
    }
    let ending = match &special.end {
        Some(token) => Some(id(tokenizer, token)?),
        None => eos_token_id,
    };
    end.extend(ending.filter(|ending| !end.contains(ending)));
    Ok(Template::Decoder { start, end })
}

/// What the tokenizer puts around two texts; the family's tokens when it has no post-processor.
fn encoder(
    tokenizer: &Tokenizer,
    special: &SpecialTokens,
    family: EncoderFamily,
) -> Result<Template, String> {
    let probe = guarded(|| tokenizer.encode(("a", "a"), true))?;
    let [start, middle, end] = special_runs(&probe, 2);
    if !start.is_empty() && !middle.is_empty() {
        return Ok(Template::Encoder { start, middle, end });
    }
    let (class, separator, n_between) = match family {
        EncoderFamily::Bert | EncoderFamily::DistilBert | EncoderFamily::DebertaV2 => {
            ("[CLS]", "[SEP]", 1)
        }
        EncoderFamily::Roberta => ("<s>", "</s>", 2),
    };
    let class = id(tokenizer, special.class.as_deref().unwrap_or(class))?;
    let separator = id(tokenizer, special.separator.as_deref().unwrap_or(separator))?;
    let middle = vec![separator; n_between];
    Ok(Template::Encoder { start: vec![class], middle, end: vec![separator] })
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
