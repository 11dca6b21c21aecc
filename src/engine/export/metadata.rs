//! `config.json` and the tokenizer's files of an exported model.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Exported, text_form};
use crate::engine::chat::{ChatTemplate, NAMED_FOLDER, OWN_FILE, TOOL_USE};
use crate::engine::config::ModelConfig;
use crate::engine::source::Source;
use crate::engine::tokenize::PairTokenizer;
use crate::engine::weights::ModelFiles;
use crate::engine::{Backbone, EngineError};

pub(super) const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
/// Copied as they are where the base model has them. Its chat template is not: the model has not read
/// with it, and others would.
const COPIED: [&str; 6] =
    ["vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spm.model", "LICENSE"];
/// Keys that speak of the base model's files, or that the one label replaces.
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

/// The class that loads a model with one output, by `model_type`.
pub(super) fn class(model_type: &str) -> &'static str {
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

/// Writes everything but the weights.
pub(super) fn write(
    dir: &Path,
    source: &Source<'_>,
    files: &ModelFiles,
    max_tokens: usize,
) -> Result<Exported, EngineError> {
    let mut config = read_keys(source, CONFIG)?;
    let mut tokenizer = optional_keys(source, TOKENIZER_CONFIG)?;
    let mut special = optional_keys(source, SPECIAL_TOKENS)?;
    let end = files.tokenizer.end_token();
    let padding = padding(&files.tokenizer, &config, &[&tokenizer, &special], end.as_deref());
    let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let class = class(model_type);
    one_label(&mut config, class, padding.as_ref().map(|(id, _)| *id));
    let padding = padding.map(|(_, token)| token);
    if let (ModelConfig::Decoder(_), Some(end)) = (&files.config, &end) {
        tokenizer.entry("eos_token").or_insert_with(|| json!(end));
    }
    tokenizer_keys(&mut tokenizer, padding.as_deref(), max_tokens);
    if !matches!(&files.config, ModelConfig::Encoder(config) if config.has_segments()) {
        // The tokenizer's class would make token types, which these models refuse.
        tokenizer.insert("model_input_names".into(), json!(["input_ids", "attention_mask"]));
    }
    for key in SPECIAL {
        if let Some(token) = tokenizer.get(key).filter(|token| !token.is_null()) {
            special.entry(key).or_insert_with(|| token.clone());
        }
    }
    if let Some(padding) = &padding {
        special.insert("pad_token".into(), json!(padding));
    }
    for (name, keys) in
        [(CONFIG, &config), (TOKENIZER_CONFIG, &tokenizer), (SPECIAL_TOKENS, &special)]
    {
        write_json(&dir.join(name), keys)?;
    }
    copy(source, TOKENIZER, dir)?;
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
    let text = text_form(&files.config, end);
    Ok(Exported { class, text, padding, n_parameters: 0, max_tokens })
}

/// The embedded language model as a directory of its own, for an adapter to stand on. Its weights lie
/// there in half precision, but are to be computed with in `f32`, as they are here.
pub(super) fn write_embedded_base(dir: &Path) -> Result<(), EngineError> {
    std::fs::create_dir_all(dir).map_err(EngineError::io("create", dir))?;
    let source = Source::of(&Backbone::Embedded);
    let mut config = read_keys(&source, CONFIG)?;
    config.insert("torch_dtype".into(), json!("float32"));
    write_json(&dir.join(CONFIG), &config)?;
    [super::WEIGHTS, TOKENIZER, TOKENIZER_CONFIG]
        .into_iter()
        .try_for_each(|name| copy(&source, name, dir))
}

/// Makes the configuration of a base model that of a classifier with one output.
fn one_label(config: &mut Keys, class: &str, padding: Option<u32>) {
    for key in DROPPED {
        config.remove(key);
    }
    config.insert("architectures".into(), json!([class]));
    config.insert("id2label".into(), json!({"0": "LABEL_0"}));
    config.insert("label2id".into(), json!({"LABEL_0": 0}));
    config.insert("pad_token_id".into(), json!(padding));
    config.insert("torch_dtype".into(), json!("float32"));
}

fn tokenizer_keys(keys: &mut Keys, padding: Option<&str>, max_tokens: usize) {
    keys.entry("tokenizer_class").or_insert_with(|| json!("PreTrainedTokenizerFast"));
    for key in ["auto_map", "name_or_path", "chat_template"] {
        keys.remove(key);
    }
    keys.insert("model_max_length".into(), json!(max_tokens));
    // The oldest words of a prompt are the first to go, as in training.
    keys.insert("truncation_side".into(), json!("left"));
    keys.insert("padding_side".into(), json!("right"));
    if let Some(padding) = padding {
        keys.insert("pad_token".into(), json!(padding));
    }
}

/// A token to fill batches with, and its id: what the files name, else an unknown or beginning
/// token, else any special token, but never the one that ends texts: a decoder in transformers
/// reads the reward at the last token that is not padding.
fn padding(
    tokenizer: &PairTokenizer,
    config: &Keys,
    files: &[&Keys],
    end: Option<&str>,
) -> Option<(u32, String)> {
    let text = |key: &str| -> Option<String> {
        let value = files.iter().find_map(|file| file.get(key).filter(|v| !v.is_null()))?;
        value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned)
    };
    let configured = config.get("pad_token_id").and_then(Value::as_u64);
    let configured = configured.and_then(|id| tokenizer.token(u32::try_from(id).ok()?));
    let named = [text("pad_token"), configured, text("unk_token"), text("bos_token")];
    let candidates = named.into_iter().flatten().chain(tokenizer.special_tokens());
    let mut free = candidates.filter(|token| Some(token.as_str()) != end);
    free.find_map(|token| Some((tokenizer.id(&token)?, token)))
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
