//! Draws the live screen from 60x16 on: the numbers of the charts, the pair in one line, the log.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::domain::told;
use crate::store::rows::RoundRow;
use crate::tui::feed::data::{RunData, score_of};
use crate::tui::kit::draw::put;
use crate::tui::kit::text;
use crate::tui::kit::text::share;
use crate::tui::kit::words;
use crate::tui::panels::lines::{progress_line, worker_line};
use crate::tui::panels::log::draw_log;
use crate::tui::shell::model::Model;

/// Draws the screen between the tabs and the message line.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some(row) = model.current() else { return };
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let width = usize::from(inside.width);
    put(buffer, inside, 0, Line::styled(text::cut(&row.name, width), theme.heading));
    put(buffer, inside, 1, progress_line(model, row, width));
    let Some(data) = model.current_data() else { return };
    put(buffer, inside, 2, worker_line(model, data, width));
    for (i, line) in numbers(model, data).into_iter().enumerate() {
        put(buffer, inside, i as u16 + 3, Line::styled(text::cut(&line, width), theme.text));
    }
    let log = Rect { y: area.y + 8, height: area.height.saturating_sub(8), ..area };
    let back = model.live.as_ref().map_or(0, |live| live.log_back);
    draw_log(model, log, "events", back, buffer);
}

fn numbers(model: &Model, data: &RunData) -> Vec<String> {
    let latest = |pick: fn(&RoundRow) -> bool| data.rounds.iter().rev().find(|round| pick(round));
    let test = latest(|round| round.test.is_some()).and_then(|round| round.test.as_ref());
    let validation = latest(|round| round.validation.is_some());
    let validation = validation.and_then(|round| round.validation.as_ref());
    let mut lines = vec![
        format!("test accuracy       {}", words::accuracy(test, 4)),
        format!("validation accuracy {}", words::accuracy(validation, 4)),
    ];
    lines.push(match data.selection() {
        None => "no selection yet".to_owned(),
        Some((round, summary)) => format!(
            "selected {} of {} · round {round}{} · precision {} by hidden labels{}",
            text::count(summary.n_selected),
            text::count(summary.n_scored),
            told::learning_status(summary.learning_status)
                .map_or_else(String::new, |status| format!(" · {status}")),
            share(summary.pseudo_label_precision, 3),
            words::by_origin(summary)
        ),
    });
    lines.push(data.loss.last().map_or("no step was trained yet".to_owned(), |point| {
        format!("train loss {:.3} at step {}", point.loss, text::count(point.global_step))
    }));
    let pair = model.live.as_ref().and_then(|live| data.sampled.get(live.pair));
    if let Some(pair) = pair {
        let confidence = share(Some(score_of(pair).confidence()), 3);
        let fate = pair.left_out.map_or("selected", words::left_out);
        let prompt = pair.prompt.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.push(format!("pair {} {confidence} {fate} · {prompt}", pair.pair));
    }
    lines
}
