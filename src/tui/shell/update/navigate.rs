//! From screen to screen, and one layer out.

use super::super::effect::Effect;
use super::super::keymap::Command;
use super::super::message::Message;
use super::super::model::{Model, Screen, Tone};
use super::super::overlay::{Overlay, Prompt, Purpose};
use super::{popup, say, update};
use crate::tui::screens::launch;
use crate::tui::screens::live::update as live;
use crate::tui::screens::runs::update as runs;

/// Shows a screen; Esc returns to the one before it.
pub fn go_to(model: &mut Model, screen: Screen) {
    if screen == model.screen {
        return;
    }
    let from = model.screen;
    model.trail.retain(|place| *place != from);
    model.trail.push(from);
    // Going back to a screen by its number is going back.
    if let Some(at) = model.trail.iter().position(|place| *place == screen) {
        model.trail.truncate(at);
    }
    model.screen = screen;
}

/// Shows the screen a command names, for the current run.
pub fn show(model: &mut Model, command: Command) -> Vec<Effect> {
    let run = model.current().map(|row| row.id.clone());
    match (command, run) {
        (Command::ShowRuns, _) => go_to(model, Screen::Runs),
        (Command::ShowLive, Some(run)) => live::open(model, run),
        (Command::ShowSamples, Some(run)) => {
            // Coming back finds the screen as it was left.
            if model.samples.run.as_ref() == Some(&run) {
                go_to(model, Screen::Samples);
            } else {
                return update(model, Message::OpenSamples { run, round: None, pair: None });
            }
        }
        (Command::ShowCompare, _) => {
            if model.runs.marked.is_empty() && !model.compare.runs.is_empty() {
                go_to(model, Screen::Compare);
            } else {
                let rows = model.runs.all();
                let marked = rows.filter(|row| model.runs.marked.contains(&row.id));
                let runs = marked.map(|row| row.id.clone()).collect();
                return update(model, Message::OpenCompare { runs });
            }
        }
        (Command::ShowLaunch, _) => {
            launch::update::take_template(model);
            go_to(model, Screen::Launch);
        }
        (Command::New, from) => return update(model, Message::OpenLaunch { from }),
        _ => {}
    }
    Vec::new()
}

/// A range that was begun, a pane that has the whole screen, and the filter of the runs list are
/// layers of their own; whether there was one.
fn end_selection(model: &mut Model) -> bool {
    match model.screen {
        Screen::Runs if model.runs.range_from.is_some() => model.runs.range_from = None,
        Screen::Runs if !model.runs.filter_text.trim().is_empty() => {
            runs::on_filter(model, "");
            say(model, Tone::Note, "every run is shown again · / and ↑ bring the filter back");
        }
        Screen::Samples if model.samples.range_from.is_some() => model.samples.range_from = None,
        Screen::Samples if model.samples.is_zoomed => model.samples.is_zoomed = false,
        Screen::Compare if model.compare.is_zoomed => model.compare.is_zoomed = false,
        _ => return false,
    }
    true
}

/// Exactly one layer out: popup, count, then screen.
pub fn on_out(model: &mut Model, command: Command) -> Vec<Effect> {
    match model.overlay.take() {
        // A filter that is not taken is the filter there was.
        Some(Overlay::Prompt(Prompt { purpose: Purpose::Filter, before, .. })) => {
            popup::filter_changed(model, &before);
            return Vec::new();
        }
        // So is the value of a row of the form.
        Some(Overlay::Prompt(Prompt { purpose: Purpose::LaunchField { at, before }, .. })) => {
            model.launch.set(at, &before);
            return Vec::new();
        }
        Some(Overlay::Prompt(Prompt { purpose: Purpose::LaunchFind { from }, .. })) => {
            launch::find::go_back(model, from);
            return Vec::new();
        }
        Some(_) => return Vec::new(),
        None => {}
    }
    if command == Command::Out && end_selection(model) {
        return Vec::new();
    }
    if model.screen == Screen::Live
        && let Some(live) = &mut model.live
    {
        // A zoomed pane, and a threshold that is only looked at, are layers of their own.
        if live.is_zoomed {
            live.is_zoomed = false;
            return Vec::new();
        }
        if live.preview.take().is_some() {
            return Vec::new();
        }
        let index = model.runs.rows.iter().position(|row| row.id == live.run);
        model.runs.cursor = index.unwrap_or(model.runs.cursor);
    }
    match model.screen {
        Screen::Runs if command == Command::Back => return vec![Effect::Quit],
        Screen::Runs => model.toast = None,
        _ => model.screen = model.trail.pop().unwrap_or(Screen::Runs),
    }
    Vec::new()
}
