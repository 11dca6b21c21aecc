//! Why a command cannot act on the compare screen.

use super::Pane;
use super::command::CompareCommand as K;
use crate::tui::shell::keymap::command::{Command, PaneCommand};
use crate::tui::shell::model::Model;

/// Why a command cannot act now; `None` when it can.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let compare = &model.compare;
    let reads =
        matches!(command, Command::Copy | Command::Compare(K::Export | K::Resort | K::OpenPair));
    if compare.runs.is_empty() {
        let acts = matches!(
            command,
            Command::Compare(_) | Command::Copy | Command::Pane(PaneCommand::Zoom)
        );
        return acts.then(|| "nothing to compare: mark runs with Space, then c".to_owned());
    }
    if reads && compare.data.is_none() {
        return Some("the runs are still being read".to_owned());
    }
    let Command::Compare(command) = command else { return None };
    let is_of_rounds = matches!(command, K::Arms | K::Axis | K::Normalize | K::Rounds | K::Resort);
    if compare.is_of_policies && is_of_rounds {
        return Some("policies have no rounds and arms to compare".to_owned());
    }
    let why = match command {
        K::Drop => (compare.runs.len() <= 1).then_some("the last run stays"),
        K::Base => (compare.selected() == compare.base()).then_some("this run is the base already"),
        K::OpenPair => match compare.pane {
            Pane::Table => None,
            Pane::Arms => (compare.n_arms() == 0).then_some("the arms are still being read"),
            Pane::Pairs if compare.is_of_policies => None,
            Pane::Pairs => {
                (compare.n_pairs() == 0).then_some("these runs agree on every common pair")
            }
        },
        K::Left
        | K::Right
        | K::MoveLeft
        | K::MoveRight
        | K::OnlyDifferent
        | K::Normalize
        | K::Axis
        | K::Metric
        | K::Rounds
        | K::Resort
        | K::Arms
        | K::Export => None,
    };
    why.map(str::to_owned)
}
