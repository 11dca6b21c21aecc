//! The table of the keys of the samples screen.

use crossterm::event::KeyCode;

use super::command::SamplesCommand;
use crate::tui::kit::key::Key::{Char, Code};
use crate::tui::shell::keymap::binding::Context::Samples;
use crate::tui::shell::keymap::binding::{Binding, bind};
use crate::tui::shell::keymap::command::{Command, WorkerCommand};

/// Lists the actions in the order of the help and of the hint bar.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "samples.veto",
        Command::Samples(SamplesCommand::Veto),
        [Char('x')],
        &[Samples],
        "veto: never train on it",
        "veto"
    ),
    bind!(
        "samples.keep",
        Command::Samples(SamplesCommand::Keep),
        [Char('a')],
        &[Samples],
        "keep: looked at and right",
        "keep"
    ),
    bind!(
        "samples.flip",
        Command::Samples(SamplesCommand::Flip),
        [Char('f')],
        &[Samples],
        "flip: train on the other answer",
        "flip"
    ),
    bind!(
        "samples.comment",
        Command::Samples(SamplesCommand::Comment),
        [Char('c')],
        &[Samples],
        "comment on the decision",
        "comment"
    ),
    bind!(
        "samples.reason",
        Command::Samples(SamplesCommand::Reason),
        [Char('r')],
        &[Samples],
        "why: a reason for the decision (right after one: 1-9)",
        ""
    ),
    bind!(
        "samples.next_open",
        Command::Samples(SamplesCommand::NextOpen),
        [Char('n')],
        &[Samples],
        "next pair without a decision",
        "next open"
    ),
    bind!(
        "samples.previous_open",
        Command::Samples(SamplesCommand::PreviousOpen),
        [Char('N')],
        &[Samples],
        "previous pair without a decision",
        ""
    ),
    bind!(
        "samples.audit",
        Command::Samples(SamplesCommand::Audit),
        [Char('Q')],
        &[Samples],
        "audit: a random sample of the selected, to measure",
        "audit"
    ),
    bind!(
        "samples.teach",
        Command::Samples(SamplesCommand::Teach),
        [Char('t')],
        &[Samples],
        "teach: the most doubtful first, to improve",
        "teach"
    ),
    bind!(
        "samples.views",
        Command::Samples(SamplesCommand::Views),
        [Char('V')],
        &[Samples],
        "lists with a name",
        "views"
    ),
    bind!(
        "samples.sort",
        Command::Samples(SamplesCommand::Sort),
        [Char('s')],
        &[Samples],
        "next order of the list",
        "sort"
    ),
    bind!(
        "samples.gold",
        Command::Samples(SamplesCommand::Gold),
        [Char('H'), Char('L')],
        &[Samples],
        "show the human label of this pair",
        ""
    ),
    bind!(
        "samples.diff",
        Command::Samples(SamplesCommand::Diff),
        [Char('=')],
        &[Samples],
        "dim the words that both answers share",
        ""
    ),
    bind!(
        "samples.veto_all",
        Command::Samples(SamplesCommand::VetoAll),
        [Char('X')],
        &[Samples],
        "veto all that is listed (asks)",
        ""
    ),
    bind!(
        "samples.keep_all",
        Command::Samples(SamplesCommand::KeepAll),
        [Char('A')],
        &[Samples],
        "keep all that is listed (asks)",
        ""
    ),
    bind!(
        "samples.mark_like",
        Command::Samples(SamplesCommand::MarkLike),
        [Char('D')],
        &[Samples],
        "mark the pair and its near-duplicates",
        "mark alike"
    ),
    bind!(
        "samples.right",
        Command::Samples(SamplesCommand::Right),
        [Char('l'), Code(KeyCode::Right)],
        &[Samples],
        "along lines that W has cut",
        ""
    ),
    bind!(
        "samples.left",
        Command::Samples(SamplesCommand::Left),
        [Char('h'), Code(KeyCode::Left)],
        &[Samples],
        "back along lines that W has cut",
        ""
    ),
    bind!(
        "samples.go_to",
        Command::Samples(SamplesCommand::GoTo),
        [Char('#')],
        &[Samples],
        "go to a pair by its number",
        ""
    ),
    bind!(
        "samples.previous_round",
        Command::Samples(SamplesCommand::PreviousRound),
        [Char('[')],
        &[Samples],
        "the round before",
        ""
    ),
    bind!(
        "samples.next_round",
        Command::Samples(SamplesCommand::NextRound),
        [Char(']')],
        &[Samples],
        "the next round",
        ""
    ),
    bind!(
        "samples.refresh",
        Command::Samples(SamplesCommand::Refresh),
        [Char('O')],
        &[Samples],
        "order and filter again, with the decisions since",
        ""
    ),
    bind!(
        "run.pause",
        Command::Worker(WorkerCommand::Pause),
        [Char('p')],
        &[Samples],
        "release a round held for review; pause, or go on",
        "release"
    ),
];
