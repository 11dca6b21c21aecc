//! The files of a model that say how its texts become tokens.

use serde_json::{Map, Value};

use super::{PairTokenizer, SpecialTokens};
use crate::engine::config::ModelConfig;
use crate::engine::files::peft::Adapter;
use crate::engine::files::source::Source;
use crate::engine::text::chat::ChatTemplate;
use crate::engine::{EngineError, OpenSettings};

pub(in crate::engine) const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "config.json";
/// Where the names of special tokens stand.
const BESIDE_TOKENIZER: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];

/// Reads the tokenizer of a model, with the chat template that `chat_template` names.
///
/// # Errors
/// Names the file and what is wrong with it.
pub(in crate::engine) fn read_tokenizer(
    source: &Source<'_>,
    config: &ModelConfig,
    max_tokens: usize,
    chat_template: &str,
) -> Result<PairTokenizer, EngineError> {
    let bytes = source.read(TOKENIZER)?;
    let mut special = read_special_tokens(source)?;
    if !special.settings.contains_key("tokenizer_class")
        && let Some(class) = read_keys(source, CONFIG)?.remove("tokenizer_class")
    {
        special.settings.insert("tokenizer_class".into(), class);
    }
    let mut tokenizer =
        PairTokenizer::parse(&source.path(TOKENIZER), &bytes, &special, config, max_tokens)?;
    check_added_tokens(source, &special, &tokenizer)?;
    let own = special.chat_templates.as_ref();
    tokenizer.chat_template = ChatTemplate::resolve(chat_template, source, own, &special.all)?;
    Ok(tokenizer)
}

/// Where older versions kept tokens that were added to the vocabulary.
const ADDED_TOKENS: &str = "added_tokens.json";

/// Refuses a token that transformers would add from an older file, where nothing newer lists them.
fn check_added_tokens(
    source: &Source<'_>,
    special: &SpecialTokens,
    tokenizer: &PairTokenizer,
) -> Result<(), EngineError> {
    if special.settings.contains_key("added_tokens_decoder") || !source.has(ADDED_TOKENS) {
        return Ok(());
    }
    let added = read_keys(source, ADDED_TOKENS)?;
    match added.keys().find(|token| tokenizer.id(token).is_none()) {
        None => Ok(()),
        Some(token) => Err(EngineError::BrokenTokenizer {
            path: source.path(TOKENIZER),
            detail: format!("`{ADDED_TOKENS}` beside it adds `{token}`, which it lacks"),
        }),
    }
}

fn read_special_tokens(source: &Source<'_>) -> Result<SpecialTokens, EngineError> {
    let mut beside = Vec::new();
    for name in BESIDE_TOKENIZER.into_iter().filter(|name| source.has(name)) {
        beside.push(read_keys(source, name)?);
    }
    // As in transformers 5: `special_tokens_map.json` is read only beside an old
    // `tokenizer_config.json`, over which it takes precedence.
    if !beside.first().is_some_and(|keys| keys.contains_key("added_tokens_decoder")) {
        beside.reverse();
    }
    Ok(SpecialTokens::of(&beside))
}

fn read_keys(source: &Source<'_>, name: &'static str) -> Result<Map<String, Value>, EngineError> {
    serde_json::from_slice(&source.read(name)?)
        .map_err(|error| EngineError::json(source.path(name), &error))
}

/// The chat template that is a model's own.
///
/// # Errors
/// When a file beside the tokenizer does not parse, or the template does not work.
pub(in crate::engine) fn own_template(
    source: &Source<'_>,
) -> Result<Option<ChatTemplate>, EngineError> {
    let special = read_special_tokens(source)?;
    ChatTemplate::resolve("auto", source, special.chat_templates.as_ref(), &special.all)
}

/// The chat template that a run of these settings reads with, without opening the model; `None` where
/// prompt and answer stand as they are.
///
/// # Errors
/// As when the model is opened.
pub fn chat_template(settings: &OpenSettings) -> Result<Option<ChatTemplate>, EngineError> {
    let adapter = Adapter::of(&settings.backbone)?;
    let source = Source::of(&settings.backbone, adapter.as_ref());
    let special = read_special_tokens(&source)?;
    let own = special.chat_templates.as_ref();
    ChatTemplate::resolve(&settings.chat_template, &source, own, &special.all)
}
