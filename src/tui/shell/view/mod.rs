//! Drawing: a frame is a function of the model, written into a buffer of cells.

mod commands;
mod confirm;
mod popup;
mod small;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};

use super::keymap::{Command, Context};
use super::model::{COUNTED, Model, Screen, SizeClass, Tone};
use super::overlay::Overlay;
use super::update::{context_of, refusal};
use crate::tui::kit::text;
use crate::tui::kit::theme::Theme;
use crate::tui::kit::words::Condition;
use crate::tui::screens::live::view as live;
use crate::tui::screens::runs::view as runs;
use crate::tui::screens::{compare, launch, samples};

pub use crate::tui::screens::live::view::rows as live_rows;
pub use crate::tui::screens::runs::view::{list_row_at, n_details_columns, n_list_rows};

/// Draws the whole frame.
pub fn draw(model: &Model, buffer: &mut Buffer) {
    let area = buffer.area;
    if area.is_empty() {
        return;
    }
    if model.size.class() == SizeClass::Tiny {
        small::draw_tiny(model, area, buffer);
        return;
    }
    let rows = |y: u16, height: u16| Rect { y, height, ..area };
    draw_tabs(model, rows(0, 1), buffer);
    let body = rows(1, area.height - 3);
    match model.screen {
        Screen::Runs => runs::draw(model, body, buffer),
        Screen::Live if model.size.class() == SizeClass::Small => {
            small::draw_live(model, body, buffer);
        }
        Screen::Live => live::draw(model, body, buffer),
        Screen::Samples => samples::view::draw(model, body, buffer),
        Screen::Compare => compare::view::draw(model, body, buffer),
        Screen::Launch => launch::view::draw(model, body, buffer),
    }
    draw_message(model, rows(area.height - 2, 1), buffer);
    draw_hints(model, rows(area.height - 1, 1), buffer);
    match &model.overlay {
        Some(Overlay::Confirm { question, detail, .. }) => {
            confirm::draw(model, question, detail, area, buffer);
        }
        Some(Overlay::Choice(choice)) => popup::draw_choice(model, choice, area, buffer),
        Some(Overlay::Commands(list)) => commands::draw(model, list, area, buffer),
        // A prompt takes the place of the message and of the hints, so that the list it filters
        // stays in view.
        Some(Overlay::Prompt(prompt)) => popup::draw_prompt(model, prompt, area, buffer),
        None => {}
    }
}

/// Where keys are read now.
pub fn context(model: &Model) -> Context {
    match &model.overlay {
        Some(Overlay::Confirm { .. }) => Context::Confirm,
        Some(Overlay::Choice(_)) => Context::Choice,
        Some(Overlay::Prompt(_) | Overlay::Commands(_)) => Context::Prompt,
        None => context_of(model.screen),
    }
}

/// The tabs, in the order of their keys.
const TABS: [(Screen, Command, &str); 5] = [
    (Screen::Runs, Command::ShowRuns, "1 Runs"),
    (Screen::Live, Command::ShowLive, "2 Live"),
    (Screen::Samples, Command::ShowSamples, "3 Samples"),
    (Screen::Compare, Command::ShowCompare, "4 Compare"),
    (Screen::Launch, Command::ShowLaunch, "5 Launch"),
];
/// What stands before the tabs.
const BEFORE_TABS: &str = " ser  ";

/// The command of the tab at a column of the first row.
pub fn tab_at(x: u16) -> Option<Command> {
    let mut from = text::width(BEFORE_TABS);
    for (_, command, label) in TABS {
        let to = from + text::width(label) + 2;
        if (from..to).contains(&usize::from(x)) {
            return Some(command);
        }
        from = to;
    }
    None
}

