//! Opening a model: configuration, weights and tokenizer, everything checked before it is used.
//!
//! Weights are `model.safetensors`, or the shards that `model.safetensors.index.json` names; only
//! their headers are read here, the tensors one by one when they are asked for. One error lists
//! every missing, misshapen and unexpected tensor, so that a wrong directory is understood at the
//! first attempt. The reward head may be missing: a base model has none. A directory with an
//! `adapter_config.json` is the base model it names with the adapter merged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::chat::ChatTemplate;
use super::config::ModelConfig;
use super::layout::{Layout, Part};
use super::manifest::{hash_file, hex};
use super::peft::{Adapter, AdapterError, PutOver};
use super::source::{INDEX, Source, WEIGHTS};
use super::tokenize::files::{TOKENIZER, own_template, read_tokenizer};
use super::tokenize::{PairTokenizer, RewardAt, TokenizerClass};
use super::{Backbone, EngineError, OpenSettings};

pub use super::stored::StoredTensors;
pub use super::tensor_file::{Tensor, read_tensors, write_half_tensors, write_tensors};

const CONFIG: &str = "config.json";

/// Everything a model directory holds, checked; the weights still in their files.
#[derive(Debug)]
pub struct ModelFiles {
    /// The shape.
    pub config: ModelConfig,
    /// Weights by canonical name (see [`Layout`]): every tensor the family needs, and those of a
    /// reward head that are there.
    pub weights: StoredTensors,
    /// The tokenizer, set up for `max_tokens`.
    pub tokenizer: PairTokenizer,
    backbone: Backbone,
    shards: Vec<String>,
    /// The adapter, when the directory is one, and what it changes.
    adapter: Option<(Adapter, PutOver)>,
    digest: OnceLock<String>,
}

