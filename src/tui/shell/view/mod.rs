//! Drawing: a frame is a function of the model, written into a buffer of cells.

mod confirm;
mod help;
mod palette;
mod popup;
mod small;
mod words;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::keymap::binding::Context;
use super::keymap::command::{Command, ViewerCommand, WorkerCommand};
use super::model::{Model, Screen, Tone};
use super::overlay::Overlay;
use super::refuse::refusal;
use super::tabs::{TABS, before_tabs};
use crate::tui::kit::draw::{condition_style, put, put_right};
use crate::tui::kit::size::SizeClass;
use crate::tui::kit::text;
use crate::tui::kit::words::Condition;
use crate::tui::screens::runs::COUNTED;
use crate::tui::screens::{compare, launch, live, policy, runs, samples};

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
        Screen::Runs => runs::view::draw(model, body, buffer),
        Screen::Live => live::view::draw(model, body, buffer),
        Screen::Samples => samples::view::draw(model, body, buffer),
        Screen::Compare => compare::view::draw(model, body, buffer),
        Screen::Launch => launch::view::draw(model, body, buffer),
        Screen::Policy => policy::view::draw(model, body, buffer),
    }
    draw_message(model, rows(area.height - 2, 1), buffer);
    draw_hints(model, rows(area.height - 1, 1), buffer);
    match &model.overlay {
        Some(Overlay::Confirm { question, detail, .. }) => {
            confirm::draw(model, question, detail, area, buffer);
        }
        Some(Overlay::Choice(choice)) => popup::draw_choice(model, choice, area, buffer),
        Some(Overlay::Commands(list)) if list.is_help => help::draw(model, list, area, buffer),
        Some(Overlay::Commands(list)) => palette::draw(model, list, area, buffer),
        Some(Overlay::Words(list)) => words::draw(model, list, area, buffer),
        // A prompt takes the place of the message and of the hints, so that the list it filters
        // stays in view.
        Some(Overlay::Prompt(prompt)) => popup::draw_prompt(model, prompt, area, buffer),
        None => {}
    }
}

fn draw_tabs(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let is_queue = matches!(model.screen_context(), Context::Queue | Context::Judging);
    let mut spans = vec![Span::styled(before_tabs(model.size.width), theme.strong)];
    for (screen, _, label) in TABS {
        // In a queue these digits judge; Alt with one shows the screen.
        let label = match label.strip_prefix(['1', '2']) {
            Some(rest) if is_queue => format!(" {rest}"),
            _ => label.to_owned(),
        };
        spans.push(if screen == model.screen {
            Span::styled(format!("[{label}]"), theme.heading)
        } else {
            Span::styled(format!(" {label} "), theme.dim)
        });
    }
    let tabs = Line::from(spans);
    let room = usize::from(area.width).saturating_sub(tabs.width() + 1);
    put(buffer, area, 0, tabs);
    let whole = room;
    let room = draw_context(model, room, area, buffer);
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
    let counts = Line::styled(format!("{} ", parts.join("  ")), theme.dim);
    let counted = Rect { width: area.width - (whole - room) as u16, ..area };
    put_right(buffer, counted, 0, counts);
}

/// Draws the name of the run that the screen acts on at the right end, in the color of its state;
/// returns the columns that are left beside it.
fn draw_context(model: &Model, room: usize, area: Rect, buffer: &mut Buffer) -> usize {
    let row = match model.screen {
        Screen::Live | Screen::Samples | Screen::Policy => model.current(),
        Screen::Compare | Screen::Launch => model.to_open().filter(|_| model.opened.is_some()),
        Screen::Runs => None,
    };
    let Some(row) = row else { return room };
    let condition = Condition::of(row);
    let name = text::cut_name(&row.name, room.saturating_sub(4).min(28));
    let words = format!("{} {name} ", condition.glyph());
    let width = text::width(&words);
    if name.is_empty() || width > room {
        return room;
    }
    put_right(buffer, area, 0, Line::styled(words, condition_style(&model.theme, condition)));
    room - width
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

/// What the key that pauses does now to the run it is for.
fn pause_hint<'a>(model: &Model, hint: &'a str) -> &'a str {
    match model.current() {
        Some(row) if Condition::of(row) == Condition::Paused => "goes on",
        Some(_) if model.screen == Screen::Samples => "pause",
        _ => hint,
    }
}

/// The keys of this context that fit, in the order of the table. The ways out and to the help are
/// always there.
fn draw_hints(model: &Model, area: Rect, buffer: &mut Buffer) {
    let is_help = match &model.overlay {
        Some(Overlay::Commands(list)) => list.is_help,
        Some(Overlay::Words(_)) => true,
        Some(Overlay::Confirm { .. } | Overlay::Choice(_) | Overlay::Prompt(_)) | None => false,
    };
    if is_help {
        // They say themselves what keys do.
        return;
    }
    let theme = &model.theme;
    let hints: Vec<(Command, String, &str)> = model
        .keymap
        .rows(model.context())
        .filter(|row| !row.binding.hint.is_empty())
        .filter_map(|row| {
            let leaves = row.binding.command == Command::Viewer(ViewerCommand::Back)
                && model.screen == Screen::Runs
                && model.overlay.is_none();
            let pauses = row.binding.command == Command::Worker(WorkerCommand::Pause);
            let hint = match row.binding.hint {
                _ if leaves => "quit",
                hint if pauses => pause_hint(model, hint),
                hint => hint,
            };
            Some((row.binding.command, row.keys.first()?.hint(), hint))
        })
        .collect();
    let width = |keys: &str, hint: &str| text::width(keys) + text::width(hint) + 3;
    let is_kept = |command: Command| {
        matches!(command, Command::Viewer(ViewerCommand::Back | ViewerCommand::Help))
    };
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
