//! `ser runs`: every run on a line.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::cli::document::RunDocument;
use crate::cli::table::{Cell, Form, FormArgs, Table, number, print_json, text};
use crate::cli::{CliError, CliResult, Context, ErrorKind, words};
use crate::domain::run::RunStatus;
use crate::store::rows::RunRow;
use crate::store::{Access, RunFilter, Store, StoreError};

/// Arguments of `ser runs`.
#[derive(Debug, clap::Args)]
pub struct RunsArgs {
    /// Show only runs that match: words, `acc>.7`, `tag:paper`, `st:done`, `exp:NAME`, `age<2d`,
    /// `!arm:ser`, `is:archived`, …
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// One line an experiment
    #[arg(long)]
    by_experiment: bool,
    #[command(flatten)]
    form: FormArgs,
}

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

/// Prints the runs.
///
/// # Errors
/// When the store cannot be read.
pub fn run(context: &Context, args: &RunsArgs) -> CliResult {
    let text = args.filter.as_deref().unwrap_or_default();
    let filter = RunFilter::parse(text)
        .map_err(|error| CliError::from_error(ErrorKind::Input, &error, error.hint()))?;
    let mut runs = read(context)?;
    let n_all = runs.len();
    let now_ms = jiff::Timestamp::now().as_millisecond();
    runs.retain(|row| filter.matches(row, now_ms));
    let form = args.form.form();
    if args.by_experiment && !runs.is_empty() {
        let experiments = experiments(&runs);
        return match form {
            Form::Json => print_json(&experiments),
            _ => experiment_table(&experiments).print(form, context.ascii),
        };
    }
    match form {
        Form::Json => {
            print_json(&RunsDocument { schema: 1, runs: runs.iter().map(RunLine::from).collect() })
        }
        Form::Human if runs.is_empty() && n_all > 0 => {
            let archived = "archived ones show with `--filter is:archived`";
            context.say(&format!("none of {n_all} runs matches; {archived}"));
            Ok(())
        }
        Form::Human if runs.is_empty() => {
            context.say("there are no runs yet; start one with `ser run`");
            Ok(())
        }
        _ => table(&runs).print(form, context.ascii),
    }
}

/// `ser` without a terminal: the runs, and how to go on.
///
/// # Errors
/// When the store cannot be read.
pub fn run_without_terminal(context: &Context) -> CliResult {
    let args = RunsArgs { filter: None, by_experiment: false, form: FormArgs::default() };
    run(context, &args)?;
    context.say("hint: the interface needs a terminal; `ser --help` lists the commands");
    Ok(())
}

/// Looking for runs makes no home.
fn read(context: &Context) -> CliResult<Vec<RunRow>> {
    match Store::open(&context.home, Access::ReadOnly) {
        Err(StoreError::Missing { .. }) => Ok(Vec::new()),
        store => Ok(store?.runs()?),
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
        line.created_at = words::timestamp(row.created_at_ms);
    }
    lines
}

fn experiment_table(experiments: &[ExperimentLine]) -> Table {
    let mut table = Table::new(&[
        text("experiment", "experiment"),
        number("n_runs", "runs"),
        number("n_finished", "finished"),
        text("arms", "arms"),
        text("rng_seeds", "random seeds"),
        text("created_at", "created"),
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
fn table(runs: &[RunRow]) -> Table {
    let mut table = Table::new(&[
        text("id", "id"),
        text("name", "name"),
        text("status", "status"),
        number("round", "round"),
        number("rounds_max", "of"),
        number("test_accuracy", "test accuracy"),
        number("difference", "vs base"),
        number("n_selected", "selected"),
        number("n_vetoed", "vetoed"),
        text("experiment", "experiment"),
        text("tags", "tags"),
        text("created_at", "created"),
    ]);
    let baseline = runs.iter().find(|row| row.annotation.is_baseline).cloned();
    for row in runs {
        table.push(vec![
            Cell::new(&row.id),
            Cell::new(&row.name),
            Cell::new(words::status(row)),
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
            Cell::maybe(words::timestamp(row.created_at_ms)),
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
