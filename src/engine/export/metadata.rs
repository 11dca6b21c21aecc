//! `config.json` and the tokenizer's files of an exported model.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::exported::{Exported, Task, WEIGHTS, input_form};
use crate::engine::config::ModelConfig;
use crate::engine::files::source::Source;
use crate::engine::files::weights::ModelFiles;
use crate::engine::text::chat::{ChatTemplate, NAMED_FOLDER, OWN_FILE, TOOL_USE};
use crate::engine::text::tokenize::{PairTokenizer, RewardAt, TokenizerClass};
use crate::engine::text_model::defaults::GenerationDefaults;
use crate::engine::{Backbone, EngineError};

pub(super) const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
const GENERATION: &str = "generation_config.json";
/// Files of the base model that are copied unchanged. The base's chat template is not among them,
/// because the trained model did not read with it.
const COPIED: [&str; 6] =
    ["vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spm.model", "LICENSE"];
/// Keys of the base's configuration that describe its files, or that the single label replaces.
const DROPPED: [&str; 7] = [
    "_name_or_path",
    "auto_map",
    "dtype",
    "num_labels",
    "problem_type",
    "quantization_config",
    "torch_dtype",
];
/// Which tokens of `tokenizer_config.json` are special.
const SPECIAL: [&str; 6] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "cls_token", "mask_token"];

type Keys = Map<String, Value>;

/// The class that loads a model of this `model_type` for the task.
fn class(model_type: &str, task: Task) -> &'static str {
    match task {
        Task::Reward => reward_class(model_type),
        Task::Language => match model_type {
            "mistral" => "MistralForCausalLM",
            "qwen2" => "Qwen2ForCausalLM",
            "qwen3" => "Qwen3ForCausalLM",
            _ => "LlamaForCausalLM",
        },
    }
}

/// The class with one output.
fn reward_class(model_type: &str) -> &'static str {
    match model_type {
        "mistral" => "MistralForSequenceClassification",
        "qwen2" => "Qwen2ForSequenceClassification",
        "qwen3" => "Qwen3ForSequenceClassification",
        "bert" => "BertForSequenceClassification",
        "roberta" => "RobertaForSequenceClassification",
        "xlm-roberta" => "XLMRobertaForSequenceClassification",
        "distilbert" => "DistilBertForSequenceClassification",
        "deberta-v2" => "DebertaV2ForSequenceClassification",
        _ => "LlamaForSequenceClassification",
    }
}

/// The padding token of an exported model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Padding {
    /// `pad_token_id` of a decoder's configuration.
    id: Option<u32>,
    /// `pad_token` of the tokenizer.
    token: Option<String>,
    /// Whether the vocabulary lacks the token, so that it is added at the end.
    is_added: bool,
}

impl Padding {
    /// Rows that the embedding table needs for it beyond those it has.
    pub(super) fn n_rows_added(&self, config: &ModelConfig) -> usize {
        let n_rows = self.id.filter(|_| self.is_added).map_or(0, |id| id as usize + 1);
        n_rows.saturating_sub(config.vocab_size())
    }

    /// The token that the vocabulary gets, with its id.
    fn added(&self) -> Option<(u32, Value)> {
        let (id, token) = (self.id?, self.token.as_ref().filter(|_| self.is_added)?);
        let properties = json!({
            "content": token, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        });
        Some((id, properties))
    }
}

