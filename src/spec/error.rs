//! What can be wrong with a spec.

use std::path::PathBuf;

/// A spec that no run can have.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// A key, a value, an arm or the form of the text is wrong.
    #[error("{message}")]
    Refused {
        /// It names the key, the value and the place they were written at.
        message: String,
        /// It shows what would be right.
        hint: Option<String>,
    },
    /// A spec file cannot be read.
    #[error("cannot read `{}`", path.display())]
    File {
        /// It is the path as the person wrote it.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl SpecError {
    /// A mistake in what the person gave.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), hint: None }
    }

    /// Adds what would be right to a mistake.
    #[must_use]
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
