//! Why nobody scores: no such model, no such round, or a command that does not keep to the protocol.

use super::command::Problem;
use crate::domain::run::RunId;
use crate::domain::text::causes::one_line;
use crate::engine::EngineError;
use crate::store::StoreError;

/// A scorer that cannot be opened, or does not score.
#[derive(Debug, thiserror::Error)]
pub enum ScorerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("`{run}` has no round {round}")]
    NoRound { run: String, id: RunId, round: u32 },
    #[error("the weights of round {round} of `{run}` are not kept")]
    NotKept {
        run: String,
        round: u32,
        /// Rounds whose weights are kept, in order.
        kept: Vec<u32>,
    },
    #[error("`{run}` holds no weights of a finished round")]
    NoWeights { run: String, id: RunId },
    #[error("`{run}` is a policy, which has no reward model")]
    IsPolicy { run: String, id: RunId },
    #[error("`{run}:folds` is several models, and one is wanted")]
    Several { run: String },
    #[error("the fold models of `{run}` are not there")]
    NoFolds {
        run: String,
        /// Whether its spec keeps them, so that they are still to come.
        are_kept: bool,
    },
    #[error("`{name}` is a model, which has no rounds")]
    HasNoRounds { name: String },
    #[error("`{name}` has no reward head")]
    NoRewardHead { name: String },
    #[error("`{name}` holds no `config.json` and is no run")]
    NoModelFiles { name: String },
    #[error("there is no run and no model folder `{name}`")]
    Nothing {
        name: String,
        /// The hint of the store, which knows names that are near.
        nearest: Option<String>,
    },
    #[error("`{name}` is not on this machine")]
    NotFetched { name: String },
    #[error("`{name}` names no model before, between or after its commas")]
    EmptyPart { name: String },
    #[error("`{part}` cannot be one of several scorers, as in `{name}`")]
    StandsAlone { name: String, part: String },
    #[error("`command:` names no command")]
    NoCommand,
    #[error("`{command}` {}", one_line(problem.as_ref()))]
    Command {
        command: String,
        problem: Box<Problem>,
        /// The last lines of its standard error.
        said: Vec<String>,
    },
}

impl ScorerError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Store(error) => return error.hint(),
            Self::Engine(error) => return error.hint(),
            Self::NoRound { id, .. } => format!("`ser rounds {id}` lists the rounds"),
            Self::NotKept { kept, .. } => {
                let kept: Vec<String> = kept.iter().map(u32::to_string).collect();
                let kept = kept.join(", ");
                format!(
                    "kept: round {kept}; `rounds.keep_weights = \"all\"` keeps every round of a run"
                )
            }
            Self::NoWeights { id, .. } => format!("`ser attach {id}` shows how far it is"),
            Self::IsPolicy { id, .. } => format!(
                "name the run that rewarded it (`policy.reward` in `ser show {id}`); `ser generate {id}` \
                 lets it answer"
            ),
            Self::Several { .. } => {
                "`ser best-of`, `ser pairs` and `policy.reward` take several; leave `:folds` out".to_owned()
            }
            Self::NoFolds { are_kept: true, .. } => {
                "they come after round 0, and each fold has to hold a pair".to_owned()
            }
            Self::NoFolds { are_kept: false, .. } => {
                "a run keeps them with `selection.keep_fold_models = true`".to_owned()
            }
            Self::HasNoRounds { .. } => {
                "leave `--round`, `--best` and `:ROUND` out, or name a run".to_owned()
            }
            Self::NoRewardHead { .. } => {
                "train one (`ser run`) and name the run; `--untrained-head` of `ser score` and `ser \
                 eval` takes a random one"
                    .to_owned()
            }
            Self::NoModelFiles { .. } => {
                "a model directory holds `config.json`, `model.safetensors`, `tokenizer.json`"
                    .to_owned()
            }
            Self::Nothing { nearest, .. } => return nearest.clone(),
            Self::NotFetched { name } => {
                format!("`ser model import {name}` brings it here; then name its folder")
            }
            Self::EmptyPart { .. } => "write `A,B`: runs or folders, with one comma each".to_owned(),
            Self::StandsAlone { .. } => {
                "only runs and model folders are joined by commas".to_owned()
            }
            Self::NoCommand => {
                "write `command:` and what `sh` is to run: `command:python judge.py`".to_owned()
            }
            Self::Command { problem, .. } => problem.hint(),
        })
    }

    /// The last lines that a command wrote to standard error; else nothing.
    #[must_use]
    pub fn said(&self) -> &[String] {
        match self {
            Self::Command { said, .. } => said,
            _ => &[],
        }
    }
}
