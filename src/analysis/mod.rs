//! Runs side by side: which settings and results differ, and how certain a difference is.
//!
//! The store hands out rows and columns; this room works out what they mean side by side. Test
//! metrics are compared pair by pair with the base, on the test pairs both were evaluated on. Which
//! round of a run is compared is never chosen by test pairs ([`RoundChoice`]).

mod arms;
mod clock;
mod disagreement;
mod error;
pub mod judging;
mod metrics;
mod paired;
mod settings;
#[cfg(test)]
mod tests;

use crate::domain::run::RunId;
use crate::domain::stats::Interval;
use crate::domain::stats::paired::{PairedDifference, PairedOutcomes};
use crate::store::{LossPoint, RoundRow, RunDetail, RunRow, Store, best_of};
use serde::Serialize;

pub use arms::{ArmComparison, ArmDifference, ArmRow, MeanOverSeeds, compare_arms};
pub use clock::forecast_of;
pub use disagreement::{
    Disagreement, DisagreementSplit, Disagreements, Opinion, PoolDisagreements, disagreements,
};
pub use error::AnalysisError;
pub use paired::ComparisonCache;

/// Most runs of one comparison, since each is compared with the base pair by pair.
pub const N_RUNS_MAX: usize = 100;

/// Which round of a run is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoundChoice {
    /// The latest one with a test evaluation.
    #[default]
    Last,
    /// The one with the best validation accuracy, the earliest of equals.
    Best,
}

impl RoundChoice {
    /// The number of the chosen round; only rounds with a test evaluation count.
    fn of(self, rounds: &[RoundRow]) -> Option<u32> {
        let tested =
            || rounds.iter().filter(|round| round.test.is_some() && !round.is_rolled_back());
        match self {
            Self::Last => tested().next_back().map(|round| round.round),
            Self::Best => best_of(tested()),
        }
    }
}

/// Which runs are compared, and against which of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparisonQuery {
    /// Which runs, in this order; at most [`N_RUNS_MAX`].
    pub runs: Vec<RunId>,
    /// Index of the run that the others are measured against.
    pub base: usize,
    /// Which round of a run is compared.
    pub rounds: RoundChoice,
    /// Points of a loss curve; 0 leaves the curves out.
    pub n_loss_points: usize,
}

/// Runs side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// In the order asked for.
    pub runs: Vec<ComparedRun>,
    /// Index of the run that the others are measured against.
    pub base: usize,
    /// Which round of a run is compared.
    pub rounds: RoundChoice,
    /// Every setting of the specs.
    pub settings: Vec<SettingRow>,
    pub metrics: Vec<MetricRow>,
    /// How the runs did pair by pair beside the base; `None` for the base itself and for runs
    /// without common test pairs.
    pub outcomes: Vec<Option<PairedOutcomes>>,
    /// Runs that differ in nothing but their random seed.
    pub groups: Vec<SeedGroup>,
    /// For each run the first one with the same settings and random seed.
    pub same_as: Vec<Option<usize>>,
}

/// One of the runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedRun {
    /// Its line in the runs list.
    pub row: RunRow,
    /// The round that is compared; `None` before the first test evaluation.
    pub round: Option<u32>,
    pub rounds: Vec<RoundRow>,
    /// Its train loss, when asked for.
    pub loss: Vec<LossPoint>,
}

impl ComparedRun {
    /// The round of the run that is compared.
    #[must_use]
    pub fn compared_round(&self) -> Option<&RoundRow> {
        self.rounds.iter().find(|round| Some(round.round) == self.round)
    }

    /// Human labels given up to the round that is compared: the seed set with its validation pairs,
    /// and verdicts.
    #[must_use]
    pub fn n_labels_spent(&self) -> Option<u64> {
        self.compared_round()?.n_labels_spent
    }

    /// The latest round that made a selection.
    #[must_use]
    pub fn selection_round(&self) -> Option<&RoundRow> {
        self.rounds.iter().rev().find(|round| round.selection.is_some())
    }
}

/// One key of the specs, with its value in each run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingRow {
    /// `selection.high_threshold`
    pub key: String,
    /// As JSON, by run; `None` where a spec does not have it.
    pub values: Vec<Option<String>>,
    /// Whether the runs differ in it.
    pub is_different: bool,
}

/// Which values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Higher,
    Lower,
    /// Neither direction is better: the value is a fact about the run.
    Neither,
}

/// One metric, with its value in each run.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// `test/accuracy`
    pub name: &'static str,
    /// Which values are better.
    pub direction: Direction,
    /// By run.
    pub values: Vec<Option<f64>>,
    /// Beside the base, by run, where pairs can be compared one by one.
    pub differences: Vec<Option<Difference>>,
    /// How interval and p-value were computed.
    pub method: Option<&'static str>,
}

impl MetricRow {
    /// Whether the runs differ in it.
    #[must_use]
    pub fn is_different(&self) -> bool {
        self.values.windows(2).any(|pair| pair[0] != pair[1])
    }
}

/// A difference to the base.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Over the common test pairs.
    pub paired: PairedDifference,
    /// The p-value after Holm's adjustment for all runs of the comparison.
    pub p_holm: f64,
}

impl Difference {
    /// Whether it holds at 5 % after the adjustment.
    #[must_use]
    pub fn is_significant(&self) -> bool {
        self.p_holm < 0.05
    }
}

/// Runs that differ in nothing but their random seed.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedGroup {
    pub arm: String,
    /// Their places among the runs.
    pub runs: Vec<usize>,
    /// Mean test accuracy with its 95 % t interval over the seeds.
    pub accuracy: Option<(f64, Option<Interval>)>,
}

/// Reads runs side by side. Results that were computed before come from the cache, so a viewer can
/// ask again whenever a run has gone on.
///
/// # Errors
/// When there are too few or too many runs, or one does not exist.
pub fn compare(
    store: &Store,
    query: &ComparisonQuery,
    cache: &mut ComparisonCache,
) -> Result<Comparison, AnalysisError> {
    if query.runs.is_empty() || query.runs.len() > N_RUNS_MAX || query.base >= query.runs.len() {
        return Err(AnalysisError::NotComparable { n_runs: query.runs.len() });
    }
    store.snapshot(|store| {
        let mut details = Vec::with_capacity(query.runs.len());
        let mut compared = Vec::with_capacity(query.runs.len());
        for run in &query.runs {
            let detail = store.run(run)?;
            compared.push(compared_run(store, &detail, query.rounds, query.n_loss_points)?);
            details.push(detail);
        }
        let paired = paired::beside_base(store, &compared, query.base, cache)?;
        let settings = settings::rows(&details)?;
        let groups = settings::groups(&settings, &compared);
        let same_as = settings::same_as(&settings, compared.len());
        let metrics = metrics::rows(&compared, &paired);
        let outcomes =
            paired.into_iter().map(|paired| paired.map(|paired| paired.outcomes)).collect();
        Ok(Comparison {
            runs: compared,
            base: query.base,
            rounds: query.rounds,
            settings,
            metrics,
            outcomes,
            groups,
            same_as,
        })
    })
}

fn compared_run(
    store: &Store,
    detail: &RunDetail,
    choice: RoundChoice,
    n_loss_points: usize,
) -> Result<ComparedRun, AnalysisError> {
    let run = &detail.row.id;
    let rounds = store.rounds(run)?;
    let loss = match n_loss_points {
        0 => Vec::new(),
        n => store.loss_points(run, n)?,
    };
    Ok(ComparedRun { row: detail.row.clone(), round: choice.of(&rounds), rounds, loss })
}
