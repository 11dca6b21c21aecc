//! More room for one pane, or less.

use crate::tui::screens::live::Pane as LivePane;
use crate::tui::screens::{compare, live, policy, runs, samples};
use crate::tui::shell::effect::Effect;
use crate::tui::shell::model::{Model, Screen, Tone};

/// Columns that a key moves an upright border.
const N_COLUMNS: i16 = 4;

/// More or less room for the pane that has the keys.
pub fn resize(model: &mut Model, is_more: bool, n: usize) -> Vec<Effect> {
    let is_zoomed = match model.screen {
        Screen::Live => model.live.as_ref().is_some_and(|live| live.is_zoomed),
        Screen::Samples => model.samples.is_zoomed,
        Screen::Compare => model.compare.is_zoomed,
        Screen::Policy => model.policy.is_zoomed,
        Screen::Runs | Screen::Launch => false,
    };
    if is_zoomed {
        return model.say(Tone::Refused, "one pane has the whole screen · z ends that");
    }
    if change(model, is_more, n) {
        return Vec::new();
    }
    let words = if is_more {
        "this pane cannot be larger here"
    } else {
        "this pane cannot be smaller here"
    };
    model.say(Tone::Refused, words)
}

/// Gives the pane that has the keys up to `n` steps more, or takes them from it; `false` when nothing
/// can be given or taken at this size.
fn change(model: &mut Model, is_more: bool, n: usize) -> bool {
    let sign = if is_more { 1 } else { -1 };
    (0..n).take_while(|_| step(model, sign)).count() > 0
}

fn step(model: &mut Model, sign: i16) -> bool {
    let before = (lengths(model), model.splits);
    let splits = &mut model.splits;
    match model.screen {
        Screen::Runs => splits.details -= N_COLUMNS * sign,
        Screen::Samples if model.samples.pane == samples::Pane::List => {
            splits.samples += N_COLUMNS * sign;
        }
        Screen::Samples => splits.samples -= N_COLUMNS * sign,
        Screen::Compare => splits.curves -= sign,
        Screen::Policy if model.policy.pane.is_of_answers() => splits.answers += sign,
        Screen::Policy => splits.answers -= sign,
        Screen::Live => match model.live.as_ref().map(|live| live.pane) {
            Some(LivePane::Events) => splits.events += sign,
            Some(LivePane::Pair) => splits.pair += sign,
            Some(LivePane::Chart(_) | LivePane::Confidence) | None => splits.pair -= sign,
        },
        Screen::Launch => {}
    }
    let has_changed = lengths(model) != before.0;
    if !has_changed {
        // Steps that nobody sees would have to be taken back one by one.
        model.splits = before.1;
    }
    has_changed
}

/// The lengths that the borders of the screen shown divide it into.
fn lengths(model: &Model) -> [u16; 2] {
    match model.screen {
        Screen::Runs => [runs::layout::n_details_columns(model), 0],
        Screen::Samples => [samples::layout::n_list_columns(model), 0],
        Screen::Compare => [compare::layout::n_curve_rows(model), 0],
        Screen::Live => live::layout::rows(model),
        Screen::Policy => policy::layout::rows(model),
        Screen::Launch => [0, 0],
    }
}
