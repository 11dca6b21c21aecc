//! What can go wrong with a model.

use std::path::PathBuf;

/// An engine failure; every message names the file or the value.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A loss, gradient or reward stopped being a number; nothing was changed by the step.
    #[error("{what} is not finite ({value})")]
    NonFinite {
        /// `loss`, `gradient norm` or `reward`.
        what: &'static str,
        /// The offending value.
        value: f32,
    },
    /// A file could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl EngineError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NonFinite { .. } => {
                Some("lower `train.learning_rate` or set `train.clip_norm`".into())
            }
            Self::Io { .. } => None,
        }
    }
}
