//! One run as JSON says it, in `ser show`, `ser runs` and `ser compare` alike.

use serde::Serialize;

use crate::domain::metrics::Evaluation;
use crate::domain::run::{Liveness, RunStatus, StopReason};
use crate::store::rows::RunRow;

/// The run itself.
#[derive(Debug, Serialize)]
pub struct RunDocument {
    id: String,
    name: String,
    arm: String,
    status: &'static str,
    stop_reason: Option<&'static str>,
    rng_seed: u64,
    attempt: u32,
    created_at: Option<String>,
    finished_at: Option<String>,
    experiment: Option<String>,
}

impl From<&RunRow> for RunDocument {
    fn from(row: &RunRow) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name.clone(),
            arm: row.arm.to_string(),
            status: status(row),
            stop_reason: row.stop_reason.map(StopReason::name),
            rng_seed: row.rng_seed,
            attempt: row.attempt,
            created_at: timestamp(row.created_at_ms),
            finished_at: row.finished_at_ms.and_then(timestamp),
            experiment: row.experiment.as_deref().map(str::to_owned),
        }
    }
}

/// The metrics of a split.
#[derive(Debug, Serialize)]
pub struct EvaluationDocument {
    n: u64,
    accuracy: f64,
    ci_low: f64,
    ci_high: f64,
    ece: f64,
    brier: f64,
    mean_margin: f64,
}

impl From<&Evaluation> for EvaluationDocument {
    fn from(evaluation: &Evaluation) -> Self {
        let Evaluation { n, accuracy, ci_low, ci_high, ece, brier, mean_margin, .. } = *evaluation;
        Self { n, accuracy, ci_low, ci_high, ece, brier, mean_margin }
    }
}

/// A time as ISO 8601 in UTC, with milliseconds; `None` for one outside the calendar.
#[must_use]
pub fn timestamp(milliseconds: i64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(milliseconds).ok()?;
    Some(format!("{time:.3}"))
}

/// The status of a run together with its process: a running run without its process is
/// *interrupted*.
#[must_use]
pub fn status(row: &RunRow) -> &'static str {
    match (row.status, row.liveness) {
        (RunStatus::Running | RunStatus::Paused, Liveness::Gone) => "interrupted",
        (status, _) => status.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        assert_eq!(timestamp(0).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(timestamp(1_700_000_000_123).as_deref(), Some("2023-11-14T22:13:20.123Z"));
        assert_eq!(timestamp(i64::MAX), None);
    }
}
