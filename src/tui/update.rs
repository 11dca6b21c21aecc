//! What a message changes, and what it asks for. No I/O, no clock: a pure function that tests call
//! as a table.

use crossterm::event::KeyEvent;

use crate::domain::run::RequestKind;
use crate::store::rows::RunRow;

use super::data::Snapshot;
use super::effect::Effect;
use super::keymap::{self, Command, Context};
use super::message::Message;
use super::model::{Chart, Frozen, Live, Model, Overlay, Screen, Size, SortKey, Toast, Tone};
use super::view;
use super::words::Condition;

/// How long the message line keeps a message, milliseconds.
const TOAST_MS: i64 = 10_000;

/// Changes the model and says what to do.
pub fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let mut effects = match message {
        Message::Key(event) => on_key(model, &event),
        Message::Resized { width, height } => {
            model.size = Size { width, height };
            Vec::new()
        }
        Message::Tick { now_ms } => {
            model.now_ms = now_ms;
            if model.toast.as_ref().is_some_and(|toast| now_ms - toast.at_ms > TOAST_MS) {
                model.toast = None;
            }
            Vec::new()
        }
        Message::Snapshot(snapshot) => {
            on_snapshot(model, snapshot);
            Vec::new()
        }
        Message::ReadFailed(text) | Message::Failed(text) => say(model, Tone::Error, text),
        Message::Done(text) => say(model, Tone::Note, text),
        Message::Started(name) => {
            model.runs.awaited = Some(name.clone());
            say(model, Tone::Note, format!("started {name} · Enter opens it"))
        }
        Message::Continued => vec![Effect::Redraw],
        Message::Leave => vec![Effect::Quit],
    };
    scroll_into_view(model);
    let wanted = model.wanted();
    if wanted != model.interest {
        model.interest = wanted.clone();
        effects.push(Effect::Watch(wanted));
    }
    effects
}

/// Opens the live screen of a run, as a key or the command line asks for it.
pub fn open_live(model: &mut Model, run: crate::domain::run::RunId) {
    if model.live.as_ref().is_none_or(|live| live.run != run) {
        model.live = Some(Live::new(run));
    }
    model.screen = Screen::Live;
}

fn say(model: &mut Model, tone: Tone, text: impl Into<String>) -> Vec<Effect> {
    // Error texts can quote a file or a spec.
    let text = crate::domain::clean::clean_line(&text.into());
    model.toast = Some(Toast { text, tone, at_ms: model.now_ms });
    Vec::new()
}

fn on_snapshot(model: &mut Model, snapshot: Box<Snapshot>) {
    model.now_ms = model.now_ms.max(snapshot.at_ms);
    if let Some(frozen) = &mut model.frozen {
        frozen.latest = Some(snapshot);
        frozen.n_newer += 1;
        return;
    }
    show_snapshot(model, *snapshot);
}

fn show_snapshot(model: &mut Model, snapshot: Snapshot) {
    let selected = model.runs.rows.get(model.runs.cursor).map(|row| row.id.clone());
    model.runs.rows = snapshot.runs;
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
    follow_log(model, snapshot.run.as_ref().map_or(0, |data| data.log.len()));
    model.run = snapshot.run;
    let n_pairs = model.run.as_ref().map_or(0, |data| data.sampled.len());
    if let Some(live) = &mut model.live {
        live.pair = live.pair.min(n_pairs.saturating_sub(1));
    }
}