/// What a look at a directory says, without reading the weights.
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
    /// Number of blocks.
    pub n_layers: usize,
    /// Whether a whole reward head is there, the layer before the score included.
    pub has_reward_head: bool,
    /// Whether a chat template is there.
    pub has_chat_template: bool,
    /// Where rewards are read.
    pub reward_at: RewardAt,
    /// The token that the reward is not read at.
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
        let put_over = |adapter: Adapter| {
            let done = adapter.put_over(&mut weights, &Layout::of(&config))?;
            Ok::<_, EngineError>((adapter, done))
        };
        let adapter = adapter.map(put_over).transpose()?;
        let (backbone, digest) = (backbone.clone(), OnceLock::new());
        let mut files = Self { config, weights, tokenizer, backbone, shards, adapter, digest };
        files.read_rewards_where_stored();
        Ok(files)
    }

    /// A decoder's stored head is read where its authors read it. An adapter says of its own how it
    /// was trained only by its tokenizer, which counts where the base model names no padding.
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
    pub(super) fn source(&self) -> Source<'_> {
        Source::of(&self.backbone, self.adapter().map(|(adapter, _)| adapter))
    }

    /// The adapter over the base model, if it is one.
    pub(super) fn adapter(&self) -> Option<&(Adapter, PutOver)> {
        self.adapter.as_ref()
    }

    /// Refuses to take the table for the output of a language model which an adapter has trained apart.
    ///
    /// # Errors
    /// [`AdapterError::ForeignLanguageHead`].
    pub fn check_language_head(&self) -> Result<(), EngineError> {
        match &self.adapter {
            Some((adapter, PutOver { has_foreign_language_head: true })) => {
                let [_, path] = adapter.files();
                Err(AdapterError::ForeignLanguageHead { path }.into())
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

    /// SHA-256, in hex, over configuration, tokenizer and weight files, each with its name and
    /// length before it: what a checkpoint of a partly trained model says about the rest. Reads
    /// the files at the first call.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn digest(&self) -> Result<&str, EngineError> {
        if let Some(digest) = self.digest.get() {
            return Ok(digest);
        }
        let source = self.source();
        let mut hash = Sha256::new();
        let shards = self.shards.iter().map(String::as_str);
        for name in [CONFIG, TOKENIZER].into_iter().chain(shards) {
            hash.update(name.as_bytes());
            match source {
                Source::Directory(_) | Source::Adapter(_) => {
                    hash_file(&source.path(name), &mut hash)?;
                }
                Source::Embedded => {
                    let bytes = Source::embedded(name)?;
                    hash.update((bytes.len() as u64).to_le_bytes());
                    hash.update(bytes);
                }
            }
        }
        for file in self.adapter.iter().flat_map(|(adapter, _)| adapter.files()) {
            hash_file(&file, &mut hash)?;
        }
        Ok(self.digest.get_or_init(|| hex(&hash.finalize())))
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
mod tests {
    use super::*;
    use crate::engine::fixture::{
        bert_dir, bert_tokenizer, deberta_config, deberta_dir, llama_config, llama_dir,
        llama_tokenizer, random_tensors, shared_model, write_model, write_weights,
    };

    fn open(dir: &Path) -> Result<ModelFiles, EngineError> {
        ModelFiles::open(&Backbone::Directory(dir.to_owned()), 16)
    }

    fn all(dir: &Path) -> BTreeMap<String, Tensor> {
        open(dir).unwrap().weights.read_all().unwrap()
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
    fn every_wiring_opens_with_and_without_prefix() {
        let prefixes = ["model.", "bert.", "deberta."];
        for dir in [llama_dir(), bert_dir(), deberta_dir()] {
            let files = open(dir.path()).unwrap();
            let summary = ModelFiles::check(dir.path()).unwrap();
            assert_eq!(files.summary(), summary);
            let tensors = files.weights.read_all().unwrap();
            let n_values: usize = tensors.values().map(|tensor| tensor.values.len()).sum();
            assert_eq!(summary.n_parameters, n_values as u64);
            assert!(!summary.has_reward_head);
            assert!(tensors.keys().all(|name| prefixes.iter().any(|it| name.starts_with(it))));
        }
        let bare = tempfile::tempdir().unwrap();
        write_model(bare.path(), &llama_config(), &llama_tokenizer(), "");
        assert_eq!(all(bare.path()), all(llama_dir().path()));
        write_model(bare.path(), &deberta_config(), &bert_tokenizer(), "");
        assert_eq!(all(bare.path()), all(deberta_dir().path()));
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
        assert_eq!(files.weights.tensor("score.weight").unwrap().values, [0.5; 8]);
        assert!(files.summary().has_reward_head);
        assert!(!files.weights.contains("lm_head.weight"), "tied: a copy of the embedding");
        assert!(!files.weights.names().any(|name| name.contains("inv_freq")));

        let mut config = llama_config();
        config["tie_word_embeddings"] = false.into();
        std::fs::write(dir.path().join(CONFIG), config.to_string()).unwrap();
        assert!(open(dir.path()).unwrap().weights.contains("lm_head.weight"));
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
            "`model.layers.0.mlp.up_proj.weight` is missing",
            "`model.norm.weight` has shape [4], expected [8]",
            "`model.layers.2.mlp.up_proj.weight` is unexpected",
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
        let dir = deberta_dir();
        std::fs::rename(dir.path().join(TOKENIZER), dir.path().join("spm.model")).unwrap();
        assert!(refusal(dir.path()).hint().unwrap().contains("AutoTokenizer"));
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
    fn a_head_of_two_labels_is_refused_with_a_way_out() {
        let dir = llama_dir();
        let mut tensors = random_tensors(&llama_config(), "model.");
        tensors.push(("score.weight".into(), vec![2, 8], vec![0.5; 16]));
        write_weights(dir.path(), &tensors);
        let error = refusal(dir.path());
        let message = error.to_string();
        assert!(message.ends_with("has `score.weight` for 2 labels; a reward model has one"));
        assert!(error.hint().unwrap().contains("num_labels=1"));
    }

    #[test]
    fn the_digest_covers_every_file_and_nothing_else() {
        let dir = llama_dir();
        let digest = |dir: &Path| open(dir).unwrap().digest().unwrap().to_owned();
        let before = digest(dir.path());
        assert_eq!(before.len(), 64);
        assert_eq!(before, digest(llama_dir().path()));
        std::fs::write(dir.path().join("README.md"), "other").unwrap();
        assert_eq!(before, digest(dir.path()));
        for file in [CONFIG, TOKENIZER, WEIGHTS] {
            let dir = llama_dir();
            let path = dir.path().join(file);
            let mut bytes = std::fs::read(&path).unwrap();
            if file == WEIGHTS {
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
            } else {
                bytes.push(b'\n');
            }
            std::fs::write(&path, bytes).unwrap();
            assert_ne!(before, digest(dir.path()), "{file}");
        }
        let files = ModelFiles::open(&Backbone::Embedded, 64).unwrap();
        assert_eq!(files.digest().unwrap(), files.digest().unwrap());
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
        let expected = all(whole.path());
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
        assert_eq!(all(dir.path()), expected);
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
