//! Draws what is special about a queue: the reviewer's progress, the judgment just made, and the
//! guidelines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::domain::run::RunStatus;
use crate::store::SampleLine;

use super::queue_words;
use crate::tui::feed::samples::SamplesData;
use crate::tui::kit::draw::{put, put_right, rule};
use crate::tui::kit::text;
use crate::tui::shell::model::Model;

/// Lines of guidelines that are wrapped at most.
const N_LINES_MAX: usize = 500;

/// Where the reviewer is, in two lines: what is done and left, and what it tells.
pub fn draw_header(model: &Model, data: &SamplesData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let samples = &model.samples;
    let width = usize::from(area.width);
    let is_open = samples.judging.shows_model;
    let (long, short) = if is_open {
        ("open (B hides what the model says) ", "open (B) ")
    } else {
        ("blind (B shows what the model says) ", "blind (B) ")
    };
    let progress = queue_words::progress(samples, data);
    let fits = |words: &str| text::width(&progress) + text::width(words) + 2 <= width;
    let mode = if fits(long) { long } else { short };
    let style = if is_open { theme.warn } else { theme.second };
    let room = width.saturating_sub(text::width(mode) + 1);
    put(buffer, area, 0, Line::styled(text::cut(&progress, room), theme.heading));
    put_right(buffer, area, 0, Line::styled(mode, style));
    draw_outlook(model, data, area, buffer);
}

/// What the judgments tell, then where one is, as far as there is room.
fn draw_outlook(model: &Model, data: &SamplesData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let samples = &model.samples;
    let row = model.current();
    let gate = row.filter(|row| row.waits_for_review());
    let gate = gate.map(|row| {
        if row.round == data.round {
            " p goes on ".to_owned()
        } else {
            format!(" round {} waits, ] shows it ", row.round)
        }
    });
    let width = usize::from(area.width);
    let room = width.saturating_sub(gate.as_deref().map_or(0, text::width) + 1);
    let has_ended = row.is_some_and(|row| row.status == RunStatus::Finished);
    let mut parts = vec![queue_words::outlook(samples, data, has_ended)];
    parts.extend(queue_words::agreement(samples, data).filter(|_| samples.judging.is_second));
    let n_telling = parts.len();
    parts.push(format!("round {}/{}", data.round, data.rounds.last().unwrap_or(&data.round)));
    parts.push(samples.judging.reviewer.clone());
    parts.push(row.map_or_else(String::new, |row| row.name.clone()));
    let mut shown = String::new();
    for (at, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        let dot = if shown.is_empty() { " " } else { " · " };
        let longer = format!("{shown}{dot}{part}");
        // What was measured is cut before it is left out; where one is stands whole or not at all.
        if at < n_telling || text::width(&longer) <= room {
            shown = longer;
        }
    }
    put(buffer, area, 1, Line::styled(text::cut(&shown, room), theme.text));
    if let Some(words) = gate {
        put_right(buffer, area, 1, Line::styled(words, theme.warn));
    }
}

/// The judgment just made, with what the model says of that pair.
pub fn draw_last(model: &Model, data: &SamplesData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let samples = &model.samples;
    let width = usize::from(area.width).saturating_sub(2);
    let Some(last) = queue_words::last(samples, data) else {
        let words = "judge by what you read: what the model says appears afterwards";
        put(buffer, area, 0, Line::styled(format!(" {}", text::cut(words, width)), theme.dim));
        return;
    };
    put(buffer, area, 0, Line::styled(format!(" {}", text::cut(&last, width)), theme.strong));
}

/// A line of the list: which pair, and whether it is judged. Whatever says more would not be blind.
pub fn draw_line(
    model: &Model,
    line: &SampleLine,
    is_cursor: bool,
    area: Rect,
    buffer: &mut Buffer,
) {
    let samples = &model.samples;
    let cursor = if is_cursor { "▌" } else { " " };
    let mark = if samples.is_judged(line.pair) {
        "•"
    } else if line.verdict.is_some() && !samples.judging.is_second {
        "◦"
    } else {
        " "
    };
    let words = format!("{cursor}{mark} {}", text::right(&line.pair.to_string(), 7));
    let style = if mark == " " { model.theme.text } else { model.theme.dim };
    put(buffer, area, 0, Line::styled(text::cut(&words, usize::from(area.width)), style));
}

/// The guidelines, wrapped; what does not fit is told.
pub fn draw_guidelines(model: &Model, title: &str, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    if area.height < 2 {
        return;
    }
    rule(buffer, area, 0, theme, title);
    let width = usize::from(area.width).saturating_sub(1);
    let lines = text::wrap(&model.samples.judging.guidelines, width, N_LINES_MAX);
    let n_rows = usize::from(area.height) - 1;
    for (row, line) in (1..).zip(lines.iter().take(n_rows)) {
        put(buffer, area, row, Line::styled(line.clone(), theme.text));
    }
    if lines.len() > n_rows {
        let words = format!("… {} more lines ", lines.len() - n_rows);
        put_right(buffer, area, area.height - 1, Line::styled(words, theme.dim));
    }
}