/// A log that was scrolled back stays where it is while lines are added below.
fn follow_log(model: &mut Model, n_new: usize) {
    let n_old = model.run.as_ref().map_or(0, |data| data.log.len());
    if let Some(live) = model.live.as_mut().filter(|live| live.log_back > 0) {
        live.log_back = (live.log_back + n_new.saturating_sub(n_old)).min(n_new);
    }
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

fn scroll_into_view(model: &mut Model) {
    let n_rows = view::n_list_rows(model.size);
    let runs = &mut model.runs;
    let last_offset = runs.rows.len().saturating_sub(n_rows);
    let lowest = (runs.cursor + 1).saturating_sub(n_rows);
    runs.offset = runs.offset.clamp(lowest, runs.cursor.max(lowest)).min(last_offset.max(lowest));
}

fn on_key(model: &mut Model, event: &KeyEvent) -> Vec<Effect> {
    let context = view::context(model);
    let Some(command) = keymap::command(context, event) else { return Vec::new() };
    if let Some(why) = refusal(model, command) {
        return say(model, Tone::Refused, why);
    }
    match command {
        Command::QuitNow => vec![Effect::Quit],
        Command::Suspend => vec![Effect::Suspend],
        Command::Redraw => vec![Effect::Redraw],
        Command::Theme => {
            model.theme = model.theme.next();
            let name = format!("theme: {:?}", model.theme.name).to_lowercase();
            say(model, Tone::Note, name)
        }
        Command::Help => {
            model.overlay = match model.overlay {
                None => Some(Overlay::Help { offset: 0 }),
                _ => None,
            };
            Vec::new()
        }
        Command::Yes => match model.overlay.take() {
            Some(Overlay::Confirm { effect, .. }) => vec![effect],
            _ => Vec::new(),
        },
        Command::No => {
            model.overlay = None;
            Vec::new()
        }
        Command::Out | Command::Back => on_out(model, command),
        Command::Down
        | Command::Up
        | Command::PageDown
        | Command::PageUp
        | Command::First
        | Command::Last => {
            on_move(model, command, context);
            Vec::new()
        }
        _ => on_action(model, command),
    }
}

fn on_out(model: &mut Model, command: Command) -> Vec<Effect> {
    if model.overlay.take().is_some() {
        return Vec::new();
    }
    match model.screen {
        Screen::Live => {
            if let Some(live) = &model.live {
                let index = model.runs.rows.iter().position(|row| row.id == live.run);
                model.runs.cursor = index.unwrap_or(model.runs.cursor);
            }
            model.screen = Screen::Runs;
            Vec::new()
        }
        Screen::Runs if command == Command::Back => vec![Effect::Quit],
        Screen::Runs => {
            model.toast = None;
            Vec::new()
        }
    }
}

fn on_move(model: &mut Model, command: Command, context: Context) {
    let page = usize::from(model.size.height / 2).max(1);
    let moved = |at: usize, n: usize| match command {
        Command::Down => at + 1,
        Command::Up => at.saturating_sub(1),
        Command::PageDown => at + page,
        Command::PageUp => at.saturating_sub(page),
        Command::First => 0,
        _ => n.saturating_sub(1),
    };
    match (context, &mut model.overlay, &mut model.live) {
        (Context::Help, Some(Overlay::Help { offset }), _) => {
            let n_lines = view::n_help_lines(model.screen);
            let n_rows = usize::from(model.size.height.saturating_sub(2));
            *offset = moved(*offset, n_lines).min(n_lines.saturating_sub(n_rows));
        }
        (Context::Runs, ..) => {
            let n = model.runs.rows.len();
            model.runs.cursor = moved(model.runs.cursor, n).min(n.saturating_sub(1));
        }
        (Context::Live, _, Some(live)) => {
            // The log counts from its newest line, so down means less.
            let n = model.run.as_ref().map_or(0, |data| data.log.len());
            let at = n.saturating_sub(live.log_back + 1);
            let at = moved(at, n).min(n.saturating_sub(1));
            live.log_back = n.saturating_sub(at + 1);
        }
        _ => {}
    }
}

fn on_action(model: &mut Model, command: Command) -> Vec<Effect> {
    let current = model.current().map(|row| (row.id.clone(), row.name.clone(), Condition::of(row)));
    match (command, current) {
        (Command::Open, None) | (Command::New, _) => {
            say(model, Tone::Note, "starting the embedded experiment …");
            return vec![Effect::Launch(Vec::new())];
        }
        (Command::Open | Command::ShowLive, Some((run, ..))) => open_live(model, run),
        (Command::ShowRuns, _) => model.screen = Screen::Runs,
        (Command::Sort, _) => sort_next(model),
        (Command::Freeze, _) => toggle_freeze(model),
        (Command::Pause, Some((run, name, condition))) => {
            let paused = condition == Condition::Paused;
            let kind = if paused { RequestKind::Resume } else { RequestKind::Pause };
            return vec![Effect::Ask { run, name, kind }];
        }
        (Command::Resume, Some((run, name, _))) => {
            return vec![Effect::Ask { run, name, kind: RequestKind::Resume }];
        }
        (Command::Stop, Some((run, name, condition))) => {
            let detail = if condition == Condition::Queued {
                "it leaves the queue; R puts it back"
            } else {
                "it ends after its present step with a checkpoint; R resumes it"
            };
            model.overlay = Some(Overlay::Confirm {
                question: format!("stop {name}?"),
                detail: detail.to_owned(),
                effect: Effect::Ask { run, name, kind: RequestKind::Stop },
            });
        }
        (Command::NextPair | Command::PreviousPair | Command::Gold | Command::Metric, _) => {
            on_live(model, command);
        }
        _ => {}
    }
    Vec::new()
}

fn on_live(model: &mut Model, command: Command) {
    let n_pairs = model.current_data().map_or(0, |data| data.sampled.len());
    let Some(live) = &mut model.live else { return };
    match command {
        Command::NextPair => live.pair = (live.pair + 1).min(n_pairs.saturating_sub(1)),
        Command::PreviousPair => live.pair = live.pair.saturating_sub(1),
        Command::Gold => live.shows_gold = !live.shows_gold,
        _ => {
            live.chart = match live.chart {
                Chart::Accuracy => Chart::Loss,
                Chart::Loss => Chart::Accuracy,
            };
        }
    }
}

fn sort_next(model: &mut Model) {
    let selected = model.runs.rows.get(model.runs.cursor).map(|row| row.id.clone());
    model.runs.sort = model.runs.sort.next();
    sort_runs(model);
    let index = model.runs.rows.iter().position(|row| Some(&row.id) == selected.as_ref());
    model.runs.cursor = index.unwrap_or(0);
}

fn toggle_freeze(model: &mut Model) {
    match model.frozen.take() {
        None => model.frozen = Some(Frozen::default()),
        Some(Frozen { latest: Some(snapshot), .. }) => show_snapshot(model, *snapshot),
        Some(_) => {}
    }
}

/// Why a command cannot act now; `None` when it can. Shown when its key is pressed, and the hint
/// bar dims it.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let changes = [Command::New, Command::Pause, Command::Resume, Command::Stop];
    let starts = command == Command::Open && model.runs.rows.is_empty();
    if model.is_read_only && (starts || changes.contains(&command)) {
        return Some("read-only: this viewer was started with --read-only".to_owned());
    }
    if starts && !model.runs.is_loaded {
        return Some("the runs are still being read".to_owned());
    }
    let needs_run = [Command::Pause, Command::Resume, Command::Stop, Command::ShowLive];
    let Some(row) = model.current() else {
        return needs_run.contains(&command).then(|| "no run is selected".to_owned());
    };
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
        (Command::Resume, Condition::Running | Condition::Silent) => {
            Some(format!("nothing to resume: {name} is live"))
        }
        (Command::Resume, Condition::Queued | Condition::Done) => {
            Some(format!("nothing to resume: {name} is {word}"))
        }
        (Command::NextPair | Command::PreviousPair | Command::Gold, _) => model
            .current_data()
            .is_none_or(|data| data.sampled.is_empty())
            .then(|| "no pair was scored yet".to_owned()),
        _ => None,
    }
}
