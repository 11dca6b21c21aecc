//! The keys of the live screen.

use crate::tui::shell::keymap::Context::Live;
use crate::tui::shell::keymap::Key::Char;
use crate::tui::shell::keymap::{Binding, Command, bind};

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiveCommand {
    /// The threshold one step up, to look.
    ThresholdUp,
    /// The threshold one step down, to look.
    ThresholdDown,
    /// The sampled pair on the samples screen.
    Inspect,
    /// The loss smoothed, or as it was.
    Smooth,
    /// The loss on a logarithmic scale, or on a linear one.
    Log,
    /// Never train on the sampled pair.
    Veto,
    /// The sampled pair was looked at and is right.
    Keep,
    /// Train on the other answer of the sampled pair.
    Flip,
    /// The curve of another run behind this one's.
    Ghost,
}

use Command::Live as L;

/// The table.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "live.inspect",
        L(LiveCommand::Inspect),
        [Char('i')],
        &[Live],
        "this pair among the samples of the round",
        "inspect"
    ),
    bind!(
        "live.next_pair",
        Command::NextPair,
        [Char('J')],
        &[Live],
        "next sampled pair",
        "next pair"
    ),
    bind!(
        "live.previous_pair",
        Command::PreviousPair,
        [Char('K')],
        &[Live],
        "previous sampled pair",
        ""
    ),
    bind!(
        "live.veto",
        L(LiveCommand::Veto),
        [Char('x')],
        &[Live],
        "veto the pair: never train on it",
        "veto pair"
    ),
    bind!(
        "live.keep",
        L(LiveCommand::Keep),
        [Char('a')],
        &[Live],
        "keep the pair: looked at and right",
        ""
    ),
    bind!(
        "live.flip",
        L(LiveCommand::Flip),
        [Char('f')],
        &[Live],
        "flip the pair: train on the other answer",
        ""
    ),
    bind!(
        "live.gold",
        Command::Gold,
        [Char('H')],
        &[Live],
        "show or hide the human label of the pair",
        "gold label"
    ),
    bind!(
        "live.metric",
        Command::Metric,
        [Char('m')],
        &[Live],
        "next chart: accuracy, loss, reliability, rounds",
        "metric"
    ),
    bind!(
        "live.threshold_up",
        L(LiveCommand::ThresholdUp),
        [Char('>')],
        &[Live],
        "preview a higher threshold; the run keeps its own",
        "preview τ"
    ),
    bind!(
        "live.threshold_down",
        L(LiveCommand::ThresholdDown),
        [Char('<')],
        &[Live],
        "preview a lower threshold; the run keeps its own",
        ""
    ),
    bind!(
        "live.ghost",
        L(LiveCommand::Ghost),
        [Char('g')],
        &[Live],
        "another run behind this one's curves …",
        "ghost"
    ),
    bind!(
        "live.smooth",
        L(LiveCommand::Smooth),
        [Char('S')],
        &[Live],
        "the loss smoothed, or as it is",
        ""
    ),
    bind!(
        "live.log",
        L(LiveCommand::Log),
        [Char('L'), Char('l')],
        &[Live],
        "the loss on a logarithmic scale, or on a linear one",
        ""
    ),
];
