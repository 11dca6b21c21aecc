//! `ser queue`: what waits for a slot and for whom, and which run is next.

use crate::cli::print::{FormArgs, print_line, print_text};
use crate::cli::{CliResult, Context};
use crate::report::listing::queue;
use crate::report::table::Form;
use crate::store::{Access, QueueMove, Store, StoreError};

/// Arguments of `ser queue`.
#[derive(Debug, clap::Args)]
pub struct QueueArgs {
    #[command(subcommand)]
    command: Option<QueueCommand>,
    #[command(flatten)]
    form: FormArgs,
}

#[derive(Debug, clap::Subcommand)]
enum QueueCommand {
    /// Put a run before all others
    First(QueuedArgs),
    /// Put a run behind all others
    Last(QueuedArgs),
    /// Move a run one place forward
    Up(QueuedArgs),
    /// Move a run one place back
    Down(QueuedArgs),
    /// Start a queued run, or go on with a paused one, although no slot is free
    Now(QueuedArgs),
}

#[derive(Debug, clap::Args)]
struct QueuedArgs {
    /// Id, unique prefix of an id, or name
    run: String,
}

/// Prints the queue, or changes it.
///
/// # Errors
/// When there is no such run, or it is not in the queue.
pub fn run(context: &Context, args: &QueueArgs) -> CliResult {
    let (wanted, to) = match &args.command {
        None => return print(context, args.form.form()),
        Some(QueueCommand::First(wanted)) => (wanted, Some(QueueMove::First)),
        Some(QueueCommand::Last(wanted)) => (wanted, Some(QueueMove::Last)),
        Some(QueueCommand::Up(wanted)) => (wanted, Some(QueueMove::Up)),
        Some(QueueCommand::Down(wanted)) => (wanted, Some(QueueMove::Down)),
        Some(QueueCommand::Now(wanted)) => (wanted, None),
    };
    let mut store = context.store_to_write("queue")?;
    let run = store.find_run(&wanted.run)?;
    let Some(to) = to else {
        context.supervisor.start_now(&mut store, &run.id)?;
        return print_line(&format!(
            "`{}` starts beside what runs; watch it with `ser attach {}`",
            run.name, run.id
        ));
    };
    store.move_queued(&run.id, to)?;
    let place = store.run(&run.id)?.row.queue_place.unwrap_or(1);
    print_line(&format!("`{}` is number {place} of the queue", run.name))
}

fn print(context: &Context, form: Form) -> CliResult {
    let runs = match Store::open(&context.home, Access::ReadOnly) {
        Err(StoreError::Missing { .. }) => Vec::new(),
        store => store?.runs()?,
    };
    let is_empty = runs.iter().all(|run| run.status.is_ended());
    if is_empty && form == Form::Human {
        context.say("nothing runs and nothing waits; start a run with `ser run`");
        return Ok(());
    }
    print_text(&queue::text(&runs, form, context.ascii)?)
}
