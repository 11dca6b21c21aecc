//! The table of the keys of the live screen.

use super::command::LiveCommand;
use crate::tui::kit::key::Key::Char;
use crate::tui::shell::keymap::binding::Context::Live;
use crate::tui::shell::keymap::binding::{Binding, bind};
use crate::tui::shell::keymap::command::{Command, ShowCommand, WorkerCommand};

/// Lists the actions in the order of the help and of the hint bar.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "runs.new",
        Command::Show(ShowCommand::New),
        [Char('n')],
        &[Live],
        "start a new run",
        "new"
    ),
    bind!(
        "run.pause",
        Command::Worker(WorkerCommand::Pause),
        [Char('p')],
        &[Live],
        "pause between two steps, or go on",
        "pause"
    ),
    // `x` is for the pair, as on the samples screen.
    bind!(
        "live.stop",
        Command::Worker(WorkerCommand::Stop),
        [Char('X')],
        &[Live],
        "stop after this step (asks)",
        "stop"
    ),
    bind!(
        "run.resume",
        Command::Worker(WorkerCommand::Resume),
        [Char('R')],
        &[Live],
        "resume what was stopped, failed or cut off",
        "resume"
    ),
    bind!(
        "runs.policy",
        Command::Show(ShowCommand::NewPolicy),
        [Char('P')],
        &[Live],
        "start a policy that this run rewards",
        "policy"
    ),
    bind!(
        "live.inspect",
        Command::Live(LiveCommand::Inspect),
        [Char('i')],
        &[Live],
        "this pair among the samples of the round",
        "inspect"
    ),
    bind!(
        "live.next_pair",
        Command::Live(LiveCommand::NextPair),
        [Char('J')],
        &[Live],
        "next sampled pair",
        "next pair"
    ),
    bind!(
        "live.previous_pair",
        Command::Live(LiveCommand::PreviousPair),
        [Char('K')],
        &[Live],
        "previous sampled pair",
        ""
    ),
    bind!(
        "live.veto",
        Command::Live(LiveCommand::Veto),
        [Char('x')],
        &[Live],
        "veto the pair: never train on it",
        "veto pair"
    ),
    bind!(
        "live.keep",
        Command::Live(LiveCommand::Keep),
        [Char('a')],
        &[Live],
        "keep the pair: looked at and right",
        ""
    ),
    bind!(
        "live.flip",
        Command::Live(LiveCommand::Flip),
        [Char('f')],
        &[Live],
        "flip the pair: train on the other answer",
        ""
    ),
    bind!(
        "live.gold",
        Command::Live(LiveCommand::Gold),
        [Char('H')],
        &[Live],
        "show or hide the human label of the pair",
        "gold label"
    ),
    bind!(
        "live.metric",
        Command::Live(LiveCommand::Metric),
        [Char('m')],
        &[Live],
        "next chart: accuracy, loss, reliability, rounds",
        "metric"
    ),
    bind!(
        "live.threshold_up",
        Command::Live(LiveCommand::ThresholdUp),
        [Char('>')],
        &[Live],
        "preview a higher threshold; the run keeps its own",
        "preview τ"
    ),
    bind!(
        "live.threshold_down",
        Command::Live(LiveCommand::ThresholdDown),
        [Char('<')],
        &[Live],
        "preview a lower threshold; the run keeps its own",
        ""
    ),
    bind!(
        "live.ghost",
        Command::Live(LiveCommand::Ghost),
        [Char('g')],
        &[Live],
        "another run behind this one's curves …",
        "ghost"
    ),
    bind!(
        "live.smooth",
        Command::Live(LiveCommand::Smooth),
        [Char('S')],
        &[Live],
        "the loss smoothed, or as it is",
        ""
    ),
    bind!(
        "live.log",
        Command::Live(LiveCommand::Log),
        [Char('L'), Char('l')],
        &[Live],
        "the loss on a logarithmic scale, or on a linear one",
        ""
    ),
];
