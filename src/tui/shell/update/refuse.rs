//! Why a command cannot act now. Its key says it, the hint bar dims it, the help writes it beside
//! the action: nothing is hidden, so that a hand learns one place for a key.

use super::super::keymap::Command;
use super::super::model::{Model, Screen};
use crate::tui::kit::words::Condition;
use crate::tui::screens::live::ghost;
use crate::tui::screens::live::keys::LiveCommand;
use crate::tui::screens::{compare, launch, samples};

/// Why a command cannot act now; `None` when it can.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let changes = [
        Command::Pause,
        Command::Resume,
        Command::Stop,
        Command::Kill,
        Command::Tag,
        Command::Note,
        Command::Archive,
        Command::ArchiveMarked,
        Command::Star,
        Command::Live(LiveCommand::Veto),
        Command::Live(LiveCommand::Keep),
        Command::Live(LiveCommand::Flip),
    ];
    let starts = command == Command::Open && model.runs.rows.is_empty();
    if model.is_read_only && (starts || changes.contains(&command)) {
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
    match model.screen {
        Screen::Samples => {
            return of_run(model, command).or_else(|| samples::update::refusal(model, command));
        }
        Screen::Compare => {
            return of_run(model, command).or_else(|| compare::update::refusal(model, command));
        }
        Screen::Launch => {
            return of_run(model, command).or_else(|| launch::update::refusal(model, command));
        }
        Screen::Runs | Screen::Live => {}
    }
    of_run(model, command)
}

/// What a key says that would change something in a viewer that changes nothing.
pub const READ_ONLY: &str = "read-only: this viewer was started with --read-only";

/// Why what acts on the current run cannot act on it.
fn of_run(model: &Model, command: Command) -> Option<String> {
    if model.screen == Screen::Launch && command == Command::Copy {
        return None;
    }
    let needs_run = [
        Command::Tag,
        Command::Note,
        Command::Archive,
        Command::Star,
        Command::Pause,
        Command::Resume,
        Command::Stop,
        Command::Kill,
        Command::ShowLive,
        Command::ShowSamples,
        Command::Copy,
        Command::Export,
    ];
    let Some(row) = model.current() else {
        return needs_run.contains(&command).then(|| "no run is selected".to_owned());
    };
    if model.screen == Screen::Runs {
        let nothing = match command {
            Command::Undo if model.runs.undo.is_empty() => Some("nothing to undo here"),
            Command::Redo if model.runs.redo.is_empty() => Some("nothing to do again here"),
            Command::Experiments | Command::Range if model.runs.rows.is_empty() => {
                Some("no run is shown")
            }
            Command::ArchiveMarked if model.runs.marked.is_empty() => {
                Some("nothing is marked · d archives the selected run")
            }
            _ => None,
        };
        if nothing.is_some() {
            return nothing.map(str::to_owned);
        }
    }
    let (name, condition) = (&row.name, Condition::of(row));
    let word = condition.word();
    match (command, condition) {
        (Command::Pause, Condition::Queued) => {
            Some(format!("nothing to pause: {name} is queued · x takes it out of the queue"))
        }
        (Command::Pause | Command::Stop, Condition::Interrupted) => {
            Some(format!("the worker of {name} is gone · R resumes it"))
        }
        (
            Command::Pause | Command::Stop,
            Condition::Failed | Condition::Stopped | Condition::Done,
        ) => {
            let verb = if command == Command::Pause { "pause" } else { "stop" };
            Some(format!("nothing to {verb}: {name} is {word}"))
        }
        (Command::Kill, _) if !condition.has_worker() => {
            Some(format!("nothing to kill: {name} is {word} and has no process"))
        }
        (Command::Resume, Condition::Running | Condition::Silent) => {
            Some(format!("nothing to resume: {name} is live"))
        }
        (Command::Resume, Condition::Queued | Condition::Done) => {
            Some(format!("nothing to resume: {name} is {word}"))
        }
        (Command::ClearMarks, _) => {
            let is_none = model.runs.marked.is_empty() && model.runs.range_from.is_none();
            (model.screen == Screen::Runs && is_none).then(|| "nothing is marked".to_owned())
        }
        _ => of_live(model, command),
    }
}

/// Why what acts on the latest selection of the current run cannot act.
fn of_live(model: &Model, command: Command) -> Option<String> {
    let data = model.current_data();
    match command {
        Command::NextPair
        | Command::PreviousPair
        | Command::Gold
        | Command::Live(
            LiveCommand::Inspect | LiveCommand::Veto | LiveCommand::Keep | LiveCommand::Flip,
        ) => data
            .is_none_or(|data| data.sampled.is_empty())
            .then(|| "no pair was scored yet".to_owned()),
        Command::Live(LiveCommand::Ghost) => ghost::refusal(model),
        Command::Live(LiveCommand::ThresholdUp | LiveCommand::ThresholdDown) => data
            .is_none_or(|data| data.selection().is_none())
            .then(|| "no selection yet: there is no threshold to look at".to_owned()),
        _ => None,
    }
}
