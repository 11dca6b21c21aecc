//! What keys and messages do in the runs list.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::domain::run::{RequestKind, RunId};
use crate::launch::Order;
use crate::store::RunFilter;
use crate::store::rows::RunRow;

use super::{annotate, experiments};
use crate::tui::feed::source::with_hint;
use crate::tui::kit::widgets::TrendScale;
use crate::tui::kit::words::Condition;
use crate::tui::screens::live::update as live;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::Command;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{COUNTED, Model, SortKey, Tone};
use crate::tui::shell::overlay::{Choice, ChoiceItem, Overlay, Then};
use crate::tui::shell::update::{export, moved, say};
use crate::tui::shell::view;

/// Does a command of the list, `n` times where that means something.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    let n_runs = model.runs.rows.len();
    match command {
        Command::Open => match model.current().map(|row| row.id.clone()) {
            Some(run) => live::open(model, run),
            None => {
                say(model, Tone::Note, "starting the embedded experiment …");
                return vec![Effect::Launch(Order::default())];
            }
        },
        Command::Sort => {
            model.runs.sort = model.runs.sort.next();
            model.runs.is_reversed = false;
            rearrange(model);
        }
        Command::SortMenu => open_sort_menu(model),
        Command::Tag
        | Command::Note
        | Command::Archive
        | Command::ArchiveMarked
        | Command::Star => return annotate::on_command(model, command),
        Command::Undo | Command::Redo => return annotate::undo(model, command),
        Command::Mark => {
            for _ in 0..n.min(n_runs) {
                mark(model);
                model.runs.cursor = moved(model, Command::Down, model.runs.cursor, n_runs, 1);
            }
        }
        Command::MarkAll => {
            model.runs.marked = model.runs.rows.iter().map(|row| row.id.clone()).collect();
        }
        Command::Range => toggle_range(model),
        Command::Experiments => experiments::open(model),
        Command::ClearMarks => {
            model.runs.marked.clear();
            model.runs.range_from = None;
        }
        Command::Copy => open_copy(model),
        Command::Pause | Command::Resume | Command::Stop => return on_worker(model, command),
        Command::Kill => ask_kill(model),
        _ => {
            model.runs.anchor = None;
            model.runs.cursor = moved(model, command, model.runs.cursor, n_runs, n);
        }
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
    let mut items = vec![
        item('y', "id", row.id.to_string()),
        item('n', "name", row.name.clone()),
        item('c', "command", format!("ser attach {}", row.id)),
    ];
    items.extend(export::copy_items(model));
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

/// Asks before a process is killed: for a worker that does not obey any more.
fn ask_kill(model: &mut Model) {
    let Some(row) = model.current() else { return };
    let (run, name) = (row.id.clone(), row.name.clone());
    model.overlay = Some(Overlay::Confirm {
        question: format!("kill the process of {name} now?"),
        detail: "what it did since its latest checkpoint is done again when R resumes it; \
                 x stops it with a checkpoint"
            .to_owned(),
        then: Then::Effect(Effect::Kill { run, name }),
    });
}

/// The text of the filter.
pub fn filter(model: &Model) -> String {
    model.runs.filter_text.clone()
}

/// The text of the filter has changed: what can be understood counts at once. Returns what is wrong
/// with the rest.
pub fn on_filter(model: &mut Model, text: &str) -> Option<String> {
    let parsed = RunFilter::parse(text);
    let error = parsed.as_ref().err().map(|error| with_hint(&error.to_string(), error.hint()));
    // The word that is being typed may make no sense yet; those before it do.
    let before = text.trim_end().rsplit_once(char::is_whitespace).map_or("", |(before, _)| before);
    let (text, filter) = match parsed {
        Ok(filter) => (text, Some(filter)),
        Err(_) => (before, RunFilter::parse(before).ok()),
    };
    if let Some(filter) = filter {
        text.clone_into(&mut model.runs.filter_text);
        if filter != model.runs.filter {
            model.runs.filter = filter;
            rearrange(model);
        }
    }
    error
}

/// New rows: the selected run stays selected, wherever it stands now.
pub fn take(model: &mut Model, rows: Vec<Arc<RunRow>>) {
    let selected = model.runs.rows.get(model.runs.cursor).map(|row| row.id.clone());
    model.runs.rows = rows;
    model.runs.hidden.clear();
    model.runs.is_loaded = true;
    arrange(model);
    select(model, selected.as_ref());
    let awaited = model.runs.awaited.clone();
    let is_awaited = |row: &Arc<RunRow>| {
        awaited.as_ref().is_some_and(|key| row.id.as_str() == key || row.name == *key)
    };
    if let Some(index) = model.runs.rows.iter().position(is_awaited) {
        model.runs.awaited = None;
        model.runs.cursor = index;
        let words = format!("started {} · Enter opens it", model.runs.rows[index].name);
        say(model, Tone::Note, words);
    }
}

/// Filters and sorts again around the selected run.
fn rearrange(model: &mut Model) {
    let at_cursor = model.runs.rows.get(model.runs.cursor).map(|row| row.id.clone());
    let selected = model.runs.anchor.take().or(at_cursor);
    arrange(model);
    select(model, selected.as_ref());
    // A run that the filter hides is selected again when it comes back.
    let is_shown = |run: &RunId| model.runs.rows.iter().any(|row| row.id == *run);
    model.runs.anchor = selected.filter(|run| !is_shown(run));
}

fn select(model: &mut Model, run: Option<&RunId>) {
    let index = run.and_then(|run| model.runs.rows.iter().position(|row| row.id == *run));
    let last = model.runs.rows.len().saturating_sub(1);
    model.runs.cursor = index.unwrap_or(model.runs.cursor).min(last);
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

/// Begins a range at the cursor, or marks what lies between there and the cursor.
fn toggle_range(model: &mut Model) {
    let runs = &mut model.runs;
    let Some(range) = runs.range() else {
        runs.range_from = runs.rows.get(runs.cursor).map(|row| row.id.clone());
        say(model, Tone::Note, "range: move to its other end · v marks it · Esc leaves it");
        return;
    };
    let n = range.clone().count();
    runs.marked.extend(runs.rows[range].iter().map(|row| row.id.clone()));
    runs.range_from = None;
    say(model, Tone::Note, format!("{n} marked · c compares them"));
}

/// Chooses an order; the one in force is turned round.
pub fn sort_by(model: &mut Model, key: SortKey) {
    model.runs.is_reversed = model.runs.sort == key && !model.runs.is_reversed;
    model.runs.sort = key;
    rearrange(model);
}

fn open_sort_menu(model: &mut Model) {
    let items = SortKey::ALL.into_iter().map(|(c, key)| ChoiceItem {
        key: Some(c),
        label: key.words().to_owned(),
        detail: if key == model.runs.sort { "now · again turns it round" } else { "" }.to_owned(),
        then: Then::Message(Box::new(Message::SortRuns(key))),
    });
    let items = items.collect();
    model.overlay = Some(Overlay::Choice(Choice { title: "sort".to_owned(), items, cursor: 0 }));
}

/// Divides all runs into those shown and the others, and puts the shown ones in order.
fn arrange(model: &mut Model) {
    let mut all = std::mem::take(&mut model.runs.rows);
    all.append(&mut model.runs.hidden);
    let filter = &model.runs.filter;
    let (mut shown, hidden): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|row| filter.matches(row, model.now_ms));
    model.runs.hidden = hidden;
    sort(&mut shown, model.runs.sort, model.runs.is_reversed);
    model.runs.rows = shown;
    // What depends on every run is counted when they change, not with every frame.
    let accuracies = model.runs.rows.iter().flat_map(|row| &row.test_accuracy);
    model.runs.scale = TrendScale::of(accuracies.flatten().copied());
    let count = |condition| model.runs.all().filter(|row| Condition::of(row) == condition).count();
    model.runs.n_in = COUNTED.map(count);
    let mut all = model.runs.rows.iter().chain(&model.runs.hidden);
    model.runs.starred = all.find(|row| row.annotation.is_baseline).cloned();
}

fn sort(rows: &mut [Arc<RunRow>], key: SortKey, is_reversed: bool) {
    let accuracy = |row: &RunRow| row.latest_test.as_ref().map_or(-1.0, |test| test.accuracy);
    rows.sort_by(|a, b| {
        let by_key = match key {
            SortKey::Newest => Ordering::Equal,
            SortKey::Accuracy => accuracy(b).total_cmp(&accuracy(a)),
            SortKey::State => Condition::of(a).cmp(&Condition::of(b)),
            SortKey::Name => a.name.cmp(&b.name),
            SortKey::Round => b.round.cmp(&a.round),
            SortKey::Kept => b.n_selected.cmp(&a.n_selected),
            SortKey::Vetoed => b.n_vetoed.cmp(&a.n_vetoed),
        };
        // Within equal keys the newest stays first.
        by_key.then(b.created_at_ms.cmp(&a.created_at_ms))
    });
    if is_reversed {
        rows.reverse();
    }
}
