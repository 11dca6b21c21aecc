//! The reasons why a command cannot act now. Its key reports the reason, the hint bar dims it, and
//! the help shows the reason beside the action. Nothing is hidden, so that keys keep their places.
//!
//! Here stands what does not depend on the screen; each screen adds its own reasons.

use super::keymap::command::{Command, ShowCommand, ViewerCommand, WorkerCommand};
use super::model::{Model, READ_ONLY, Screen};
use crate::store::RunRow;
use crate::tui::kit::size::SizeClass;
use crate::tui::kit::words::Condition;
use crate::tui::screens::live::command::LiveCommand;
use crate::tui::screens::policy::command::PolicyCommand;
use crate::tui::screens::runs::command::RunsCommand;
use crate::tui::screens::{compare, launch, live, policy, runs, samples};

/// Why a command cannot act now; `None` when it can.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    of_size(model, command)
        .or_else(|| of_viewer(model, command))
        .or_else(|| of_run(model, command))
        .or_else(|| match model.screen {
            Screen::Runs => runs::refuse::refusal(model, command),
            Screen::Live => live::refuse::refusal(model, command),
            Screen::Samples => samples::refuse::refusal(model, command),
            Screen::Compare => compare::refuse::refusal(model, command),
            Screen::Launch => launch::refuse::refusal(model, command),
            Screen::Policy => policy::refuse::refusal(model, command),
        })
}

/// Why nothing is decided where the terminal is too small to show what is decided about.
fn of_size(model: &Model, command: Command) -> Option<String> {
    let decides = matches!(
        command,
        Command::Samples(_)
            | Command::Judging(_)
            | Command::Live(LiveCommand::Veto | LiveCommand::Keep | LiveCommand::Flip)
            | Command::Policy(
                PolicyCommand::VetoPrompt | PolicyCommand::VetoAnswer | PolicyCommand::Judge
            )
            | Command::Undo
            | Command::Redo
    );
    let is_unseen = decides && model.size.class() == SizeClass::Tiny;
    is_unseen.then(|| "the terminal is too small to show what this decides".to_owned())
}

/// Why the viewer as a whole does not let the command act.
fn of_viewer(model: &Model, command: Command) -> Option<String> {
    let changes = matches!(
        command,
        Command::Worker(_)
            | Command::Runs(
                RunsCommand::Kill
                    | RunsCommand::Queue
                    | RunsCommand::Tag
                    | RunsCommand::Note
                    | RunsCommand::Archive
                    | RunsCommand::ArchiveMarked
                    | RunsCommand::Star
            )
            | Command::Live(LiveCommand::Veto | LiveCommand::Keep | LiveCommand::Flip)
            | Command::Policy(
                PolicyCommand::VetoPrompt | PolicyCommand::VetoAnswer | PolicyCommand::Judge
            )
            | Command::Judging(_)
    );
    let starts = command == Command::Runs(RunsCommand::Open) && model.runs.rows.is_empty();
    if model.is_read_only && (starts || changes) {
        return Some(READ_ONLY.to_owned());
    }
    if starts && !model.runs.is_loaded {
        return Some("the runs are still being read".to_owned());
    }
    if matches!(command, Command::Undo | Command::Redo) {
        if matches!(model.screen, Screen::Compare | Screen::Launch) {
            return Some("nothing on this screen can be undone".to_owned());
        }
        if model.is_read_only {
            return Some(READ_ONLY.to_owned());
        }
    }
    None
}

/// Why what acts on the current run cannot act on it.
fn of_run(model: &Model, command: Command) -> Option<String> {
    if model.screen == Screen::Launch && command == Command::Copy {
        return None;
    }
    let needs_run = matches!(
        command,
        Command::Worker(_)
            | Command::Runs(
                RunsCommand::Tag
                    | RunsCommand::Note
                    | RunsCommand::Archive
                    | RunsCommand::Star
                    | RunsCommand::Kill
                    | RunsCommand::Queue
            )
            | Command::Show(ShowCommand::Live | ShowCommand::Samples | ShowCommand::NewPolicy)
            | Command::Copy
            | Command::Viewer(ViewerCommand::Export)
    );
    let Some(row) = model.current() else {
        return needs_run.then(|| "no run is selected".to_owned());
    };
    if let Command::Worker(worker) = command {
        return of_worker(row, worker);
    }
    let condition = Condition::of(row);
    let kills = command == Command::Runs(RunsCommand::Kill);
    (kills && !condition.has_worker()).then(|| {
        format!("nothing to kill: {} is {} and has no process", row.name, condition.word())
    })
}

/// Why a worker cannot be asked for this.
fn of_worker(row: &RunRow, asked: WorkerCommand) -> Option<String> {
    use Condition as C;
    let (name, condition) = (&row.name, Condition::of(row));
    let word = condition.word();
    match (asked, condition) {
        (WorkerCommand::Pause, C::Queued) => {
            Some(format!("nothing to pause: {name} is queued · x takes it out of the queue"))
        }
        (WorkerCommand::Pause | WorkerCommand::Stop, C::Interrupted) => {
            Some(format!("the worker of {name} is gone · R resumes it"))
        }
        (WorkerCommand::Pause, C::Failed | C::Stopped | C::Done) => {
            Some(format!("nothing to pause: {name} is {word}"))
        }
        (WorkerCommand::Stop, C::Failed | C::Stopped | C::Done) => {
            Some(format!("nothing to stop: {name} is {word}"))
        }
        (WorkerCommand::Resume, C::Running | C::Silent) => {
            Some(format!("nothing to resume: {name} is live"))
        }
        (WorkerCommand::Resume, C::Queued | C::Done) => {
            Some(format!("nothing to resume: {name} is {word}"))
        }
        (WorkerCommand::Pause | WorkerCommand::Stop, C::Running | C::Silent | C::Paused)
        | (WorkerCommand::Stop, C::Queued)
        | (WorkerCommand::Resume, C::Paused | C::Interrupted | C::Failed | C::Stopped) => None,
    }
}
