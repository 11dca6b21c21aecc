//! How the compare screen is divided.

use crate::tui::kit::size::SizeClass;
use crate::tui::shell::model::Model;
use crate::tui::shell::split;

/// Rows of the curves above the table.
pub fn n_curve_rows(model: &Model) -> u16 {
    // Tabs, head, message and hints.
    let height = model.size.height.saturating_sub(4);
    let more = model.splits.curves;
    match model.size.class() {
        SizeClass::Wide => split::given(height * 2 / 5, more, 5, height.saturating_sub(6)),
        SizeClass::Standard => {
            split::given((height * 9 / 20).max(8), more, 5, height.saturating_sub(5))
        }
        _ => 0,
    }
}
