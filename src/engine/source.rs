//! Where the files of a model are read from: a directory, or bytes compiled into the program.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::{Backbone, EngineError, embedded};

/// What tokenizers of SentencePiece alone are called.
const SENTENCEPIECE: [&str; 3] = ["spm.model", "tokenizer.model", "sentencepiece.bpe.model"];

/// Files of one model, by name.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A directory on disk.
    Directory(&'a Path),
    /// The model compiled into the program.
    Embedded,
}

impl<'a> Source<'a> {
    /// The source of a backbone that has files; the mock has none and takes the embedded ones.
    #[must_use]
    pub fn of(backbone: &'a Backbone) -> Self {
        match backbone {
            Backbone::Directory(dir) => Self::Directory(dir),
            Backbone::Embedded | Backbone::Mock => Self::Embedded,
        }
    }

    /// The path of a file, as messages name it.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        match self {
            Self::Directory(dir) => dir.join(file),
            Self::Embedded => PathBuf::from(format!("embedded/{file}")),
        }
    }

    /// Whether the file is there.
    #[must_use]
    pub fn has(&self, file: &str) -> bool {
        match self {
            Self::Directory(dir) => dir.join(file).is_file(),
            Self::Embedded => embedded::file(file).is_some(),
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

    /// The whole file. Never mapped: a file truncated while mapped ends the process.
    ///
    /// # Errors
    /// [`EngineError::NotAModel`] when it is missing, [`EngineError::Io`] when it cannot be read.
    pub fn read(&self, file: &'static str) -> Result<Cow<'static, [u8]>, EngineError> {
        match self {
            Self::Embedded => {
                embedded::file(file).map(Cow::Borrowed).ok_or(EngineError::NoEmbeddedModel)
            }
            Self::Directory(dir) => {
                self.require(file)?;
                let path = dir.join(file);
                std::fs::read(&path).map(Cow::Owned).map_err(EngineError::io("read", path))
            }
        }
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
        match self {
            Self::Directory(dir) if dir.is_dir() && !dir.join(file).exists() => {
                Err(EngineError::NotAModel {
                    dir: dir.to_path_buf(),
                    file,
                    has_pickle: dir.join("pytorch_model.bin").is_file(),
                    has_sentencepiece: SENTENCEPIECE.iter().any(|it| dir.join(it).is_file()),
                })
            }
            _ => Ok(()),
        }
    }
}
