//! Why a person cannot judge a policy now.

use super::{JudgingCommand as J, Sitting};
use crate::tui::feed::policy::PolicyData;
use crate::tui::shell::keymap::command::Command;
use crate::tui::shell::model::Model;

/// Why judging cannot begin.
pub fn of_opening(policy: Option<&PolicyData>) -> Option<String> {
    let Some(policy) = policy else { return Some("the policy is still being read".to_owned()) };
    if policy.evaluations.is_empty() {
        return Some("no held-out prompt was answered yet: there is nothing to judge".to_owned());
    }
    (policy.judged_step() == 0 && policy.opponents.is_empty()).then(|| {
        "the policy is still its reference: there is something to judge after the next evaluation"
            .to_owned()
    })
}

/// Why a command cannot act while a person judges; `None` when it can.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let sitting = Sitting::of(model);
    let is_revealed = sitting.as_ref().is_some_and(Sitting::is_revealed);
    let why = match command {
        Command::Judging(J::Say(_) | J::Reveal) if sitting.is_none() => {
            "the answers are still being read"
        }
        Command::Judging(J::Say(_) | J::Reveal) if is_revealed => {
            "every prompt is judged, and which side was which is told · Esc leaves"
        }
        Command::Undo if is_revealed => {
            "which side was which is told: nothing of it can be judged blind any more"
        }
        Command::Undo if model.policy.judging.as_ref().is_some_and(|it| it.done.is_empty()) => {
            "nothing was judged in this sitting"
        }
        Command::Redo => "what was taken back is judged anew",
        Command::Judging(_)
        | Command::Undo
        | Command::Move(_)
        | Command::Show(_)
        | Command::Viewer(_)
        | Command::Popup(_)
        | Command::List(_)
        | Command::Pane(_)
        | Command::Worker(_)
        | Command::Copy
        | Command::Wrap
        | Command::Runs(_)
        | Command::Live(_)
        | Command::Samples(_)
        | Command::Compare(_)
        | Command::Launch(_)
        | Command::Policy(_) => return None,
    };
    Some(why.to_owned())
}
