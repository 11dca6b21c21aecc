//! `ser worker`: the child side of a run. Started by the supervisor, never by hand.

use std::sync::mpsc;
use std::time::Duration;

use crate::cli::{CliResult, Context};
use crate::domain::run::RunId;
use crate::{logging, worker};

/// How often a worker looks whether a slot is free for the next run.
const QUEUE: Duration = Duration::from_secs(3);

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
    let (is_over, over) = mpsc::channel();
    // A run that is held frees its slot while its worker lives, and nobody else may be there.
    let ending = std::thread::scope(|scope| {
        scope.spawn(move || watch_queue(context, &over));
        let ending = worker::run(&context.home, &run);
        drop(is_over);
        ending
    });
    // There is no daemon: a worker that frees a slot starts the next run.
    start_next(context);
    ending?;
    Ok(())
}

/// Starts the next run whenever a slot is free, until this worker's own run is over.
fn watch_queue(context: &Context, over: &mpsc::Receiver<()>) {
    while matches!(over.recv_timeout(QUEUE), Err(mpsc::RecvTimeoutError::Timeout)) {
        start_next(context);
    }
}

fn start_next(context: &Context) {
    let next = context
        .store_to_write("worker")
        .and_then(|mut store| Ok(context.supervisor.start_next(&mut store)?));
    if let Err(error) = next {
        tracing::warn!(error = %error.message, "cannot start the next run");
    }
}
