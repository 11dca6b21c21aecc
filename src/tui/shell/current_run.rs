//! What keys do to the current run on every screen that shows one.

use super::effect::Effect;
use super::export;
use super::keymap::command::WorkerCommand;
use super::model::{Model, Tone};
use super::overlay::{Choice, ChoiceItem, Overlay, Then};
use crate::domain::run::{RequestKind, RunId};
use crate::tui::feed::change::Change;
use crate::tui::kit::words::Condition;

/// Asks what of the run is to be copied; one more key takes it.
pub fn open_copy(model: &mut Model) {
    let Some(row) = model.current() else { return };
    let item = |key: char, label: &str, text: String| ChoiceItem {
        key: Some(key),
        label: label.to_owned(),
        detail: text.clone(),
        then: Then::Effect(Effect::Change(Change::Copy {
            what: format!("{label} of {}", row.name),
            text,
        })),
    };
    let mut items = vec![
        item('y', "id", row.id.to_string()),
        item('n', "name", row.name.clone()),
        item('c', "command", format!("ser attach {}", row.id)),
    ];
    items.extend(export::copy_items(model));
    model.overlay = Some(Overlay::Choice(Choice { title: "copy".to_owned(), items, cursor: 0 }));
}

/// Pauses, resumes or stops the current run; stopping asks.
pub fn on_worker(model: &mut Model, command: WorkerCommand) -> Vec<Effect> {
    let Some(row) = model.current() else { return Vec::new() };
    let (run, name, condition) = (row.id.clone(), row.name.clone(), Condition::of(row));
    let kind = match command {
        WorkerCommand::Pause if condition == Condition::Paused => RequestKind::Resume,
        WorkerCommand::Pause => RequestKind::Pause,
        WorkerCommand::Resume => RequestKind::Resume,
        WorkerCommand::Stop => RequestKind::Stop,
    };
    if kind != RequestKind::Stop {
        return vec![Effect::Change(Change::Ask { run, name, kind })];
    }
    let detail = if condition == Condition::Queued {
        "it leaves the queue; R puts it back"
    } else {
        "it ends after its present step with a checkpoint; R resumes it"
    };
    model.overlay = Some(Overlay::Confirm {
        question: format!("stop {name}?"),
        detail: detail.to_owned(),
        then: Then::Effect(Effect::Change(Change::Ask { run, name, kind })),
    });
    Vec::new()
}

/// Wraps long lines of the event log, or cuts them.
pub fn wrap_events(model: &mut Model) -> Vec<Effect> {
    model.wraps_events = !model.wraps_events;
    let words = if model.wraps_events { "events are wrapped" } else { "events are cut" };
    model.say(Tone::Note, words)
}

/// Marks these runs and no others; `what` says what they are.
pub fn mark(model: &mut Model, runs: Vec<RunId>, what: &str) -> Vec<Effect> {
    let n = runs.len();
    model.runs.marked = runs.into_iter().collect();
    model.say(Tone::Note, format!("{n} marked: {what} · c compares them"))
}
