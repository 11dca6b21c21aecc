//! Where the files of a model are read from: a directory, or bytes compiled into the program.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::embedded;
use super::peft::Adapter;
use super::tensor_file::{INDEX, WEIGHTS, broken};
use crate::engine::{Backbone, EngineError};

/// Names of tokenizer files that only SentencePiece reads.
const SENTENCEPIECE: [&str; 3] = ["spm.model", "tokenizer.model", "sentencepiece.bpe.model"];

/// Files of one model, by name.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A directory on disk.
    Directory(&'a Path),
    /// An adapter over its base model.
    Adapter(&'a Adapter),
    /// The model compiled into the program.
    Embedded,
}

impl<'a> Source<'a> {
    /// The source of a backbone that has files; `adapter` is what [`Adapter::of`] found there. The
    /// mock has no files and uses the embedded ones.
    #[must_use]
    pub fn of(backbone: &'a Backbone, adapter: Option<&'a Adapter>) -> Self {
        match (adapter, backbone) {
            (Some(adapter), _) => Self::Adapter(adapter),
            (None, Backbone::Directory(dir)) => Self::Directory(dir),
            (None, Backbone::Embedded | Backbone::Mock) => Self::Embedded,
        }
    }

    /// The folder that a file is looked for in; none for the model compiled into the program.
    fn folder(&self, file: &str) -> Option<&'a Path> {
        match self {
            Self::Directory(dir) => Some(dir),
            Self::Adapter(adapter) => Some(adapter.folder(file)),
            Self::Embedded => None,
        }
    }

    /// The path of a file, as messages name it.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        match self.folder(file) {
            Some(dir) => dir.join(file),
            None => PathBuf::from(format!("embedded/{file}")),
        }
    }

    /// Whether the file is there.
    #[must_use]
    pub fn has(&self, file: &str) -> bool {
        match self.folder(file) {
            Some(dir) => dir.join(file).is_file(),
            None => embedded::file(file).is_some(),
        }
    }

    /// The files of a folder beside the model with this ending: their names without it, and their
    /// paths, in the order of the names.
    ///
    /// # Errors
    /// [`EngineError::Io`] when the folder cannot be read.
    pub fn list(&self, folder: &str, ending: &str) -> Result<Vec<(String, PathBuf)>, EngineError> {
        let folder = match self {
            Self::Directory(dir) if dir.join(folder).is_dir() => dir.join(folder),
            _ => return Ok(Vec::new()),
        };
        let failed = |error| EngineError::io("read", &folder)(error);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(ending));
            found.extend(name.map(str::to_owned).map(|name| (name, path.clone())));
        }
        found.sort();
        Ok(found)
    }

    /// Reads the whole file. It is not memory-mapped, because a file that is truncated while it is
    /// mapped would kill the process.
    ///
    /// # Errors
    /// [`EngineError::NotAModel`] when it is missing, [`EngineError::Io`] when it cannot be read.
    pub fn read(&self, file: &'static str) -> Result<Cow<'static, [u8]>, EngineError> {
        let Some(dir) = self.folder(file) else {
            return embedded::file(file).map(Cow::Borrowed).ok_or(EngineError::NoEmbeddedModel);
        };
        self.require(file)?;
        let path = dir.join(file);
        std::fs::read(&path).map(Cow::Owned).map_err(EngineError::io("read", path))
    }

    /// Names of the weight files, in order.
    ///
    /// # Errors
    /// When the list of them is damaged, or names a file that does not lie beside it.
    pub fn shards(&self) -> Result<Vec<String>, EngineError> {
        if self.has(WEIGHTS) || !self.has(INDEX) {
            return Ok(vec![WEIGHTS.to_owned()]);
        }
        let path = self.path(INDEX);
        let index: Index = serde_json::from_slice(&self.read(INDEX)?)
            .map_err(|error| EngineError::json(&path, &error))?;
        let names: BTreeSet<String> = index.weight_map.into_values().collect();
        for name in &names {
            // An index from the network must not name files outside its directory.
            if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
                return Err(broken(&path, format!("`{name}` is not the name of a file beside it")));
            }
        }
        Ok(names.into_iter().collect())
    }

    /// The bytes of a file of the embedded model.
    ///
    /// # Errors
    /// [`EngineError::NoEmbeddedModel`] when there is none of that name.
    pub fn embedded(file: &str) -> Result<&'static [u8], EngineError> {
        embedded::file(file).ok_or(EngineError::NoEmbeddedModel)
    }

    /// Fails when a directory that exists lacks the file (a directory that does not exist is left
    /// to the read that follows).
    ///
    /// # Errors
    /// [`EngineError::NotAModel`].
    pub fn require(&self, file: &'static str) -> Result<(), EngineError> {
        match self.folder(file) {
            Some(dir) if dir.is_dir() && !dir.join(file).exists() => Err(EngineError::NotAModel {
                dir: dir.to_path_buf(),
                file,
                has_pickle: dir.join("pytorch_model.bin").is_file(),
                has_sentencepiece: SENTENCEPIECE.iter().any(|it| dir.join(it).is_file()),
            }),
            _ => Ok(()),
        }
    }
}

/// The part of `model.safetensors.index.json` that matters.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}
