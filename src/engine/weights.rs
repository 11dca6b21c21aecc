//! Opening a model: configuration, weights and tokenizer, everything checked before it is used.
//!
//! Weights are `model.safetensors`, or the shards that `model.safetensors.index.json` names. One
//! error lists every missing, misshapen and unexpected tensor, so that a wrong directory is
//! understood at the first attempt. The reward head may be missing: a base model has none.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::config::ModelConfig;
use super::layout::Layout;
use super::source::Source;
use super::tensor_file::{Header, broken};
use super::tokenize::PairTokenizer;
use super::{Backbone, EngineError};

pub use super::tensor_file::{Tensor, read_tensors, write_tensors};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const TOKENIZER: &str = "tokenizer.json";

/// Everything a model directory holds, read and checked.
#[derive(Debug)]
pub struct ModelFiles {
    /// The shape.
    pub config: ModelConfig,
    /// Weights by name, without the family's prefix (`model.` or `bert.`): every tensor the family
    /// needs, and those of a reward head that are there.
    pub tensors: BTreeMap<String, Tensor>,
    /// The tokenizer, set up for `max_tokens`.
    pub tokenizer: PairTokenizer,
}

/// What a look at a directory says, without reading the weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSummary {
    /// `llama` or `bert`.
    pub family: String,
    /// Parameters in the files that training would change (a missing reward head not counted).
    pub n_parameters: u64,
    /// Longest sequence the model can read.
    pub max_positions: usize,
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Whether a reward head is there.
    pub has_reward_head: bool,
}

impl ModelFiles {
    /// Reads and checks everything; the mock backbone has no files and opens the embedded model.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn open(backbone: &Backbone, max_tokens: usize) -> Result<Self, EngineError> {
        let source = Source::of(backbone);
        let config = read_config(&source, Some(max_tokens))?;
        let tokenizer = read_tokenizer(&source, &config, max_tokens)?;
        let layout = Layout::of(&config);
        let shards = shards(&source)?;
        let mut tensors = BTreeMap::new();
        for shard in &shards {
            read_shard(&source, shard, &layout, &mut tensors)?;
        }
        let shapes = tensors.iter().map(|(name, t)| (name.clone(), t.shape.clone())).collect();
        check_shapes(&source, &layout, &shards, &shapes)?;
        Ok(Self { config, tensors, tokenizer })
    }

    /// Checks a directory without reading the weights: configuration, names and shapes of the
    /// tensors, lengths of the files, tokenizer.
    ///
    /// # Errors
    /// As [`ModelFiles::open`].
    pub fn check(dir: &Path) -> Result<ModelSummary, EngineError> {
        let source = Source::Directory(dir);
        let config = read_config(&source, None)?;
        read_tokenizer(&source, &config, config.max_positions())?;
        let layout = Layout::of(&config);
        let shards = shards(&source)?;
        let mut shapes = BTreeMap::new();
        for shard in &shards {
            let path = source.path(shard);
            if shard == WEIGHTS {
                source.require(WEIGHTS)?;
            }
            for (name, info) in Header::open(&path)?.metadata.tensors() {
                let name = layout.normalize(&name);
                if !layout.is_ignored(&name) {
                    shapes.insert(name, info.shape.clone());
                }
            }
        }
        check_shapes(&source, &layout, &shards, &shapes)?;
        Ok(summary(&config, &shapes))
    }

    /// What was read, in the words of [`ModelFiles::check`].
    #[must_use]
    pub fn summary(&self) -> ModelSummary {
        let shapes = self.tensors.iter().map(|(name, t)| (name.clone(), t.shape.clone())).collect();
        summary(&self.config, &shapes)
    }
}

fn summary(config: &ModelConfig, shapes: &BTreeMap<String, Vec<usize>>) -> ModelSummary {
    // An untied language-model head is kept for text generation but no reward depends on it.
    let n_parameters = shapes
        .iter()
        .filter(|(name, _)| *name != "lm_head.weight")
        .map(|(_, shape)| shape.iter().map(|&n| n as u64).product::<u64>())
        .sum();
    ModelSummary {
        family: config.family().to_owned(),
        n_parameters,
        max_positions: config.max_positions(),
        vocab_size: config.vocab_size(),
        hidden_size: config.hidden_size(),
        n_layers: match config {
            ModelConfig::Llama(config) => config.n_layers,
            ModelConfig::Bert(config) => config.n_layers,
        },
        has_reward_head: shapes.contains_key("score.weight")
            || shapes.contains_key("classifier.weight"),
    }
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

fn read_tokenizer(
    source: &Source<'_>,
    config: &ModelConfig,
    max_tokens: usize,
) -> Result<PairTokenizer, EngineError> {
    let bytes = source.read(TOKENIZER)?;
    PairTokenizer::parse(&source.path(TOKENIZER), &bytes, config, max_tokens)
}

/// The part of `model.safetensors.index.json` that matters.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Names of the weight files, in order.
fn shards(source: &Source<'_>) -> Result<Vec<String>, EngineError> {
    if source.has(WEIGHTS) || !source.has(INDEX) {
        return Ok(vec![WEIGHTS.to_owned()]);
    }
    let path = source.path(INDEX);
    let index: Index = serde_json::from_slice(&source.read(INDEX)?)
        .map_err(|error| EngineError::json(&path, &error))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    for name in &names {
        // A downloaded index must not reach outside its directory.
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(broken(&path, format!("`{name}` is not the name of a file beside it")));
        }
    }
    Ok(names.into_iter().collect())
}

/// Adds the tensors of one file, under their normalized names.
fn read_shard(
    source: &Source<'_>,
    shard: &str,
    layout: &Layout,
    tensors: &mut BTreeMap<String, Tensor>,
) -> Result<(), EngineError> {
    let path = source.path(shard);
    let bytes: Cow<'static, [u8]> = if shard == WEIGHTS {
        source.read(WEIGHTS)?
    } else {
        Cow::Owned(std::fs::read(&path).map_err(EngineError::io("read", &path))?)
    };
    let header = Header::parse(&path, &bytes, bytes.len() as u64)?;
    for (raw_name, info) in header.metadata.tensors() {
        let name = layout.normalize(&raw_name);
        if layout.is_ignored(&name) {
            continue;
        }
        let tensor = header.decode(&path, &bytes, &raw_name, info)?;
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(broken(&path, format!("`{name}` is there twice")));
        }
    }
    Ok(())
}

fn check_shapes(
    source: &Source<'_>,
    layout: &Layout,
    shards: &[String],
    shapes: &BTreeMap<String, Vec<usize>>,
) -> Result<(), EngineError> {
    let problems = layout.problems(shapes);
    if problems.is_empty() {
        return Ok(());
    }
    let path: PathBuf = match shards {
        [one] => source.path(one),
        _ => source.path(INDEX),
    };
    Err(EngineError::TensorMismatch { path, problems })
}
