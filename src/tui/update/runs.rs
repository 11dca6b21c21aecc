//! What keys and messages do in the runs list.

use crate::domain::run::RequestKind;
use crate::store::rows::RunRow;

use super::super::effect::Effect;
use super::super::keymap::Command;
use super::super::model::{Model, SortKey, Tone};
use super::super::overlay::{Choice, ChoiceItem, Overlay, Then};
use super::super::view;
use super::super::words::Condition;
use super::{live, moved, say};

/// Does a command of the list, `n` times where that means something.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    let n_runs = model.runs.rows.len();
    match command {
        Command::Open => match model.current().map(|row| row.id.clone()) {
            Some(run) => live::open(model, run),
            None => {
                say(model, Tone::Note, "starting the embedded experiment …");
                return vec![Effect::Launch(Vec::new())];
            }
        },
        Command::Sort => sort_next(model),
        Command::Mark => {
            for _ in 0..n.min(n_runs) {
                mark(model);
                model.runs.cursor = moved(model, Command::Down, model.runs.cursor, n_runs, 1);
            }
        }
        Command::MarkAll => {
            model.runs.marked = model.runs.rows.iter().map(|row| row.id.clone()).collect();
        }
        Command::ClearMarks => model.runs.marked.clear(),
        Command::Copy => open_copy(model),
        Command::Pause | Command::Resume | Command::Stop => return on_worker(model, command),
        _ => model.runs.cursor = moved(model, command, model.runs.cursor, n_runs, n),
    }
    Vec::new()
}

/// What is copied from a run, by one more key.
pub fn open_copy(model: &mut Model) {
    let Some(row) = model.current() else { return };
    let item = |key: char, label: &str, text: String| ChoiceItem {
        key: Some(key),
        label: label.to_owned(),
        detail: text.clone(),
        then: Then::Effect(Effect::Copy { what: format!("{label} of {}", row.name), text }),
    };
    let items = vec![
        item('y', "id", row.id.to_string()),
        item('n', "name", row.name.clone()),
        item('c', "command", format!("ser attach {}", row.id)),
    ];
    model.overlay = Some(Overlay::Choice(Choice { title: "copy".to_owned(), items, cursor: 0 }));
}

/// Pauses, resumes or stops the current run; stopping asks.
pub fn on_worker(model: &mut Model, command: Command) -> Vec<Effect> {
    let Some(row) = model.current() else { return Vec::new() };
    let (run, name, condition) = (row.id.clone(), row.name.clone(), Condition::of(row));
    let kind = match command {
        Command::Pause if condition == Condition::Paused => RequestKind::Resume,
        Command::Pause => RequestKind::Pause,
        Command::Resume => RequestKind::Resume,
        _ => RequestKind::Stop,
    };
    if kind != RequestKind::Stop {
        return vec![Effect::Ask { run, name, kind }];
    }
    let detail = if condition == Condition::Queued {
        "it leaves the queue; R puts it back"
    } else {
        "it ends after its present step with a checkpoint; R resumes it"
    };
    model.overlay = Some(Overlay::Confirm {
        question: format!("stop {name}?"),
        detail: detail.to_owned(),
        then: Then::Effect(Effect::Ask { run, name, kind }),
    });
    Vec::new()
}

/// The text of the filter.
pub fn filter(_model: &Model) -> String {
    String::new()
}

/// The text of the filter has changed; what is wrong with it.
pub fn on_filter(_model: &mut Model, _text: &str) -> Option<String> {
    None
}

/// New rows: the selected run stays selected, wherever it stands now.
pub fn take(model: &mut Model, rows: Vec<RunRow>) {
    let selected = model.runs.rows.get(model.runs.cursor).map(|row| row.id.clone());
    model.runs.rows = rows;
    model.runs.is_loaded = true;
    sort_runs(model);
    let awaited = model.runs.awaited.clone();
    let is_awaited = |row: &RunRow| {
        awaited.as_ref().is_some_and(|key| row.id.as_str() == key || row.name == *key)
    };
    if let Some(index) = model.runs.rows.iter().position(is_awaited) {
        model.runs.awaited = None;
        model.runs.cursor = index;
    } else if let Some(id) = selected {
        let index = model.runs.rows.iter().position(|row| row.id == id);
        model.runs.cursor = index.unwrap_or(model.runs.cursor);
    }
    model.runs.cursor = model.runs.cursor.min(model.runs.rows.len().saturating_sub(1));
}

/// Scrolls so that the selected row is shown.
pub fn scroll_into_view(model: &mut Model) {
    let n_rows = view::n_list_rows(model.size);
    let runs = &mut model.runs;
    let last_offset = runs.rows.len().saturating_sub(n_rows);
    let lowest = (runs.cursor + 1).saturating_sub(n_rows);
    runs.offset = runs.offset.clamp(lowest, runs.cursor.max(lowest)).min(last_offset.max(lowest));
}

fn mark(model: &mut Model) {
    let Some(row) = model.runs.rows.get(model.runs.cursor) else { return };
    let id = row.id.clone();
    if !model.runs.marked.remove(&id) {
        model.runs.marked.insert(id);
    }
}

fn sort_next(model: &mut Model) {
    let selected = model.runs.rows.get(model.runs.cursor).map(|row| row.id.clone());
    model.runs.sort = model.runs.sort.next();
    sort_runs(model);
    let index = model.runs.rows.iter().position(|row| Some(&row.id) == selected.as_ref());
    model.runs.cursor = index.unwrap_or(0);
}

fn sort_runs(model: &mut Model) {
    let accuracy = |row: &RunRow| row.latest_test.as_ref().map_or(-1.0, |test| test.accuracy);
    model.runs.rows.sort_by_key(|row| std::cmp::Reverse(row.created_at_ms));
    // Stable: within equal keys the newest stays first.
    match model.runs.sort {
        SortKey::Newest => {}
        SortKey::Accuracy => {
            model.runs.rows.sort_by(|a, b| accuracy(b).total_cmp(&accuracy(a)));
        }
        SortKey::State => model.runs.rows.sort_by_key(Condition::of),
        SortKey::Name => model.runs.rows.sort_by(|a, b| a.name.cmp(&b.name)),
    }
}
