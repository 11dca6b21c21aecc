//! What the mouse does, when it was asked for: the wheel moves, a click on a tab or a row goes there.

use super::super::effect::Effect;
use super::super::keymap::Command;
use super::super::message::MouseKind;
use super::super::model::{Model, Screen, SizeClass};
use super::super::view;
use super::{act, moved, popup};

/// Rows a turn of the wheel moves.
const N_WHEEL: usize = 3;

/// A click or a turn of the wheel.
pub fn on_mouse(model: &mut Model, kind: MouseKind, x: u16, y: u16) -> Vec<Effect> {
    let command = match kind {
        MouseKind::WheelDown => Command::Down,
        MouseKind::WheelUp => Command::Up,
        MouseKind::Click => return on_click(model, x, y),
    };
    popup::on_command(model, command, N_WHEEL)
}

fn on_click(model: &mut Model, x: u16, y: u16) -> Vec<Effect> {
    // A popup is answered by keys: a stray click must not take anything.
    if model.overlay.is_some() || model.size.class() == SizeClass::Tiny {
        return Vec::new();
    }
    if y == 0 {
        return view::tab_at(x).map_or(Vec::new(), |command| act(model, command, 1));
    }
    if model.screen == Screen::Runs
        && let Some(row) = view::list_row_at(model, x, y)
    {
        let at = model.runs.offset + row;
        if at == model.runs.cursor {
            return act(model, Command::Open, 1);
        }
        let n_runs = model.runs.rows.len();
        if at < n_runs {
            model.runs.cursor = moved(model, Command::Down, 0, n_runs, at);
        }
    }
    Vec::new()
}
