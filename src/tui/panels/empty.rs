//! Why a frame has nothing to show.

use crate::store::rows::RunRow;
use crate::tui::kit::words::Condition;
use crate::tui::shell::model::Model;

/// What an empty frame of the current run says: that it has not begun, where that is the reason, and
/// otherwise what is missing.
pub fn why_empty(model: &Model, missing: &str) -> String {
    match model.current().map(Condition::of) {
        Some(Condition::Queued) if model.current().is_some_and(has_nothing) => {
            " queued: it has not begun".to_owned()
        }
        _ => format!(" {missing}"),
    }
}

/// A run that was queued again has something to show.
fn has_nothing(row: &RunRow) -> bool {
    row.test_accuracy.is_empty()
}
