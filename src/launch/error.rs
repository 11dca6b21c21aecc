//! What can go wrong before a worker takes over.

use std::path::PathBuf;

use crate::data::DataError;
use crate::domain::source::hub_name::BadName;
use crate::domain::split::SplitError;
use crate::engine::EngineError;
use crate::hub::HubError;
use crate::spec::{self, SpecError};
use crate::store::StoreError;
use crate::supervisor::SupervisorError;

/// The reason why a launch, an import or a dry run failed; nothing that it made is left.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A source cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A model cannot be opened, or is too large for this machine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A name on the Hub cannot be fetched.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A text is no name on the Hub.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The spec is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// No worker can be started.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// `data.source` names nothing.
    #[error("`data.source` is an empty list")]
    NoSource,
    /// A weight or a cap belongs to one file, but the name stands for several.
    #[error("`{path}` is {n_files} files, but has one weight or cap")]
    WeightOfFiles {
        /// The name on the Hub.
        path: String,
        /// How many files it means.
        n_files: usize,
    },
    /// A model that is neither a folder nor a known name.
    #[error("there is no model `{name}`: it is no folder")]
    NoModel { name: String },
    /// A path inside a repository was given, but a model is always fetched whole.
    #[error("`{name}` has a path after its name, but a model is all of it")]
    PathInModel { name: String },
    /// The model cannot read texts that long.
    #[error("`model.max_tokens` is {n}, but `{}` has {limit} positions", config.display())]
    TooManyTokens {
        /// The value of `model.max_tokens`.
        n: usize,
        /// The positions of the model.
        limit: usize,
        /// The model's `config.json`.
        config: PathBuf,
    },
    /// Too few pairs for the splits.
    #[error("`{source_name}` cannot be divided: {error}")]
    Split {
        /// The value of `data.source`.
        source_name: String,
        /// Which part would be empty.
        error: SplitError,
    },
    /// A path names neither a file nor a directory.
    #[error("`{}` is no place for an export", path.display())]
    NoPlace { path: PathBuf },
    /// The folder of an export is missing.
    #[error("`{}` is no directory", path.display())]
    NoFolder { path: PathBuf },
    /// Something is where an export should go.
    #[error("`{}` is there already", path.display())]
    Taken { path: PathBuf },
    /// A directory that may hold anything is where an export should go.
    #[error("`{}` is a directory that no export made", path.display())]
    NotOurs { path: PathBuf },
    /// A policy run whose worker has kept nothing yet.
    #[error("`{name}` has no weights yet")]
    NoWeights {
        /// The run's name.
        name: String,
        /// The run's id, for the hint.
        id: String,
    },
    /// A file of the home, or of an export, cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A word that is neither a spec file nor a preset.
    #[error("`{name}`: no such file, and no preset of that name")]
    NoSpec {
        name: String,
        /// The presets that there are.
        presets: Vec<String>,
    },
    /// A random seed was given twice.
    #[error("`--rng-seeds` holds {rng_seed} twice")]
    SeedTwice { rng_seed: u64 },
    /// Two arms of a request come to the same settings.
    #[error("arms `{first}` and `{second}` have the same settings, so both would be the same run")]
    SameArm { first: String, second: String },
    /// A reward or a judge is wanted, and the name is something else.
    #[error("{message}")]
    NoScorer { message: String, hint: String },
    /// The small run of a dry run failed.
    #[error("{message}")]
    DryRun {
        /// What its worker reported.
        message: String,
        hint: Option<String>,
    },
}

impl LaunchError {
    /// What the person can do about it, as one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(error) => return error.hint(),
            Self::Data(error) => return error.hint(),
            Self::Engine(error) => return error.hint(),
            Self::Hub(error) => return error.hint(),
            Self::Spec(error) => return error.hint(),
            Self::Supervisor(error) => return error.hint(),
            Self::DryRun { hint, .. } => return hint.clone(),
            Self::NoScorer { hint, .. } => return Some(hint.clone()),
            Self::NoSpec { name, presets } => {
                let list = match presets.as_slice() {
                    [] => {
                        "check the path; `P` in the form of the interface keeps a preset".to_owned()
                    }
                    presets => format!("presets are {}", presets.join(", ")),
                };
                let meant = spec::nearest(name, presets.iter().map(String::as_str));
                let meant =
                    meant.map_or(String::new(), |meant| format!("did you mean `{meant}`? "));
                return Some(meant + &list);
            }
            Self::TooManyTokens { limit, .. } => {
                return Some(format!("set `model.max_tokens` to {limit} or less"));
            }
            Self::Name(_) => "for example `hf:sentence-transformers/all-MiniLM-L6-v2@main`",
            Self::NoSource => "name a file",
            Self::WeightOfFiles { .. } => "name one file after a `/`",
            Self::NoModel { .. } => {
                "write `embedded`, a folder with `config.json`, a name of `ser model list`, or \
                 `hf:owner/name`"
            }
            Self::PathInModel { .. } => "write `hf:owner/name[@revision]`",
            Self::Split { error: SplitError::EmptyPart { n_pairs, n_groups, .. }, .. }
                if n_groups * 10 < *n_pairs =>
            {
                "groups are never divided: name a finer one with `data.group`"
            }
            Self::Split { .. } => {
                "give more pairs, or change `data.seed_labels` and `data.validation_share`"
            }
            Self::NoWeights { id, .. } => {
                return Some(format!("`ser attach {id}` shows how far it is"));
            }
            Self::NoPlace { .. } => "name a file or a directory",
            Self::NoFolder { .. } => "make it first (`mkdir -p`)",
            Self::Taken { .. } => "name another place, or add `--force` to replace it",
            Self::NotOurs { .. } => "name another place, or remove it yourself",
            Self::Write { .. } => "check the path and its permissions",
            Self::SeedTwice { .. } => "the same random seed gives the same run",
            Self::SameArm { .. } => "name each arm once; `--set ARM:key=value` changes one of them",
        };
        Some(hint.to_owned())
    }
}
