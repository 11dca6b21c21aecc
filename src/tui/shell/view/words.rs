//! The word list: words at the top, and the selected one explained below them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::popup::field_line;
use crate::tui::kit::draw::{pane, put, rule};
use crate::tui::kit::text;
use crate::tui::shell::explain::{Explanation, explanations};
use crate::tui::shell::model::Model;
use crate::tui::shell::overlay::WordList;

/// Columns of the popup at most: longer lines read badly.
const N_COLUMNS_MAX: u16 = 100;
/// Columns of the words.
const N_WORD: usize = 24;
/// Lines of the explanation, its rule included; they shrink where the screen is low.
const N_TOLD: u16 = 8;
/// Columns of the labels before the lines of the explanation.
const N_LABEL: usize = 6;

/// Draws the list over the screen.
pub fn draw(model: &Model, list: &WordList, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let found = explanations(model, list);
    let width = area.width.min(N_COLUMNS_MAX);
    let popup = Rect { x: area.x + (area.width - width) / 2, width, ..area };
    Clear.render(popup, buffer);
    let noun = if found.len() == 1 { "word" } else { "words" };
    let footer = format!("{} {noun} · the same in a shell: ser explain WORD", found.len());
    let inside = pane(buffer, popup, theme, ["words", "type to find · Tab: keys"], &footer);
    put(buffer, inside, 0, field_line(model, " / ", &list.field, usize::from(inside.width)));
    let n_told = N_TOLD.min(inside.height / 2);
    let n_rows = usize::from(inside.height.saturating_sub(1 + n_told));
    let offset = (list.cursor + 1).saturating_sub(n_rows);
    let room = usize::from(inside.width).saturating_sub(N_WORD + 2);
    for (row, entry) in found.iter().enumerate().skip(offset).take(n_rows) {
        let y = (row - offset) as u16 + 1;
        let is_selected = row == list.cursor;
        let line = Line::from(vec![
            Span::raw(if is_selected { "▌" } else { " " }),
            Span::styled(format!("{} ", text::left(&entry.word, N_WORD)), theme.key),
            Span::styled(text::cut(&entry.is, room), theme.text),
        ]);
        put(buffer, inside, y, line);
        if is_selected {
            buffer.set_style(Rect { y: inside.y + y, height: 1, ..inside }, theme.selected);
        }
    }
    let below = Rect { y: inside.bottom() - n_told, height: n_told, ..inside };
    if let Some(entry) = found.get(list.cursor) {
        rule(buffer, below, 0, theme, &entry.word);
        let lines = told(model, entry, usize::from(below.width), usize::from(n_told) - 1);
        for (row, line) in (1..).zip(lines) {
            put(buffer, below, row, line);
        }
    }
}

/// What it is, what is good, where it is from: wrapped, never cut while there is room.
fn told(model: &Model, entry: &Explanation, width: usize, n_lines: usize) -> Vec<Line<'static>> {
    let theme = &model.theme;
    let parts = [("what", &entry.is), ("good", &entry.good), ("from", &entry.from)];
    let mut lines = Vec::new();
    for (label, words) in parts.into_iter().filter(|(_, words)| !words.is_empty()) {
        let room = width.saturating_sub(N_LABEL + 2);
        for (i, part) in text::wrap(words, room, n_lines).into_iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!(" {}", text::left(label, N_LABEL)), theme.dim),
                Span::styled(part, theme.text),
            ]));
        }
    }
    lines.truncate(n_lines);
    lines
}
