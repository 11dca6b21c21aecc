//! The table of the keys of the runs list.

use crossterm::event::KeyCode;

use super::command::RunsCommand;
use crate::tui::kit::key::Key::{Char, Code};
use crate::tui::shell::keymap::binding::Context::Runs;
use crate::tui::shell::keymap::binding::{Binding, bind};
use crate::tui::shell::keymap::command::{Command, ShowCommand, WorkerCommand};

/// Lists the actions in the order of the help and of the hint bar.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "runs.open",
        Command::Runs(RunsCommand::Open),
        [Code(KeyCode::Enter), Char('l'), Code(KeyCode::Right)],
        &[Runs],
        "open the run (empty list: start the embedded one)",
        "open"
    ),
    bind!(
        "runs.new",
        Command::Show(ShowCommand::New),
        [Char('n')],
        &[Runs],
        "start a new run",
        "new"
    ),
    bind!(
        "runs.policy",
        Command::Show(ShowCommand::NewPolicy),
        [Char('P')],
        &[Runs],
        "start a policy that this run rewards",
        "policy"
    ),
    bind!(
        "run.pause",
        Command::Worker(WorkerCommand::Pause),
        [Char('p')],
        &[Runs],
        "pause between two steps, or go on",
        "pause"
    ),
    bind!(
        "run.stop",
        Command::Worker(WorkerCommand::Stop),
        [Char('x')],
        &[Runs],
        "stop after this step (asks)",
        "stop"
    ),
    bind!(
        "run.kill",
        Command::Runs(RunsCommand::Kill),
        [Char('X')],
        &[Runs],
        "kill its process now (asks)",
        ""
    ),
    bind!(
        "run.resume",
        Command::Worker(WorkerCommand::Resume),
        [Char('R')],
        &[Runs],
        "resume what was stopped, failed or cut off",
        "resume"
    ),
    bind!(
        "run.queue",
        Command::Runs(RunsCommand::Queue),
        [Char('!')],
        &[Runs],
        "start it now, or move it in the queue …",
        "queue"
    ),
    bind!(
        "runs.sort",
        Command::Runs(RunsCommand::Sort),
        [Char('s')],
        &[Runs],
        "next order of the list",
        "sort"
    ),
    bind!(
        "runs.sort_menu",
        Command::Runs(RunsCommand::SortMenu),
        [Char('S')],
        &[Runs],
        "choose the order of the list",
        ""
    ),
    bind!(
        "runs.compare",
        Command::Show(ShowCommand::Compare),
        [Char('c')],
        &[Runs],
        "compare the marked runs with the baseline",
        "compare"
    ),
    bind!(
        "runs.star",
        Command::Runs(RunsCommand::Star),
        [Char('b')],
        &[Runs],
        "the baseline that others are measured against",
        "baseline"
    ),
    bind!(
        "runs.tag",
        Command::Runs(RunsCommand::Tag),
        [Char('t')],
        &[Runs],
        "tags of the run",
        "tag"
    ),
    bind!(
        "runs.note",
        Command::Runs(RunsCommand::Note),
        [Char('o')],
        &[Runs],
        "note on the run",
        "note"
    ),
    bind!(
        "runs.experiments",
        Command::Runs(RunsCommand::Experiments),
        [Char('E')],
        &[Runs],
        "experiments and their arms …",
        ""
    ),
    bind!(
        "runs.archive",
        Command::Runs(RunsCommand::Archive),
        [Char('d')],
        &[Runs],
        "out of the list, or back (filter is:archived)",
        "archive"
    ),
    bind!(
        "runs.archive_marked",
        Command::Runs(RunsCommand::ArchiveMarked),
        [Char('D')],
        &[Runs],
        "every marked run out of the list (asks)",
        ""
    ),
];
