//! What can end a run early.

use crate::domain::policy::objective::ShapeError;
use crate::domain::ser::{Outcome, UnexpectedOutcome};
use crate::domain::split::SplitError;
use crate::engine::EngineError;
use crate::scorer::ScorerError;
use crate::store::StoreError;

/// A failure of a worker.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The data cannot be divided as asked.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The loop and its driver disagree: a damaged checkpoint, or a bug.
    #[error(transparent)]
    Loop(#[from] UnexpectedOutcome),
    /// A checkpoint holds a state this program does not understand.
    #[error("cannot read the state in checkpoint `{name}`")]
    State {
        name: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The chat template in the model's files is not the one that the run began with.
    #[error("the chat template `{name}` is not what it was when the run began")]
    TemplateChanged {
        /// `own`, a name, or a path.
        name: String,
    },
    /// No signal handler could be installed.
    #[error("cannot watch for signals")]
    Signals(#[source] std::io::Error),
    /// A round to go back to has no checkpoint: one of another version, or a bug.
    #[error("the weights of round {round} were not kept")]
    RoundNotKept { round: u32 },
    #[error(transparent)]
    Scorer(#[from] ScorerError),
    /// The objective and the engine disagree about an answer: a bug.
    #[error(transparent)]
    Objective(ShapeError),
    #[error("the prompt of pair {pair} cannot be asked: {reason}")]
    Prompt { pair: u32, reason: String },
    /// No prompt leaves room for an answer, or people have vetoed all of them.
    #[error("there is no prompt to ask")]
    NoPrompts,
    /// The seed set has no pair that fits.
    #[error("the seed set has no answer to learn from")]
    NoPairs,
    #[error(
        "none of the {n_answers} answers of step {step} has a reward, so nothing can be learned"
    )]
    NoReward { step: u32, n_answers: usize },
    #[error("the spec of the run has no `[policy]`")]
    NoPolicy,
    /// The loop asks for an update whose rollouts are gone: a damaged checkpoint, or a bug.
    #[error("step {step} has no rollouts to learn from")]
    NoRollouts { step: u32 },
    /// A step to go back to has no checkpoint: one of another version, or a bug.
    #[error("the weights of step {step} were not kept")]
    StepNotKept { step: u32 },
    /// People have vetoed every label of the round.
    #[error("round {round} has no pair to train on: all {n_vetoed} are vetoed")]
    NothingToTrain {
        round: u32,
        /// How many pairs were vetoed.
        n_vetoed: usize,
    },
}

/// The result of a step's code: `None` when a person asked to stop before the step was done.
pub(super) type StepResult = Result<Option<Outcome>, WorkerError>;

impl WorkerError {
    /// Whether a loss, gradient or reward was not a finite number.
    #[must_use]
    pub fn is_non_finite(&self) -> bool {
        matches!(
            self,
            Self::Engine(EngineError::NonFinite { .. })
                | Self::Scorer(ScorerError::Engine(EngineError::NonFinite { .. }))
        )
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Split(_) => {
                Some("use more pairs, or change `data.seed_labels` or `data.test_share`".into())
            }
            Self::Scorer(error) => error.hint(),
            Self::NoReward { .. } => Some(
                "`ser best-of` with the same `--reward` shows what it says of answers; see also \
                 `policy.reward`"
                    .into(),
            ),
            Self::NoPrompts | Self::NoPairs => Some(
                "raise `model.max_tokens` or lower `policy.max_new_tokens`, so that prompt and answer fit"
                    .into(),
            ),
            Self::NoPolicy => Some("start it with `ser policy`".into()),
            Self::State { .. }
            | Self::Loop(_)
            | Self::RoundNotKept { .. }
            | Self::NoRollouts { .. }
            | Self::StepNotKept { .. } => {
                Some("delete the newest checkpoint and resume from the one before".into())
            }
            Self::TemplateChanged { .. } => Some(
                "put the model's or the template's files back as they were, or start a new run"
                    .into(),
            ),
            Self::NothingToTrain { .. } => Some("undo some vetoes with `ser undo`".into()),
            Self::Signals(_) | Self::Prompt { .. } | Self::Objective(_) => None,
        }
    }
}
