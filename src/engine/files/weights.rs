//! Opening a model: configuration, weights and tokenizer, everything checked before it is used.
//!
//! Weights are `model.safetensors`, or the shards that `model.safetensors.index.json` names; only
//! their headers are read here, the tensors one by one when they are asked for. One error lists
//! every missing, misshapen and unexpected tensor, so that a wrong directory is understood at the
//! first attempt. The reward head may be missing: a base model has none. A directory with an
//! `adapter_config.json` is the base model it names with the adapter merged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::layout::{Layout, Part};
use super::peft::{Adapter, AdapterError, PutOver};
use super::source::Source;
use super::tensor_file::{INDEX, WEIGHTS};
use crate::engine::config::ModelConfig;
use crate::engine::text::chat::ChatTemplate;
use crate::engine::text::tokenize::files::{own_template, read_tokenizer};
use crate::engine::text::tokenize::{PairTokenizer, RewardAt, TokenizerClass};
use crate::engine::{Backbone, EngineError, OpenSettings};

pub use super::stored::{StoredTensors, read_tensors};
pub use super::tensor_file::{Tensor, write_half_tensors, write_tensors};

const CONFIG: &str = "config.json";
/// Where LLaMA-Factory keeps the head of a reward model.
const HEADS_APART: [&str; 2] = ["value_head.safetensors", "value_head.bin"];

/// The files of a model, checked; the weights are not read yet.
#[derive(Debug)]
pub struct ModelFiles {
    pub config: ModelConfig,
    /// Weights by canonical name (see [`Layout`]): every tensor the family needs, and those of a
    /// reward head that are there.
    pub weights: StoredTensors,
    /// The tokenizer, set up for `max_tokens`.
    pub tokenizer: PairTokenizer,
    backbone: Backbone,
    /// The adapter, if the directory is one, and what it changed.
    adapter: Option<(Adapter, PutOver)>,
}

/// What can be said of a model without reading its weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSummary {
    /// `model_type`: `llama`, `bert`, …
    pub family: String,
    /// Parameters in the files that training would change (a missing reward head not counted).
    pub n_parameters: u64,
    /// Longest sequence the model can read.
    pub max_positions: usize,
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    pub n_layers: usize,
    /// Whether a whole reward head is there, the layer before the score included.
    pub has_reward_head: bool,
    /// Whether a chat template is there.
    pub has_chat_template: bool,
    /// Where rewards are read.
    pub reward_at: RewardAt,
    /// The token that padding uses; the reward of a stored decoder head is read at the last token
    /// that differs from it.
    pub padding: Option<String>,
    /// The token that a decoder's plain text ends with.
    pub end: Option<String>,
    /// How transformers loads the tokenizer.
    pub tokenizer_class: TokenizerClass,
    /// Whether an encoder's answer has another token type than its prompt.
    pub has_token_types: bool,
    /// Whether that template writes what day it is.
    pub prints_the_day: bool,
}

