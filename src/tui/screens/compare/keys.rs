//! The table of the keys of the compare screen.

use crossterm::event::KeyCode;

use super::command::CompareCommand;
use crate::tui::kit::key::Key::{Char, Code};
use crate::tui::shell::keymap::binding::Context::Compare;
use crate::tui::shell::keymap::binding::{Binding, bind};
use crate::tui::shell::keymap::command::Command;

/// Lists the actions in the order of the help and of the hint bar.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "compare.open_pair",
        Command::Compare(CompareCommand::OpenPair),
        [Code(KeyCode::Enter)],
        &[Compare],
        "open the pair in the samples screen (table: go to the pairs; arms: mark its runs)",
        "pairs"
    ),
    bind!(
        "compare.left",
        Command::Compare(CompareCommand::Left),
        [Char('h'), Code(KeyCode::Left)],
        &[Compare],
        "the run to the left",
        ""
    ),
    bind!(
        "compare.right",
        Command::Compare(CompareCommand::Right),
        [Char('l'), Code(KeyCode::Right)],
        &[Compare],
        "the run to the right",
        "run"
    ),
    bind!(
        "compare.base",
        Command::Compare(CompareCommand::Base),
        [Char('b')],
        &[Compare],
        "measure against this run",
        "base"
    ),
    bind!(
        "compare.different",
        Command::Compare(CompareCommand::OnlyDifferent),
        [Char('d')],
        &[Compare],
        "only what differs, or everything",
        "differing"
    ),
    bind!(
        "compare.metric",
        Command::Compare(CompareCommand::Metric),
        [Char('m')],
        &[Compare],
        "next curve",
        "metric"
    ),
    bind!(
        "compare.axis",
        Command::Compare(CompareCommand::Axis),
        [Char('a')],
        &[Compare],
        "along rounds, wall time or labels trained on",
        "axis"
    ),
    bind!(
        "compare.normalize",
        Command::Compare(CompareCommand::Normalize),
        [Char('n')],
        &[Compare],
        "differences to the base, or values",
        "minus base"
    ),
    bind!(
        "compare.arms",
        Command::Compare(CompareCommand::Arms),
        [Char('A')],
        &[Compare],
        "arm by arm: means over random seeds",
        "arms"
    ),
    bind!(
        "compare.export",
        Command::Compare(CompareCommand::Export),
        [Char('e')],
        &[Compare],
        "write to a file …",
        "export"
    ),
    bind!(
        "compare.rounds",
        Command::Compare(CompareCommand::Rounds),
        [Char('r')],
        &[Compare],
        "compare the last round, or the best by validation",
        "round"
    ),
    bind!(
        "compare.move_left",
        Command::Compare(CompareCommand::MoveLeft),
        [Char('H')],
        &[Compare],
        "move the column to the left",
        ""
    ),
    bind!(
        "compare.move_right",
        Command::Compare(CompareCommand::MoveRight),
        [Char('L')],
        &[Compare],
        "move the column to the right",
        ""
    ),
    bind!(
        "compare.resort",
        Command::Compare(CompareCommand::Resort),
        [Char('O')],
        &[Compare],
        "best accuracy first",
        ""
    ),
    bind!(
        "compare.drop",
        Command::Compare(CompareCommand::Drop),
        [Char('x')],
        &[Compare],
        "take the run out of the comparison",
        ""
    ),
];
