//! Runs, one a line, and the experiments they belong to.

use std::collections::BTreeSet;

use serde::Serialize;

use super::json;
use crate::domain::run::RunStatus;
use crate::domain::text::words;
use crate::report::table::{self, Cell, Form, Table, number};
use crate::report::{ReportError, RunDocument, status, timestamp};
use crate::store::RunFilter;
use crate::store::rows::RunRow;

/// What people read of a run that is held until they have looked at its selection.
const REVIEW: &str = "waits for your review";

/// The runs of one experiment; those that belong to none have no name.
#[derive(Serialize)]
struct ExperimentLine {
    experiment: Option<String>,
    n_runs: usize,
    n_finished: usize,
    arms: BTreeSet<String>,
    rng_seeds: BTreeSet<u64>,
    created_at: Option<String>,
}

#[derive(Serialize)]
struct RunsDocument {
    schema: u32,
    runs: Vec<RunLine>,
}

#[derive(Serialize)]
struct RunLine {
    #[serde(flatten)]
    run: RunDocument,
    round: u32,
    rounds_max: u32,
    test_accuracy: Option<f64>,
    n_selected: Option<u64>,
    n_vetoed: u64,
    tags: Vec<String>,
    note: String,
    is_archived: bool,
    is_baseline: bool,
}

/// The runs that pass a filter, at a time in milliseconds since 1970.
///
/// # Errors
/// When the filter means nothing.
pub fn matching(
    mut runs: Vec<RunRow>,
    filter: &str,
    now_ms: i64,
) -> Result<Vec<RunRow>, ReportError> {
    let filter = RunFilter::parse(filter)?;
    runs.retain(|row| filter.matches(row, now_ms));
    Ok(runs)
}

/// How the runs go on that wait for a person, one line each.
#[must_use]
pub fn waiting(runs: &[RunRow]) -> Vec<String> {
    let held = runs.iter().filter(|row| row.waits_for_review());
    held.map(|row| {
        let name = &row.name;
        format!("`{name}` {REVIEW}: `ser resume {name}` lets it go on")
    })
    .collect()
}

/// The runs in a form.
///
/// # Errors
/// When a value has no JSON form.
pub fn text(runs: &[RunRow], form: Form, is_ascii: bool) -> Result<String, ReportError> {
    match form {
        Form::Json => {
            json(&RunsDocument { schema: 1, runs: runs.iter().map(RunLine::from).collect() })
        }
        form => Ok(run_table(runs).text(form, is_ascii)),
    }
}

/// The experiments of the runs in a form.
///
/// # Errors
/// When a value has no JSON form.
pub fn experiments_text(
    runs: &[RunRow],
    form: Form,
    is_ascii: bool,
) -> Result<String, ReportError> {
    let experiments = experiments(runs);
    match form {
        Form::Json => json(&experiments),
        form => Ok(experiment_table(&experiments).text(form, is_ascii)),
    }
}

/// The runs by experiment, the one with the newest run first.
fn experiments(runs: &[RunRow]) -> Vec<ExperimentLine> {
    let mut lines: Vec<ExperimentLine> = Vec::new();
    for row in runs {
        let place =
            lines.iter().position(|line| line.experiment.as_deref() == row.experiment.as_deref());
        let place = place.unwrap_or_else(|| {
            lines.push(ExperimentLine {
                experiment: row.experiment.as_deref().map(str::to_owned),
                n_runs: 0,
                n_finished: 0,
                arms: BTreeSet::new(),
                rng_seeds: BTreeSet::new(),
                created_at: None,
            });
            lines.len() - 1
        });
        let line = &mut lines[place];
        line.n_runs += 1;
        line.n_finished += usize::from(row.status == RunStatus::Finished);
        line.arms.insert(row.arm.to_string());
        line.rng_seeds.insert(row.rng_seed);
        line.created_at = timestamp(row.created_at_ms);
    }
    lines
}

fn experiment_table(experiments: &[ExperimentLine]) -> Table {
    let mut table = Table::new(&[
        table::text("experiment", "experiment"),
        number("n_runs", "runs"),
        number("n_finished", "finished"),
        table::text("arms", "arms"),
        table::text("rng_seeds", "random seeds"),
        table::text("created_at", "created"),
    ]);
    for line in experiments {
        let arms: Vec<&str> = line.arms.iter().map(String::as_str).collect();
        let rng_seeds: Vec<String> = line.rng_seeds.iter().map(u64::to_string).collect();
        table.push(vec![
            Cell::maybe(line.experiment.as_deref()),
            Cell::new(line.n_runs),
            Cell::new(line.n_finished),
            Cell::new(arms.join(" ")),
            Cell::new(rng_seeds.join(" ")),
            Cell::maybe(line.created_at.as_deref()),
        ]);
    }
    table
}

/// The runs as a table.
fn run_table(runs: &[RunRow]) -> Table {
    let mut table = Table::new(&[
        table::text("id", "id"),
        table::text("name", "name"),
        table::text("status", "status"),
        number("round", "round"),
        number("rounds_max", "of"),
        number("test_accuracy", "test accuracy"),
        number("difference", "vs base"),
        number("n_selected", "selected"),
        number("n_vetoed", "vetoed"),
        table::text("experiment", "experiment"),
        table::text("tags", "tags"),
        table::text("created_at", "created"),
    ]);
    let baseline = runs.iter().find(|row| row.annotation.is_baseline).cloned();
    for row in runs {
        table.push(vec![
            Cell::new(&row.id),
            Cell::new(&row.name),
            Cell::shown(Some(status(row)), |status| {
                if row.waits_for_review() { REVIEW } else { status }.to_owned()
            }),
            Cell::new(row.round),
            Cell::new(row.rounds_max),
            Cell::shown(row.latest_test.as_ref().map(|test| test.accuracy), words::percent),
            Cell::shown(baseline.as_ref().and_then(|base| row.distance_to(base)), |difference| {
                format!("{:+.1}", difference * 100.0)
            }),
            Cell::shown(row.n_selected, words::count),
            Cell::new(row.n_vetoed),
            Cell::maybe(row.experiment.as_deref()),
            Cell::new(row.annotation.tags.join(" ")),
            Cell::maybe(timestamp(row.created_at_ms)),
        ]);
    }
    table
}

impl From<&RunRow> for RunLine {
    fn from(row: &RunRow) -> Self {
        Self {
            run: RunDocument::from(row),
            round: row.round,
            rounds_max: row.rounds_max,
            test_accuracy: row.latest_test.as_ref().map(|test| test.accuracy),
            n_selected: row.n_selected,
            n_vetoed: row.n_vetoed,
            tags: row.annotation.tags.clone(),
            note: row.annotation.note.clone(),
            is_archived: row.annotation.is_archived,
            is_baseline: row.annotation.is_baseline,
        }
    }
}
