//! PEFT adapters as models: the base model that `adapter_config.json` names, with the low-rank
//! updates of `adapter_model.safetensors` merged into its matrices as they are read.
//!
//! Whatever PEFT can do beyond `W + scale * B A` and whole layers (`modules_to_save`, a larger
//! embedding table) is refused, with the key or the tensor's name.

use std::path::{Path, PathBuf};

use super::layout::Layout;
use super::stored::StoredTensors;
use crate::engine::{Backbone, EngineError};

mod base;
mod error;
mod keys;
mod modules;
mod tensors;
#[cfg(test)]
mod tests;

pub use self::error::AdapterError;
use self::keys::Settings;

/// The name of the settings' file.
pub(in crate::engine) const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The name of the tensors' file.
pub(in crate::engine) const ADAPTER: &str = "adapter_model.safetensors";

/// An adapter directory, its settings read.
#[derive(Debug)]
pub struct Adapter {
    dir: PathBuf,
    base: PathBuf,
    has_tokenizer: bool,
    settings: Settings,
}

/// What has changed in a base model after an adapter was merged into it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::engine) struct PutOver {
    /// Whether the output head differs from the embedding table although the base ties the two.
    pub has_foreign_language_head: bool,
}

impl Adapter {
    /// The adapter in a directory; `None` for a backbone that is something else.
    pub(in crate::engine) fn of(backbone: &Backbone) -> Result<Option<Self>, EngineError> {
        match backbone {
            Backbone::Directory(dir) if dir.join(ADAPTER_CONFIG).is_file() => {
                Self::read(dir).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn read(dir: &Path) -> Result<Self, EngineError> {
        let settings = Settings::read(dir)?;
        base::check_folder(dir)?;
        let base = base::find(dir, &settings)?;
        let has_tokenizer = base::has_tokenizer(dir)?;
        Ok(Self { dir: dir.to_owned(), base, has_tokenizer, settings })
    }

    /// The base model's folder.
    pub(in crate::engine) fn base(&self) -> &Path {
        &self.base
    }

    /// The folder of a file of the model: the tokenizer's files come from the adapter where it has
    /// them, all others from the base model.
    pub(in crate::engine) fn folder(&self, file: &str) -> &Path {
        let ends = [".safetensors", ".safetensors.index.json"];
        let is_base =
            matches!(file, "config.json" | "LICENSE") || ends.iter().any(|it| file.ends_with(it));
        if self.has_tokenizer && !is_base { &self.dir } else { &self.base }
    }

    pub(in crate::engine) fn file(&self) -> PathBuf {
        self.dir.join(ADAPTER)
    }

    /// Rows of the table of embeddings, where the adapter brings one.
    pub(in crate::engine) fn table_rows(
        &self,
        layout: &Layout,
    ) -> Result<Option<usize>, EngineError> {
        tensors::table_rows(&self.file(), layout)
    }

    /// Puts the adapter's tensors over those of the base model; `layout` is that of both together.
    pub(in crate::engine) fn put_over(
        &self,
        weights: &mut StoredTensors,
        layout: &Layout,
    ) -> Result<PutOver, EngineError> {
        tensors::put_over(&self.file(), &self.settings, weights, layout)
    }
}

/// The name on the Hub, as `hf:` takes it, of an adapter's base model that is not on this machine;
/// `None` for everything else.
#[must_use]
pub fn missing_base(dir: &Path) -> Option<String> {
    match Adapter::of(&Backbone::Directory(dir.to_owned())) {
        Err(EngineError::Adapter(AdapterError::NoBase { hub_name, .. })) => hub_name,
        _ => None,
    }
}