/// Writes everything but the weights.
pub(super) fn write(
    dir: &Path,
    source: &Source<'_>,
    files: &ModelFiles,
    padding: &Padding,
    max_tokens: usize,
    task: Task,
) -> Result<Exported, EngineError> {
    let mut config = read_keys(source, CONFIG)?;
    let mut tokenizer = optional_keys(source, TOKENIZER_CONFIG)?;
    let mut special = optional_keys(source, SPECIAL_TOKENS)?;
    let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let class = class(model_type, task);
    of_class(&mut config, class, task);
    // The embedding table may have grown: by an adapter's new tokens, or by the padding token.
    let n_rows = files.config.vocab_size() + padding.n_rows_added(&files.config);
    config.insert("vocab_size".into(), json!(n_rows));
    let end = files.tokenizer.end_token();
    if let ModelConfig::Decoder(_) = &files.config {
        if task == Task::Reward {
            config.insert("pad_token_id".into(), json!(padding.id));
        }
        if let Some(end) = &end {
            or_insert(&mut tokenizer, "eos_token", json!(end));
        }
    }
    tokenizer_keys(&mut tokenizer, &files.tokenizer, padding.token.as_deref(), (max_tokens, task));
    if let Some(listed) = tokenizer.get_mut("added_tokens_decoder").and_then(Value::as_object_mut)
        && let Some((id, token)) = padding.added()
    {
        listed.insert(id.to_string(), token);
    }
    for key in SPECIAL {
        if let Some(token) = tokenizer.get(key).filter(|token| !token.is_null()) {
            special.entry(key).or_insert_with(|| token.clone());
        }
    }
    if let Some(padding) = &padding.token {
        special.insert("pad_token".into(), json!(padding));
    }
    for (name, keys) in
        [(CONFIG, &config), (TOKENIZER_CONFIG, &tokenizer), (SPECIAL_TOKENS, &special)]
    {
        write_json(&dir.join(name), keys)?;
    }
    write_tokenizer(dir, source, padding)?;
    for name in COPIED.into_iter().filter(|name| source.has(name)) {
        copy(source, name, dir)?;
    }
    if let Some(template) = files.tokenizer.portable_template() {
        let path = dir.join(OWN_FILE);
        std::fs::write(&path, template).map_err(EngineError::io("write", &path))?;
    }
    if let Some(template) = files.tokenizer.chat_template().and_then(ChatTemplate::tool_use) {
        let folder = dir.join(NAMED_FOLDER);
        std::fs::create_dir_all(&folder).map_err(EngineError::io("create", &folder))?;
        let path = folder.join(format!("{TOOL_USE}.jinja"));
        std::fs::write(&path, template).map_err(EngineError::io("write", &path))?;
    }
    let text = input_form(&files.config, end);
    let padding = padding.token.clone().or_else(|| files.tokenizer.token(padding.id?));
    Ok(Exported { class, text, padding, n_parameters: 0, max_tokens })
}

/// The tokenizer's own file, with the token that fills batches.
fn write_tokenizer(dir: &Path, source: &Source<'_>, padding: &Padding) -> Result<(), EngineError> {
    let Some((id, mut added)) = padding.added() else { return copy(source, TOKENIZER, dir) };
    let path = dir.join(TOKENIZER);
    let mut keys = read_keys(source, TOKENIZER)?;
    added["id"] = json!(id);
    match keys.get_mut("added_tokens").and_then(Value::as_array_mut) {
        Some(tokens) => tokens.push(added),
        None => drop(keys.insert("added_tokens".into(), json!([added]))),
    }
    let text = serde_json::to_string(&keys).map_err(|error| EngineError::json(&path, &error))?;
    std::fs::write(&path, text).map_err(EngineError::io("write", path))
}

/// Writes the embedded language model to a directory of its own, as the base of an exported
/// adapter. The weights are stored in half precision, but are to be computed with in `f32`, as they
/// are here.
pub(super) fn write_embedded_base(dir: &Path) -> Result<(), EngineError> {
    std::fs::create_dir_all(dir).map_err(EngineError::io("create", dir))?;
    let source = Source::of(&Backbone::Embedded, None);
    let mut config = read_keys(&source, CONFIG)?;
    config.insert("torch_dtype".into(), json!("float32"));
    write_json(&dir.join(CONFIG), &config)?;
    [WEIGHTS, TOKENIZER, TOKENIZER_CONFIG].into_iter().try_for_each(|name| copy(&source, name, dir))
}

/// Makes the configuration of a base model that of a class: for rewards a classifier with one output.
fn of_class(config: &mut Keys, class: &str, task: Task) {
    for key in DROPPED {
        config.remove(key);
    }
    config.insert("architectures".into(), json!([class]));
    match task {
        Task::Reward => {
            config.insert("id2label".into(), json!({"0": "LABEL_0"}));
            config.insert("label2id".into(), json!({"LABEL_0": 0}));
        }
        Task::Language => {
            config.remove("id2label");
            config.remove("label2id");
        }
    }
    config.insert("torch_dtype".into(), json!("float32"));
}

