//! What keys and messages do on the samples screen.

use crate::domain::preference::PairId;
use crate::domain::run::RunId;

use super::super::effect::Effect;
use super::super::keymap::Command;
use super::super::model::Model;
use super::Samples;

/// Prepares the screen for a run.
pub fn open(model: &mut Model, run: RunId, round: Option<u32>, pair: Option<PairId>) {
    model.samples = Samples { run: Some(run), round, pair };
}

/// Does a command, `n` times where that means something.
pub fn on_command(_model: &mut Model, _command: Command, _n: usize) -> Vec<Effect> {
    Vec::new()
}

/// Why a command cannot act now.
pub fn refusal(_model: &Model, _command: Command) -> Option<String> {
    None
}

/// The text of the filter.
pub fn filter(_model: &Model) -> String {
    String::new()
}

/// The text of the filter has changed; what is wrong with it.
pub fn on_filter(_model: &mut Model, _text: &str) -> Option<String> {
    None
}
