//! The help overlay: the key table of the screen below it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::super::keymap::{self, Binding, Context};
use super::super::model::{Model, Screen};
use super::super::text;
use super::{pane, put};

/// Lines of the overlay for a screen.
pub fn n_lines(screen: Screen) -> usize {
    bindings(screen).len()
}

fn bindings(screen: Screen) -> Vec<&'static Binding> {
    keymap::bindings(match screen {
        Screen::Runs => Context::Runs,
        Screen::Live => Context::Live,
    })
}

/// Draws the keys of the screen below, `offset` lines scrolled.
pub fn draw(model: &Model, offset: usize, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let bindings = bindings(model.screen);
    let width = area.width.min(84);
    let height = area.height.min(bindings.len() as u16 + 2);
    let popup = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(popup, buffer);
    let title = match model.screen {
        Screen::Runs => "keys · runs",
        Screen::Live => "keys · live",
    };
    let n_rows = usize::from(height.saturating_sub(2));
    let offset = offset.min(bindings.len().saturating_sub(n_rows));
    let n_more = bindings.len().saturating_sub(offset + n_rows);
    let footer = if n_more > 0 { format!("{n_more} more · j scrolls") } else { String::new() };
    let room = usize::from(width).saturating_sub(2 + 17);
    let inside = pane(buffer, popup, theme, [title, "Esc closes"], &footer);
    for (row, binding) in bindings.iter().skip(offset).take(n_rows).enumerate() {
        let keys: Vec<String> = binding.keys.iter().map(|key| key.words()).collect();
        let line = Line::from(vec![
            Span::styled(format!(" {}", text::left(&keys.join(" "), 16)), theme.key),
            Span::styled(text::cut(binding.help, room), theme.text),
        ]);
        put(buffer, inside, row as u16, line);
    }
}
