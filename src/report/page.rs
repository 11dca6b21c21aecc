//! The HTML report of runs, read from the store.

use std::collections::BTreeMap;

use super::ReportError;
use super::curve::{CurveAxis, CurveMetric};
use super::html::{PolicyPart, RunPart, report_html};
use super::listing::policy::{Matrix, PolicyReport};
use super::picture::{Picture, comparison_svg, run_svg};
use crate::analysis;
use crate::analysis::judging::games_of;
use crate::analysis::{ComparedRun, Comparison, ComparisonCache, ComparisonQuery, RoundChoice};
use crate::domain::metrics::Split;
use crate::domain::policy::judging::Matchup;
use crate::domain::preference::PairId;
use crate::domain::random::{Place, Purpose};
use crate::domain::run::{RunId, RunKind};
use crate::domain::stats::paired::{PairedDifference, PairedOutcomes, accuracy_difference};
use crate::store::Store;
use crate::store::rows::RunRow;

/// Rollouts of a policy.
const N_ROLLOUTS: usize = 10;
/// Points of a loss curve.
const N_LOSS_POINTS: usize = 400;

/// Reads runs and writes the report of one, or of several side by side, with `n_samples` pairs of
/// each.
///
/// # Errors
/// When a run is not there, there are too many, or the store cannot be read.
pub fn report_of(
    store: &Store,
    runs: Vec<RunId>,
    rounds: RoundChoice,
    n_samples: usize,
) -> Result<String, ReportError> {
    let comparison = compared(store, runs, rounds)?;
    let mut parts = Vec::new();
    for run in &comparison.runs {
        let id = &run.row.id;
        let detail = store.run(id)?;
        let review = store.round_review(id, None)?;
        let samples = match &review {
            Some(review) => {
                store.sampled_pairs(id, review.round, n_samples, detail.row.rng_seed)?
            }
            None => Vec::new(),
        };
        let change = change(store, run)?;
        let audit = review.and_then(|it| it.precision());
        let (verdicts, _) = store.verdicts(id, None)?;
        let panel = store.panel(id)?;
        let policy = match detail.row.kind {
            RunKind::Policy => Some(policy_part(store, &detail.row)?),
            RunKind::Ser => None,
        };
        parts.push(RunPart { detail, audit, change, samples, verdicts, panel, policy });
    }
    let policies: Option<Vec<PolicyReport>> =
        parts.iter().map(|part| part.policy.as_ref().map(|it| it.report.clone())).collect();
    let matrix = match policies {
        Some(reports) if reports.len() > 1 => Some(Matrix::read(store, &reports)?),
        _ => None,
    };
    let made_at = format!("{:.0}", jiff::Timestamp::now());
    Ok(report_html(&comparison, &parts, matrix.as_ref(), &made_at))
}

/// A policy with some of its answers to held-out prompts, the same ones whenever it is read.
fn policy_part(store: &Store, run: &RunRow) -> Result<PolicyPart, ReportError> {
    let report = PolicyReport::read(store, run.clone())?;
    let matchup = Matchup { step: report.judged_step(), other: None, other_step: 0 };
    let games = games_of(store, &run.id, &matchup)?;
    let order = Place::new(run.rng_seed, Purpose::Display).permutation(games.len());
    let answers = order.iter().take(N_ROLLOUTS).map(|at| games[*at as usize].clone());
    Ok(PolicyPart { answers: answers.collect(), report })
}

/// Reads a run and draws a chart of it as an SVG file.
///
/// # Errors
/// When the run has nothing to show in it yet, or the store cannot be read.
pub fn picture_of(store: &Store, run: &RunId, picture: Picture) -> Result<String, ReportError> {
    let comparison = compared(store, vec![run.clone()], RoundChoice::Last)?;
    let drawn = comparison.runs.first().and_then(|run| run_svg(run, picture));
    let is_policy = comparison.runs.first().is_some_and(|it| it.row.kind == RunKind::Policy);
    drawn.ok_or(ReportError::NothingToDraw { picture: picture.name(), is_policy })
}

/// Reads runs and draws a metric of them over each other, by round, as an SVG file.
///
/// # Errors
/// When a run is not there, there are too many, or the store cannot be read.
pub fn compared_picture_of(
    store: &Store,
    runs: Vec<RunId>,
    metric: CurveMetric,
) -> Result<String, ReportError> {
    let comparison = compared(store, runs, RoundChoice::Last)?;
    Ok(comparison_svg(&comparison, metric, CurveAxis::Round))
}

fn compared(
    store: &Store,
    runs: Vec<RunId>,
    rounds: RoundChoice,
) -> Result<Comparison, ReportError> {
    let query = ComparisonQuery { runs, base: 0, rounds, n_loss_points: N_LOSS_POINTS };
    Ok(analysis::compare(store, &query, &mut ComparisonCache::default())?)
}

/// Test accuracy of the round that speaks for a run less that of round 0, over their common pairs.
fn change(store: &Store, run: &ComparedRun) -> Result<Option<PairedDifference>, ReportError> {
    let Some(round) = run.round.filter(|round| *round > 0) else { return Ok(None) };
    let id = &run.row.id;
    let before = store.margins(id, 0, Split::Test)?;
    let after: BTreeMap<PairId, f32> =
        store.margins(id, round, Split::Test)?.iter().map(|it| (it.pair, it.margin)).collect();
    let common =
        before.iter().filter_map(|it| Some((it.margin > 0.0, *after.get(&it.pair)? > 0.0)));
    Ok(accuracy_difference(&PairedOutcomes::of(common), run.row.rng_seed))
}
