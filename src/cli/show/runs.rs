//! `ser runs`: every run on a line.

use crate::cli::print::{FormArgs, print_text};
use crate::cli::{CliResult, Context};
use crate::report::listing::runs;
use crate::report::table::Form;
use crate::store::rows::RunRow;
use crate::store::{Access, Store, StoreError};

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

/// Prints the runs.
///
/// # Errors
/// When the store cannot be read.
pub fn run(context: &Context, args: &RunsArgs) -> CliResult {
    let all = read(context)?;
    let n_all = all.len();
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let found = runs::matching(all, args.filter.as_deref().unwrap_or_default(), now_ms)?;
    let form = args.form.form();
    if args.by_experiment && !found.is_empty() {
        return print_text(&runs::experiments_text(&found, form, context.ascii)?);
    }
    if form != Form::Human || !found.is_empty() {
        print_text(&runs::text(&found, form, context.ascii)?)?;
        for line in runs::waiting(&found) {
            context.say(&line);
        }
        return Ok(());
    }
    if n_all > 0 {
        let archived = "archived ones show with `--filter is:archived`";
        context.say(&format!("none of {n_all} runs matches; {archived}"));
    } else {
        context.say("there are no runs yet; start one with `ser run`");
    }
    Ok(())
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