impl ModelFiles {
    /// Opens and checks everything, with the chat template that is the model's own; the mock backbone
    /// has no files and opens the embedded model.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn open(backbone: &Backbone, max_tokens: usize) -> Result<Self, EngineError> {
        Self::read(backbone, Some(max_tokens), "auto")
    }

    /// Opens and checks everything, as the settings say.
    ///
    /// # Errors
    /// As [`ModelFiles::open`].
    pub fn open_as(settings: &OpenSettings) -> Result<Self, EngineError> {
        Self::read(&settings.backbone, Some(settings.max_tokens), &settings.chat_template)
    }

    /// Checks a directory: configuration, names and shapes of the tensors, lengths of the files,
    /// tokenizer, chat template.
    ///
    /// # Errors
    /// As [`ModelFiles::open`].
    pub fn check(dir: &Path) -> Result<ModelSummary, EngineError> {
        let files = Self::read(&Backbone::Directory(dir.to_owned()), None, "plain")?;
        let own = own_template(&files.source())?;
        let has_chat_template = own.is_some();
        let prints_the_day = own.is_some_and(|template| template.prints_the_day());
        Ok(ModelSummary { has_chat_template, prints_the_day, ..files.summary() })
    }

    fn read(
        backbone: &Backbone,
        max_tokens: Option<usize>,
        chat_template: &str,
    ) -> Result<Self, EngineError> {
        let adapter = Adapter::of(backbone)?;
        let source = Source::of(backbone, adapter.as_ref());
        let config = read_config(&source, max_tokens)?;
        let max_tokens = max_tokens.unwrap_or(config.max_positions());
        let layout = Layout::of(&config);
        let rows = adapter.as_ref().map(|adapter| adapter.table_rows(&layout)).transpose()?;
        // An adapter that was trained with new tokens brings the table they are in.
        let config = match rows.flatten() {
            Some(rows) => config.with_vocab_size(rows),
            None => config,
        };
        let tokenizer = read_tokenizer(&source, &config, max_tokens, chat_template)?;
        let shards = source.shards()?;
        let mut weights = open_weights(&source, &shards, &layout)?;
        check_shapes(&source, &layout, &shards, &weights.shapes())?;
        check_labels(&source, &layout, &weights)?;
        check_head_apart(backbone)?;
        let put_over = |adapter: Adapter| {
            let done = adapter.put_over(&mut weights, &Layout::of(&config))?;
            Ok::<_, EngineError>((adapter, done))
        };
        let adapter = adapter.map(put_over).transpose()?;
        let mut files = Self { config, weights, tokenizer, backbone: backbone.clone(), adapter };
        files.read_rewards_where_stored();
        Ok(files)
    }

    /// Reads a decoder's stored head at the token where its authors read it. An adapter says this
    /// only through its tokenizer, which counts where the base model names no padding.
    fn read_rewards_where_stored(&mut self) {
        let ModelConfig::Decoder(config) = &self.config else { return };
        if !self.has_reward_head() {
            return;
        }
        let of_tokenizer = || self.tokenizer.padding().filter(|_| self.adapter.is_some());
        let padding = config.pad_token_id.or_else(of_tokenizer);
        self.tokenizer.skip_padding(padding);
    }

    /// Whether a whole reward head is there.
    fn has_reward_head(&self) -> bool {
        let layout = Layout::of(&self.config);
        let mut head = layout.tensors().iter().filter(|tensor| tensor.part.is_head());
        head.all(|tensor| self.weights.contains(&tensor.name))
    }

    /// Where the files are.
    pub(in crate::engine) fn source(&self) -> Source<'_> {
        Source::of(&self.backbone, self.adapter().map(|(adapter, _)| adapter))
    }

    /// The adapter over the base model, if it is one.
    pub(in crate::engine) fn adapter(&self) -> Option<&(Adapter, PutOver)> {
        self.adapter.as_ref()
    }

    /// Fails if an adapter has trained the output head apart from the embedding table, so that the
    /// table cannot be used as output head.
    ///
    /// # Errors
    /// [`AdapterError::ForeignLanguageHead`].
    pub fn check_language_head(&self) -> Result<(), EngineError> {
        match &self.adapter {
            Some((adapter, PutOver { has_foreign_language_head: true })) => {
                Err(AdapterError::ForeignLanguageHead { path: adapter.file() }.into())
            }
            _ => Ok(()),
        }
    }

    /// What was found, for tables.
    #[must_use]
    pub fn summary(&self) -> ModelSummary {
        let (layout, config) = (Layout::of(&self.config), &self.config);
        let is = |name: &str, part| layout.get(name).is_some_and(|tensor| tensor.part == part);
        // An untied language-model head is kept for text generation but no reward depends on it.
        let n_parameters = self
            .weights
            .shapes()
            .iter()
            .filter(|(name, _)| !is(name, Part::LanguageHead))
            .map(|(_, shape)| shape.iter().map(|&n| n as u64).product::<u64>())
            .sum();
        ModelSummary {
            family: config.family().to_owned(),
            n_parameters,
            max_positions: config.max_positions(),
            vocab_size: config.vocab_size(),
            hidden_size: config.hidden_size(),
            n_layers: config.n_layers(),
            has_reward_head: self.has_reward_head(),
            has_chat_template: self.tokenizer.chat_template().is_some(),
            reward_at: self.tokenizer.reward_at(),
            padding: match self.tokenizer.reward_at() {
                RewardAt::LastBut(id) => self.tokenizer.token(id),
                RewardAt::First | RewardAt::Last => None,
            },
            end: self.tokenizer.end_token(),
            tokenizer_class: self.tokenizer.class(),
            has_token_types: self.tokenizer.has_token_types(),
            prints_the_day: self
                .tokenizer
                .chat_template()
                .is_some_and(ChatTemplate::prints_the_day),
        }
    }
}

