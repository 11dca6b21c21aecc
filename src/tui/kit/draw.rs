//! Lines, rules and boxes: what every pane is drawn with.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};

use super::text;
use super::theme::Theme;
use super::words::Condition;

/// Draws a line at a row of an area, cut at its right edge.
pub fn put<'a>(buffer: &mut Buffer, area: Rect, row: u16, line: impl Into<Line<'a>>) {
    if row < area.height {
        buffer.set_line(area.x, area.y + row, &line.into(), area.width);
    }
}

/// Draws a line at the right end of a row, where it fits.
pub fn put_right<'a>(buffer: &mut Buffer, area: Rect, row: u16, line: impl Into<Line<'a>>) {
    let line = line.into();
    let width = line.width() as u16;
    if row < area.height && width <= area.width {
        let x = area.right() - width;
        buffer.set_line(x, area.y + row, &line, width);
    }
}

/// Draws a box with a title at the left of its upper border, another at the right, and a footer;
/// returns its inside.
pub fn pane(
    buffer: &mut Buffer,
    area: Rect,
    theme: &Theme,
    titles: [&str; 2],
    footer: &str,
) -> Rect {
    let room = usize::from(area.width).saturating_sub(4);
    let left = text::cut(titles[0], room);
    let mut block = Block::bordered()
        .border_style(theme.border)
        .title(Line::styled(format!("─ {left} "), theme.heading));
    if !titles[1].is_empty() && text::width(&left) + text::width(titles[1]) + 4 <= room {
        let right = Line::styled(format!(" {} ─", titles[1]), theme.text);
        block = block.title(right.right_aligned());
    }
    if !footer.is_empty() {
        let footer = format!("─ {} ", text::cut(footer, room));
        block = block.title_bottom(Line::styled(footer, theme.text));
    }
    let inside = block.inner(area);
    block.render(area, buffer);
    inside
}

/// Marks the pane that has the keys: its border is heavy, which needs no color.
pub fn mark_focus(buffer: &mut Buffer, area: Rect, theme: &Theme) {
    let heavy = |symbol: &str| match symbol {
        "─" => Some('━'),
        "│" => Some('┃'),
        "┌" => Some('┏'),
        "┐" => Some('┓'),
        "└" => Some('┗'),
        "┘" => Some('┛'),
        _ => None,
    };
    for position in area.positions() {
        let is_edge = position.x == area.x
            || position.x + 1 == area.right()
            || position.y == area.y
            || position.y + 1 == area.bottom();
        if let Some(cell) = buffer.cell_mut(position).filter(|_| is_edge)
            && let Some(symbol) = heavy(cell.symbol())
        {
            cell.set_char(symbol).set_style(theme.key);
        }
    }
}

/// A horizontal rule with a title.
pub fn rule(buffer: &mut Buffer, area: Rect, row: u16, theme: &Theme, title: &str) {
    let width = usize::from(area.width);
    let title = if title.is_empty() { String::new() } else { format!(" {title} ") };
    let title = text::cut(&title, width.saturating_sub(2));
    let rest = "─".repeat(width.saturating_sub(1 + text::width(&title)));
    let line = Line::from(vec![
        Span::styled("─", theme.border),
        Span::styled(title, theme.heading),
        Span::styled(rest, theme.border),
    ]);
    put(buffer, area, row, line);
}

/// The style of a condition's glyph and word.
pub fn condition_style(theme: &Theme, condition: Condition) -> Style {
    match condition {
        Condition::Running => theme.good,
        Condition::Silent | Condition::Interrupted | Condition::Paused => theme.warn,
        Condition::Failed => theme.bad,
        Condition::Queued | Condition::Stopped => theme.dim,
        Condition::Done => theme.text,
    }
}
