//! The help and the palette: actions by name with their keys, found by typing.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::popup::field_line;
use crate::tui::kit::draw::{pane, put};
use crate::tui::kit::text;
use crate::tui::shell::keymap::binding::Context;
use crate::tui::shell::model::Model;
use crate::tui::shell::overlay::CommandList;
use crate::tui::shell::palette::{Entry, entries};

/// Columns of the keys.
const N_KEYS: usize = 18;

/// Draws the list over the screen.
pub fn draw(model: &Model, list: &CommandList, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let entries = entries(model, list);
    let width = area.width.min(90);
    let all = model.keymap.rows(list.context).count() as u16;
    let height = area.height.min(all + 4);
    let popup = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(popup, buffer);
    let screen = screen_words(list.context);
    let title =
        if list.is_help { format!("keys · {screen}") } else { format!("commands · {screen}") };
    let footer = format!("{} · ↵ does it · Esc closes", entries.len());
    let inside = pane(buffer, popup, theme, [&title, "type to find"], &footer);
    let mark = if list.is_help { " / " } else { " : " };
    put(buffer, inside, 0, field_line(model, mark, &list.field, usize::from(inside.width)));
    let n_rows = usize::from(inside.height.saturating_sub(1));
    let offset = (list.cursor + 1).saturating_sub(n_rows);
    let room = usize::from(inside.width).saturating_sub(N_KEYS + 2);
    for (row, entry) in entries.iter().enumerate().skip(offset).take(n_rows) {
        let y = (row - offset) as u16 + 1;
        put(buffer, inside, y, line(model, entry, room, row == list.cursor));
        if row == list.cursor {
            buffer.set_style(Rect { y: inside.y + y, height: 1, ..inside }, theme.selected);
        }
    }
}

fn line(model: &Model, entry: &Entry, room: usize, is_selected: bool) -> Line<'static> {
    let theme = &model.theme;
    let keys: Vec<String> = entry.row.keys.iter().map(|key| key.words()).collect();
    let is_off = entry.refusal.is_some();
    let title = text::cut(entry.row.binding.title, room);
    let why = entry.refusal.as_ref().map_or(String::new(), |why| format!(" · {why}"));
    let why = text::cut(&why, room.saturating_sub(text::width(&title)));
    Line::from(vec![
        Span::raw(if is_selected { "▌" } else { " " }),
        Span::styled(
            format!("{} ", text::left(&keys.join(" "), N_KEYS)),
            if is_off { theme.dim } else { theme.key },
        ),
        Span::styled(title, if is_off { theme.dim } else { theme.text }),
        Span::styled(why, theme.dim),
    ])
}

fn screen_words(context: Context) -> &'static str {
    match context {
        Context::Live => "live",
        Context::Samples => "samples",
        Context::Queue => "queue",
        Context::Compare => "compare",
        Context::Launch => "launch",
        Context::Runs | Context::Confirm | Context::Choice | Context::Prompt => "runs",
    }
}
