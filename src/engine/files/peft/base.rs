//! Where the base model of an adapter lies.

use std::path::{Path, PathBuf};

use super::AdapterError;
use super::keys::Settings;
use super::{ADAPTER, ADAPTER_CONFIG};
use crate::domain::source::hub_name::HubName;
use crate::engine::files::hub_cache;
use crate::engine::files::tensor_file::{INDEX, WEIGHTS};

/// Files of a tokenizer that are useless without `tokenizer.json`.
const OF_TOKENIZER: [&str; 8] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "tokenizer.model",
    "spm.model",
];

/// Finds the base model's folder: relative to the current folder, as PEFT does; else beside the
/// adapter; else in the cache of the Hub.
pub(super) fn find(dir: &Path, settings: &Settings) -> Result<PathBuf, AdapterError> {
    let path = dir.join(ADAPTER_CONFIG);
    let named = &settings.base;
    let revision = settings.revision.as_deref();
    let beside = [PathBuf::from(named), dir.join(named)];
    let found = beside.into_iter().find(|place| place.is_dir());
    let Some(base) = found.or_else(|| hub_cache::base_snapshot(named, revision)) else {
        let (named, hub_name) = (named.clone(), hub_name(named, revision));
        return Err(AdapterError::NoBase { path, named, hub_name });
    };
    if base.join(ADAPTER_CONFIG).is_file() {
        return Err(AdapterError::Nested { path, base });
    }
    Ok(base)
}

/// A name on the Hub as `hf:` takes it.
fn hub_name(named: &str, revision: Option<&str>) -> Option<String> {
    let name = HubName::parse(&format!("hf:{named}")).ok().filter(|name| name.path.is_empty())?;
    Some(revision.map_or(name.clone(), |revision| name.at(revision)).to_string())
}

/// Whether the tokenizer is the adapter's own. As transformers does, all of its files are taken from the
/// folder that has `tokenizer.json`, or none.
pub(super) fn has_tokenizer(dir: &Path) -> Result<bool, AdapterError> {
    if dir.join("tokenizer.json").is_file() {
        return Ok(true);
    }
    match OF_TOKENIZER.into_iter().find(|file| dir.join(file).is_file()) {
        Some(file) => Err(AdapterError::TornTokenizer { dir: dir.to_owned(), file }),
        None => Ok(false),
    }
}

/// Refuses a folder that holds more than an adapter.
pub(super) fn check_folder(dir: &Path) -> Result<(), AdapterError> {
    let has = |file: &str| dir.join(file).is_file();
    if has(WEIGHTS) || has(INDEX) {
        return Err(AdapterError::WholeModelToo { dir: dir.to_owned() });
    }
    if has(ADAPTER) {
        return Ok(());
    }
    Err(AdapterError::NoWeights { dir: dir.to_owned(), has_pickle: has("adapter_model.bin") })
}
