//! The table of the keys that judge a policy's answers: those of the queues of pairs.

use crossterm::event::KeyCode;

use super::JudgingCommand as J;
use crate::domain::policy::judging::ByPlace;
use crate::tui::kit::key::Key::{Char, Code};
use crate::tui::shell::keymap::binding::Context::Judging;
use crate::tui::shell::keymap::binding::{Binding, bind};
use crate::tui::shell::keymap::command::Command;

/// Lists the actions in the order of the help and of the hint bar.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "judge.left",
        Command::Judging(J::Say(ByPlace::Left)),
        [Char('1'), Code(KeyCode::Left)],
        &[Judging],
        "the answer on the left is better",
        "left"
    ),
    bind!(
        "judge.right",
        Command::Judging(J::Say(ByPlace::Right)),
        [Char('2'), Code(KeyCode::Right)],
        &[Judging],
        "the answer on the right is better",
        "right"
    ),
    bind!(
        "judge.tie",
        Command::Judging(J::Say(ByPlace::Tie)),
        [Char('0'), Char('=')],
        &[Judging],
        "a tie: neither is better",
        "tie"
    ),
    bind!(
        "judge.skip",
        Command::Judging(J::Say(ByPlace::Skip)),
        [Char('s')],
        &[Judging],
        "skip: this prompt does not count and is not shown again",
        "skip"
    ),
    bind!(
        "judge.reveal",
        Command::Judging(J::Reveal),
        [Char('r')],
        &[Judging],
        "end here and tell which side was which (asks); what is left is skipped",
        "reveal"
    ),
];
