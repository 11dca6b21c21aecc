//! The keys of the compare screen.

use crossterm::event::KeyCode;

use crate::tui::shell::keymap::Command as C;
use crate::tui::shell::keymap::Context::Compare;
use crate::tui::shell::keymap::Key::{Char, Code};
use crate::tui::shell::keymap::{Binding, bind};

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareCommand {
    /// The run to the left.
    Left,
    /// The run to the right.
    Right,
    /// The column one place to the left.
    MoveLeft,
    /// The column one place to the right.
    MoveRight,
    /// The selected run is the base.
    Base,
    /// Only what differs, or everything.
    OnlyDifferent,
    /// Differences to the base, or values.
    Normalize,
    /// Next horizontal axis.
    Axis,
    /// Next metric of the curves.
    Metric,
    /// The last round, or the best by validation.
    Rounds,
    /// Best accuracy first.
    Resort,
    /// The selected run leaves the comparison.
    Drop,
    /// The runs arm by arm.
    Arms,
    /// The selected pair in the samples screen.
    OpenPair,
    /// What can be written to a file.
    Export,
}

use CompareCommand as K;

/// The table.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "compare.open_pair",
        C::Compare(K::OpenPair),
        [Code(KeyCode::Enter)],
        &[Compare],
        "open the pair in the samples screen (table: go to the pairs; arms: mark its runs)",
        "pairs"
    ),
    bind!(
        "compare.left",
        C::Compare(K::Left),
        [Char('h'), Code(KeyCode::Left)],
        &[Compare],
        "the run to the left",
        ""
    ),
    bind!(
        "compare.right",
        C::Compare(K::Right),
        [Char('l'), Code(KeyCode::Right)],
        &[Compare],
        "the run to the right",
        "run"
    ),
    bind!(
        "compare.base",
        C::Compare(K::Base),
        [Char('b')],
        &[Compare],
        "measure against this run",
        "base"
    ),
    bind!(
        "compare.different",
        C::Compare(K::OnlyDifferent),
        [Char('d')],
        &[Compare],
        "only what differs, or everything",
        "differing"
    ),
    bind!("compare.metric", C::Compare(K::Metric), [Char('m')], &[Compare], "next curve", "metric"),
    bind!(
        "compare.axis",
        C::Compare(K::Axis),
        [Char('a')],
        &[Compare],
        "along rounds, wall time or labels trained on",
        "axis"
    ),
    bind!(
        "compare.normalize",
        C::Compare(K::Normalize),
        [Char('n')],
        &[Compare],
        "differences to the base, or values",
        "minus base"
    ),
    bind!(
        "compare.arms",
        C::Compare(K::Arms),
        [Char('A')],
        &[Compare],
        "arm by arm: means over random seeds",
        "arms"
    ),
    bind!(
        "compare.export",
        C::Compare(K::Export),
        [Char('e')],
        &[Compare],
        "write to a file …",
        "export"
    ),
    bind!(
        "compare.rounds",
        C::Compare(K::Rounds),
        [Char('r')],
        &[Compare],
        "compare the last round, or the best by validation",
        "round"
    ),
    bind!(
        "compare.move_left",
        C::Compare(K::MoveLeft),
        [Char('H')],
        &[Compare],
        "move the column to the left",
        ""
    ),
    bind!(
        "compare.move_right",
        C::Compare(K::MoveRight),
        [Char('L')],
        &[Compare],
        "move the column to the right",
        ""
    ),
    bind!(
        "compare.resort",
        C::Compare(K::Resort),
        [Char('O')],
        &[Compare],
        "best accuracy first",
        ""
    ),
    bind!(
        "compare.drop",
        C::Compare(K::Drop),
        [Char('x')],
        &[Compare],
        "take the run out of the comparison",
        ""
    ),
];
