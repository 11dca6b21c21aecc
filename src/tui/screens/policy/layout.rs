//! How the policy screen is divided.

use crate::tui::kit::size::SizeClass;
use crate::tui::shell::model::Model;
use crate::tui::shell::split;

/// Rows that are not for panes: tabs, the two lines about the run, message and hints.
const N_OTHER_ROWS: u16 = 5;
/// Rows of the answers at least: a rule, the heads, and three prompts.
const N_ANSWERS_MIN: u16 = 5;

/// Rows of the answers and of the signs; the charts have the others.
pub fn rows(model: &Model) -> [u16; 2] {
    let height = model.size.height.saturating_sub(N_OTHER_ROWS);
    let (n_answers, n_signs, n_charts) = match model.size.class() {
        SizeClass::Wide => (height * 9 / 20, (height / 7).clamp(5, 9), 12),
        SizeClass::Standard => (height * 2 / 5, (height / 5).clamp(3, 7), 6),
        SizeClass::Small | SizeClass::Tiny => return [0, 0],
    };
    let most = height.saturating_sub(n_signs + n_charts);
    [split::given(n_answers, model.splits.answers, N_ANSWERS_MIN, most), n_signs]
}

/// Columns of the list of prompts beside their answers.
pub fn n_list_columns(width: u16) -> u16 {
    (width * 2 / 5).clamp(24, 56).min(width)
}
