//! How the policy screen is opened.

use super::Policy;
use crate::domain::run::RunId;
use crate::tui::shell::model::{Model, Screen};

/// Opens the policy screen of a run.
pub fn open(model: &mut Model, run: RunId) {
    model.opened = Some(run.clone());
    let policy = &mut model.policy;
    if policy.run.as_ref() != Some(&run) {
        // What a person is after stays the same for the next run.
        let Policy { page, order, has_other_beside, .. } = *policy;
        let (done, undone) = (std::mem::take(&mut policy.done), std::mem::take(&mut policy.undone));
        let run = Some(run);
        *policy = Policy { run, page, order, has_other_beside, done, undone, ..Policy::default() };
    }
    model.go_to(Screen::Policy);
}

/// Opens it where the live screen stands, which a policy does not have.
pub fn in_place_of_live(model: &mut Model, run: RunId) {
    open(model, run);
    model.trail.retain(|screen| *screen != Screen::Live);
}
