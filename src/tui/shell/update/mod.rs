//! What a message changes, and what it asks for. No I/O, no clock: a pure function that tests call
//! as a table.
//!
//! A key becomes a command ([`super::keymap`]) and a command goes to whoever it is for: the popup
//! that lies over the screen, the navigation all screens share, or the screen itself.

pub mod export;
mod mouse;
pub mod navigate;
mod popup;
mod refuse;

use super::effect::Effect;
use super::keymap::{Command, Context};
use super::message::Message;
use super::model::{Frozen, Model, Screen, Size, Toast, Tone};
use super::split;
use crate::tui::feed::data::Snapshot;
use crate::tui::screens::live::update as live;
use crate::tui::screens::runs::{annotate, experiments, update as runs};
use crate::tui::screens::{compare, launch, samples};

pub use crate::tui::screens::live::update::open as open_live;
pub use export::{command_line, copy_items};
pub use refuse::{READ_ONLY, refusal};

/// How long the message line keeps a message, milliseconds.
const TOAST_MS: i64 = 10_000;

/// Changes the model and says what to do.
pub fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let mut effects = match message {
        Message::Key(event) => popup::on_key(model, &event),
        Message::Pasted(text) => popup::on_paste(model, &text),
        Message::Mouse { kind, x, y } => mouse::on_mouse(model, kind, x, y),
        Message::Copied { bytes, words } => {
            say(model, Tone::Note, words);
            if bytes.is_empty() { Vec::new() } else { vec![Effect::Emit(bytes)] }
        }
        message @ (Message::OpenSamples { .. }
        | Message::OpenCompare { .. }
        | Message::OpenArms { .. }
        | Message::OpenLaunch { .. }
        | Message::OpenPreset(_)
        | Message::MarkRuns { .. }
        | Message::SetGhost(_)
        | Message::SetArm(_)) => chosen(model, message),
        Message::Edited(text) => launch::update::on_edited(model, &text),
        Message::DryRunEnded(words) => {
            let words = crate::domain::text::clean::clean_line(&words);
            model.launch.dry_run = Some(words.clone());
            say(model, Tone::Note, format!("dry run: {words}"))
        }
        Message::Resized { width, height } => {
            model.size = Size { width, height };
            Vec::new()
        }
        Message::Tick { now_ms } => tick(model, now_ms),
        Message::Snapshot(snapshot) => {
            on_snapshot(model, snapshot);
            Vec::new()
        }
        Message::Samples(found) => {
            samples::update::take(model, found);
            Vec::new()
        }
        Message::ReadFailed(text) | Message::Failed(text) => say(model, Tone::Error, text),
        Message::Done(text) => say(model, Tone::Note, text),
        Message::Started(name) => started(model, &name),
        Message::SortRuns(key) => {
            runs::sort_by(model, key);
            Vec::new()
        }
        Message::AskName { name, contents } => compare::update::ask_name(model, &name, contents),
        Message::FileExists { path, contents } => popup::ask_overwrite(model, path, contents),
        Message::RunsEdited { edited, inverse } => annotate::edited(model, &edited, inverse),
        Message::Continued => vec![Effect::Redraw],
        Message::Leave => vec![Effect::Quit],
    };
    runs::scroll_into_view(model);
    effects.extend(samples::update::follow(model));
    let wanted = model.wanted();
    if wanted != model.interest {
        model.interest = wanted.clone();
        effects.push(Effect::Watch(wanted));
    }
    effects
}