fn draw_tabs(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let mut spans = vec![Span::styled(BEFORE_TABS, theme.strong)];
    for (screen, _, label) in TABS {
        spans.push(if screen == model.screen {
            Span::styled(format!("[{label}]"), theme.heading)
        } else {
            Span::styled(format!(" {label} "), theme.dim)
        });
    }
    let tabs = Line::from(spans);
    let room = usize::from(area.width).saturating_sub(tabs.width() + 1);
    put(buffer, area, 0, tabs);
    let mut parts = Vec::new();
    for (condition, n) in COUNTED.into_iter().zip(model.runs.n_in) {
        if n > 0 {
            parts.push(format!("{} {n} {}", condition.glyph(), condition.word()));
        }
    }
    if model.is_read_only {
        parts.push("read-only".to_owned());
    }
    if model.has_mouse {
        parts.push("mouse".to_owned());
    }
    while text::width(&parts.join("  ")) > room && parts.pop().is_some() {}
    put_right(buffer, area, 0, Line::styled(format!("{} ", parts.join("  ")), theme.dim));
}

fn draw_message(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    if let Some(toast) = &model.toast {
        let (glyph, style) = match toast.tone {
            Tone::Note => ("✓", theme.good),
            Tone::Refused => ("·", theme.text),
            Tone::Error => ("✗", theme.bad),
        };
        let room = usize::from(area.width).saturating_sub(4);
        put(
            buffer,
            area,
            0,
            Line::from(vec![
                Span::styled(format!(" {glyph} "), style),
                Span::styled(text::cut(&toast.text, room), theme.text),
            ]),
        );
    }
    if let Some(count) = model.count {
        put_right(buffer, area, 0, Line::styled(format!(" {count} "), theme.key));
    } else if let Some(frozen) = &model.frozen {
        let words = format!(" frozen · {} newer · F goes on ", frozen.n_newer);
        put_right(buffer, area, 0, Line::styled(words, theme.warn));
    }
}

/// The keys of this context that fit, in the order of the table. The ways out and to the help are
/// always there.
fn draw_hints(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let hints: Vec<(Command, String, &str)> = model
        .keymap
        .rows(context(model))
        .filter(|row| !row.binding.hint.is_empty())
        .filter_map(|row| {
            let leaves = row.binding.command == Command::Back
                && model.screen == Screen::Runs
                && model.overlay.is_none();
            let hint = if leaves { "quit" } else { row.binding.hint };
            Some((row.binding.command, row.keys.first()?.hint(), hint))
        })
        .collect();
    let width = |keys: &str, hint: &str| text::width(keys) + text::width(hint) + 3;
    let is_kept = |command: Command| matches!(command, Command::Back | Command::Help);
    let kept = hints.iter().filter(|(command, ..)| is_kept(*command));
    let kept: usize = kept.map(|(_, keys, hint)| width(keys, hint)).sum();
    let mut room = usize::from(area.width).saturating_sub(kept);
    // Where there is no room for all, keys that can act now come before those that cannot; what is
    // shown keeps the order of the table.
    let is_off: Vec<bool> =
        hints.iter().map(|(command, ..)| refusal(model, *command).is_some()).collect();
    let mut is_shown: Vec<bool> = hints.iter().map(|(command, ..)| is_kept(*command)).collect();
    for wanted_off in [false, true] {
        for (i, (command, keys, hint)) in hints.iter().enumerate() {
            let fits = width(keys, hint) <= room;
            if fits && !is_kept(*command) && is_off[i] == wanted_off {
                room -= width(keys, hint);
                is_shown[i] = true;
            }
        }
    }
    let mut spans = vec![Span::raw(" ")];
    for (i, (_, keys, hint)) in hints.into_iter().enumerate().filter(|(i, _)| is_shown[*i]) {
        let is_off = is_off[i];
        let style = |style: Style| if is_off { theme.dim } else { style };
        spans.push(Span::styled(keys, style(theme.key)));
        spans.push(Span::styled(format!(" {hint}  "), style(theme.text)));
    }
    put(buffer, area, 0, Line::from(spans));
}

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
