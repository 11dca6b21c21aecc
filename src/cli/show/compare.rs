//! `ser compare RUN RUN...`: runs side by side, with intervals.

use crate::analysis::{
    self, Comparison, ComparisonCache, ComparisonQuery, Disagreements, N_RUNS_MAX, RoundChoice,
};
use crate::cli::print::{FormArgs, print_line, print_table, print_text};
use crate::cli::{CliError, CliResult, Context};
use crate::domain::run::RunKind;
use crate::domain::text::clean::clean_line;
use crate::report::listing::arms::{self, p_words};
use crate::report::listing::compared::{ComparedList, disagreements};
use crate::report::table::{Cell, Form, Table, number, text};
use crate::report::{letter, metric_value, same_runs, setting_value, share, signed};
use crate::store::Store;

/// More runs than this are not looked at pair by pair on a terminal.
const N_RUNS_IN_DETAIL: usize = 8;

/// Arguments of `ser compare`.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// Ids, unique prefixes of ids, or names; the first is the base unless `--base` says otherwise
    #[arg(required_unless_present = "experiment", num_args = 1..)]
    runs: Vec<String>,
    /// Compare all runs of an experiment, and its arms over their random seeds
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,
    /// The run that the others are measured against [default: the starred one if it is among them,
    /// else the first]
    #[arg(long, value_name = "RUN")]
    base: Option<String>,
    /// Let the round with the best validation accuracy speak for a run, not the last one
    #[arg(long)]
    best: bool,
    /// List at most so many pairs on which a run disagrees with the base
    #[arg(long, value_name = "N", default_value_t = 20)]
    pairs: usize,
    /// Tell which run is right about pairs of the unlabeled pool
    #[arg(long)]
    gold: bool,
    #[command(flatten)]
    form: FormArgs,
}

/// Compares runs.
///
/// # Errors
/// When a run is not there, is named twice, or there are too many.
pub fn run(context: &Context, args: &CompareArgs) -> CliResult {
    let store = context.store_to_read()?;
    let query = query(&store, args)?;
    let form = args.form.form();
    let is_table = matches!(form, Form::Human | Form::Markdown);
    if is_table && args.experiment.is_some() && query.runs.len() > N_RUNS_IN_DETAIL {
        // More runs than there is room for side by side.
        let arms = analysis::compare_arms(&store, &query.runs, query.rounds)?;
        print_text(&arms::explained(&arms, form, context.ascii))?;
        let n_runs = query.runs.len();
        context.say(&format!("{n_runs} runs: name some of them to see them one by one"));
        return Ok(());
    }
    if query.runs.len() > N_RUNS_MAX {
        let message = format!("{} runs are too many to compare one by one", query.runs.len());
        let hint = format!(
            "name at most {N_RUNS_MAX}; without `--json` and `--csv`, `--experiment` compares arms"
        );
        return Err(CliError::input(message).with_hint(hint));
    }
    if form != Form::Human {
        let list = ComparedList { query, n_pairs: args.pairs, shows_gold: args.gold };
        return print_text(&list.text(&store, form, context.ascii)?);
    }
    let comparison = analysis::compare(&store, &query, &mut ComparisonCache::default())?;
    // Of many runs, how they agree two by two is more than anybody reads.
    let found = if comparison.runs.len() <= N_RUNS_IN_DETAIL {
        disagreements(&store, &comparison, args.pairs)?
    } else {
        Vec::new()
    };
    print(context, &comparison, &found)?;
    let arms = analysis::compare_arms(&store, &query.runs, query.rounds)?;
    print_text(&arms::below(&arms, Form::Human, context.ascii))
}

fn query(store: &Store, args: &CompareArgs) -> CliResult<ComparisonQuery> {
    let mut rows = match &args.experiment {
        Some(name) => store.experiment(name)?,
        None => Vec::new(),
    };
    for wanted in args.runs.iter().chain(&args.base) {
        let row = store.find_run(wanted)?;
        // The base may be named again; any other run twice is a mistake.
        if rows.iter().all(|known: &crate::store::RunRow| known.id != row.id) {
            rows.push(row);
        } else if args.base.as_ref() != Some(wanted) && args.experiment.is_none() {
            let message = format!("`{}` is named twice", row.name);
            return Err(CliError::input(message).with_hint("name every run once"));
        }
    }
    if rows.len() < 2 {
        return Err(CliError::input("one run cannot be compared with itself")
            .with_hint("name at least two runs; `ser runs` lists them"));
    }
    let base = match &args.base {
        Some(wanted) => {
            let id = store.find_run(wanted)?.id;
            rows.iter().position(|row| row.id == id)
        }
        None => rows.iter().position(|row| row.annotation.is_baseline),
    };
    let rounds = if args.best { RoundChoice::Best } else { RoundChoice::Last };
    let runs = rows.into_iter().map(|row| row.id).collect();
    Ok(ComparisonQuery { runs, base: base.unwrap_or(0), rounds, n_loss_points: 0 })
}

