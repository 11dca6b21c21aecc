//! `ser rounds RUN`: the rounds of a run as a table.

use crate::cli::print::{FormArgs, print_text};
use crate::cli::{CliResult, Context};
use crate::report::listing::rounds;

/// Arguments of `ser rounds`.
#[derive(Debug, clap::Args)]
pub struct RoundsArgs {
    /// Id, unique prefix of an id, or name
    run: String,
    #[command(flatten)]
    form: FormArgs,
}

/// Prints the rounds.
///
/// # Errors
/// When there is no such run.
pub fn run(context: &Context, args: &RoundsArgs) -> CliResult {
    let store = context.store_to_read()?;
    let run = store.find_run(&args.run)?;
    let rows = store.rounds(&run.id)?;
    print_text(&rounds::text(&run.id, &rows, args.form.form(), context.ascii)?)
}
