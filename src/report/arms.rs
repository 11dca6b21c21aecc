//! Arms over random seeds as JSON, for `ser compare --json` and `ser reproduce --json`.

use serde::Serialize;

use crate::analysis::{ArmComparison, ArmDifference, ArmRow, MeanOverSeeds};
use crate::domain::stats::Interval;
use crate::domain::stats::gap::GapClosed;
use crate::domain::stats::paired::PairedDifference;

/// Arms side by side.
#[derive(Debug, Serialize)]
pub struct ArmsDocument {
    base: String,
    methods: Methods,
    arms: Vec<ArmDocument>,
}

/// How the figures were computed.
#[derive(Debug, Serialize)]
struct Methods {
    accuracy: &'static str,
    over_seeds: &'static str,
    pooled: &'static str,
    gap_closed: &'static str,
    p_holm: &'static str,
}

const METHODS: Methods = Methods {
    accuracy: "mean over random seeds with its 95 % t interval",
    over_seeds: "paired t over the random seeds both arms have",
    pooled: "paired bootstrap of 2000 resamples and exact McNemar test over all test pairs of all seeds",
    gap_closed: "(arm - seed-only) / (full-labels - seed-only); percentile bootstrap over seeds and pairs, \
                 2000 resamples; null where the gap is not above 0 outside its interval",
    p_holm: "Holm's adjustment for all arms beside the base",
};

#[derive(Debug, Serialize)]
struct ArmDocument {
    arm: String,
    given: String,
    runs: Vec<String>,
    n_untested: usize,
    test_accuracy: Option<MeanDocument>,
    rounds: Vec<Option<MeanDocument>>,
    difference: Option<DifferenceDocument>,
    gap_closed: Option<GapDocument>,
    n_labels_spent: Option<f64>,
    wall_s: Option<f64>,
}

#[derive(Debug, Serialize)]
struct MeanDocument {
    mean: f64,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
}

#[derive(Debug, Serialize)]
struct DifferenceDocument {
    n_seeds: usize,
    over_seeds: Option<TestDocument>,
    pooled: TestDocument,
}

#[derive(Debug, Serialize)]
struct TestDocument {
    n: u64,
    difference: f64,
    ci_low: f64,
    ci_high: f64,
    p: f64,
    p_holm: Option<f64>,
}

#[derive(Debug, Serialize)]
struct GapDocument {
    gap: f64,
    gap_ci_low: f64,
    gap_ci_high: f64,
    share: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
}

impl From<&ArmComparison> for ArmsDocument {
    fn from(comparison: &ArmComparison) -> Self {
        let arms = comparison.arms.iter().map(ArmDocument::from).collect();
        Self { base: comparison.base.clone(), methods: METHODS, arms }
    }
}

impl From<&ArmRow> for ArmDocument {
    fn from(row: &ArmRow) -> Self {
        Self {
            arm: row.arm.clone(),
            given: row.setting.clone(),
            runs: row.runs.iter().map(ToString::to_string).collect(),
            n_untested: row.n_untested,
            test_accuracy: row.accuracy.map(MeanDocument::from),
            rounds: row.by_round.iter().map(|mean| mean.map(MeanDocument::from)).collect(),
            difference: row.difference.as_ref().map(DifferenceDocument::from),
            gap_closed: row.gap_closed.as_ref().map(GapDocument::from),
            n_labels_spent: row.n_labels_spent,
            wall_s: row.wall_s,
        }
    }
}

impl From<MeanOverSeeds> for MeanDocument {
    fn from((mean, interval): MeanOverSeeds) -> Self {
        let end = |end: fn(&Interval) -> f64| interval.as_ref().map(end);
        Self { mean, ci_low: end(|i| i.low), ci_high: end(|i| i.high) }
    }
}

impl From<&ArmDifference> for DifferenceDocument {
    fn from(found: &ArmDifference) -> Self {
        Self {
            n_seeds: found.n_seeds,
            over_seeds: found.over_seeds.map(|over| TestDocument::new(&over, found.p_holm)),
            pooled: TestDocument::new(&found.pooled, found.pooled_p_holm),
        }
    }
}

impl TestDocument {
    fn new(found: &PairedDifference, p_holm: Option<f64>) -> Self {
        let PairedDifference { n, difference, interval, p_value: p } = *found;
        Self { n, difference, ci_low: interval.low, ci_high: interval.high, p, p_holm }
    }
}

impl From<&GapClosed> for GapDocument {
    fn from(found: &GapClosed) -> Self {
        Self {
            gap: found.gap,
            gap_ci_low: found.gap_interval.low,
            gap_ci_high: found.gap_interval.high,
            share: found.share,
            ci_low: found.interval.map(|interval| interval.low),
            ci_high: found.interval.map(|interval| interval.high),
        }
    }
}
