//! Why nothing was started.

use std::path::PathBuf;

use crate::data::DataError;
use crate::domain::source::hub_name::BadName;
use crate::domain::split::SplitError;
use crate::engine::EngineError;
use crate::hub::HubError;
use crate::spec::SpecError;
use crate::store::StoreError;
use crate::supervisor::SupervisorError;

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The spec is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The data is wrong.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model is wrong, or this machine is too small for it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The Hub refused, or cannot be reached.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A name on the Hub is malformed.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The runs wait in the queue, but no worker could be started.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// There is nothing to read.
    #[error("`data.source` is an empty list")]
    NoSource,
    /// No folder and no imported model has the name.
    #[error("there is no model `{name}`: it is no folder")]
    NoModel {
        /// As it was given.
        name: String,
    },
    /// A file of a repository was given as a model.
    #[error("`{name}` has a path after its name, but a model is all of it")]
    PartOfModel {
        /// As it was given.
        name: String,
    },
    /// Several files were given one share of a mixture.
    #[error("`{name}` is {n_files} files, but has one weight or cap")]
    OneWeight {
        /// As it was given.
        name: String,
        /// So many files it stands for.
        n_files: usize,
    },
    /// The model reads shorter texts than the spec wants.
    #[error(
        "`model.max_tokens` is {max_tokens}, but `{}` has {n_positions} positions",
        config.display()
    )]
    TooManyTokens {
        /// The value of the spec.
        max_tokens: usize,
        /// The file that says how many positions there are.
        config: PathBuf,
        /// The most tokens the model reads.
        n_positions: usize,
    },
    /// There are too few pairs for the parts of the data.
    #[error("`{data}` cannot be divided: {reason}")]
    Undivided {
        /// The data, as the spec names it.
        data: String,
        /// Which part would be empty.
        reason: SplitError,
    },
    /// The spec cannot be written beside its run.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The run of a dry run failed.
    #[error("{message}")]
    Failed {
        /// What its worker said.
        message: String,
        /// The worker's hint.
        hint: Option<String>,
    },
    /// A dry run was ended before its run was.
    #[error("the dry run was given up; nothing of it is kept")]
    GivenUp,
}

impl LaunchError {
    /// What the person can do about it, as one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Spec(error) => return error.hint(),
            Self::Data(error) => return error.hint(),
            Self::Engine(error) => return error.hint(),
            Self::Hub(error) => return error.hint(),
            Self::Store(error) => return error.hint(),
            Self::Supervisor(error) => return error.hint(),
            Self::Failed { hint, .. } => return hint.clone(),
            Self::TooManyTokens { n_positions, .. } => {
                return Some(format!("set `model.max_tokens` to {n_positions} or less"));
            }
            Self::BadName(_) => "for example `hf:sentence-transformers/all-MiniLM-L6-v2@main`",
            Self::NoSource => "name a file",
            Self::NoModel { .. } => {
                "write `embedded`, a folder with `config.json`, a name of `ser model list`, or \
                 `hf:owner/name`"
            }
            Self::PartOfModel { .. } => "write `hf:owner/name[@revision]`",
            Self::OneWeight { .. } => "name one file after a `/`",
            Self::Undivided { .. } => {
                "give more pairs, or change `data.seed_labels` and `data.validation_share`"
            }
            Self::Write { .. } => "check the path and its permissions",
            Self::GivenUp => return None,
        };
        Some(hint.to_owned())
    }
}
