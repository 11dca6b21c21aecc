//! How the panes of a screen share it: what a person gave one of them more, or less, than the layout
//! of the screen does by itself.

use super::model::{Model, Screen};
use super::view;
use crate::tui::screens::compare;
use crate::tui::screens::live::Pane as LivePane;
use crate::tui::screens::samples;

/// Columns that a key moves an upright border.
const N_COLUMNS: i16 = 4;

/// Columns and rows more than a layout gives by itself; negative for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Splits {
    /// Columns of the details beside the runs list.
    pub details: i16,
    /// Columns of the list of samples.
    pub samples: i16,
    /// Rows of the sampled pair on the live screen.
    pub pair: i16,
    /// Rows of the event log on the live screen.
    pub events: i16,
    /// Rows of the curves on the compare screen.
    pub curves: i16,
}

/// A length with what a person gave it, within limits of which the upper one gives way.
pub fn given(length: u16, more: i16, least: u16, most: u16) -> u16 {
    length.saturating_add_signed(more).clamp(least, most.max(least))
}

/// Gives the pane that has the keys up to `n` steps more, or takes them from it; `false` when nothing
/// can be given or taken at this size.
pub fn change(model: &mut Model, is_more: bool, n: usize) -> bool {
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
        Screen::Live => match model.live.as_ref().map(|live| live.pane) {
            Some(LivePane::Events) => splits.events += sign,
            Some(LivePane::Pair) => splits.pair += sign,
            _ => splits.pair -= sign,
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
        Screen::Runs => [view::n_details_columns(model), 0],
        Screen::Samples => [samples::view::n_list_columns(model), 0],
        Screen::Compare => [compare::view::n_curve_rows(model), 0],
        Screen::Live => view::live_rows(model),
        Screen::Launch => [0, 0],
    }
}
