//! What can go wrong when starting and steering workers.

use std::path::PathBuf;

use crate::store::StoreError;

/// A failed supervisor operation.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A process could not be started.
    #[error("failed to start `{}`", program.display())]
    Start {
        /// Which binary.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The worker's log cannot be written.
    #[error("failed to open `{}`", path.display())]
    Log {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `ser run --detach` refused the spec.
    #[error("{message}")]
    Launch {
        /// What it said.
        message: String,
        /// Its hint.
        hint: Option<String>,
    },
    /// A spec that no run can have.
    #[error("{message}")]
    Spec {
        /// What is wrong, and where it was written.
        message: String,
        /// What would be right.
        hint: Option<String>,
    },
    /// A spec file cannot be read.
    #[error("cannot read `{}`", path.display())]
    SpecFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A process of another machine.
    #[error("process {pid} runs on `{host}`, not here")]
    Elsewhere {
        /// Which process.
        pid: u32,
        /// Where.
        host: String,
    },
    /// A signal could not be sent.
    #[error("failed to signal process {pid}")]
    Signal {
        /// Which process.
        pid: u32,
        /// Why.
        source: std::io::Error,
    },
}

impl SupervisorError {
    /// The same mistake in a spec with a hint.
    #[must_use]
    pub(crate) fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Spec { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// What the person can do about it, as one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Launch { hint, .. } | Self::Spec { hint, .. } => hint.clone(),
            Self::SpecFile { .. } => Some("check the path and its permissions".to_owned()),
            Self::Start { .. } => {
                Some("check that the binary was not moved or replaced".to_owned())
            }
            Self::Log { path, .. } => {
                Some(format!("check the room and the permissions at `{}`", path.display()))
            }
            Self::Elsewhere { host, .. } => Some(format!("run the command on `{host}`")),
            Self::Signal { .. } => None,
        }
    }
}
