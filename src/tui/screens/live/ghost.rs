//! Another run, drawn behind the curves of the run on the screen.

use std::collections::BTreeSet;

use crate::store::RunRow;
use crate::tui::kit::words;
use crate::tui::shell::chosen::Chosen;
use crate::tui::shell::model::Model;
use crate::tui::shell::overlay::{Choice, ChoiceItem, Overlay, Then};

/// Runs to choose from; any other one can be marked first.
const N_OFFERED: usize = 60;

/// Asks which run to show behind this one: the baseline, the marked ones, those of the same
/// experiment, then the newest.
pub fn open(model: &mut Model) {
    let Some(row) = model.current() else { return };
    let ghost = model.live.as_ref().and_then(|live| live.ghost.as_ref());
    let set = |run| Then::Chosen(Chosen::Ghost(run));
    let mut items = Vec::new();
    if ghost.is_some() {
        items.push(ChoiceItem {
            key: Some('g'),
            label: "none".to_owned(),
            detail: "only this run".to_owned(),
            then: set(None),
        });
    }
    for other in offered(model, row) {
        let why = if other.annotation.is_baseline {
            "★ "
        } else if model.runs.marked.contains(&other.id) {
            "+ "
        } else {
            ""
        };
        let test = words::accuracy(other.latest_test.as_ref(), 4);
        items.push(ChoiceItem {
            key: None,
            label: format!("{why}{}", other.name),
            detail: format!("{} · test {test}", other.arm),
            then: set(Some(other.id.clone())),
        });
    }
    let title = format!("behind {}", row.name);
    model.overlay = Some(Overlay::Choice(Choice { title, items, cursor: 0 }));
}

/// Runs that were tested, the likeliest first.
fn offered<'a>(model: &'a Model, row: &'a RunRow) -> Vec<&'a RunRow> {
    let mut seen = BTreeSet::from([&row.id]);
    let runs = &model.runs;
    let shares = |other: &&RunRow| other.experiment.is_some() && other.experiment == row.experiment;
    let baseline = runs.baseline().into_iter();
    let marked = runs.all().filter(|other| runs.marked.contains(&other.id));
    let all = baseline.chain(marked).chain(runs.all().filter(shares)).chain(runs.all());
    let tested = all.filter(|other| other.latest_test.is_some());
    tested.filter(|other| seen.insert(&other.id)).take(N_OFFERED).collect()
}

/// Why there is none to choose.
pub fn refusal(model: &Model) -> Option<String> {
    let row = model.current()?;
    let is_other = |other: &RunRow| other.id != row.id && other.latest_test.is_some();
    let has_ghost = model.live.as_ref().is_some_and(|live| live.ghost.is_some());
    (!has_ghost && !model.runs.all().any(is_other))
        .then(|| "no other run has been tested yet".to_owned())
}
