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

/// Lines below the rule of an area, in spans of one style; `style` is asked for each visible
/// character, counted over all lines.
pub fn draw_lines(
    lines: &[String],
    style: impl Fn(usize) -> Style,
    area: Rect,
    buffer: &mut Buffer,
) {
    let n_rows = usize::from(area.height.saturating_sub(1));
    let mut index = 0;
    for (row, line) in lines.iter().take(n_rows).enumerate() {
        let mut spans: Vec<Span<'static>> = Vec::new();
        let mut current = (String::new(), None);
        for c in line.chars() {
            let wanted = if c.is_whitespace() { current.1 } else { Some(style(index)) };
            index += usize::from(!c.is_whitespace());
            if wanted != current.1 && !current.0.is_empty() {
                let text = std::mem::take(&mut current.0);
                spans.push(Span::styled(text, current.1.unwrap_or_default()));
            }
            current.1 = wanted;
            current.0.push(c);
        }
        spans.push(Span::styled(current.0, current.1.unwrap_or_default()));
        put(buffer, area, row as u16 + 1, Line::from(spans));
    }
    if lines.len() > n_rows && n_rows > 0 {
        buffer.set_string(area.right().saturating_sub(1), area.bottom() - 1, "…", style(0));
    }
}

/// Characters that a diff has a flag for: those that are not white space.
pub fn n_visible(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
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
