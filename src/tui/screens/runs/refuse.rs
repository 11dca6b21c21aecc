//! Why a command cannot act on the runs list.

use super::command::RunsCommand;
use crate::domain::run::RunStatus;
use crate::tui::shell::keymap::command::{Command, ListCommand};
use crate::tui::shell::model::Model;

/// Why a command cannot act now; `None` when it can.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    // Without a row there is nothing to say that the empty list does not say.
    let row = model.current()?;
    let runs = &model.runs;
    let why = if command == Command::Undo && runs.undo.is_empty() {
        "nothing to undo here"
    } else if command == Command::Redo && runs.redo.is_empty() {
        "nothing to do again here"
    } else if command == Command::Runs(RunsCommand::Queue)
        && row.queue_place.is_none()
        && row.status != RunStatus::Paused
    {
        "it does not wait: only queued and paused runs do"
    } else if command == Command::Runs(RunsCommand::ArchiveMarked) && runs.marked.is_empty() {
        "nothing is marked · d archives the selected run"
    } else if command == Command::List(ListCommand::ClearMarks)
        && runs.marked.is_empty()
        && runs.range_from.is_none()
    {
        "nothing is marked"
    } else {
        return None;
    };
    Some(why.to_owned())
}
