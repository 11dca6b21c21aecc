//! The keys of the launch screen.

use crossterm::event::KeyCode;

use crate::tui::shell::keymap::Context::Launch;
use crate::tui::shell::keymap::Key::{Char, Code, Ctrl};
use crate::tui::shell::keymap::{Binding, Command, bind};

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaunchCommand {
    /// Type the value of the row.
    Edit,
    /// The next value of the row.
    Next,
    /// The previous value of the row.
    Previous,
    /// Start the runs.
    Start,
    /// Run a little of it somewhere else.
    DryRun,
    /// The whole spec in an editor.
    Editor,
    /// The row as it was.
    Reset,
    /// Every row as it was.
    ResetAll,
    /// The spec as a file.
    SavePreset,
    /// Another run, recipe or preset to start from.
    Template,
    /// A row by its name.
    Find,
    /// The next row of that name.
    FindNext,
}

use Command::Launch as L;

/// The table.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "launch.start",
        L(LaunchCommand::Start),
        [Ctrl('s')],
        &[Launch],
        "start the runs",
        "start"
    ),
    bind!(
        "launch.edit",
        L(LaunchCommand::Edit),
        [Code(KeyCode::Enter), Char('i')],
        &[Launch],
        "type the value of the row",
        "edit"
    ),
    bind!(
        "launch.next",
        L(LaunchCommand::Next),
        [Code(KeyCode::Right), Char('l')],
        &[Launch],
        "next value of the row",
        "change"
    ),
    bind!(
        "launch.previous",
        L(LaunchCommand::Previous),
        [Code(KeyCode::Left), Char('h')],
        &[Launch],
        "previous value of the row",
        ""
    ),
    bind!(
        "launch.dry_run",
        L(LaunchCommand::DryRun),
        [Char('D')],
        &[Launch],
        "try it on 200 pairs for one round; nothing is kept",
        "dry run"
    ),
    bind!(
        "launch.editor",
        L(LaunchCommand::Editor),
        [Char('e')],
        &[Launch],
        "the whole spec in $EDITOR",
        "editor"
    ),
    bind!(
        "launch.reset",
        L(LaunchCommand::Reset),
        [Char('r')],
        &[Launch],
        "the row as it was",
        "reset"
    ),
    bind!(
        "launch.reset_all",
        L(LaunchCommand::ResetAll),
        [Char('R')],
        &[Launch],
        "every row as it was",
        ""
    ),
    bind!(
        "launch.template",
        L(LaunchCommand::Template),
        [Char('t')],
        &[Launch],
        "start from another recipe, preset or run",
        "from"
    ),
    bind!(
        "launch.find",
        L(LaunchCommand::Find),
        [Char('/')],
        &[Launch],
        "go to a row by its name",
        "find"
    ),
    bind!(
        "launch.find_next",
        L(LaunchCommand::FindNext),
        [Char('n')],
        &[Launch],
        "the next row of that name",
        ""
    ),
    bind!(
        "launch.save_preset",
        L(LaunchCommand::SavePreset),
        [Char('P')],
        &[Launch],
        "keep the spec as a preset to start from",
        "preset"
    ),
    bind!("launch.down", Command::Down, [Code(KeyCode::Tab)], &[Launch], "next row", ""),
    bind!("launch.up", Command::Up, [Code(KeyCode::BackTab)], &[Launch], "previous row", ""),
];
