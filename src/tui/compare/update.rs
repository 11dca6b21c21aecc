//! What keys and messages do on the compare screen.

use crate::domain::run::RunId;

use super::super::effect::Effect;
use super::super::keymap::Command;
use super::super::model::Model;
use super::Compare;

/// Prepares the screen for these runs.
pub fn open(model: &mut Model, runs: Vec<RunId>) {
    model.compare = Compare { runs };
}

/// Does a command, `n` times where that means something.
pub fn on_command(_model: &mut Model, _command: Command, _n: usize) -> Vec<Effect> {
    Vec::new()
}

/// Why a command cannot act now.
pub fn refusal(_model: &Model, _command: Command) -> Option<String> {
    None
}
