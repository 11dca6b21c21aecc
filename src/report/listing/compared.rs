//! Runs side by side and their arms over the random seeds, for a note or a program.

use super::{arms, json};
use crate::analysis::{
    self, AnalysisError, Comparison, ComparisonCache, ComparisonQuery, Disagreements,
};
use crate::report::table::Form;
use crate::report::{ComparisonDocument, ReportError, comparison_csv, comparison_markdown};
use crate::store::Store;

/// Which runs are compared, and how closely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedList {
    /// The runs and their base.
    pub query: ComparisonQuery,
    /// In JSON, at most so many pairs on which a run disagrees with the base are listed.
    pub n_pairs: usize,
    /// Whether the hidden human labels of pool pairs are shown.
    pub shows_gold: bool,
}

impl ComparedList {
    /// The comparison in the form asked for. The form for people is Markdown here.
    ///
    /// # Errors
    /// When a run is not there, cannot be compared, or a value has no JSON form.
    pub fn text(&self, store: &Store, form: Form, is_ascii: bool) -> Result<String, ReportError> {
        let comparison = analysis::compare(store, &self.query, &mut ComparisonCache::default())?;
        if form == Form::Csv {
            return Ok(comparison_csv(&comparison));
        }
        let arms = analysis::compare_arms(store, &self.query.runs, self.query.rounds)?;
        if form == Form::Json {
            let found = disagreements(store, &comparison, self.n_pairs)?;
            let gold = self.shows_gold;
            return json(&ComparisonDocument::new(&comparison, Some(&arms), &found, gold));
        }
        let runs = comparison_markdown(&comparison);
        Ok(format!("{}\n{}", runs.trim_end(), arms::below(&arms, Form::Markdown, is_ascii)))
    }
}

/// Where each run disagrees with the base; `None` for the base itself.
///
/// # Errors
/// When the store fails.
pub fn disagreements(
    store: &Store,
    comparison: &Comparison,
    n_pairs: usize,
) -> Result<Vec<Option<Disagreements>>, AnalysisError> {
    let base = &comparison.runs[comparison.base];
    let beside = comparison.runs.iter().enumerate().map(|(index, run)| {
        if index == comparison.base {
            return Ok(None);
        }
        analysis::disagreements(store, base, run, n_pairs).map(Some)
    });
    beside.collect()
}
