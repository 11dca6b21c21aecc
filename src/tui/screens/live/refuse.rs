//! Why a command cannot act on the live screen.

use super::command::LiveCommand as L;
use super::ghost;
use crate::tui::shell::keymap::command::Command;
use crate::tui::shell::model::Model;

/// Why a command cannot act now; `None` when it can.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    model.current()?;
    let Command::Live(command) = command else { return None };
    let data = model.current_data();
    match command {
        L::NextPair | L::PreviousPair | L::Gold | L::Inspect | L::Veto | L::Keep | L::Flip => data
            .is_none_or(|data| data.sampled.is_empty())
            .then(|| "no pair was scored yet".to_owned()),
        L::Ghost => ghost::refusal(model),
        L::ThresholdUp | L::ThresholdDown => data
            .is_none_or(|data| data.selection().is_none())
            .then(|| "no selection yet: there is no threshold to look at".to_owned()),
        L::Metric | L::Smooth | L::Log => None,
    }
}
