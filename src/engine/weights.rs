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

pub use super::tensor_file::{Tensor, read_tensors, write_half_tensors, write_tensors};

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
        n_layers: config.n_layers(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixture::{
        bert_dir, llama_config, llama_dir, llama_tokenizer, random_tensors, shared_model,
        write_model, write_weights,
    };

    fn open(dir: &Path) -> Result<ModelFiles, EngineError> {
        ModelFiles::open(&Backbone::Directory(dir.to_owned()), 16)
    }

    /// Both ways in must refuse with the same words.
    fn refusal(dir: &Path) -> EngineError {
        let (open, check) = (open(dir).unwrap_err(), ModelFiles::check(dir).unwrap_err());
        assert_eq!(open.to_string(), check.to_string());
        assert!(open.to_string().contains(&*dir.to_string_lossy()), "{open}");
        assert!(open.hint().is_some());
        open
    }

    #[test]
    fn both_families_open_with_and_without_prefix() {
        for dir in [llama_dir(), bert_dir()] {
            let files = open(dir.path()).unwrap();
            let summary = ModelFiles::check(dir.path()).unwrap();
            assert_eq!(files.summary(), summary);
            let n_values: usize = files.tensors.values().map(|tensor| tensor.values.len()).sum();
            assert_eq!(summary.n_parameters, n_values as u64);
            assert!(!summary.has_reward_head);
            assert!(files.tensors.keys().all(|name| !name.starts_with("model.")));
        }
        let bare = tempfile::tempdir().unwrap();
        write_model(bare.path(), &llama_config(), &llama_tokenizer(), "");
        assert_eq!(open(bare.path()).unwrap().tensors, open(llama_dir().path()).unwrap().tensors);
    }

    #[test]
    fn heads_are_kept_and_buffers_dropped() {
        let dir = llama_dir();
        let mut tensors = random_tensors(&llama_config(), "model.");
        tensors.push(("score.weight".into(), vec![1, 8], vec![0.5; 8]));
        tensors.push(("lm_head.weight".into(), vec![11, 8], vec![0.0; 88]));
        tensors.push((
            "model.layers.0.self_attn.rotary_emb.inv_freq".into(),
            vec![2],
            vec![0.0; 2],
        ));
        write_weights(dir.path(), &tensors);
        let files = open(dir.path()).unwrap();
        assert_eq!(files.tensors["score.weight"].values, [0.5; 8]);
        assert!(files.summary().has_reward_head);
        assert!(!files.tensors.contains_key("lm_head.weight"), "tied: a copy of the embedding");
        assert!(!files.tensors.keys().any(|name| name.contains("inv_freq")));

        let mut config = llama_config();
        config["tie_word_embeddings"] = false.into();
        std::fs::write(dir.path().join(CONFIG), config.to_string()).unwrap();
        assert!(open(dir.path()).unwrap().tensors.contains_key("lm_head.weight"));
    }

    #[test]
    fn one_error_lists_every_tensor_that_does_not_fit() {
        let dir = llama_dir();
        let mut tensors = random_tensors(&llama_config(), "model.");
        tensors.retain(|(name, ..)| !name.ends_with("0.mlp.up_proj.weight"));
        for (name, shape, values) in &mut tensors {
            if name == "model.norm.weight" {
                (*shape, *values) = (vec![4], vec![1.0; 4]);
            }
        }
        tensors.push(("model.layers.2.mlp.up_proj.weight".into(), vec![1], vec![0.0]));
        write_weights(dir.path(), &tensors);
        let message = refusal(dir.path()).to_string();
        for part in [
            "`layers.0.mlp.up_proj.weight` is missing",
            "`norm.weight` has shape [4], expected [8]",
            "`layers.2.mlp.up_proj.weight` is unexpected",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn missing_files_are_named() {
        for file in [CONFIG, WEIGHTS, TOKENIZER] {
            let dir = bert_dir();
            std::fs::remove_file(dir.path().join(file)).unwrap();
            let error = refusal(dir.path());
            assert!(error.to_string().contains(&format!("has no `{file}`")), "{error}");
        }
        let dir = llama_dir();
        std::fs::rename(dir.path().join(WEIGHTS), dir.path().join("pytorch_model.bin")).unwrap();
        assert!(refusal(dir.path()).hint().unwrap().contains("safetensors"));
        let nowhere = dir.path().join("nowhere");
        let error = refusal(&nowhere);
        assert!(matches!(error, EngineError::Io { action: "read", .. }), "{error}");
    }

    #[test]
    fn a_cut_weights_file_is_named_with_both_lengths() {
        let dir = llama_dir();
        let path = dir.path().join(WEIGHTS);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
        let message = refusal(dir.path()).to_string();
        let lengths =
            format!("cut short: expected {} bytes, found {}", bytes.len(), bytes.len() - 100);
        assert!(message.contains(&lengths), "{message}");
    }

    #[test]
    fn a_damaged_tokenizer_or_configuration_is_refused() {
        let dir = llama_dir();
        std::fs::write(dir.path().join(TOKENIZER), "{\"version\": ").unwrap();
        assert!(matches!(refusal(dir.path()), EngineError::BrokenTokenizer { .. }));
        std::fs::write(dir.path().join(CONFIG), "{\n  nope").unwrap();
        assert!(matches!(refusal(dir.path()), EngineError::BrokenJson { line: 2, .. }));
    }

    #[test]
    fn more_tokens_than_positions_are_refused_with_the_limit() {
        let dir = bert_dir();
        let backbone = Backbone::Directory(dir.path().to_owned());
        let error = ModelFiles::open(&backbone, 25).unwrap_err();
        assert!(error.to_string().contains("`model.max_tokens` is 25"), "{error}");
        assert_eq!(error.hint().unwrap(), "set `model.max_tokens` to 24 or less");
        assert!(ModelFiles::open(&backbone, 24).is_ok());
        let error = ModelFiles::open(&backbone, 3).unwrap_err();
        assert_eq!(error.hint().unwrap(), "set `model.max_tokens` to 4 or more");
    }

    #[test]
    fn shards_are_put_together_and_stay_in_their_directory() {
        let whole = llama_dir();
        let expected = open(whole.path()).unwrap().tensors;
        let dir = llama_dir();
        std::fs::remove_file(dir.path().join(WEIGHTS)).unwrap();
        let tensors = random_tensors(&llama_config(), "model.");
        let mut map = serde_json::Map::new();
        for (i, part) in tensors.chunks(9).enumerate() {
            let name = format!("model-{i}.safetensors");
            write_weights(dir.path(), part);
            std::fs::rename(dir.path().join(WEIGHTS), dir.path().join(&name)).unwrap();
            for (tensor, ..) in part {
                map.insert(tensor.clone(), name.clone().into());
            }
        }
        let write_index = |map: &serde_json::Map<String, serde_json::Value>| {
            let index = serde_json::json!({"weight_map": map});
            std::fs::write(dir.path().join(INDEX), index.to_string()).unwrap();
        };
        write_index(&map);
        assert_eq!(open(dir.path()).unwrap().tensors, expected);
        assert!(ModelFiles::check(dir.path()).is_ok());
        map.insert("x".into(), "../elsewhere.safetensors".into());
        write_index(&map);
        assert!(refusal(dir.path()).to_string().contains("../elsewhere.safetensors"));
    }

    #[test]
    fn real_models_open() {
        for (name, n_parameters) in [("stories260K/hf", 260_032), ("all-MiniLM-L6-v2", 22_713_216)]
        {
            let Some(dir) = shared_model(name) else { continue };
            let summary = ModelFiles::check(&dir).unwrap();
            assert_eq!(summary.n_parameters, n_parameters, "{name}");
            let files = ModelFiles::open(&Backbone::Directory(dir), 512).unwrap();
            assert_eq!(files.summary(), summary);
        }
    }

    #[test]
    fn the_embedded_model_opens_or_says_that_it_is_not_there() {
        match ModelFiles::open(&Backbone::Embedded, 64) {
            Ok(files) => assert!(files.summary().n_parameters > 0),
            Err(error) => assert!(matches!(error, EngineError::NoEmbeddedModel), "{error}"),
        }
    }
}
