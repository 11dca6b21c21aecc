//! How the compare screen is opened.

use super::{Compare, Pane};
use crate::analysis::N_RUNS_MAX;
use crate::domain::run::RunId;
use crate::tui::shell::model::{Model, Screen, Tone};

/// Shows these runs side by side; the baseline joins them and stands first.
pub fn open(model: &mut Model, mut runs: Vec<RunId>) {
    let baseline = model.runs.baseline().map(|row| row.id.clone());
    if let Some(baseline) = &baseline {
        runs.retain(|run| run != baseline);
        runs.insert(0, baseline.clone());
    }
    // Too few are filled up with the selected run, then with the others as they are listed.
    let selected = model.runs.rows.get(model.runs.cursor).map(AsRef::as_ref);
    for row in selected.into_iter().chain(model.runs.all()) {
        if runs.len() < 2 && !runs.contains(&row.id) {
            runs.push(row.id.clone());
        }
    }
    if runs.len() > N_RUNS_MAX {
        runs.truncate(N_RUNS_MAX);
        model.say(Tone::Note, format!("the first {N_RUNS_MAX} runs are compared"));
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
        data: None,
        ..kept
    };
    model.go_to(Screen::Compare);
}

/// Shows the runs of an experiment arm by arm.
pub fn open_arms(model: &mut Model, runs: Vec<RunId>) {
    open(model, runs);
    model.compare.pane = Pane::Arms;
}
