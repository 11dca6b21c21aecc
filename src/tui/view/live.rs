//! The live screen: one run's curves, its latest selection, a pair of it, and what happened.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::data::RunData;
use super::super::model::{Chart, Live, Model, SizeClass};
use super::super::text::{self, share};
use super::super::words;
use super::panels::{self, draw_accuracy, draw_histogram, draw_log, draw_loss, progress_line};
use super::{pair, pane, put, put_right};

/// Draws the screen for terminals of at least 80x24.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let (Some(live), Some(row)) = (&model.live, model.current()) else {
        put(buffer, area, 1, Line::styled("  no run is open · 1 shows the list", theme.dim));
        return;
    };
    let width = usize::from(area.width);
    let name = Span::styled(format!(" {}  ", text::cut(&row.name, width / 3)), theme.heading);
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
    if model.size.class() == SizeClass::Wide {
        draw_wide(model, live, data, body, buffer);
    } else {
        draw_standard(model, live, data, body, buffer);
    }
}

fn draw_standard(model: &Model, live: &Live, data: &RunData, area: Rect, buffer: &mut Buffer) {
    // 19 rows at 80x24: charts, pair and log grow together on a taller terminal.
    let n_log = (area.height / 6).clamp(3, 12);
    let n_pair = (area.height - n_log) * 7 / 16;
    let charts = Rect { height: area.height - n_log - n_pair, ..area };
    let [left, right] = halves(charts);
    match live.chart {
        Chart::Accuracy => {
            draw_accuracy(model, &data.rounds, data.detail.row.rounds_max, left, buffer);
        }
        Chart::Loss => draw_loss(model, data, left, buffer),
    }
    draw_histogram(model, data, right, buffer);
    let below = Rect { y: charts.bottom(), height: n_pair, ..area };
    pair::draw(model, live, data, below, buffer);
    draw_events(model, live, Rect { y: below.bottom(), height: n_log, ..area }, buffer);
}

fn draw_wide(model: &Model, live: &Live, data: &RunData, area: Rect, buffer: &mut Buffer) {
    let n_log = (area.height / 5).clamp(5, 14);
    let n_pair = (area.height / 4).max(9);
    let n_charts = area.height - n_log - n_pair;
    let n_upper = n_charts * 3 / 5;
    let [left, right] = halves(Rect { height: n_upper, ..area });
    draw_accuracy(model, &data.rounds, data.detail.row.rounds_max, left, buffer);
    draw_histogram(model, data, right, buffer);
    let lower = Rect { y: area.y + n_upper, height: n_charts - n_upper, ..area };
    let [left, right] = halves(lower);
    draw_loss(model, data, left, buffer);
    draw_rounds(model, data, right, buffer);
    let below = Rect { y: lower.bottom(), height: n_pair, ..area };
    pair::draw(model, live, data, below, buffer);
    draw_events(model, live, Rect { y: below.bottom(), height: n_log, ..area }, buffer);
}

fn draw_events(model: &Model, live: &Live, area: Rect, buffer: &mut Buffer) {
    draw_log(model, area, "events", live.log_back, buffer);
    if live.log_back > 0 {
        let words = format!(" {} newer · G follows ", live.log_back);
        put_right(buffer, area, 0, Line::styled(words, model.theme.warn));
    }
}

/// The rounds as a table, the latest ones where there are more than fit.
fn draw_rounds(model: &Model, data: &RunData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let inside = pane(buffer, area, theme, ["rounds", "test ±95%"], "");
    let head = "round  status    selected  precision  valid    test   ±95%    ECE    wall";
    put(buffer, inside, 0, Line::styled(head, theme.heading));
    let n_rows = usize::from(inside.height.saturating_sub(1));
    let first = data.rounds.len().saturating_sub(n_rows);
    for (i, round) in data.rounds[first..].iter().enumerate() {
        let selection = round.selection.as_ref();
        let status = selection.map_or("seed set", |s| words::learning_status(s.learning_status));
        let selected = selection.map_or(text::NONE.to_owned(), |s| text::count(s.n_selected));
        let precision = selection.and_then(|s| s.pseudo_label_precision);
        let test = round.test.as_ref();
        let wall = round.wall_ms.map_or(text::NONE.to_owned(), text::duration);
        let line = format!(
            "{}  {} {} {} {} {} {} {} {}",
            text::right(&round.round.to_string(), 5),
            text::left(status, 9),
            text::right(&selected, 8),
            text::right(&share(precision, 3), 10),
            text::right(&share(round.validation.as_ref().map(|e| e.accuracy), 4), 6),
            text::right(&share(test.map(|e| e.accuracy), 4), 7),
            text::right(&share(test.map(words::half_interval), 4), 6),
            text::right(&share(test.map(|e| e.ece), 3), 6),
            text::right(&wall, 7),
        );
        put(buffer, inside, i as u16 + 1, Line::styled(line, theme.text));
    }
}

fn halves(area: Rect) -> [Rect; 2] {
    let width = area.width / 2;
    let left = Rect { width, ..area };
    [left, Rect { x: left.right(), width: area.width - width, ..area }]
}
