//! `ser worker`: the child side of a run. Started by the supervisor, never by hand.

use crate::cli::{CliResult, Context};
use crate::domain::run::RunId;
use crate::{logging, worker};

/// Arguments of `ser worker`.
#[derive(Debug, clap::Args)]
pub struct WorkerArgs {
    /// Which run
    #[arg(long, value_name = "ID")]
    run: String,
}

/// Executes the run to its end.
///
/// # Errors
/// When the run fails; the run's own rows say so too.
pub fn run(context: &Context, args: &WorkerArgs) -> CliResult {
    let run = RunId(args.run.clone());
    // A session of its own keeps every signal away that is meant for the terminal, or for the
    // command that started the run. The call fails only where the worker already leads its session.
    let _ = nix::unistd::setsid();
    logging::to_file(&context.home.worker_log(&run), context.n_verbose);
    tracing::info!(%run, "worker started");
    let ending = worker::run(&context.home, &run);
    // There is no daemon: a worker that frees a slot starts the next run.
    let next = context
        .store_to_write("worker")
        .and_then(|mut store| Ok(context.supervisor.start_next(&mut store)?));
    if let Err(error) = next {
        tracing::warn!(%run, error = %error.message, "cannot start the next run");
    }
    ending?;
    Ok(())
}
