//! How the live screen is divided.

use crate::tui::kit::size::SizeClass;
use crate::tui::shell::model::Model;
use crate::tui::shell::split;

/// Rows that are not for panes: tabs, the two lines about the run, message and hints.
const N_OTHER_ROWS: u16 = 5;
/// Rows of the sampled pair at least.
const N_PAIR_MIN: u16 = 3;

/// Rows of the sampled pair and of the event log; the charts have the others.
pub fn rows(model: &Model) -> [u16; 2] {
    let height = model.size.height.saturating_sub(N_OTHER_ROWS);
    let (n_log, n_pair, n_charts) = match model.size.class() {
        SizeClass::Wide => ((height / 5).clamp(5, 14), (height / 4).max(9), 12),
        // 19 rows at 80x24: charts, pair and log grow together on a taller terminal.
        SizeClass::Standard => {
            let n_log = (height / 6).clamp(3, 12);
            (n_log, (height - n_log) * 7 / 16, 6)
        }
        _ => return [0, 0],
    };
    let n_log =
        split::given(n_log, model.splits.events, 2, height.saturating_sub(n_charts + N_PAIR_MIN));
    let most = height.saturating_sub(n_log + n_charts);
    [split::given(n_pair, model.splits.pair, N_PAIR_MIN, most), n_log]
}
