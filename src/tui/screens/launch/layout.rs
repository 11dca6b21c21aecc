//! How the launch screen is divided.

use crate::tui::kit::size::{Size, SizeClass};
use crate::tui::shell::model::Model;

/// Columns of the panes beside the form on a wide terminal.
pub const N_SIDE_COLUMNS: u16 = 64;
/// Rows below the form on a terminal of ordinary size.
pub const N_BELOW_ROWS: u16 = 6;

/// How many rows of the form are shown at once.
pub fn n_form_rows(size: Size) -> usize {
    let body = size.height.saturating_sub(3);
    let around = match size.class() {
        SizeClass::Wide => 3,
        SizeClass::Standard => 1 + N_BELOW_ROWS,
        _ => 2,
    };
    usize::from(body.saturating_sub(around)).max(1)
}

/// Scrolls so that the selected row is shown.
pub fn scroll_into_view(model: &mut Model) {
    let n_rows = n_form_rows(model.size);
    let launch = &mut model.launch;
    let lowest = (launch.cursor + 1).saturating_sub(n_rows);
    launch.offset = launch.offset.clamp(lowest, launch.cursor.max(lowest));
}
