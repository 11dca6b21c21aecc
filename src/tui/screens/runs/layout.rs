//! How the screen of the runs list is divided.

use crate::tui::kit::size::{Size, SizeClass};
use crate::tui::shell::model::Model;
use crate::tui::shell::split;

/// Rows of the strip below the list, its rule included.
const N_STRIP_ROWS: u16 = 6;
/// Columns of the details beside the list on a wide terminal.
const N_SIDE_COLUMNS: u16 = 54;
/// Rows of the event log below the list on a wide terminal.
const N_LOG_ROWS: u16 = 9;

/// How many runs the list shows at once.
pub fn n_list_rows(size: Size) -> usize {
    let body = size.height.saturating_sub(3);
    let below = match size.class() {
        SizeClass::Wide => N_LOG_ROWS,
        SizeClass::Standard => N_STRIP_ROWS,
        _ => 0,
    };
    usize::from(body.saturating_sub(2 + below)).max(1)
}

/// The row of the list at a place of the screen, counted from the first one shown.
pub fn list_row_at(model: &Model, x: u16, y: u16) -> Option<usize> {
    // The tabs, the line above the list and its heads.
    let row = usize::from(y).checked_sub(3)?;
    let is_beside = x + n_details_columns(model) >= model.size.width;
    (row < n_list_rows(model.size) && !is_beside).then_some(row)
}

/// Columns of the details beside the list; 0 where there is no room for them.
pub fn n_details_columns(model: &Model) -> u16 {
    if model.size.class() != SizeClass::Wide {
        return 0;
    }
    split::given(N_SIDE_COLUMNS, model.splits.details, 38, model.size.width.saturating_sub(96))
}