/// What was chosen in a popup, or on another screen.
fn chosen(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::OpenSamples { run, round, pair } => {
            samples::update::open(model, run, round, pair);
            arrive(model, Screen::Samples)
        }
        Message::OpenCompare { runs } => {
            compare::update::open(model, runs);
            arrive(model, Screen::Compare)
        }
        Message::OpenArms { runs } => {
            compare::update::open_arms(model, runs);
            arrive(model, Screen::Compare)
        }
        Message::MarkRuns { runs, what } => experiments::mark(model, runs, &what),
        Message::SetGhost(run) => {
            if let Some(live) = &mut model.live {
                live.ghost = run;
            }
            Vec::new()
        }
        Message::OpenLaunch { from } => {
            launch::update::open(model, from);
            arrive(model, Screen::Launch)
        }
        Message::OpenPreset(name) => {
            let effects = launch::update::open_preset(model, &name);
            navigate::go_to(model, Screen::Launch);
            effects
        }
        Message::SetArm(arm) => {
            launch::update::set_arm(model, &arm);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn arrive(model: &mut Model, screen: Screen) -> Vec<Effect> {
    navigate::go_to(model, screen);
    Vec::new()
}

fn tick(model: &mut Model, now_ms: i64) -> Vec<Effect> {
    model.now_ms = now_ms;
    if model.toast.as_ref().is_some_and(|toast| now_ms - toast.at_ms > TOAST_MS) {
        model.toast = None;
    }
    Vec::new()
}

fn started(model: &mut Model, name: &str) -> Vec<Effect> {
    model.runs.awaited = Some(name.to_owned());
    if model.screen == Screen::Launch {
        navigate::go_to(model, Screen::Runs);
    }
    say(model, Tone::Note, format!("started {name} · Enter opens it"))
}

/// Does a command, `n` times where that means something, or says why it cannot.
pub fn act(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    if let Some(why) = refusal(model, command) {
        return say(model, Tone::Refused, why);
    }
    match command {
        Command::QuitNow => vec![Effect::Quit],
        Command::Suspend => vec![Effect::Suspend],
        Command::Redraw => vec![Effect::Redraw],
        Command::Theme => {
            model.theme = model.theme.next();
            say(model, Tone::Note, format!("theme: {}", model.theme.name.name()))
        }
        Command::Mouse => {
            model.has_mouse = !model.has_mouse;
            let words = if model.has_mouse {
                "mouse: wheel and clicks are the viewer's · Shift selects text"
            } else {
                "mouse: the terminal's again"
            };
            say(model, Tone::Note, words)
        }
        Command::Freeze => {
            toggle_freeze(model);
            Vec::new()
        }
        Command::Grow | Command::Shrink => resize(model, command, n),
        Command::Help | Command::Palette => popup::open_commands(model, command),
        Command::Filter => popup::open_filter(model),
        Command::Export => {
            export::open(model);
            Vec::new()
        }
        Command::Out | Command::Back => navigate::on_out(model, command),
        Command::ShowRuns
        | Command::ShowLive
        | Command::ShowSamples
        | Command::ShowCompare
        | Command::ShowLaunch
        | Command::New => navigate::show(model, command),
        _ => on_screen(model, command, n),
    }
}

/// More or less room for the pane that has the keys.
fn resize(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    let is_zoomed = match model.screen {
        Screen::Live => model.live.as_ref().is_some_and(|live| live.is_zoomed),
        Screen::Samples => model.samples.is_zoomed,
        Screen::Compare => model.compare.is_zoomed,
        Screen::Runs | Screen::Launch => false,
    };
    if is_zoomed {
        return say(model, Tone::Refused, "one pane has the whole screen · z ends that");
    }
    if split::change(model, command == Command::Grow, n) {
        return Vec::new();
    }
    let words = if command == Command::Grow {
        "this pane cannot be larger here"
    } else {
        "this pane cannot be smaller here"
    };
    say(model, Tone::Refused, words)
}

/// Long lines of the event log: wrapped, or cut.
fn wrap_events(model: &mut Model) -> Vec<Effect> {
    model.wraps_events = !model.wraps_events;
    let words = if model.wraps_events { "events are wrapped" } else { "events are cut" };
    say(model, Tone::Note, words)
}

/// What only the screen itself knows how to do.
fn on_screen(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    if command == Command::Wrap && model.screen != Screen::Samples {
        return wrap_events(model);
    }
    match model.screen {
        Screen::Runs => runs::on_command(model, command, n),
        Screen::Live => live::on_command(model, command, n),
        Screen::Samples => samples::update::on_command(model, command, n),
        Screen::Compare => compare::update::on_command(model, command, n),
        Screen::Launch => launch::update::on_command(model, command, n),
    }
}

/// Puts a line on the message line.
pub fn say(model: &mut Model, tone: Tone, text: impl Into<String>) -> Vec<Effect> {
    // Error texts can quote a file or a spec.
    let text = crate::domain::text::clean::clean_line(&text.into());
    model.toast = Some(Toast { text, tone, at_ms: model.now_ms });
    Vec::new()
}

/// Where a list cursor goes.
pub fn moved(model: &Model, command: Command, at: usize, n_rows: usize, n: usize) -> usize {
    let page = usize::from(model.size.height / 2).max(1).saturating_mul(n);
    let last = n_rows.saturating_sub(1);
    let to = match command {
        Command::Down => at.saturating_add(n),
        Command::Up => at.saturating_sub(n),
        Command::PageDown => at.saturating_add(page),
        Command::PageUp => at.saturating_sub(page),
        Command::First => 0,
        Command::Last => last,
        _ => at,
    };
    to.min(last)
}

fn on_snapshot(model: &mut Model, snapshot: Box<Snapshot>) {
    model.now_ms = model.now_ms.max(snapshot.at_ms);
    if let Some(frozen) = &mut model.frozen {
        let mut snapshot = snapshot;
        let before = frozen.latest.as_mut().and_then(|before| before.runs.take());
        snapshot.runs = snapshot.runs.take().or(before);
        frozen.latest = Some(snapshot);
        frozen.n_newer += 1;
        return;
    }
    show_snapshot(model, *snapshot);
}

fn show_snapshot(model: &mut Model, mut snapshot: Snapshot) {
    if let Some(rows) = snapshot.runs.take() {
        runs::take(model, rows);
    }
    live::take(model, snapshot.run);
    model.ghost = snapshot.ghost;
    if let Some(costs) = snapshot.costs {
        model.launch.take_costs(costs);
    }
    launch::update::take_template(model);
    if model.screen == Screen::Compare {
        compare::update::take(model, snapshot.compare);
    }
}

fn toggle_freeze(model: &mut Model) {
    match model.frozen.take() {
        None => model.frozen = Some(Frozen::default()),
        Some(Frozen { latest: Some(snapshot), .. }) => show_snapshot(model, *snapshot),
        Some(_) => {}
    }
}

/// Where the keys of a screen are read.
pub fn context_of(screen: Screen) -> Context {
    match screen {
        Screen::Runs => Context::Runs,
        Screen::Live => Context::Live,
        Screen::Samples => Context::Samples,
        Screen::Compare => Context::Compare,
        Screen::Launch => Context::Launch,
    }
}
