//! `ser pause`, `resume` and `stop`: what a person asks of a run.

use crate::cli::print::print_line;
use crate::cli::{CliError, CliResult, Context};
use crate::domain::run::{Liveness, RunStatus};
use crate::report;
use crate::store::rows::RunRow;

/// Arguments of the three.
#[derive(Debug, clap::Args)]
pub struct RequestArgs {
    /// Id, unique prefix of an id, or name
    run: String,
}

/// Asks a run to hold.
///
/// # Errors
/// When there is no such run or it does not run.
pub fn pause(context: &Context, args: &RequestArgs) -> CliResult {
    let mut store = context.store_to_write("pause")?;
    let run = store.find_run(&args.run)?;
    refuse(&run, "pause", run.status != RunStatus::Running)?;
    context.supervisor.pause(&mut store, &run.id)?;
    print_line(&format!(
        "`{}` pauses after its present step; go on with `ser resume {}`",
        run.name, run.id
    ))
}

/// Lets a run go on, from its memory when its worker lives and from its last checkpoint otherwise.
///
/// # Errors
/// When there is no such run or it has nothing left to do.
pub fn resume(context: &Context, args: &RequestArgs) -> CliResult {
    let mut store = context.store_to_write("resume")?;
    let run = store.find_run(&args.run)?;
    refuse(&run, "resume", run.status == RunStatus::Finished)?;
    context.supervisor.resume(&mut store, &run.id)?;
    let is_held = matches!(run.liveness, Liveness::Alive | Liveness::Silent);
    let busy = store.runs()?.into_iter().find(|other| {
        other.holds_slot() && other.id != run.id && other.slots == run.slots && is_held
    });
    let how = match (is_held, busy) {
        (true, Some(other)) => format!("goes on when its slot is free, which `{}` has", other.name),
        (true, None) => "goes on at once".to_owned(),
        (false, _) if has_checkpoint(context, &run) => {
            "goes on from its last checkpoint".to_owned()
        }
        (false, _) => "is in the queue and starts from the beginning".to_owned(),
    };
    print_line(&format!("`{}` {how}; watch it with `ser attach {}`", run.name, run.id))
}

fn has_checkpoint(context: &Context, run: &RunRow) -> bool {
    let folder = context.home.run_dir(&run.id).join("checkpoints");
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Asks a run to end.
///
/// # Errors
/// When there is no such run or it has ended.
pub fn stop(context: &Context, args: &RequestArgs) -> CliResult {
    let mut store = context.store_to_write("stop")?;
    let run = store.find_run(&args.run)?;
    refuse(&run, "stop", run.status.is_ended())?;
    context.supervisor.stop(&mut store, &run.id)?;
    let how = if run.status == RunStatus::Queued {
        "leaves the queue"
    } else {
        "writes a checkpoint and ends after its present step"
    };
    print_line(&format!("`{}` {how}; go on with `ser resume {}`", run.name, run.id))
}

fn refuse(run: &RunRow, action: &str, is_refused: bool) -> CliResult {
    if !is_refused {
        return Ok(());
    }
    let message = format!("cannot {action} `{}`: it is {}", run.name, report::status(run));
    let hint = match run.status {
        RunStatus::Stopped | RunStatus::Failed => format!("go on with `ser resume {}`", run.id),
        RunStatus::Queued => {
            format!("it starts when a slot is free; `ser stop {}` removes it", run.id)
        }
        _ => format!("look at it with `ser show {}`", run.id),
    };
    Err(CliError::input(message).with_hint(hint))
}
