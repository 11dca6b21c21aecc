//! A choice over the screen, and a line of text below it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use crate::tui::kit::draw::{pane, put};
use crate::tui::kit::field::Field;
use crate::tui::kit::text;
use crate::tui::shell::model::Model;
use crate::tui::shell::overlay::{Choice, Prompt};

/// Draws what can be chosen, each with the key that takes it.
pub fn draw_choice(model: &Model, choice: &Choice, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let width = area.width.min(72);
    let height = area.height.min(choice.items.len() as u16 + 2);
    let popup = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(popup, buffer);
    let inside = pane(buffer, popup, theme, [&choice.title, "Esc closes"], "");
    let n_rows = usize::from(inside.height);
    let offset = (choice.cursor + 1).saturating_sub(n_rows);
    let n_label = choice.items.iter().map(|item| text::width(&item.label)).max().unwrap_or(0);
    for (row, item) in choice.items.iter().enumerate().skip(offset).take(n_rows) {
        let y = (row - offset) as u16;
        let is_selected = row == choice.cursor;
        let room = usize::from(inside.width).saturating_sub(n_label + 7);
        let line = Line::from(vec![
            Span::raw(if is_selected { "▌ " } else { "  " }),
            Span::styled(item.key.map_or("  ".to_owned(), |key| format!("{key} ")), theme.key),
            Span::styled(text::left(&item.label, n_label), theme.text),
            Span::styled(format!("  {}", text::cut(&item.detail, room)), theme.dim),
        ]);
        put(buffer, inside, y, line);
        if is_selected {
            buffer.set_style(Rect { y: inside.y + y, height: 1, ..inside }, theme.selected);
        }
    }
}

/// Draws the text, and above it what is wrong with it or what Tab offers.
pub fn draw_prompt(model: &Model, prompt: &Prompt, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let rows = Rect { y: area.bottom() - 2, height: 2, ..area };
    Clear.render(rows, buffer);
    let width = usize::from(area.width);
    let label = format!(" {}: ", text::cut(&prompt.title, width / 2));
    put(buffer, rows, 1, field_line(model, &label, &prompt.field, width));
    // A word that goes on is not wrong yet.
    let above = match prompt.error.as_ref().filter(|_| prompt.completions.is_empty()) {
        Some(error) => {
            Line::styled(format!(" ✗ {}", text::cut(error, width.saturating_sub(4))), theme.bad)
        }
        None if prompt.completions.is_empty() => {
            Line::styled(" ↵ takes it · Esc leaves it · ↑ earlier texts", theme.dim)
        }
        None => {
            // Of a list, the word that would be added.
            let words = prompt.completions.iter().map(|text| text.rsplit(", ").next());
            let words: Vec<&str> = words.flatten().collect();
            let offered = format!(" Tab {}", words.join("  "));
            Line::styled(text::cut(&offered, width), theme.dim)
        }
    };
    put(buffer, rows, 0, above);
}

/// A field with a label before it; the cursor is the reversed cell.
pub fn field_line(model: &Model, label: &str, field: &Field, width: usize) -> Line<'static> {
    let theme = &model.theme;
    let room = width.saturating_sub(text::width(label));
    let (shown, at) = field.window(room);
    let mut spans = vec![Span::styled(label.to_owned(), theme.key)];
    spans.extend(with_cursor(model, &shown, at));
    Line::from(spans)
}

/// A text with the cell at column `at` reversed.
pub fn with_cursor(model: &Model, shown: &str, at: usize) -> Vec<Span<'static>> {
    use unicode_segmentation::UnicodeSegmentation;
    let theme = &model.theme;
    let (mut before, mut under, mut after) = (String::new(), String::new(), String::new());
    for grapheme in shown.graphemes(true) {
        if text::width(&before) < at {
            before.push_str(grapheme);
        } else if under.is_empty() {
            under.push_str(grapheme);
        } else {
            after.push_str(grapheme);
        }
    }
    if under.is_empty() {
        under.push(' ');
    }
    vec![
        Span::styled(before, theme.text),
        Span::styled(under, theme.text.add_modifier(Modifier::REVERSED)),
        Span::styled(after, theme.text),
    ]
}
