//! `ser reproduce`: the published protocol on any data, with its controls, beside the paper's figures.
//!
//! Every arm runs over every random seed on identical splits, as one experiment a data set. A run that
//! is in the home already, with the very same spec on the very same pairs, is not run again: the
//! command can be stopped and given again, and a table costs nothing once its runs are there.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::follow;
use crate::analysis;
use crate::analysis::{ArmComparison, RoundChoice};
use crate::cli::print::{FormArgs, print_json, print_line, print_table};
use crate::cli::{CliError, CliResult, Context, ErrorKind};
use crate::domain::run::{Liveness, RunId, RunStatus};
use crate::launch::specs_of;
use crate::launch::{self, LaunchPlan, presets};
use crate::report::ArmsDocument;
use crate::report::listing::arms;
use crate::report::paper::{self, PaperRow};
use crate::report::table::{Cell, Form, Table, number, text};
use crate::spec::SpecInput;
use crate::store::{RunRow, Store};

/// Arguments of `ser reproduce`.
#[derive(Debug, clap::Args)]
pub struct ReproduceArgs {
    /// A file with the keys that differ from the default spec
    spec: Option<PathBuf>,
    /// A source of pairs, for a table each (can be given again) [default: that of the spec]
    #[arg(long = "data", value_name = "SOURCE")]
    data: Vec<String>,
    /// Recipes, with commas between
    #[arg(
        long,
        value_name = "ARM,ARM",
        value_delimiter = ',',
        default_value = "seed-only,naive,confidence,ser-code,ser-paper,ser,full-labels"
    )]
    arms: Vec<String>,
    /// Random seeds: `1,2,3`
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "1,2,3",
          value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    rng_seeds: Vec<u64>,
    /// Set a key for every run, for example `model.backbone=DIR` (can be given again)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Start what is missing and return at once; the same command prints the table later
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    form: FormArgs,
}

#[derive(Serialize)]
struct ReproduceDocument {
    schema: u32,
    data: Vec<DataDocument>,
}

#[derive(Serialize)]
struct DataDocument {
    source: String,
    experiment: String,
    /// Runs that failed or were stopped, and count for nothing in the table.
    n_missing: usize,
    arms: ArmsDocument,
    paper: PaperDocument,
}

#[derive(Serialize)]
struct PaperDocument {
    source: &'static str,
    rows: Vec<PaperRowDocument>,
}

#[derive(Serialize)]
struct PaperRowDocument {
    data: &'static str,
    model: &'static str,
    test_accuracy_percent: [f64; 4],
    all_labels_percent: f64,
    gap_closed: f64,
}

/// The runs of one data set.
struct Protocol {
    source: String,
    experiment: String,
    runs: Vec<RunRow>,
}

/// Runs what is missing and prints the tables.
///
/// # Errors
/// When the input is wrong, or a run fails; the table is printed nevertheless.
pub fn run(context: &Context, args: &ReproduceArgs) -> CliResult {
    let mut store = context.store_to_write("reproduce")?;
    let protocols = protocols(context, &mut store, args)?;
    let supervisor = &context.supervisor;
    for run in protocols.iter().flat_map(|protocol| &protocol.runs) {
        let is_stopped = run.status == RunStatus::Stopped || run.liveness == Liveness::Gone;
        if is_stopped {
            supervisor.resume(&mut store, &run.id)?;
        }
    }
    supervisor.start_next(&mut store)?;
    if args.detach {
        let ids = protocols.iter().flat_map(|protocol| &protocol.runs).map(|run| run.id.as_str());
        return ids.into_iter().try_for_each(print_line);
    }
    let output = match args.form.form() {
        Form::Human => follow::Output::Lines,
        _ => follow::Output::Silent,
    };
    let mut outcome = Ok(());
    for protocol in &protocols {
        let open: Vec<RunRow> = protocol.runs.iter().filter(|run| !is_done(run)).cloned().collect();
        let n_done = protocol.runs.len() - open.len();
        context.say(&format!(
            "{}: {n_done} of {} runs are there",
            protocol.source,
            n_done + open.len()
        ));
        match follow::all_to_the_end(context, &store, &open, output) {
            Err(error) if error.kind == ErrorKind::Failure => outcome = Err(error),
            result => result?,
        }
    }
    print(context, &store, &protocols, args.form.form())?;
    outcome
}

fn is_done(run: &RunRow) -> bool {
    run.status == RunStatus::Finished
}

fn protocols(
    context: &Context,
    store: &mut Store,
    args: &ReproduceArgs,
) -> CliResult<Vec<Protocol>> {
    let sources: Vec<Option<&String>> = match args.data.as_slice() {
        [] => vec![None],
        sources => sources.iter().map(Some).collect(),
    };
    let arms: Vec<&str> = args.arms.iter().map(String::as_str).collect();
    let mut protocols = Vec::new();
    for source in sources {
        let mut sets = args.sets.clone();
        if let Some(source) = source {
            sets.push(format!("data.source={}", toml::Value::String(source.clone())));
        }
        let file = args.spec.as_ref().map(|file| presets::spec_file(&context.home, file));
        let file = file.transpose()?;
        let base = SpecInput { file: file.as_deref(), sets: &sets, ..SpecInput::default() };
        let specs = specs_of(base, &arms, &args.rng_seeds)?;
        let Some(first) = specs.first() else {
            return Err(CliError::input("`--arms` is empty").with_hint("for example `--arms ser`"));
        };
        let source = first.data.source.to_string();
        let experiment = experiment_name(&source, &first.model.backbone);
        let plan = LaunchPlan { name: None, experiment: Some(&experiment), reuses_runs: true };
        let runs = launch::launch(context.place(), store, &specs, plan)?;
        protocols.push(Protocol { source, experiment, runs });
    }
    Ok(protocols)
}

