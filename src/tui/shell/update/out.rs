//! Leaving one layer at a time.

use super::prompt;
use crate::tui::screens::{launch, policy, runs};
use crate::tui::shell::effect::{Effect, Terminal};
use crate::tui::shell::model::{Model, Screen, Tone};
use crate::tui::shell::overlay::{Overlay, Prompt, Purpose};

/// A range that was begun, a pane that has the whole screen, and the filter of the runs list are
/// layers of their own; whether there was one.
fn end_selection(model: &mut Model) -> bool {
    match model.screen {
        Screen::Runs if model.runs.range_from.is_some() => model.runs.range_from = None,
        Screen::Runs if !model.runs.filter_text.trim().is_empty() => {
            runs::update::on_filter(model, "");
            model.say(Tone::Note, "every run is shown again · / and ↑ bring the filter back");
        }
        Screen::Samples if model.samples.judging.shows_guidelines => {
            model.samples.judging.shows_guidelines = false;
        }
        Screen::Samples if model.samples.range_from.is_some() => model.samples.range_from = None,
        Screen::Samples if model.samples.is_zoomed => model.samples.is_zoomed = false,
        Screen::Compare if model.compare.is_zoomed => model.compare.is_zoomed = false,
        Screen::Policy if model.policy.is_zoomed => model.policy.is_zoomed = false,
        Screen::Policy if !model.policy.filter.is_empty() => {
            policy::update::on_filter(model, "");
            model.say(Tone::Note, "every prompt is shown again");
        }
        _ => return false,
    }
    true
}

/// Exactly one layer out: popup, count, then screen.
/// `leaves` says whether that may be the viewer itself.
pub fn on_out(model: &mut Model, leaves: bool) -> Vec<Effect> {
    let overlay = model.overlay.take();
    if let Some(Overlay::Prompt(prompt)) = &overlay {
        prompt::keep_typed(model, prompt);
    }
    match overlay {
        // A filter that is not taken is the filter there was.
        Some(Overlay::Prompt(Prompt { purpose: Purpose::Filter, before, .. })) => {
            prompt::filter_changed(model, &before);
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
    if model.screen == Screen::Policy && policy::judging::update::leave(model) {
        return Vec::new();
    }
    if !leaves && end_selection(model) {
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
    if model.screen == Screen::Policy {
        let run = model.policy.run.as_ref();
        let index = model.runs.rows.iter().position(|row| Some(&row.id) == run);
        model.runs.cursor = index.unwrap_or(model.runs.cursor);
    }
    match model.screen {
        Screen::Runs if leaves => return vec![Effect::Terminal(Terminal::Quit)],
        Screen::Runs => model.toast = None,
        Screen::Live | Screen::Samples | Screen::Compare | Screen::Launch | Screen::Policy => {
            model.screen = model.trail.pop().unwrap_or(Screen::Runs);
        }
    }
    Vec::new()
}
