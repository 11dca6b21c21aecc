//! What the mouse does, when it was asked for: the wheel moves, a click on a tab or a row goes there.

use super::act::act;
use super::popup;
use crate::tui::kit::size::SizeClass;
use crate::tui::screens::runs;
use crate::tui::screens::runs::command::RunsCommand;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::command::{Command, Motion};
use crate::tui::shell::model::{Model, Screen};
use crate::tui::shell::tabs::tab_at;
use crate::tui::terminal::input::MouseKind;

/// Rows a turn of the wheel moves.
const N_WHEEL: usize = 3;

/// A click or a turn of the wheel.
pub fn on_mouse(model: &mut Model, kind: MouseKind, x: u16, y: u16) -> Vec<Effect> {
    let command = match kind {
        MouseKind::WheelDown => Command::Move(Motion::Down),
        MouseKind::WheelUp => Command::Move(Motion::Up),
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
        return tab_at(x, model.size.width)
            .map_or(Vec::new(), |command| act(model, Command::Show(command), 1));
    }
    if model.screen == Screen::Runs
        && let Some(row) = runs::layout::list_row_at(model, x, y)
    {
        let at = model.runs.offset + row;
        if at == model.runs.cursor {
            return act(model, Command::Runs(RunsCommand::Open), 1);
        }
        let n_runs = model.runs.rows.len();
        if at < n_runs {
            model.runs.cursor = model.moved(Motion::Down, 0, n_runs, at);
        }
    }
    Vec::new()
}
