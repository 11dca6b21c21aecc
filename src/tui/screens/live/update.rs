//! What keys and messages do on the live screen.

use crate::domain::verdict::Verdict;

use super::command::LiveCommand;
use super::{Live, Pane, ghost};
use crate::tui::feed::data::RunData;
use crate::tui::feed::samples::{Request, Target};
use crate::tui::panels::preview;
use crate::tui::screens::samples;
use crate::tui::shell::current_run;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::command::{Command, Motion, PaneCommand};
use crate::tui::shell::model::Model;

/// Does a command of the screen, `n` times where that means something.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    match command {
        Command::Live(command) => return on_own(model, command, n),
        Command::Worker(command) => return current_run::on_worker(model, command),
        Command::Move(motion) => on_motion(model, motion, n),
        Command::Pane(command) => on_pane(model, command),
        Command::Copy => current_run::open_copy(model),
        Command::Wrap => return current_run::wrap_events(model),
        Command::Undo | Command::Redo => {
            let Some(run) = model.live.as_ref().map(|live| live.run.clone()) else {
                return Vec::new();
            };
            let is_undo = command == Command::Undo;
            let request = if is_undo { Request::Undo(run) } else { Request::Redo(run) };
            return vec![Effect::Samples(request)];
        }
        Command::Show(_)
        | Command::Viewer(_)
        | Command::Popup(_)
        | Command::List(_)
        | Command::Runs(_)
        | Command::Samples(_)
        | Command::Compare(_)
        | Command::Launch(_)
        | Command::Policy(_)
        | Command::Judging(_) => {}
    }
    Vec::new()
}

/// Moving is for the pane that has the keys, and for the log otherwise.
fn on_motion(model: &mut Model, motion: Motion, n: usize) {
    let n_lines = model.run.as_ref().map_or(0, |data| data.log.len());
    let Some(live) = &model.live else { return };
    match (live.pane, motion) {
        (Pane::Pair, Motion::Down) => next_pair(model, n),
        (Pane::Pair, Motion::Up) => previous_pair(model, n),
        (Pane::Pair | Pane::Chart(_) | Pane::Confidence | Pane::Events, _) => {
            // The log counts from its newest line, so down means less.
            let at = n_lines.saturating_sub(live.log_back + 1);
            let at = model.moved(motion, at, n_lines, n);
            if let Some(live) = &mut model.live {
                live.log_back = n_lines.saturating_sub(at + 1);
            }
        }
    }
}

fn change(model: &mut Model, change: impl FnOnce(&mut Live)) {
    if let Some(live) = &mut model.live {
        change(live);
    }
}

fn next_pair(model: &mut Model, n: usize) {
    let n_pairs = model.current_data().map_or(0, |data| data.sampled.len());
    change(model, |live| live.pair = live.pair.saturating_add(n).min(n_pairs.saturating_sub(1)));
}

fn previous_pair(model: &mut Model, n: usize) {
    change(model, |live| live.pair = live.pair.saturating_sub(n));
}

fn on_pane(model: &mut Model, command: PaneCommand) {
    let class = model.size.class();
    let Some(live) = &mut model.live else { return };
    let panes = live.panes(class);
    let now = panes.iter().position(|pane| *pane == live.pane).unwrap_or(0);
    match command {
        PaneCommand::Next => live.pane = panes[(now + 1) % panes.len()],
        PaneCommand::Previous => live.pane = panes[(now + panes.len() - 1) % panes.len()],
        PaneCommand::Zoom => live.is_zoomed = !live.is_zoomed,
    }
}

fn on_own(model: &mut Model, command: LiveCommand, n: usize) -> Vec<Effect> {
    match command {
        LiveCommand::NextPair => next_pair(model, n),
        LiveCommand::PreviousPair => previous_pair(model, n),
        LiveCommand::ThresholdUp => look(model, n as i64),
        LiveCommand::ThresholdDown => look(model, -(n as i64)),
        LiveCommand::Gold => change(model, |live| live.shows_gold = !live.shows_gold),
        LiveCommand::Smooth => change(model, |live| live.is_smooth = !live.is_smooth),
        LiveCommand::Log => change(model, |live| live.is_log = !live.is_log),
        LiveCommand::Metric => change(model, |live| {
            live.chart = live.chart.next();
            if matches!(live.pane, Pane::Chart(_)) {
                live.pane = Pane::Chart(live.chart);
            }
        }),
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
            samples::open::open(model, run, round, pair);
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
    model.samples.note_decision(run.clone(), pair, verdict);
    let target = Target::Pairs(vec![pair]);
    vec![Effect::Samples(Request::Decide { run, target, verdict, queue: None, judged: None })]
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
