//! What can be wrong with a spec.

use std::path::PathBuf;

/// A spec that no run can have, or that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// A key or a value, with the place where it was written.
    #[error("{message}")]
    Refused {
        /// One sentence that names key, value and place.
        message: String,
        /// What would be right.
        hint: Option<String>,
    },
    /// A spec file cannot be read.
    #[error("cannot read `{}`", path.display())]
    File {
        /// The file that was named.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A spec, or what is wrong with it.
pub type SpecResult<T = ()> = Result<T, SpecError>;

/// A mistake in what the person gave.
pub(super) fn refuse(message: impl Into<String>) -> SpecError {
    SpecError::Refused { message: message.into(), hint: None }
}

impl SpecError {
    pub(super) fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Refused { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// What the person can do about it, as one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. } => hint.clone(),
            Self::File { .. } => Some("check the path and its permissions".to_owned()),
        }
    }
}
