//! The keys of a screen: groups in as many columns as fit, each key with its action, the id that
//! `config.toml` knows it by, and the reason why it cannot act now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::popup::field_line;
use crate::tui::kit::draw::{pane, put};
use crate::tui::kit::text;
use crate::tui::kit::theme::Theme;
use crate::tui::shell::model::Model;
use crate::tui::shell::overlay::CommandList;
use crate::tui::shell::palette::{Entry, entries, group, screen_words};

/// Columns of the popup at most: three columns of text.
const N_WIDTH_MAX: u16 = 168;
/// The least width of a column of text.
const N_COLUMN_MIN: u16 = 52;
/// Columns of the keys.
const N_KEYS: usize = 11;
/// Lines of a text that is wrapped, at most: more than any action needs.
const N_LINES_MAX: usize = 6;

/// Where a block of lines stands.
struct Placed {
    page: usize,
    column: u16,
    row: u16,
    /// The entry of the block, counted from the first.
    index: usize,
    lines: Vec<Line<'static>>,
    /// Lines of a heading above the entry.
    n_heading: u16,
}

/// Draws the keys over the screen.
pub fn draw(model: &Model, list: &CommandList, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let found = entries(model, list);
    let width = area.width.min(N_WIDTH_MAX);
    let popup = Rect { x: area.x + (area.width - width) / 2, width, ..area };
    Clear.render(popup, buffer);
    let n_columns = ((width - 2) / N_COLUMN_MIN).clamp(1, 3);
    let n_width = (width - 2) / n_columns;
    let height = popup.height.saturating_sub(3);
    let placed = place(theme, &found, n_columns, usize::from(n_width), height);
    let of_cursor = placed.iter().find(|block| block.index == list.cursor);
    let page = of_cursor.map_or(0, |block| block.page);
    let n_pages = placed.last().map_or(1, |block| block.page + 1);
    let pages =
        if n_pages > 1 { format!(" · page {} of {n_pages}", page + 1) } else { String::new() };
    let footer = format!("{} keys{pages} · ↵ does it · Esc closes", found.len());
    let title = format!("keys · {}", screen_words(list.context));
    let inside = pane(buffer, popup, theme, [&title, "type to find · Tab: words"], &footer);
    put(buffer, inside, 0, field_line(model, " / ", &list.field, usize::from(inside.width)));
    for block in placed.iter().filter(|block| block.page == page) {
        let at = Rect {
            x: inside.x + block.column * n_width,
            y: inside.y + 1 + block.row,
            width: n_width,
            height: inside.bottom().saturating_sub(inside.y + 1 + block.row),
        };
        for (row, line) in (0..).zip(&block.lines) {
            put(buffer, at, row, line.clone());
        }
        if block.index == list.cursor {
            let y = at.y + block.n_heading;
            let height = (block.lines.len() as u16).saturating_sub(block.n_heading);
            let height = height.min(inside.bottom().saturating_sub(y));
            buffer.set_style(Rect { y, height, ..at }, theme.selected);
            buffer.set_string(at.x, y, "▌", theme.key);
        }
    }
}

/// Puts the entries into columns of `height` lines, one after the other; the heading of a group
/// stays with its first entry.
fn place(theme: &Theme, found: &[Entry], n_columns: u16, width: usize, height: u16) -> Vec<Placed> {
    let (mut page, mut column, mut row) = (0, 0, 0);
    let mut before = None;
    let mut placed = Vec::new();
    for (index, entry) in found.iter().enumerate() {
        let (order, heading) = group(entry.row.binding.command);
        let mut lines = Vec::new();
        if before != Some(order) {
            if row > 0 {
                lines.push(Line::default());
            }
            lines.push(Line::styled(format!(" {heading}"), theme.heading));
        }
        let entry_lines = lines_of(theme, entry, width);
        if row + (lines.len() + entry_lines.len()) as u16 > height && row > 0 {
            (column, row) = (column + 1, 0);
            if column == n_columns {
                (page, column) = (page + 1, 0);
            }
            // No blank line at the top of a column.
            lines.retain(|line| line.width() > 0);
        }
        before = Some(order);
        let n_heading = lines.len() as u16;
        lines.extend(entry_lines);
        let n_lines = lines.len() as u16;
        placed.push(Placed { page, column, row, index, lines, n_heading });
        row += n_lines;
    }
    placed
}

/// Keys and action, the id at the right or below, and the reason below; nothing is cut.
fn lines_of(theme: &Theme, entry: &Entry, width: usize) -> Vec<Line<'static>> {
    let is_off = entry.refusal.is_some();
    let room = width.saturating_sub(N_KEYS + 3);
    let keys: Vec<String> = entry.row.keys.iter().map(|key| key.words()).collect();
    let keys = if keys.is_empty() { text::NONE.to_owned() } else { keys.join(" ") };
    let keys = text::wrap(&keys, N_KEYS, N_LINES_MAX);
    let mut titles = text::wrap(entry.row.binding.title, room, N_LINES_MAX);
    let id = entry.row.binding.id;
    let last = titles.last().map_or(0, |line| text::width(line));
    let is_beside = last + 2 + text::width(id) <= room;
    if !is_beside {
        titles.push(String::new());
    }
    let n_titles = titles.len();
    let (key_style, style) = if is_off { (theme.dim, theme.dim) } else { (theme.key, theme.text) };
    let mut lines = Vec::new();
    for i in 0..n_titles.max(keys.len()) {
        let key = keys.get(i).map_or("", String::as_str);
        let title = titles.get(i).map_or("", String::as_str);
        let mut spans = vec![
            Span::raw(" "),
            Span::styled(format!("{} ", text::left(key, N_KEYS)), key_style),
            Span::styled(title.to_owned(), style),
        ];
        if i + 1 == n_titles {
            let room = room.saturating_sub(text::width(title));
            spans.push(Span::styled(text::right(id, room), theme.dim));
        }
        lines.push(Line::from(spans));
    }
    let indent = " ".repeat(N_KEYS + 2);
    let why = entry.refusal.iter().flat_map(|why| text::wrap(why, room, N_LINES_MAX));
    lines.extend(why.map(|why| Line::styled(format!("{indent}{why}"), theme.warn)));
    lines
}
