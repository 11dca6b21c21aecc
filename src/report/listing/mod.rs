//! The lists that the command line prints and the interface copies and exports, as values.

pub mod arms;
pub mod compared;
pub mod policy;
pub mod queue;
pub mod rollouts;
mod round_audit;
mod round_origins;
pub mod rounds;
pub mod runs;
pub mod samples;
#[cfg(test)]
mod tests;
pub mod verdicts;

use crate::domain::run::RunId;
use crate::store::Store;

use super::ReportError;
use super::table::Form;
use compared::ComparedList;
use samples::SampleList;

/// What is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// The runs that pass a filter, as `ser runs` lists them.
    Runs {
        /// In the filter language of runs; empty passes all that are not archived.
        filter: String,
    },
    /// The rounds of a run, as `ser rounds` lists them.
    Rounds {
        /// The run they belong to.
        run: RunId,
    },
    /// Pairs that a round scored, as `ser samples` lists them.
    Samples(SampleList),
    /// Runs side by side and their arms over the random seeds, as `ser compare` shows them.
    Compared(ComparedList),
}

/// A list in a form: exactly what the command writes to its standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// What is listed.
    pub listing: Listing,
    /// As what.
    pub form: Form,
}

impl Printed {
    /// Reads the list and writes it.
    ///
    /// # Errors
    /// When a run is not there, a filter means nothing, or the store cannot be read.
    pub fn text(&self, store: &Store) -> Result<String, ReportError> {
        let form = self.form;
        match &self.listing {
            Listing::Runs { filter } => {
                let now_ms = jiff::Timestamp::now().as_millisecond();
                runs::text(&runs::matching(store.runs()?, filter, now_ms)?, form, false)
            }
            Listing::Rounds { run } => rounds::text(run, &store.rounds(run)?, form, false),
            Listing::Samples(list) => Ok(list.read(store)?.text(form, false)?),
            Listing::Compared(list) => list.text(store, form, false),
        }
    }
}

/// One JSON document with its line end.
///
/// # Errors
/// When a value has no JSON form.
pub fn json(document: &impl serde::Serialize) -> Result<String, ReportError> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}