fn or_insert(keys: &mut Keys, key: &str, value: Value) {
    if keys.get(key).is_none_or(Value::is_null) {
        keys.insert(key.into(), value);
    }
}

/// Names the class that the tokenizer is read with. transformers chooses it by `model_type` for some models,
/// whatever their files name, and an adapter has no `config.json` that says the type.
fn name_class(keys: &mut Keys, class: TokenizerClass) {
    let named = keys.get("tokenizer_class").and_then(Value::as_str);
    let named = named.map(|name| name.strip_suffix("Fast").unwrap_or(name).parse().ok());
    if named.is_none() || class != TokenizerClass::Unknown && named != Some(Some(class)) {
        let name = class.name().unwrap_or("PreTrainedTokenizerFast");
        keys.insert("tokenizer_class".into(), json!(name));
    }
}

fn tokenizer_keys(
    keys: &mut Keys,
    tokenizer: &PairTokenizer,
    padding: Option<&str>,
    (max_tokens, task): (usize, Task),
) {
    name_class(keys, tokenizer.class());
    for key in ["auto_map", "name_or_path", "chat_template"] {
        keys.remove(key);
    }
    // The class alone would make transformers feed token types to models that refuse them, and none
    // to others.
    let mut names = vec!["input_ids", "attention_mask"];
    if tokenizer.has_token_types() {
        names.insert(1, "token_type_ids");
    }
    keys.insert("model_input_names".into(), json!(names));
    // Where transformers found no limit it has written a number beyond all integers.
    let has_limit = keys.get("model_max_length").is_some_and(Value::is_u64);
    if task == Task::Reward || !has_limit {
        keys.insert("model_max_length".into(), json!(max_tokens));
    }
    // Long prompts lose their oldest words, as in training.
    keys.insert("truncation_side".into(), json!("left"));
    // An answer follows the last token of a prompt, whatever the batch.
    let side = if task == Task::Reward { "right" } else { "left" };
    keys.insert("padding_side".into(), json!(side));
    if let Some(padding) = padding {
        keys.insert("pad_token".into(), json!(padding));
    }
}

/// The token that pads batches.
///
/// A decoder in transformers reads the reward at the last token that is not `pad_token_id`, and
/// other programs (TRL, RewardBench) pad with the end token where a tokenizer has no `pad_token`.
/// So a head from a checkpoint keeps the id it was read with, where a text may end in it. Other
/// heads get a token that ends no text: the one the files name, else an unknown or beginning token,
/// else any special one, else a new one at the end of the vocabulary; where the embedding table
/// must grow for it, `may_grow` says whether it can. An encoder keeps its own padding token,
/// because positions of RoBERTa depend on it.
pub(super) fn padding(
    source: &Source<'_>,
    files: &ModelFiles,
    may_grow: bool,
) -> Result<Padding, EngineError> {
    let config = read_keys(source, CONFIG)?;
    let named = NamedTokens::read(source)?;
    let text = |key: &str| named.get(key);
    let tokenizer = &files.tokenizer;
    let special: Vec<String> = tokenizer.special_tokens().collect();
    let of_config = config.get("pad_token_id").and_then(Value::as_u64);
    let of_config = of_config.and_then(|id| tokenizer.token(u32::try_from(id).ok()?));
    // A tokenizer treats its padding token as special wherever a text contains it.
    let of_config = of_config.filter(|token| special.contains(token));
    if let RewardAt::LastBut(id) = tokenizer.reward_at()
        && !tokenizer.always_ends_otherwise(id)
    {
        let token =
            text("pad_token").or_else(|| of_config.filter(|it| tokenizer.id(it) == Some(id)));
        return Ok(Padding { id: Some(id), token, is_added: false });
    }
    let end = tokenizer.end_token();
    let candidates = [text("pad_token"), of_config, text("unk_token"), text("bos_token")];
    let mut candidates = candidates.into_iter().flatten().chain(special);
    let is_free = |token: &String| end.as_ref() != Some(token) && tokenizer.id(token).is_some();
    if let Some(token) = candidates.find(is_free) {
        let id = tokenizer.id(&token);
        return Ok(Padding { id, token: Some(token), is_added: false });
    }
    if !files.config.is_causal() {
        return Ok(Padding::default());
    }
    let Some((id, token)) = tokenizer.new_token(&["<|pad|>", "<|padding|>", "<|fill|>"]) else {
        return Ok(Padding::default());
    };
    let added = Padding { id: Some(id), token: Some(token), is_added: true };
    let fits = may_grow || added.n_rows_added(&files.config) == 0;
    Ok(if fits { added } else { Padding::default() })
}

