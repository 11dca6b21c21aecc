//! The keys of the samples screen.

use crossterm::event::KeyCode;

use crate::tui::shell::keymap::Command as C;
use crate::tui::shell::keymap::Context::Samples;
use crate::tui::shell::keymap::Key::{Char, Code};
use crate::tui::shell::keymap::{Binding, bind};

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SamplesCommand {
    /// Never train on the pair.
    Veto,
    /// Looked at and right.
    Keep,
    /// Train on the other answer.
    Flip,
    /// Veto everything listed.
    VetoAll,
    /// Keep everything listed.
    KeepAll,
    /// A comment on the decision.
    Comment,
    /// A reason for the decision, from a list.
    Reason,
    /// This reason of the list.
    GiveReason(usize),
    /// The next pair that nobody decided about.
    NextOpen,
    /// The one before.
    PreviousOpen,
    /// The audit queue, or back to the list.
    Audit,
    /// The teach queue, or back to the list.
    Teach,
    /// Next order of the list.
    Sort,
    /// Mark the pair and its near-duplicates.
    MarkLike,
    /// Lines cut at the edge of their pane, or wrapped: the next column to the right.
    Right,
    /// The column to the left.
    Left,
    /// A list with a name.
    Views,
    /// One of them: its index in the popup.
    View(usize),
    /// Go to a pair by its number.
    GoTo,
    /// What the answers share, dim or not.
    Diff,
    /// Show or hide the human label.
    Gold,
    /// The round before.
    PreviousRound,
    /// The next round.
    NextRound,
    /// Read the list again: what was decided leaves or joins it.
    Refresh,
}

use SamplesCommand as S;

/// The table.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "samples.veto",
        C::Samples(S::Veto),
        [Char('x')],
        &[Samples],
        "veto: never train on it",
        "veto"
    ),
    bind!(
        "samples.keep",
        C::Samples(S::Keep),
        [Char('a')],
        &[Samples],
        "keep: looked at and right",
        "keep"
    ),
    bind!(
        "samples.flip",
        C::Samples(S::Flip),
        [Char('f')],
        &[Samples],
        "flip: train on the other answer",
        "flip"
    ),
    bind!(
        "samples.comment",
        C::Samples(S::Comment),
        [Char('c')],
        &[Samples],
        "comment on the decision",
        "comment"
    ),
    bind!(
        "samples.reason",
        C::Samples(S::Reason),
        [Char('r')],
        &[Samples],
        "why: a reason for the decision (right after one: 1-9)",
        ""
    ),
    bind!(
        "samples.next_open",
        C::Samples(S::NextOpen),
        [Char('n')],
        &[Samples],
        "next pair without a decision",
        "next open"
    ),
    bind!(
        "samples.previous_open",
        C::Samples(S::PreviousOpen),
        [Char('N')],
        &[Samples],
        "previous pair without a decision",
        ""
    ),
    bind!(
        "samples.audit",
        C::Samples(S::Audit),
        [Char('Q')],
        &[Samples],
        "audit: a random sample of the selected, to measure",
        "audit"
    ),
    bind!(
        "samples.teach",
        C::Samples(S::Teach),
        [Char('t')],
        &[Samples],
        "teach: the most doubtful first, to improve",
        "teach"
    ),
    bind!(
        "samples.views",
        C::Samples(S::Views),
        [Char('V')],
        &[Samples],
        "lists with a name",
        "views"
    ),
    bind!(
        "samples.sort",
        C::Samples(S::Sort),
        [Char('s')],
        &[Samples],
        "next order of the list",
        "sort"
    ),
    bind!(
        "samples.gold",
        C::Samples(S::Gold),
        [Char('H'), Char('L')],
        &[Samples],
        "show the human label of this pair",
        ""
    ),
    bind!(
        "samples.diff",
        C::Samples(S::Diff),
        [Char('=')],
        &[Samples],
        "dim the words that both answers share",
        ""
    ),
    bind!(
        "samples.veto_all",
        C::Samples(S::VetoAll),
        [Char('X')],
        &[Samples],
        "veto all that is listed (asks)",
        ""
    ),
    bind!(
        "samples.keep_all",
        C::Samples(S::KeepAll),
        [Char('A')],
        &[Samples],
        "keep all that is listed (asks)",
        ""
    ),
    bind!(
        "samples.mark_like",
        C::Samples(S::MarkLike),
        [Char('D')],
        &[Samples],
        "mark the pair and its near-duplicates",
        "mark alike"
    ),
    bind!(
        "samples.right",
        C::Samples(S::Right),
        [Char('l'), Code(KeyCode::Right)],
        &[Samples],
        "along lines that W has cut",
        ""
    ),
    bind!(
        "samples.left",
        C::Samples(S::Left),
        [Char('h'), Code(KeyCode::Left)],
        &[Samples],
        "back along lines that W has cut",
        ""
    ),
    bind!(
        "samples.go_to",
        C::Samples(S::GoTo),
        [Char('#')],
        &[Samples],
        "go to a pair by its number",
        ""
    ),
    bind!(
        "samples.previous_round",
        C::Samples(S::PreviousRound),
        [Char('[')],
        &[Samples],
        "the round before",
        ""
    ),
    bind!(
        "samples.next_round",
        C::Samples(S::NextRound),
        [Char(']')],
        &[Samples],
        "the next round",
        ""
    ),
    bind!(
        "samples.refresh",
        C::Samples(S::Refresh),
        [Char('O')],
        &[Samples],
        "order and filter again, with the decisions since",
        ""
    ),
    bind!(
        "run.pause",
        C::Pause,
        [Char('p')],
        &[Samples],
        "release a round held for review; pause, or go on",
        "release"
    ),
];
