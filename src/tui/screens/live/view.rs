//! Draws the live screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::layout::rows;
use super::{Chart, Live, Pane, charts, pair, small};
use crate::tui::feed::data::RunData;
use crate::tui::kit::draw::{mark_focus, put, put_right};
use crate::tui::kit::size::SizeClass;
use crate::tui::kit::text;
use crate::tui::panels::accuracy::draw_accuracy;
use crate::tui::panels::confidence::draw_histogram;
use crate::tui::panels::lines::{progress_line, worker_line};
use crate::tui::panels::log::draw_log;
use crate::tui::shell::model::Model;

/// Draws the screen between the tabs and the message line.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if model.size.class() == SizeClass::Small {
        small::draw(model, area, buffer);
        return;
    }
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
    put(buffer, second, 1, worker_line(model, data, width - 2));
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
    if live.chart == Chart::Accuracy && !has_accuracy(data) && !data.loss.is_empty() {
        // Until there is an accuracy the loss is what moves.
        charts::draw_loss(model, data, left, buffer);
        if live.pane == Pane::Chart(live.chart) {
            mark_focus(buffer, left, &model.theme);
        }
    } else {
        draw_pane(model, live, data, Pane::Chart(live.chart), left, buffer);
    }
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
        Pane::Confidence => draw_histogram(model, data, area, buffer),
        Pane::Pair => pair::draw(model, live, data, area, buffer),
        Pane::Events => draw_events(model, live, area, buffer),
    }
    if live.pane == pane {
        mark_focus(buffer, area, &model.theme);
    }
}

/// Whether any round was evaluated.
fn has_accuracy(data: &RunData) -> bool {
    data.rounds.iter().any(|round| round.validation.is_some() || round.test.is_some())
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
