//! Why an adapter cannot be merged.

use std::path::PathBuf;

/// What is wrong with an adapter.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A key of `adapter_config.json` asks for something that cannot be merged, or has an invalid
    /// value.
    #[error("`{}` has `{key}` `{value}`: {problem}", path.display())]
    Key {
        path: PathBuf,
        key: String,
        /// Its value, as JSON without outer quotes.
        value: String,
        problem: &'static str,
        hint: &'static str,
    },
    /// The base model cannot be found.
    #[error(
        "`{}` names the base model `{named}`, which is no folder here, none beside the adapter, and \
         not in the cache of the Hub",
        path.display()
    )]
    NoBase {
        path: PathBuf,
        /// The value of `base_model_name_or_path`.
        named: String,
        /// As `hf:owner/name[@revision]`, where it can be one.
        hub_name: Option<String>,
    },
    /// The base model is an adapter itself.
    #[error("`{}` stands on `{}`, which is an adapter itself", path.display(), base.display())]
    Nested { path: PathBuf, base: PathBuf },
    /// A whole model lies in the adapter's folder.
    #[error(
        "`{}` holds a whole model beside an adapter: transformers puts the adapter over that model, \
         PEFT over the one it names",
        dir.display()
    )]
    WholeModelToo { dir: PathBuf },
    /// There are no tensors.
    #[error("`{}` has no `adapter_model.safetensors`", dir.display())]
    NoWeights {
        dir: PathBuf,
        /// Pickled ones are there instead.
        has_pickle: bool,
    },
    /// Some files of a tokenizer are there, but not `tokenizer.json`.
    #[error("`{}` has `{file}` but no `tokenizer.json`, so its tokenizer cannot be read", dir.display())]
    TornTokenizer {
        dir: PathBuf,
        /// The file that is there.
        file: &'static str,
    },
    /// Tensors that no merged model has, or that do not fit.
    #[error("`{}` cannot be merged: {}", path.display(), problems.join("; "))]
    Tensors { path: PathBuf, problems: Vec<String>, hint: &'static str },
    /// Only a part of the head is there; PEFT would fill the rest with random numbers whenever it
    /// opens the adapter.
    #[error(
        "`{}` holds the score, but `{missing}` is neither in it nor in the base model: PEFT makes it \
         anew from random numbers at every opening",
        path.display()
    )]
    TornHead {
        path: PathBuf,
        /// What is not there.
        missing: String,
    },
    /// The adapter trains an output head apart from the embedding table, but the base model has one
    /// table for both.
    #[error(
        "`{}` changes the output of a base model whose output is its input table, so answers cannot be \
         rated or written with it",
        path.display()
    )]
    ForeignLanguageHead { path: PathBuf },
}

/// The hint for adapters that PEFT itself can merge.
pub(super) const MERGE: &str =
    "merge the adapter with PEFT (`merge_and_unload()`) and save the whole model";

impl AdapterError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Key { hint, .. } | Self::Tensors { hint, .. } => (*hint).to_owned(),
            Self::NoBase { hub_name: Some(name), .. } => format!(
                "fetch it (`ser model import {name}`), or write the base model's folder into \
                 `base_model_name_or_path`"
            ),
            Self::NoBase { hub_name: None, .. } => {
                "write the base model's folder into `base_model_name_or_path`".to_owned()
            }
            Self::Nested { base, .. } => format!(
                "merge `{}` with PEFT (`merge_and_unload()`) and name the whole model as the base",
                base.display()
            ),
            Self::WholeModelToo { .. } => {
                "if the adapter is merged into that model, take `adapter_config.json` away; if not, \
                 move the adapter's files to a folder of their own"
                    .to_owned()
            }
            Self::NoWeights { has_pickle: true, .. } => {
                "pickled tensors are not loaded: open `adapter_model.bin` with PEFT and save it again \
                 (`save_pretrained`)"
                    .to_owned()
            }
            Self::NoWeights { has_pickle: false, .. } => {
                "an adapter's folder holds `adapter_config.json` and `adapter_model.safetensors`"
                    .to_owned()
            }
            Self::TornTokenizer { dir, .. } => format!(
                "save the whole tokenizer that the adapter was trained with into `{}` \
                 (`save_pretrained`), or take this file away to read with the base model's",
                dir.display()
            ),
            Self::TornHead { .. } => {
                "train it again with the layer before the score in `modules_to_save` (such as \
                 `[\"classifier\", \"pooler\"]`)"
                    .to_owned()
            }
            Self::ForeignLanguageHead { .. } => MERGE.to_owned(),
        }
    }
}
