//! New data from the data thread: shown, or kept while the view is held still.

use crate::domain::run::RunKind;
use crate::tui::feed::data::Snapshot;
use crate::tui::screens::{compare, launch, live, policy, runs};
use crate::tui::shell::model::{Frozen, Model, Screen};

/// Takes what the data thread has read.
pub fn take(model: &mut Model, mut snapshot: Box<Snapshot>) {
    model.now_ms = model.now_ms.max(snapshot.at_ms);
    let Some(frozen) = &mut model.frozen else {
        show(model, *snapshot);
        return;
    };
    let before = frozen.latest.as_mut().and_then(|before| before.runs.take());
    snapshot.runs = snapshot.runs.take().or(before);
    frozen.latest = Some(snapshot);
    frozen.n_newer += 1;
}

/// Holds the view still, or shows what came meanwhile.
pub fn toggle_freeze(model: &mut Model) {
    match model.frozen.take() {
        None => model.frozen = Some(Frozen::default()),
        Some(Frozen { latest: Some(snapshot), .. }) => show(model, *snapshot),
        Some(Frozen { latest: None, .. }) => {}
    }
}

fn show(model: &mut Model, mut snapshot: Snapshot) {
    if let Some(rows) = snapshot.runs.take() {
        runs::update::take(model, rows);
    }
    live::update::take(model, snapshot.run);
    let current = model.current().filter(|_| model.screen == Screen::Live);
    if let Some(run) = current.filter(|row| row.kind == RunKind::Policy).map(|row| row.id.clone()) {
        // `ser attach` opens a run before its kind is known.
        policy::open::in_place_of_live(model, run);
    }
    model.ghost = snapshot.ghost;
    if let Some(costs) = snapshot.costs {
        model.launch.take_costs(costs);
    }
    launch::open::take_template(model);
    if model.screen == Screen::Compare {
        compare::update::take(model, snapshot.compare);
    }
}
