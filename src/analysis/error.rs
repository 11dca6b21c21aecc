//! Why runs cannot be compared.

use crate::store::StoreError;

/// Why runs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// What was asked for cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing, or too much, to compare.
    #[error("{n_runs} runs cannot be compared")]
    NotComparable {
        /// How many were given.
        n_runs: usize,
    },
    /// A stored spec is no JSON.
    #[error("the spec of `{run}` cannot be read")]
    Spec { run: String, source: serde_json::Error },
}

impl AnalysisError {
    /// What the person can do about it, as one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::NotComparable { .. } => Some(
                "name at least one and at most 100; `ser compare --experiment` takes more"
                    .to_owned(),
            ),
            Self::Spec { .. } => Some("run `ser doctor` to see what can still be read".to_owned()),
        }
    }
}
