//! How the live screen is opened.

use super::Live;
use crate::domain::run::RunId;
use crate::tui::shell::model::{Model, Screen};

/// Opens the live screen of a run, as a key or the command line asks for it.
pub fn open(model: &mut Model, run: RunId) {
    model.opened = Some(run.clone());
    if model.live.as_ref().is_none_or(|live| live.run != run) {
        // Who compares with one run goes through several with it.
        let ghost = model.live.take().and_then(|live| live.ghost);
        let ghost = ghost.filter(|ghost| *ghost != run);
        model.live = Some(Live { ghost, ..Live::new(run) });
    }
    model.go_to(Screen::Live);
}