/// Refuses a head of one row beside a configuration that names several labels: transformers would make
/// another head in its place, from random numbers.
fn check_labels(
    source: &Source<'_>,
    layout: &Layout,
    weights: &StoredTensors,
) -> Result<(), EngineError> {
    let mut heads = layout.tensors().iter().filter(|tensor| tensor.part.is_head());
    if !heads.any(|tensor| weights.contains(&tensor.name)) {
        return Ok(());
    }
    let path = source.path(CONFIG);
    let keys: serde_json::Value = serde_json::from_slice(&source.read(CONFIG)?)
        .map_err(|error| EngineError::json(&path, &error))?;
    match keys.get("id2label").and_then(serde_json::Value::as_object) {
        Some(labels) if labels.len() > 1 => Err(EngineError::BadValue {
            path,
            key: "id2label",
            value: format!("{} labels", labels.len()),
            expected: "one label, as the stored head has one row".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Refuses a folder of LLaMA-Factory whose head is in a file of its own: it would be ignored and
/// initialized anew.
fn check_head_apart(backbone: &Backbone) -> Result<(), EngineError> {
    let Backbone::Directory(dir) = backbone else { return Ok(()) };
    match HEADS_APART.into_iter().find(|file| dir.join(file).is_file()) {
        Some(file) => Err(EngineError::HeadApart { dir: dir.clone(), file }),
        None => Ok(()),
    }
}

fn open_weights(
    source: &Source<'_>,
    shards: &[String],
    layout: &Layout,
) -> Result<StoredTensors, EngineError> {
    let mut weights = StoredTensors::default();
    let rename = |name: &str| {
        let name = layout.canonical(name);
        (!layout.is_ignored(&name)).then_some(name)
    };
    for shard in shards {
        let path = source.path(shard);
        if shard == WEIGHTS {
            source.require(WEIGHTS)?;
        }
        match source {
            Source::Directory(_) | Source::Adapter(_) => weights.add_file(&path, rename)?,
            Source::Embedded => weights.add_static(&path, Source::embedded(shard)?, rename)?,
        }
    }
    Ok(weights)
}

fn read_config(source: &Source<'_>, max_tokens: Option<usize>) -> Result<ModelConfig, EngineError> {
    let path = source.path(CONFIG);
    let config = ModelConfig::parse(&path, &source.read(CONFIG)?)?;
    let limit = config.max_positions();
    match max_tokens {
        Some(max_tokens) if max_tokens > limit => {
            Err(EngineError::TooManyTokens { max_tokens, limit, path })
        }
        _ => Ok(config),
    }
}

fn check_shapes(
    source: &Source<'_>,
    layout: &Layout,
    shards: &[String],
    shapes: &BTreeMap<String, Vec<usize>>,
) -> Result<(), EngineError> {
    let path: PathBuf = match shards {
        [one] => source.path(one),
        _ => source.path(INDEX),
    };
    if let Some((name, n_labels)) = layout.wrong_head(shapes) {
        return Err(EngineError::NotARewardHead { path, name, n_labels });
    }
    let problems = layout.problems(shapes);
    if problems.is_empty() {
        return Ok(());
    }
    Err(EngineError::TensorMismatch { path, problems })
}

#[cfg(test)]
mod tests;
