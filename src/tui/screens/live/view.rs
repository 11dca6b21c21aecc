//! The live screen: one run's curves, its latest selection, a pair of it, and what happened.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::live::{Chart, Live, Pane};
use crate::tui::feed::data::RunData;
use crate::tui::kit::panels;
use crate::tui::kit::panels::{draw_accuracy, draw_log, progress_line};
use crate::tui::kit::text;
use crate::tui::kit::{charts, pair};
use crate::tui::shell::model::{Model, SizeClass};
use crate::tui::shell::split;
use crate::tui::shell::view::{mark_focus, put, put_right};

/// Rows that are not for panes: tabs, the two lines about the run, message and hints.
const N_OTHER_ROWS: u16 = 5;
/// Rows of the sampled pair at least.
const N_PAIR_MIN: u16 = 3;

/// Draws the screen for terminals of at least 80x24.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let (Some(live), Some(row)) = (&model.live, model.current()) else {
        put(buffer, area, 1, Line::styled("  no run is open · 1 shows the list", theme.dim));
        return;
    };
    let width = usize::from(area.width);
    let name = Span::styled(format!(" {}  ", text::cut_name(&row.name, width / 3)), theme.heading);
    let room = width.saturating_sub(name.width() + 1);
    let mut spans = vec![name];
    spans.extend(progress_line(model, row, room).spans);
    put(buffer, area, 0, Line::from(spans));
    let Some(data) = model.current_data() else {
        put(buffer, area, 2, Line::styled("  reading the run …", theme.dim));
        return;
    };
    let second = Rect { x: area.x + 1, width: area.width - 1, ..area };
    put(buffer, second, 1, panels::worker_line(model, data, width - 2));
    let body = Rect { y: area.y + 2, height: area.height - 2, ..area };
    if live.is_zoomed {
        draw_pane(model, live, data, live.pane, body, buffer);
    } else if model.size.class() == SizeClass::Wide {
        draw_wide(model, live, data, body, buffer);
    } else {
        draw_standard(model, live, data, body, buffer);
    }
}

fn draw_standard(model: &Model, live: &Live, data: &RunData, area: Rect, buffer: &mut Buffer) {
    let [n_pair, n_log] = rows(model);
    let charts = Rect { height: area.height - n_log - n_pair, ..area };
    let [left, right] = halves(charts);
    draw_pane(model, live, data, Pane::Chart(live.chart), left, buffer);
    draw_pane(model, live, data, Pane::Confidence, right, buffer);
    let below = Rect { y: charts.bottom(), height: n_pair, ..area };
    draw_pane(model, live, data, Pane::Pair, below, buffer);
    let below = Rect { y: below.bottom(), height: n_log, ..area };
    draw_pane(model, live, data, Pane::Events, below, buffer);
}

fn draw_wide(model: &Model, live: &Live, data: &RunData, area: Rect, buffer: &mut Buffer) {
    let [n_pair, n_log] = rows(model);
    let n_charts = area.height - n_log - n_pair;
    let n_upper = n_charts * 3 / 5;
    let mut pane = |pane: Pane, area: Rect| draw_pane(model, live, data, pane, area, buffer);
    let [left, right] = halves(Rect { height: n_upper, ..area });
    pane(Pane::Chart(Chart::Accuracy), left);
    pane(Pane::Confidence, right);
    let lower = Rect { y: area.y + n_upper, height: n_charts - n_upper, ..area };
    let [left, right] = halves(lower);
    // The table needs its columns; loss and reliability share the other half.
    let [loss, reliability] = halves(left);
    pane(Pane::Chart(Chart::Loss), loss);
    pane(Pane::Chart(Chart::Reliability), reliability);
    pane(Pane::Chart(Chart::Rounds), right);
    let below = Rect { y: lower.bottom(), height: n_pair, ..area };
    pane(Pane::Pair, below);
    pane(Pane::Events, Rect { y: below.bottom(), height: n_log, ..area });
}

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

/// Draws one pane; the one that has the keys gets a heavy border.
fn draw_pane(
    model: &Model,
    live: &Live,
    data: &RunData,
    pane: Pane,
    area: Rect,
    buffer: &mut Buffer,
) {
    match pane {
        Pane::Chart(Chart::Accuracy) => {
            draw_accuracy(model, &data.rounds, data.detail.row.rounds_max, area, buffer);
        }
        Pane::Chart(Chart::Loss) => charts::draw_loss(model, data, area, buffer),
        Pane::Chart(Chart::Reliability) => charts::draw_reliability(model, data, area, buffer),
        Pane::Chart(Chart::Rounds) => charts::draw_rounds(model, data, area, buffer),
        Pane::Confidence => charts::draw_histogram(model, data, area, buffer),
        Pane::Pair => pair::draw(model, live, data, area, buffer),
        Pane::Events => draw_events(model, live, area, buffer),
    }
    if live.pane == pane {
        mark_focus(buffer, area, &model.theme);
    }
}

fn draw_events(model: &Model, live: &Live, area: Rect, buffer: &mut Buffer) {
    draw_log(model, area, "events", live.log_back, buffer);
    if live.log_back > 0 {
        let words = format!(" {} newer · G follows ", live.log_back);
        put_right(buffer, area, 0, Line::styled(words, model.theme.warn));
    }
}

fn halves(area: Rect) -> [Rect; 2] {
    let width = area.width / 2;
    let left = Rect { width, ..area };
    [left, Rect { x: left.right(), width: area.width - width, ..area }]
}
