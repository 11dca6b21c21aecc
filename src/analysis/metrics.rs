//! The table of metrics, and which of them can be compared pair by pair.

use super::paired::Paired;
use super::{ComparedRun, Difference, Direction, MetricRow};
use crate::domain::event::SelectionSummary;
use crate::domain::metrics::Evaluation;
use crate::domain::stats::gap_closed;
use crate::domain::stats::holm::holm;
use crate::domain::stats::paired::PairedDifference;
use crate::store::RoundRow;

/// The recipe that trains on every label from people.
const FULL_LABELS: &str = "full-labels";
const BOOTSTRAP: &str = "interval: paired bootstrap, 2000 resamples; p: exact McNemar, Holm";
const PAIRED_T: &str = "interval and p: paired t; p: Holm";

/// Every metric of every run; [`super::ComparedRun::round`] says of which round.
pub(super) fn rows(runs: &[ComparedRun], paired: &[Option<Paired>]) -> Vec<MetricRow> {
    use Direction::{Higher, Lower, Neither};
    let test = |field: fn(&Evaluation) -> f64| {
        values(runs, |run| run.compared_round()?.test.as_ref().map(field))
    };
    let selection = |field: fn(&SelectionSummary) -> Option<f64>| {
        values(runs, |run| run.selection_round()?.selection.as_ref().and_then(field))
    };
    let ceilings = ceilings(runs);
    vec![
        with(paired, |p| p.accuracy, BOOTSTRAP, row("test/accuracy", Higher, test(|e| e.accuracy))),
        with(paired, |p| p.brier, PAIRED_T, row("test/brier", Lower, test(|e| e.brier))),
        with(paired, |p| p.nll, PAIRED_T, row("test/nll", Lower, test(|e| e.nll))),
        row("test/ece", Lower, test(|e| e.ece)),
        row(
            "validation/accuracy",
            Higher,
            values(runs, |run| Some(run.compared_round()?.validation.as_ref()?.accuracy)),
        ),
        row("gap_closed", Higher, values(runs, |run| run_gap_closed(run, &ceilings))),
        row("pseudo_label_precision", Higher, selection(|s| s.pseudo_label_precision)),
        row("coverage", Neither, selection(|s| s.coverage)),
        row("n_selected", Neither, selection(|s| Some(s.n_selected as f64))),
        row("n_vetoed", Neither, values(runs, |run| Some(run.row.n_vetoed as f64))),
        row("flip_rate", Neither, selection(flip_rate)),
        row("human_labels", Neither, values(runs, |run| Some(run.n_labels_spent()? as f64))),
        row("labels_trained_on", Neither, values(runs, labels_trained_on)),
        row("wall_s", Lower, values(runs, |run| sum(run, |r| r.wall_ms).map(|ms| ms / 1000.0))),
        row("n_tokens", Lower, values(runs, |run| sum(run, |r| r.n_tokens))),
    ]
}

fn values(runs: &[ComparedRun], value: impl Fn(&ComparedRun) -> Option<f64>) -> Vec<Option<f64>> {
    runs.iter().map(value).collect()
}

fn row(name: &'static str, direction: Direction, values: Vec<Option<f64>>) -> MetricRow {
    let differences = vec![None; values.len()];
    MetricRow { name, direction, values, differences, method: None }
}

/// The same row with differences to the base.
fn with(
    paired: &[Option<Paired>],
    difference: fn(&Paired) -> Option<PairedDifference>,
    method: &'static str,
    row: MetricRow,
) -> MetricRow {
    let found: Vec<Option<PairedDifference>> =
        paired.iter().map(|paired| paired.as_ref().and_then(difference)).collect();
    let p_values: Vec<Option<f64>> = found.iter().map(|d| d.map(|d| d.p_value)).collect();
    let differences = found
        .into_iter()
        .zip(holm(&p_values))
        .map(|(paired, p_holm)| Some(Difference { paired: paired?, p_holm: p_holm? }))
        .collect();
    MetricRow { differences, method: Some(method), ..row }
}

fn flip_rate(selection: &SelectionSummary) -> Option<f64> {
    let n_flipped = selection.n_flipped?;
    (selection.n_scored > 0).then(|| n_flipped as f64 / selection.n_scored as f64)
}

/// Training pairs of all rounds together: what a run's labels cost, counted each time they are
/// trained on.
fn labels_trained_on(run: &ComparedRun) -> Option<f64> {
    sum(run, |round| round.n_train_pairs)
}

/// The sum of a field over the rounds up to the one that is compared.
fn sum(run: &ComparedRun, field: fn(&RoundRow) -> Option<u64>) -> Option<f64> {
    let last = run.round?;
    let rounds = run.rounds.iter().filter(|round| round.round <= last);
    rounds.map(field).sum::<Option<u64>>().map(|total| total as f64)
}

fn test_accuracy(run: &ComparedRun) -> Option<f64> {
    Some(run.compared_round()?.test.as_ref()?.accuracy)
}

/// `(data set, random seed, accuracy)` of the runs that had every label.
fn ceilings(runs: &[ComparedRun]) -> Vec<(i64, u64, f64)> {
    let full = runs.iter().filter(|run| *run.row.arm == *FULL_LABELS);
    full.filter_map(|run| Some((run.row.facts.test_dataset, run.row.rng_seed, test_accuracy(run)?)))
        .collect()
}

/// How much of the way from its own seed set to the full labels a run has come. The ceiling is the
/// run with every label and the same random seed, or the mean over those there are.
fn run_gap_closed(run: &ComparedRun, ceilings: &[(i64, u64, f64)]) -> Option<f64> {
    if *run.row.arm == *FULL_LABELS || run.round == Some(0) {
        return None;
    }
    let floor = run.rounds.first().filter(|round| round.round == 0)?.test.as_ref()?.accuracy;
    let here = || ceilings.iter().filter(|(dataset, ..)| *dataset == run.row.facts.test_dataset);
    let same_seed = here().find(|(_, rng_seed, _)| *rng_seed == run.row.rng_seed);
    let ceiling = match same_seed {
        Some((_, _, accuracy)) => *accuracy,
        None => here().map(|(_, _, accuracy)| accuracy).sum::<f64>() / here().count() as f64,
    };
    gap_closed(test_accuracy(run)?, floor, ceiling)
}
