//! What can go wrong when starting and steering workers.

use std::path::PathBuf;

use crate::store::StoreError;

/// A failed supervisor operation.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A process could not be started.
    #[error("failed to start `{}`", program.display())]
    Start { program: PathBuf, source: std::io::Error },
    /// The worker's log cannot be written.
    #[error("failed to open `{}`", path.display())]
    Log { path: PathBuf, source: std::io::Error },
    /// A process of another machine.
    #[error("process {pid} runs on `{host}`, not here")]
    Elsewhere { pid: u32, host: String },
    /// A signal could not be sent.
    #[error("failed to signal process {pid}")]
    Signal { pid: u32, source: std::io::Error },
}

impl SupervisorError {
    /// What the person can do about it, as one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
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
