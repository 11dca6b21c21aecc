//! What a tokenizer's files say of its special tokens.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::engine::text::chat::DEFAULT;

/// What `tokenizer_config.json` and `special_tokens_map.json` say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// The value of `eos_token`.
    pub end: Option<String>,
    /// The value of `pad_token`.
    pub padding: Option<String>,
    /// Every `…_token` by its key, for chat templates.
    pub all: BTreeMap<String, String>,
    /// `chat_template`: one text is the template `default`, several have names.
    pub chat_templates: Option<BTreeMap<String, String>>,
    /// Every key, for the tokenizer's class.
    pub settings: Map<String, Value>,
}

impl SpecialTokens {
    /// Of the two files' keys; the first that has a token wins.
    #[must_use]
    pub fn of(files: &[Map<String, Value>]) -> Self {
        let token = |key: &str| files.iter().find_map(|file| content(file.get(key)?));
        let settings =
            files.iter().rev().flatten().map(|(key, value)| (key.clone(), value.clone()));
        Self {
            end: token("eos_token"),
            padding: token("pad_token"),
            all: tokens(files),
            chat_templates: files.iter().find_map(|file| own_templates(file.get("chat_template")?)),
            settings: settings.collect(),
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

/// Whether transformers reads special tokens that are written in a text as ordinary characters.
pub(super) fn splits_special_tokens(special: &SpecialTokens) -> bool {
    special.settings.get("split_special_tokens").and_then(Value::as_bool).unwrap_or_default()
}
