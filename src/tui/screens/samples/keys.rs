//! The table of the keys of the samples screen.

use crossterm::event::KeyCode;

use super::command::SamplesCommand;
use crate::domain::review::Choice;
use crate::tui::kit::key::Key::{Char, Code};
use crate::tui::shell::keymap::binding::Context::{Queue, Samples};
use crate::tui::shell::keymap::binding::{Binding, bind};
use crate::tui::shell::keymap::command::{Command, WorkerCommand};

/// Lists the actions in the order of the help and of the hint bar.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "queue.left",
        Command::Samples(SamplesCommand::Judge(Choice::Left)),
        [Char('1'), Code(KeyCode::Left)],
        &[Queue],
        "the answer on the left is better",
        "left"
    ),
    bind!(
        "queue.right",
        Command::Samples(SamplesCommand::Judge(Choice::Right)),
        [Char('2'), Code(KeyCode::Right)],
        &[Queue],
        "the answer on the right is better",
        "right"
    ),
    bind!(
        "queue.neither",
        Command::Samples(SamplesCommand::Judge(Choice::Neither)),
        [Char('0'), Char('=')],
        &[Queue],
        "neither is better, or both are bad: no label",
        "neither"
    ),
    bind!(
        "queue.skip",
        Command::Samples(SamplesCommand::Skip),
        [Char('s')],
        &[Queue],
        "skip: the next open pair, this one stays open",
        "skip"
    ),
    bind!(
        "queue.never",
        Command::Samples(SamplesCommand::Judge(Choice::Never)),
        [Char('x')],
        &[Queue],
        "never train on this pair",
        "never"
    ),
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
        &[Samples, Queue],
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
        &[Samples, Queue],
        "next pair without a decision",
        "next open"
    ),
    bind!(
        "samples.previous_open",
        Command::Samples(SamplesCommand::PreviousOpen),
        [Char('N')],
        &[Samples, Queue],
        "previous pair without a decision",
        ""
    ),
    bind!(
        "samples.audit",
        Command::Samples(SamplesCommand::Audit),
        [Char('Q')],
        &[Samples, Queue],
        "audit: a random sample of the selected, to measure",
        "audit"
    ),
    bind!(
        "samples.teach",
        Command::Samples(SamplesCommand::Teach),
        [Char('t')],
        &[Samples, Queue],
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
        &[Samples, Queue],
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
        "queue.blind",
        Command::Samples(SamplesCommand::Blind),
        [Char('B')],
        &[Queue],
        "show what the model says before you judge, or hide it",
        "blind"
    ),
    bind!(
        "queue.second_opinion",
        Command::Samples(SamplesCommand::SecondOpinion),
        [Char('o')],
        &[Queue],
        "second opinion: pairs that others judged are open for you too",
        ""
    ),
    bind!(
        "queue.guidelines",
        Command::Samples(SamplesCommand::Guidelines),
        [Char('i')],
        &[Queue],
        "the guidelines for reviewers",
        "guidelines"
    ),
    bind!(
        "queue.reason",
        Command::Samples(SamplesCommand::Reason),
        [Char('r')],
        &[Queue],
        "why: a reason for the decision, from a list",
        ""
    ),
    bind!(
        "queue.scroll_right",
        Command::Samples(SamplesCommand::Right),
        [Char('l')],
        &[Queue],
        "along lines that W has cut",
        ""
    ),
    bind!(
        "queue.scroll_left",
        Command::Samples(SamplesCommand::Left),
        [Char('h')],
        &[Queue],
        "back along lines that W has cut",
        ""
    ),
    bind!(
        "samples.go_to",
        Command::Samples(SamplesCommand::GoTo),
        [Char('#')],
        &[Samples, Queue],
        "go to a pair by its number",
        ""
    ),
    bind!(
        "samples.previous_round",
        Command::Samples(SamplesCommand::PreviousRound),
        [Char('[')],
        &[Samples, Queue],
        "the round before",
        ""
    ),
    bind!(
        "samples.next_round",
        Command::Samples(SamplesCommand::NextRound),
        [Char(']')],
        &[Samples, Queue],
        "the next round",
        ""
    ),
    bind!(
        "samples.refresh",
        Command::Samples(SamplesCommand::Refresh),
        [Char('O')],
        &[Samples, Queue],
        "order and filter again, with the decisions since",
        ""
    ),
    bind!(
        "run.pause",
        Command::Worker(WorkerCommand::Pause),
        [Char('p')],
        &[Samples, Queue],
        "let a round that waits for review go on; pause, or go on",
        "go on"
    ),
];
