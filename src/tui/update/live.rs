//! What keys and messages do on the live screen.

use crate::domain::run::RunId;

use super::super::data::RunData;
use super::super::effect::Effect;
use super::super::keymap::Command;
use super::super::model::{Chart, Live, Model, Screen};
use super::{moved, navigate, runs};

/// Opens the live screen of a run, as a key or the command line asks for it.
pub fn open(model: &mut Model, run: RunId) {
    if model.live.as_ref().is_none_or(|live| live.run != run) {
        model.live = Some(Live::new(run));
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
    let n_pairs = model.current_data().map_or(0, |data| data.sampled.len());
    let n_lines = model.run.as_ref().map_or(0, |data| data.log.len());
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
            live.chart = match live.chart {
                Chart::Accuracy => Chart::Loss,
                Chart::Loss => Chart::Accuracy,
            };
        }
        _ => live.log_back = n_lines.saturating_sub(at + 1),
    }
    Vec::new()
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
