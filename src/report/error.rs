//! Why a result cannot be written.

use crate::analysis::AnalysisError;
use crate::domain::review::FilterError as SampleFilterError;
use crate::domain::run::RunKind;
use crate::store::{FilterError as RunFilterError, RunRow, StoreError};

/// Why a result cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Runs cannot be compared.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// A filter of runs means nothing.
    #[error(transparent)]
    RunFilter(#[from] RunFilterError),
    /// A filter of pairs means nothing.
    #[error(transparent)]
    SampleFilter(#[from] SampleFilterError),
    /// The audit queue was asked for together with a filter.
    #[error("a filtered sample is not random: `--queue audit` takes no `--filter`")]
    FilteredAudit,
    /// The round that was asked for selected nothing.
    #[error("round {round} of `{name}` has no selection")]
    NoSelection {
        /// The number that was asked for.
        round: u32,
        /// The run's name.
        name: String,
        /// The run's id, for the hint.
        id: String,
    },
    /// No round of the run has scored the pool.
    #[error("`{name}` has scored no pair yet")]
    NothingScored {
        /// The run's name.
        name: String,
        /// The run's id, for the hint.
        id: String,
        /// Why no round will.
        never: Option<&'static str>,
    },
    /// The run has no value of what a chart shows.
    #[error("there is nothing to draw in the {picture} chart")]
    NothingToDraw {
        /// Whether it is of a policy run, which never has rounds.
        is_policy: bool,
        /// The name of the chart.
        picture: &'static str,
    },
    /// The pixels of a chart cannot be made.
    #[error("cannot draw the picture: {reason}")]
    Draw {
        /// What the library says.
        reason: String,
    },
    /// A value has no JSON form.
    #[error("cannot write JSON")]
    Json(#[from] serde_json::Error),
}

/// Why a run that has scored no pair never will; `None` where it still may.
#[must_use]
pub fn never_scores(run: &RunRow) -> Option<&'static str> {
    if run.kind == RunKind::Policy {
        return Some("it is a policy: it answers prompts and scores no pool");
    }
    if run.rounds_max == 0 {
        return Some("it has no round after round 0, so it scores no pool");
    }
    run.status.is_ended().then_some("it ended before round 1 scored the pool")
}

impl ReportError {
    /// What is missing where a run has no list of scored pairs.
    pub(super) fn no_review(run: &RunRow, round: Option<u32>) -> Self {
        let (name, id) = (run.name.clone(), run.id.to_string());
        match round {
            Some(round) => Self::NoSelection { round, name, id },
            None => Self::NothingScored { name, id, never: never_scores(run) },
        }
    }

    /// What the person can do about it, as one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Analysis(error) => error.hint(),
            Self::RunFilter(error) => error.hint(),
            Self::SampleFilter(error) => error.hint(),
            Self::FilteredAudit => Some("leave one of them out".to_owned()),
            Self::NoSelection { id, .. } => {
                Some(format!("`ser rounds {id}` lists the rounds; round 0 selects nothing"))
            }
            Self::NothingScored { never: Some(never), .. } => Some((*never).to_owned()),
            Self::NothingScored { id, never: None, .. } => {
                Some(format!("round 1 does; `ser attach {id}` shows how far it is"))
            }
            Self::NothingToDraw { is_policy: true, .. } => Some(
                "a policy has steps in place of rounds: `ser policy RUN --steps --csv` has its numbers, \
                 `--format html` draws them"
                    .to_owned(),
            ),
            Self::NothingToDraw { is_policy: false, .. } => {
                Some("a later round may fill it".to_owned())
            }
            Self::Draw { .. } => Some("write it as `.svg`, which needs no pixels".to_owned()),
            Self::Json(_) => None,
        }
    }
}
