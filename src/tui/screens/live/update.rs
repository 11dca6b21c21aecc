//! What keys and messages do on the live screen.

use crate::domain::run::RunId;
use crate::domain::verdict::Verdict;

use super::super::live::keys::LiveCommand;
use super::super::live::{Live, Pane, ghost, preview};
use super::super::samples::Decided;
use super::super::samples::data::{Request, Target};
use crate::tui::feed::data::RunData;
use crate::tui::screens::runs::update as runs;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::Command;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Screen};
use crate::tui::shell::update::{moved, navigate, update};

/// Opens the live screen of a run, as a key or the command line asks for it.
pub fn open(model: &mut Model, run: RunId) {
    if model.live.as_ref().is_none_or(|live| live.run != run) {
        // Who compares with one run goes through several with it.
        let ghost = model.live.take().and_then(|live| live.ghost);
        let ghost = ghost.filter(|ghost| *ghost != run);
        model.live = Some(Live { ghost, ..Live::new(run) });
    }
    navigate::go_to(model, Screen::Live);
}

/// Does a command of the screen, `n` times where that means something.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    if matches!(command, Command::Pause | Command::Resume | Command::Stop) {
        return runs::on_worker(model, command);
    }
    if command == Command::Copy {
        runs::open_copy(model);
        return Vec::new();
    }
    if let (Command::Undo | Command::Redo, Some(live)) = (command, &model.live) {
        let run = live.run.clone();
        let is_undo = command == Command::Undo;
        let request = if is_undo { Request::Undo(run) } else { Request::Redo(run) };
        return vec![Effect::Samples(request)];
    }
    if let Command::Live(command) = command {
        return on_own(model, command, n);
    }
    let n_pairs = model.current_data().map_or(0, |data| data.sampled.len());
    let n_lines = model.run.as_ref().map_or(0, |data| data.log.len());
    let class = model.size.class();
    let Some(live) = &model.live else { return Vec::new() };
    // The log counts from its newest line, so down means less.
    let at = n_lines.saturating_sub(live.log_back + 1);
    let at = moved(model, command, at, n_lines, n);
    let Some(live) = &mut model.live else { return Vec::new() };
    match command {
        Command::NextPair => live.pair = (live.pair + n).min(n_pairs.saturating_sub(1)),
        Command::PreviousPair => live.pair = live.pair.saturating_sub(n),
        Command::Gold => live.shows_gold = !live.shows_gold,
        Command::Metric => {
            live.chart = live.chart.next();
            if matches!(live.pane, Pane::Chart(_)) {
                live.pane = Pane::Chart(live.chart);
            }
        }
        Command::NextPane | Command::PreviousPane => {
            let panes = live.panes(class);
            let now = panes.iter().position(|pane| *pane == live.pane).unwrap_or(0);
            let step = if command == Command::NextPane { 1 } else { panes.len() - 1 };
            live.pane = panes[(now + step) % panes.len()];
        }
        Command::Zoom => live.is_zoomed = !live.is_zoomed,
        // Moving is for the pane that has the keys, and for the log otherwise.
        Command::Down if live.pane == Pane::Pair => {
            live.pair = (live.pair + n).min(n_pairs.saturating_sub(1));
        }
        Command::Up if live.pane == Pane::Pair => live.pair = live.pair.saturating_sub(n),
        _ => live.log_back = n_lines.saturating_sub(at + 1),
    }
    Vec::new()
}

fn on_own(model: &mut Model, command: LiveCommand, n: usize) -> Vec<Effect> {
    match command {
        LiveCommand::ThresholdUp => look(model, n as i64),
        LiveCommand::ThresholdDown => look(model, -(n as i64)),
        LiveCommand::Smooth => {
            if let Some(live) = &mut model.live {
                live.is_smooth = !live.is_smooth;
            }
        }
        LiveCommand::Log => {
            if let Some(live) = &mut model.live {
                live.is_log = !live.is_log;
            }
        }
        LiveCommand::Ghost => ghost::open(model),
        LiveCommand::Veto => return decide(model, Verdict::Veto),
        LiveCommand::Keep => return decide(model, Verdict::Keep),
        LiveCommand::Flip => return decide(model, Verdict::Flip),
        LiveCommand::Inspect => {
            let Some(live) = &model.live else { return Vec::new() };
            let sampled = model.current_data().and_then(|data| data.sampled.get(live.pair));
            let pair = sampled.map(|pair| pair.pair);
            let round = sampled.map(|pair| pair.round);
            let run = live.run.clone();
            return update(model, Message::OpenSamples { run, round, pair });
        }
    }
    Vec::new()
}

/// Decides about the sampled pair and goes to the next one.
fn decide(model: &mut Model, verdict: Verdict) -> Vec<Effect> {
    let Some(live) = &mut model.live else { return Vec::new() };
    let data = model.run.as_mut().filter(|data| data.detail.row.id == live.run);
    let Some(data) = data else { return Vec::new() };
    let n_pairs = data.sampled.len();
    let Some(sampled) = data.sampled.get_mut(live.pair) else { return Vec::new() };
    // Shown at once; what is read next is what really holds.
    sampled.verdict = Some(verdict);
    let (run, pair) = (live.run.clone(), sampled.pair);
    live.pair = (live.pair + 1).min(n_pairs - 1);
    live.shows_gold = false;
    model.samples.takes_reason = verdict != Verdict::Keep;
    model.samples.decided = Some(Decided { run: run.clone(), pair });
    let target = Target::Pairs(vec![pair]);
    vec![Effect::Samples(Request::Decide { run, target, verdict, queue: None })]
}

/// Moves the threshold that is only looked at, at first from the one in force.
fn look(model: &mut Model, n: i64) {
    let Some(data) = model.current_data() else { return };
    let Some((_, summary)) = data.selection() else { return };
    let rule = data.spec.as_ref().map(|spec| &spec.selection);
    let floor = rule.and_then(|rule| summary.confidence_floor(rule));
    let Some(live) = &mut model.live else { return };
    let from = live.preview.or(floor).unwrap_or(0.5);
    live.preview = Some(preview::moved(from, n));
}

/// New details of the run that was asked for.
pub fn take(model: &mut Model, run: Option<RunData>) {
    follow_log(model, run.as_ref().map_or(0, |data| data.log.len()));
    model.run = run;
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
