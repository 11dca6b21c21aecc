//! The table of the keys of the policy screen.

use crossterm::event::KeyCode;

use super::command::PolicyCommand as P;
use crate::tui::kit::key::Key::{Char, Code};
use crate::tui::shell::keymap::binding::Context::Policy;
use crate::tui::shell::keymap::binding::{Binding, bind};
use crate::tui::shell::keymap::command::{Command, ShowCommand, WorkerCommand};

/// Lists the actions in the order of the help and of the hint bar.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "policy.read",
        Command::Policy(P::Read),
        [Code(KeyCode::Enter)],
        &[Policy],
        "read the answers on the whole screen, or see everything again",
        "read"
    ),
    bind!(
        "policy.previous_step",
        Command::Policy(P::PreviousStep),
        [Char('[')],
        &[Policy],
        "the answers of the step before",
        "step"
    ),
    bind!(
        "policy.next_step",
        Command::Policy(P::NextStep),
        [Char(']')],
        &[Policy],
        "the answers of the next step",
        ""
    ),
    bind!(
        "policy.previous_evaluation",
        Command::Policy(P::PreviousEvaluation),
        [Char('{')],
        &[Policy],
        "the evaluation before, on held-out prompts",
        ""
    ),
    bind!(
        "policy.next_evaluation",
        Command::Policy(P::NextEvaluation),
        [Char('}')],
        &[Policy],
        "the next evaluation, on held-out prompts",
        "evaluation"
    ),
    bind!(
        "policy.veto",
        Command::Policy(P::VetoPrompt),
        [Char('v'), Char('x')],
        &[Policy],
        "veto the prompt: no step that is still to learn uses it; again lifts it",
        "veto"
    ),
    bind!(
        "policy.judge",
        Command::Policy(P::Judge),
        [Char('b')],
        &[Policy],
        "judge its answers yourself, blind: two beside each other, sides hidden",
        "judge"
    ),
    bind!(
        "policy.metric",
        Command::Policy(P::Metric),
        [Char('m')],
        &[Policy],
        "next charts: scores, over-optimization, divergence and entropy, length",
        "charts"
    ),
    bind!(
        "policy.next_answer",
        Command::Policy(P::NextAnswer),
        [Char('l'), Code(KeyCode::Right), Char('J')],
        &[Policy],
        "the next answer to this prompt",
        "answer"
    ),
    bind!(
        "policy.previous_answer",
        Command::Policy(P::PreviousAnswer),
        [Char('h'), Code(KeyCode::Left), Char('K')],
        &[Policy],
        "the answer before",
        ""
    ),
    bind!(
        "policy.beside",
        Command::Policy(P::Beside),
        [Char('=')],
        &[Policy],
        "beside it: the reference or the evaluation before; the best or the worst of the others",
        "beside"
    ),
    bind!(
        "policy.sort",
        Command::Policy(P::Sort),
        [Char('s')],
        &[Policy],
        "next order: as sampled, reward, gap, reward above gold, length",
        "sort"
    ),
    bind!(
        "policy.follow",
        Command::Policy(P::Follow),
        [Char('f')],
        &[Policy],
        "the newest step, and those that come",
        "newest"
    ),
    bind!(
        "policy.veto_answer",
        Command::Policy(P::VetoAnswer),
        [Char('V')],
        &[Policy],
        "veto the answer, while the step waits at its gate; again lifts it",
        ""
    ),
    bind!(
        "runs.policy",
        Command::Show(ShowCommand::NewPolicy),
        [Char('P')],
        &[Policy],
        "start a policy that this run rewards",
        "policy"
    ),
    bind!(
        "runs.new",
        Command::Show(ShowCommand::New),
        [Char('n')],
        &[Policy],
        "start a new run",
        ""
    ),
    bind!(
        "run.pause",
        Command::Worker(WorkerCommand::Pause),
        [Char('p')],
        &[Policy],
        "pause between two steps, or go on",
        "pause"
    ),
    bind!(
        "live.stop",
        Command::Worker(WorkerCommand::Stop),
        [Char('X')],
        &[Policy],
        "stop after this step (asks)",
        "stop"
    ),
    bind!(
        "run.resume",
        Command::Worker(WorkerCommand::Resume),
        [Char('R')],
        &[Policy],
        "resume what was stopped, failed or cut off",
        ""
    ),
];