/// `reproduce-SOURCE-MODEL`, from the last parts of their paths.
fn experiment_name(source: &str, backbone: &str) -> String {
    let last = |path: &str| {
        let path = Path::new(path);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| path.display().to_string());
        let stem = name.split('.').next().unwrap_or_default().to_owned();
        // `train.jsonl` says nothing; the folder it lies in does.
        let parent = path.parent().and_then(Path::file_name).map(|dir| dir.to_string_lossy());
        match parent {
            Some(parent) if ["train", "test", "data"].contains(&stem.as_str()) => {
                parent.into_owned()
            }
            _ => stem,
        }
    };
    let fit: String = format!("reproduce-{}-{}", last(source), last(backbone))
        .chars()
        .filter(|c| !c.is_control())
        .take(60)
        .collect();
    fit.trim().to_owned()
}

fn print(context: &Context, store: &Store, protocols: &[Protocol], form: Form) -> CliResult {
    let mut documents = Vec::new();
    for protocol in protocols {
        let ids: Vec<RunId> = protocol.runs.iter().map(|run| run.id.clone()).collect();
        let comparison = analysis::compare_arms(store, &ids, RoundChoice::Last)?;
        let mut n_missing = 0;
        for id in &ids {
            n_missing += usize::from(!is_done(&store.run(id)?.row));
        }
        if form == Form::Json {
            documents.push(document(protocol, &comparison, n_missing));
        } else {
            print_protocol(context, protocol, &comparison, form)?;
            if n_missing > 0 {
                context.say(&format!("warning: {n_missing} of {} runs did not finish", ids.len()));
            }
        }
    }
    if form == Form::Json {
        return print_json(&ReproduceDocument { schema: 1, data: documents });
    }
    Ok(())
}

fn print_protocol(
    context: &Context,
    protocol: &Protocol,
    comparison: &ArmComparison,
    form: Form,
) -> CliResult {
    let mark = if form == Form::Markdown { "### " } else { "" };
    if form != Form::Csv {
        print_line(&format!(
            "\n{mark}{} (experiment `{}`)\n",
            protocol.source, protocol.experiment
        ))?;
    }
    print_table(&arms::round_table(comparison), form, context.ascii)?;
    if form == Form::Csv {
        return Ok(());
    }
    print_line("")?;
    print_table(&arms::table(comparison), form, context.ascii)?;
    print_line(&format!("\n{}", arms::footnote(comparison)))?;
    let rows = paper::rows_for(&protocol.source);
    if rows.is_empty() {
        return print_line("\nthe paper has no figures for these pairs");
    }
    print_line(&format!("\nthe paper, in percent ({}):\n", paper::SOURCE))?;
    print_table(&paper_table(&rows), form, context.ascii)
}

/// The paper's panels for the same data.
fn paper_table(rows: &[PaperRow]) -> Table {
    let mut table = Table::new(&[
        text("data", "data"),
        text("model", "model"),
        number("round_0", "seed set 15 %"),
        number("round_1", "loop 1"),
        number("round_2", "loop 2"),
        number("round_3", "loop 3"),
        number("all_labels", "all labels"),
        number("gap_closed", "gap closed"),
    ]);
    for row in rows {
        let mut cells = vec![Cell::new(row.data), Cell::new(row.model)];
        cells.extend(row.rounds.iter().map(|accuracy| Cell::new(format!("{accuracy:.1}"))));
        cells.push(Cell::new(format!("{:.1}", row.full)));
        cells.push(Cell::new(format!("{:.2}", row.gap_closed())));
        table.push(cells);
    }
    table
}

fn document(protocol: &Protocol, comparison: &ArmComparison, n_missing: usize) -> DataDocument {
    let rows = paper::rows_for(&protocol.source);
    DataDocument {
        source: protocol.source.clone(),
        experiment: protocol.experiment.clone(),
        n_missing,
        arms: ArmsDocument::from(comparison),
        paper: PaperDocument {
            source: paper::SOURCE,
            rows: rows
                .iter()
                .map(|row| PaperRowDocument {
                    data: row.data,
                    model: row.model,
                    test_accuracy_percent: row.rounds,
                    all_labels_percent: row.full,
                    gap_closed: row.gap_closed(),
                })
                .collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_is_named_after_what_it_runs_on() {
        let name = experiment_name("../hh/helpful-base/train.jsonl.gz", "/m/all-MiniLM-L6-v2");
        assert_eq!(name, "reproduce-helpful-base-all-MiniLM-L6-v2");
        assert_eq!(experiment_name("embedded", "embedded"), "reproduce-embedded-embedded");
        assert_eq!(experiment_name("pairs.jsonl", "mock"), "reproduce-pairs-mock");
    }
}
