//! A command goes to whoever does it: what all screens share is done here, the rest by the screen.

use super::{out, prompt, resize, snapshot};
use crate::tui::screens::{compare, launch, live, policy, runs, samples};
use crate::tui::shell::effect::{Effect, Terminal};
use crate::tui::shell::keymap::command::{Command, ViewerCommand};
use crate::tui::shell::model::{Model, Screen, Tone};
use crate::tui::shell::{export, navigate, refuse};

/// Does a command, `n` times where that means something, or says why it cannot.
pub fn act(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    if let Some(why) = refuse::refusal(model, command) {
        return model.say(Tone::Refused, why);
    }
    if let Command::Viewer(command) = command {
        return on_viewer(model, command, n);
    }
    if let Command::Show(command) = command {
        navigate::show(model, command);
        return Vec::new();
    }
    on_screen(model, command, n)
}

/// Does what is the same on every screen.
fn on_viewer(model: &mut Model, command: ViewerCommand, n: usize) -> Vec<Effect> {
    match command {
        ViewerCommand::QuitNow => vec![Effect::Terminal(Terminal::Quit)],
        ViewerCommand::Suspend => vec![Effect::Terminal(Terminal::Suspend)],
        ViewerCommand::Redraw => vec![Effect::Terminal(Terminal::Redraw)],
        ViewerCommand::Theme => {
            // A theme that a person chose stays, whatever the terminal reports.
            model.follows_terminal = false;
            model.theme = model.theme.next();
            model.say(Tone::Note, format!("theme: {}", model.theme.name.name()))
        }
        ViewerCommand::Mouse => {
            model.has_mouse = !model.has_mouse;
            let words = if model.has_mouse {
                "mouse: wheel and clicks are the viewer's · Shift selects text"
            } else {
                "mouse: the terminal's again"
            };
            model.say(Tone::Note, words)
        }
        ViewerCommand::Freeze => {
            snapshot::toggle_freeze(model);
            Vec::new()
        }
        ViewerCommand::Grow => resize::resize(model, true, n),
        ViewerCommand::Shrink => resize::resize(model, false, n),
        ViewerCommand::Help => prompt::open_commands(model, true),
        ViewerCommand::Explain => prompt::open_words(model),
        ViewerCommand::Palette => prompt::open_commands(model, false),
        ViewerCommand::Filter => prompt::open_filter(model),
        ViewerCommand::Export => {
            export::open(model);
            Vec::new()
        }
        ViewerCommand::Out => out::on_out(model, false),
        ViewerCommand::Back => out::on_out(model, true),
    }
}

/// Does what only the screen itself knows how to do.
fn on_screen(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    match model.screen {
        Screen::Runs => runs::update::on_command(model, command, n),
        Screen::Live => live::update::on_command(model, command, n),
        Screen::Samples => samples::update::on_command(model, command, n),
        Screen::Compare => compare::update::on_command(model, command, n),
        Screen::Launch => launch::update::on_command(model, command, n),
        Screen::Policy => policy::update::on_command(model, command, n),
    }
}
