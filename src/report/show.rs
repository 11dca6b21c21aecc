//! The JSON of `ser show --json`, whose format is promised to other programs.
//!
//! `schema` goes up when a field changes its meaning or is removed; a new field does not change it.
//! A value that does not exist is `null`, never 0. Times are ISO 8601 in UTC.

use serde::Serialize;

use super::{EvaluationDocument, ReportError, RunDocument};
use crate::domain::selection::origins::ByOrigin;
use crate::domain::teacher::audit::SelectionAudit;
use crate::store::rows::{RoundRow, RunDetail};
use crate::store::{Store, best_round};

/// The version of the promise.
const SCHEMA: u32 = 1;

/// One run.
#[derive(Debug, Serialize)]
pub struct ShowDocument {
    schema: u32,
    run: RunDocument,
    spec: serde_json::Value,
    rounds: Vec<RoundDocument>,
    best_round: Option<u32>,
}

/// A round.
#[derive(Debug, Serialize)]
pub struct RoundDocument {
    round: u32,
    learning_status: Option<&'static str>,
    n_train_pairs: Option<u64>,
    n_scored: Option<u64>,
    n_selected: Option<u64>,
    n_vetoed: Option<u64>,
    coverage: Option<f64>,
    pseudo_label_precision: Option<f64>,
    validation: Option<EvaluationDocument>,
    test: Option<EvaluationDocument>,
    wall_s: Option<f64>,
    n_tokens: Option<u64>,
    weights_digest: Option<String>,
    n_flipped: Option<u64>,
    audit: Option<SelectionAudit>,
    n_labels_spent: Option<u64>,
    by_origin: Option<ByOrigin>,
}

impl ShowDocument {
    /// Reads a run.
    ///
    /// # Errors
    /// When the store fails.
    pub fn read(store: &Store, run: &RunDetail) -> Result<Self, ReportError> {
        let rounds = store.rounds(&run.row.id)?;
        Ok(Self {
            schema: SCHEMA,
            run: RunDocument::from(&run.row),
            spec: serde_json::from_str(&run.spec_json)?,
            best_round: best_round(&rounds),
            rounds: rounds.iter().map(RoundDocument::from).collect(),
        })
    }
}

impl From<&RoundRow> for RoundDocument {
    fn from(row: &RoundRow) -> Self {
        let selection = row.selection.as_ref();
        Self {
            round: row.round,
            learning_status: selection.map(|s| s.learning_status.name()),
            n_train_pairs: row.n_train_pairs,
            n_scored: selection.map(|s| s.n_scored),
            n_selected: selection.map(|s| s.n_selected),
            n_vetoed: selection.map(|s| s.n_vetoed),
            coverage: selection.and_then(|s| s.coverage),
            pseudo_label_precision: selection.and_then(|s| s.pseudo_label_precision),
            validation: row.validation.as_ref().map(EvaluationDocument::from),
            test: row.test.as_ref().map(EvaluationDocument::from),
            wall_s: row.wall_ms.map(|wall_ms| wall_ms as f64 / 1000.0),
            n_tokens: row.n_tokens,
            weights_digest: row.weights_digest.clone(),
            n_flipped: selection.and_then(|s| s.n_flipped),
            audit: selection.map(|s| *s.audit),
            n_labels_spent: row.n_labels_spent,
            by_origin: selection.and_then(|s| s.by_origin.as_deref().copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metrics::Evaluation;

    fn round(round: u32, margins: Option<&[f64]>) -> RoundRow {
        RoundRow {
            round,
            selection: None,
            n_train_pairs: Some(10),
            n_steps: Some(1),
            validation: margins.and_then(Evaluation::from_margins),
            test: None,
            wall_ms: Some(1500),
            n_tokens: None,
            weights_digest: None,
            n_labels_spent: None,
        }
    }

    #[test]
    fn the_best_round_is_the_earliest_of_the_best() {
        let better: &[f64] = &[1.0, 1.0, -1.0];
        let rows = [
            round(0, Some(&[1.0, -1.0, -1.0])),
            round(1, Some(better)),
            round(2, Some(better)),
            round(3, None),
        ];
        assert_eq!(best_round(&rows), Some(1));
        assert_eq!(best_round(&rows[3..]), None);
    }

    #[test]
    fn a_round_has_exactly_the_promised_keys() {
        let text = serde_json::to_string(&RoundDocument::from(&round(0, Some(&[1.0])))).unwrap();
        let expect = concat!(
            r#"{"round":0,"learning_status":null,"n_train_pairs":10,"n_scored":null,"#,
            r#""n_selected":null,"n_vetoed":null,"coverage":null,"pseudo_label_precision":null,"#,
            r#""validation":{"n":1,"accuracy":1.0,"#
        );
        assert!(text.starts_with(expect), "{text}");
        assert!(
            text.ends_with(concat!(
                r#""test":null,"wall_s":1.5,"n_tokens":null,"weights_digest":null,"#,
                r#""n_flipped":null,"audit":null,"n_labels_spent":null,"by_origin":null}"#
            )),
            "{text}"
        );
        for key in ["ci_low", "ci_high", "ece", "brier", "mean_margin"] {
            assert!(text.contains(&format!("\"{key}\":")), "{key}");
        }
    }
}
