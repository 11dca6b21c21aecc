//! How the compare screen is opened.

use super::{Compare, Pane};
use crate::analysis::N_RUNS_MAX;
use crate::domain::run::{RunId, RunKind};
use crate::report::listing::policy::N_POLICIES_MAX;
use crate::store::rows::RunRow;
use crate::tui::shell::model::{Model, Screen, Tone};

/// Shows these runs side by side; a baseline of their kind joins them and stands first.
pub fn open(model: &mut Model, mut runs: Vec<RunId>) {
    let kind = kind_of(model, &runs);
    let has_kind = |row: &RunRow| row.kind == kind;
    let n_asked = runs.len();
    runs.retain(|run| model.row(run).is_none_or(has_kind));
    let n_left_out = n_asked - runs.len();
    let baseline = model.runs.baseline().filter(|row| has_kind(row)).map(|row| row.id.clone());
    if let Some(baseline) = &baseline {
        runs.retain(|run| run != baseline);
        runs.insert(0, baseline.clone());
    }
    // Too few are filled up with the selected run, then with the others as they are listed.
    let selected = model.runs.rows.get(model.runs.cursor).map(AsRef::as_ref);
    for row in selected.into_iter().chain(model.runs.all()) {
        if runs.len() < 2 && has_kind(row) && !runs.contains(&row.id) {
            runs.push(row.id.clone());
        }
    }
    let most = if kind == RunKind::Policy { N_POLICIES_MAX } else { N_RUNS_MAX };
    if runs.len() > most {
        runs.truncate(most);
        model.say(Tone::Note, format!("the first {most} runs are compared"));
    }
    if n_left_out > 0 {
        let (are, what) = if n_left_out == 1 { ("is", "policy") } else { ("are", "policies") };
        let words = format!(
            "{n_left_out} {what} {are} left out: they have no number in common with reward models · mark \
             policies alone to compare those"
        );
        model.say(Tone::Note, words);
    }
    let kept = std::mem::take(&mut model.compare);
    // Cursor and data go; what the person chose to look at stays.
    model.compare = Compare {
        column: 1.min(runs.len().saturating_sub(1)),
        base: baseline.or_else(|| runs.first().cloned()),
        runs,
        row: 0,
        pair: 0,
        arm: 0,
        pane: Pane::Table,
        is_of_policies: kind == RunKind::Policy,
        data: None,
        ..kept
    };
    model.go_to(Screen::Compare);
}

/// What is compared: policies, where nothing else was asked for (by marks, else by the cursor).
fn kind_of(model: &Model, runs: &[RunId]) -> RunKind {
    let selected = model.runs.rows.get(model.runs.cursor).map(AsRef::as_ref);
    let asked = runs.iter().filter_map(|run| model.row(run));
    let mut kinds = asked.chain(selected.filter(|_| runs.is_empty())).map(|row| row.kind);
    let Some(first) = kinds.next() else { return RunKind::Ser };
    if kinds.all(|kind| kind == first) { first } else { RunKind::Ser }
}

/// Shows the runs of an experiment arm by arm.
pub fn open_arms(model: &mut Model, runs: Vec<RunId>) {
    open(model, runs);
    model.compare.pane = Pane::Arms;
}