fn print(
    context: &Context,
    comparison: &Comparison,
    disagreements: &[Option<Disagreements>],
) -> CliResult {
    print_table(&run_table(comparison), Form::Human, context.ascii)?;
    let differing: Vec<_> = comparison.settings.iter().filter(|row| row.is_different).collect();
    let n_same = comparison.settings.len() - differing.len();
    let line =
        format!("\nsettings that differ ({} of {}):", differing.len(), differing.len() + n_same);
    print_line(&line)?;
    let width = differing.iter().map(|row| row.key.len()).max().unwrap_or(0);
    for row in differing {
        let values: Vec<String> = row
            .values
            .iter()
            .enumerate()
            .map(|(index, value)| format!("{} {}", letter(index), setting_value(value.as_deref())))
            .collect();
        print_line(&format!("  {:width$}  {}", row.key, values.join("  ")))?;
    }
    for same in same_runs(comparison) {
        print_line(&format!("\n{same}"))?;
    }
    for group in &comparison.groups {
        let Some((mean, Some(interval))) = group.accuracy else { continue };
        let letters: Vec<String> = group.runs.iter().map(|index| letter(*index)).collect();
        print_line(&format!(
            "\n{} differ only in their random seed: mean test accuracy {} [{}, {}], a 95 % t interval",
            letters.join(" "),
            share(mean),
            share(interval.low),
            share(interval.high)
        ))?;
    }
    print_disagreements(comparison, disagreements)
}

fn run_table(comparison: &Comparison) -> Table {
    let mut table = Table::new(&[
        text("letter", ""),
        text("run", "run"),
        number("round", "round"),
        number("test", "test"),
        number("difference", "difference"),
        text("interval", "95 % interval"),
        number("p", "p (Holm)"),
        number("ece", "ECE"),
        number("precision", "precision"),
        number("gap", "gap closed"),
        number("wall", "time"),
    ]);
    let metric = |name: &str| comparison.metrics.iter().find(|row| row.name == name);
    let value = |name: &str, index: usize| {
        let value = metric(name).and_then(|row| row.values[index]);
        Cell::shown(value, |value| metric_value(name, Some(value)))
    };
    for (index, run) in comparison.runs.iter().enumerate() {
        let difference = metric("test/accuracy").and_then(|row| row.differences[index]);
        let interval = difference.map(|d| d.paired.interval);
        let interval = interval.map(|i| format!("[{}, {}]", signed(i.low), signed(i.high)));
        let is_base = index == comparison.base;
        table.push(vec![
            Cell::new(letter(index)),
            Cell::new(format!("{}{}", run.row.name, if is_base { " (base)" } else { "" })),
            Cell::maybe(run.round),
            value("test/accuracy", index),
            Cell::maybe(difference.map(|d| signed(d.paired.difference))),
            Cell::maybe(interval),
            Cell::maybe(difference.map(|d| p_words(d.p_holm))),
            value("test/ece", index),
            value("pseudo_label_precision", index),
            value("gap_closed", index),
            value("wall_s", index),
        ]);
    }
    table
}

fn print_disagreements(
    comparison: &Comparison,
    disagreements: &[Option<Disagreements>],
) -> CliResult {
    let base = letter(comparison.base);
    for (index, found) in disagreements.iter().enumerate() {
        let Some(found) = found else { continue };
        let other = letter(index);
        let test = &found.test;
        let base_name = &comparison.runs[comparison.base].row.name;
        let are_policies = [comparison.base, index]
            .iter()
            .all(|at| comparison.runs[*at].row.kind == RunKind::Policy);
        print_line(&match test.n {
            0 if are_policies => format!(
                "\n{base} and {other} are policies, which score no test pairs: `ser policy {base_name} \
                 {}` compares them",
                comparison.runs[index].row.name
            ),
            0 => format!("\n{base} and {other} have no common test pairs"),
            n => format!(
                "\n{base} and {other} disagree on {} of {n} test pairs: {base} is right on {}, {other} on {}",
                test.n_disagreements(),
                test.n_only_base,
                test.n_only_other
            ),
        })?;
        if let Some(pool) = &found.pool {
            print_line(&format!(
                "  of {} common pool pairs they label {} oppositely, {} of them surely; {base} alone selects {}, {other} alone {}",
                pool.n_common,
                pool.n_opposite,
                pool.n_opposite_selected,
                pool.n_only_base_selected,
                pool.n_only_other_selected
            ))?;
        }
        for pair in found.pairs.iter().take(3) {
            let prompt: String = clean_line(&pair.prompt).chars().take(60).collect();
            print_line(&format!(
                "  pair {:<7} {base} {} {other} {}  {prompt}",
                pair.pair.to_string(),
                share(pair.base.confidence),
                share(pair.other.confidence)
            ))?;
        }
    }
    Ok(())
}