/// The token that pads batches of prompts: the one the files name, else the end token, as TRL takes it. No
/// reward is read at it, so that it may end texts as well.
pub(super) fn prompt_padding(
    source: &Source<'_>,
    files: &ModelFiles,
) -> Result<Padding, EngineError> {
    let named = NamedTokens::read(source)?;
    let token = named.get("pad_token").or_else(|| files.tokenizer.end_token());
    let id = token.as_ref().and_then(|token| files.tokenizer.id(token));
    Ok(Padding { id, token: token.filter(|_| id.is_some()), is_added: false })
}

/// `generation_config.json` of the base model, with the tokens that end an answer and the one that pads;
/// a base without one gets these alone. Gives the tokens that end.
pub(super) fn write_generation(
    dir: &Path,
    source: &Source<'_>,
    files: &ModelFiles,
    padding: &Padding,
) -> Result<Vec<u32>, EngineError> {
    let mut keys = optional_keys(source, GENERATION)?;
    let config = read_keys(source, CONFIG)?;
    let mut ends = GenerationDefaults::read(source)?.ends;
    if ends.is_empty() {
        let tokenizer = &files.tokenizer;
        ends.extend(tokenizer.end_token().and_then(|token| tokenizer.id(&token)));
    }
    let end = if let [one] = ends.as_slice() { json!(one) } else { json!(ends) };
    if !ends.is_empty() {
        keys.insert("eos_token_id".into(), end);
    }
    if let Some(padding) = padding.id.or(ends.first().copied()) {
        or_insert(&mut keys, "pad_token_id", json!(padding));
    }
    if let Some(begin) = config.get("bos_token_id").filter(|it| it.is_u64()) {
        or_insert(&mut keys, "bos_token_id", begin.clone());
    }
    write_json(&dir.join(GENERATION), &keys)?;
    Ok(ends)
}

/// What the tokenizer's files call their special tokens.
struct NamedTokens([Keys; 2]);

impl NamedTokens {
    fn read(source: &Source<'_>) -> Result<Self, EngineError> {
        let of = |name| optional_keys(source, name);
        Ok(Self([of(TOKENIZER_CONFIG)?, of(SPECIAL_TOKENS)?]))
    }

    fn get(&self, key: &str) -> Option<String> {
        let value = self.0.iter().find_map(|file| file.get(key).filter(|v| !v.is_null()))?;
        value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned)
    }
}

fn read_keys(source: &Source<'_>, name: &'static str) -> Result<Keys, EngineError> {
    serde_json::from_slice(&source.read(name)?)
        .map_err(|error| EngineError::json(source.path(name), &error))
}

fn optional_keys(source: &Source<'_>, name: &'static str) -> Result<Keys, EngineError> {
    if source.has(name) { read_keys(source, name) } else { Ok(Keys::new()) }
}

pub(super) fn write_json(path: &Path, keys: &Keys) -> Result<(), EngineError> {
    let text =
        serde_json::to_string_pretty(keys).map_err(|error| EngineError::json(path, &error))?;
    std::fs::write(path, text + "\n").map_err(EngineError::io("write", path))
}

fn copy(source: &Source<'_>, name: &'static str, dir: &Path) -> Result<(), EngineError> {
    let path = dir.join(name);
    std::fs::write(&path, source.read(name)?).map_err(EngineError::io("write", path))
}
