//! The table of the keys of the launch screen.

use crossterm::event::KeyCode;

use super::command::LaunchCommand;
use crate::tui::kit::key::Key::{Char, Code, Ctrl};
use crate::tui::shell::keymap::binding::Context::Launch;
use crate::tui::shell::keymap::binding::{Binding, bind};
use crate::tui::shell::keymap::command::{Command, Motion};

/// Lists the actions in the order of the help and of the hint bar.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "launch.start",
        Command::Launch(LaunchCommand::Start),
        [Ctrl('s')],
        &[Launch],
        "start the runs",
        "start"
    ),
    bind!(
        "launch.edit",
        Command::Launch(LaunchCommand::Edit),
        [Code(KeyCode::Enter), Char('i')],
        &[Launch],
        "type the value of the row",
        "edit"
    ),
    bind!(
        "launch.next",
        Command::Launch(LaunchCommand::Next),
        [Code(KeyCode::Right), Char('l')],
        &[Launch],
        "next value of the row",
        "change"
    ),
    bind!(
        "launch.previous",
        Command::Launch(LaunchCommand::Previous),
        [Code(KeyCode::Left), Char('h')],
        &[Launch],
        "previous value of the row",
        ""
    ),
    bind!(
        "launch.dry_run",
        Command::Launch(LaunchCommand::DryRun),
        [Char('D')],
        &[Launch],
        "try it on 200 pairs for one round; nothing is kept",
        "dry run"
    ),
    bind!(
        "launch.editor",
        Command::Launch(LaunchCommand::Editor),
        [Char('e')],
        &[Launch],
        "the whole spec in $EDITOR",
        "editor"
    ),
    bind!(
        "launch.reset",
        Command::Launch(LaunchCommand::Reset),
        [Char('r')],
        &[Launch],
        "the row as it was",
        "reset"
    ),
    bind!(
        "launch.reset_all",
        Command::Launch(LaunchCommand::ResetAll),
        [Char('R')],
        &[Launch],
        "every row as it was",
        ""
    ),
    bind!(
        "launch.template",
        Command::Launch(LaunchCommand::Template),
        [Char('t')],
        &[Launch],
        "start from another arm, preset or run",
        "from"
    ),
    bind!(
        "launch.find",
        Command::Launch(LaunchCommand::Find),
        [Char('/')],
        &[Launch],
        "go to a row by its name",
        "find"
    ),
    bind!(
        "launch.find_next",
        Command::Launch(LaunchCommand::FindNext),
        [Char('n')],
        &[Launch],
        "the next row of that name",
        ""
    ),
    bind!(
        "launch.save_preset",
        Command::Launch(LaunchCommand::SavePreset),
        [Char('P')],
        &[Launch],
        "keep the spec as a preset to start from",
        "preset"
    ),
    bind!(
        "launch.down",
        Command::Move(Motion::Down),
        [Code(KeyCode::Tab)],
        &[Launch],
        "next row",
        ""
    ),
    bind!(
        "launch.up",
        Command::Move(Motion::Up),
        [Code(KeyCode::BackTab)],
        &[Launch],
        "previous row",
        ""
    ),
];
