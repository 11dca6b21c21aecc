//! A question over the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use crate::tui::kit::draw::{pane, put};
use crate::tui::kit::text;
use crate::tui::shell::model::Model;

/// Draws the question with the keys that answer it.
pub fn draw(model: &Model, question: &str, detail: &str, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let width = area.width.min(64);
    let room = usize::from(width).saturating_sub(4);
    let mut lines: Vec<Line<'static>> = Vec::new();
    for line in text::wrap(question, room, 2) {
        lines.push(Line::styled(line, theme.strong));
    }
    for line in text::wrap(detail, room, 3) {
        lines.push(Line::styled(line, theme.text));
    }
    lines.push(Line::default());
    lines.push(Line::from(vec![
        Span::styled("y", theme.key),
        Span::raw(" yes   "),
        Span::styled("n", theme.key),
        Span::raw(" no"),
    ]));
    let height = area.height.min(lines.len() as u16 + 2);
    let popup = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(popup, buffer);
    let inside = pane(buffer, popup, theme, ["confirm", ""], "");
    let inside = Rect { x: inside.x + 1, width: inside.width.saturating_sub(1), ..inside };
    for (row, line) in lines.into_iter().enumerate() {
        put(buffer, inside, row as u16, line);
    }
}
