//! What keys and messages do in the runs list.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::domain::run::{RunId, RunKind};
use crate::launch::Request;
use crate::store::rows::RunRow;
use crate::store::{QueueMove, RunFilter};

use super::command::RunsCommand;
use super::layout::n_list_rows;
use super::{COUNTED, SortKey, annotate, experiments};
use crate::tui::feed::change::Change;
use crate::tui::kit::widgets::TrendScale;
use crate::tui::kit::words::{Condition, with_hint};
use crate::tui::screens::{live, policy};
use crate::tui::shell::chosen::Chosen;
use crate::tui::shell::current_run;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::command::{Command, ListCommand, Motion};
use crate::tui::shell::model::{Model, Tone};
use crate::tui::shell::overlay::{Choice, ChoiceItem, Overlay, Then};

/// Does a command of the list, `n` times where that means something.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    match command {
        Command::Runs(command) => return on_own(model, command),
        Command::Worker(command) => return current_run::on_worker(model, command),
        Command::Undo => return annotate::undo(model, true),
        Command::Redo => return annotate::undo(model, false),
        Command::Wrap => return current_run::wrap_events(model),
        Command::List(command) => on_list(model, command, n),
        Command::Copy => current_run::open_copy(model),
        Command::Move(motion) => {
            let n_runs = model.runs.rows.len();
            model.runs.anchor = None;
            model.runs.cursor = model.moved(motion, model.runs.cursor, n_runs, n);
        }
        Command::Show(_)
        | Command::Viewer(_)
        | Command::Popup(_)
        | Command::Pane(_)
        | Command::Live(_)
        | Command::Samples(_)
        | Command::Compare(_)
        | Command::Launch(_)
        | Command::Policy(_)
        | Command::Judging(_) => {}
    }
    Vec::new()
}

fn on_own(model: &mut Model, command: RunsCommand) -> Vec<Effect> {
    match command {
        RunsCommand::Open => match model.current().map(|row| (row.id.clone(), row.kind)) {
            Some((run, RunKind::Ser)) => live::open::open(model, run),
            Some((run, RunKind::Policy)) => policy::open::open(model, run),
            // A filter that matches nothing hides runs, so this is not the first start.
            None if model.runs.all().next().is_some() => {
                return model.say(Tone::Refused, "no run is selected: the filter hides them all");
            }
            None => {
                model.say(Tone::Note, "starting the embedded experiment …");
                return vec![Effect::Change(Change::Launch(Request::default()))];
            }
        },
        RunsCommand::Sort => {
            model.runs.sort = model.runs.sort.next();
            model.runs.is_reversed = false;
            rearrange(model);
        }
        RunsCommand::SortMenu => open_sort_menu(model),
        RunsCommand::Experiments => experiments::open(model),
        RunsCommand::Kill => ask_kill(model),
        RunsCommand::Queue => open_queue_menu(model),
        RunsCommand::Tag => annotate::ask_tags(model),
        RunsCommand::Note => annotate::ask_note(model),
        RunsCommand::Archive => return annotate::archive(model),
        RunsCommand::ArchiveMarked => annotate::ask_archive_marked(model),
        RunsCommand::Star => return annotate::star(model),
    }
    Vec::new()
}

fn on_list(model: &mut Model, command: ListCommand, n: usize) {
    let n_runs = model.runs.rows.len();
    match command {
        ListCommand::Mark => {
            for _ in 0..n.min(n_runs) {
                mark(model);
                model.runs.cursor = model.moved(Motion::Down, model.runs.cursor, n_runs, 1);
            }
        }
        ListCommand::MarkAll => {
            model.runs.marked = model.runs.rows.iter().map(|row| row.id.clone()).collect();
        }
        ListCommand::Range => toggle_range(model),
        ListCommand::ClearMarks => {
            model.runs.marked.clear();
            model.runs.range_from = None;
        }
    }
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
        then: Then::Effect(Effect::Change(Change::Kill { run, name })),
    });
}

/// Chooses what is done with a run that waits.
fn open_queue_menu(model: &mut Model) {
    let Some(row) = model.current() else { return };
    let (run, name) = (row.id.clone(), row.name.clone());
    let item = |key: char, label: &str, detail: &str, to: Option<QueueMove>| ChoiceItem {
        key: Some(key),
        label: label.to_owned(),
        detail: detail.to_owned(),
        then: Then::Effect(Effect::Change(Change::Queue {
            run: run.clone(),
            name: name.clone(),
            to,
        })),
    };
    let mut items = vec![item('!', "now", "beside what runs; both are slower", None)];
    if row.queue_place.is_some() {
        items.extend([
            item('f', "first", "next when a slot is free", Some(QueueMove::First)),
            item('u', "up", "one place forward", Some(QueueMove::Up)),
            item('d', "down", "one place back", Some(QueueMove::Down)),
            item('l', "last", "behind all others", Some(QueueMove::Last)),
        ]);
    }
    model.overlay = Some(Overlay::Choice(Choice { title: "queue".to_owned(), items, cursor: 0 }));
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
    let is_hidden = model.runs.hidden.iter().any(is_awaited);
    if is_hidden {
        // The filter was about what stood there before.
        model.runs.filter = RunFilter::default();
        model.runs.filter_text.clear();
        arrange(model);
    }
    if let Some(index) = model.runs.rows.iter().position(is_awaited) {
        model.runs.awaited = None;
        model.runs.cursor = index;
        let off = if is_hidden { " · the filter that hid it is off" } else { "" };
        let words = format!("started {}{off} · Enter opens it", model.runs.rows[index].name);
        model.say(Tone::Note, words);
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
    let n_rows = n_list_rows(model.size);
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
        model.say(Tone::Note, "range: move to its other end · v marks it · Esc leaves it");
        return;
    };
    let n = range.clone().count();
    runs.marked.extend(runs.rows[range].iter().map(|row| row.id.clone()));
    runs.range_from = None;
    model.say(Tone::Note, format!("{n} marked · c compares them"));
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
        then: Then::Chosen(Chosen::Order(key)),
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
