//! The JSON of `ser compare --json`, whose format is promised to other programs.
//!
//! `schema` goes up when a field changes its meaning or is removed; a new field does not change it.
//! Lists inside `spec_diff` and `metrics` have one value a run, in the order of `runs`. A value
//! that does not exist is `null`, never 0.

use serde::Serialize;
use serde_json::Value;

use super::arms::ArmsDocument;
use super::curve::{CurveAxis, CurveMetric, curve};
use super::run::{EvaluationDocument, RunDocument};
use crate::analysis::{
    ArmComparison, ComparedRun, Comparison, Difference, Direction, Disagreement, DisagreementSplit,
    Disagreements, MetricRow, Opinion, PoolDisagreements, RoundChoice,
};
use crate::domain::stats::paired::PairedOutcomes;

/// The version of the promise.
pub const SCHEMA: u32 = 1;

/// Runs side by side.
#[derive(Debug, Serialize)]
pub struct ComparisonDocument {
    schema: u32,
    base: String,
    rounds: RoundChoice,
    runs: Vec<ComparedRunDocument>,
    spec_diff: Vec<SettingDocument>,
    metrics: Vec<MetricDocument>,
    groups: Vec<GroupDocument>,
    arms: Option<ArmsDocument>,
    disagreements: Vec<DisagreementsDocument>,
}

#[derive(Debug, Serialize)]
struct ComparedRunDocument {
    #[serde(flatten)]
    run: RunDocument,
    round: Option<u32>,
    test: Option<EvaluationDocument>,
    curve: Vec<CurveDocument>,
}

#[derive(Debug, Serialize)]
struct CurveDocument {
    round: u32,
    test_accuracy: Option<f64>,
    validation_accuracy: Option<f64>,
    coverage: Option<f64>,
    pseudo_label_precision: Option<f64>,
    wall_s: Option<f64>,
    labels_trained_on: Option<f64>,
}

#[derive(Debug, Serialize)]
struct SettingDocument {
    key: String,
    values: Vec<Option<Value>>,
}

#[derive(Debug, Serialize)]
struct MetricDocument {
    name: &'static str,
    better: Option<&'static str>,
    values: Vec<Option<f64>>,
    differences: Vec<Option<DifferenceDocument>>,
    method: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct DifferenceDocument {
    n: u64,
    difference: f64,
    ci_low: f64,
    ci_high: f64,
    p: f64,
    p_holm: f64,
}

#[derive(Debug, Serialize)]
struct GroupDocument {
    arm: String,
    runs: Vec<String>,
    mean_test_accuracy: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
}

#[derive(Debug, Serialize)]
struct DisagreementsDocument {
    run: String,
    test: PairedOutcomes,
    pool: Option<PoolDisagreements>,
    pairs: Vec<PairDocument>,
}

#[derive(Debug, Serialize)]
struct PairDocument {
    pair: u32,
    split: DisagreementSplit,
    base: OpinionDocument,
    run: OpinionDocument,
}

#[derive(Debug, Serialize)]
struct OpinionDocument {
    round: u32,
    confidence: f64,
    is_selected: Option<bool>,
    is_right: Option<bool>,
}

impl ComparisonDocument {
    /// The document of a comparison, with the disagreements of each run with the base. Which run is
    /// right about a pool pair reveals its hidden label, so it is included only if `shows_gold`.
    /// `arms` has the runs by arm, over their random seeds.
    #[must_use]
    pub fn new(
        comparison: &Comparison,
        arms: Option<&ArmComparison>,
        disagreements: &[Option<Disagreements>],
        shows_gold: bool,
    ) -> Self {
        let id = |index: usize| comparison.runs[index].row.id.to_string();
        let settings = comparison.settings.iter().filter(|row| row.is_different);
        let disagreements = disagreements.iter().enumerate().filter_map(|(index, found)| {
            let found = found.as_ref()?;
            Some(DisagreementsDocument {
                run: id(index),
                test: found.test,
                pool: found.pool,
                pairs: found.pairs.iter().map(|pair| PairDocument::new(pair, shows_gold)).collect(),
            })
        });
        Self {
            schema: SCHEMA,
            base: id(comparison.base),
            rounds: comparison.rounds,
            runs: comparison.runs.iter().map(ComparedRunDocument::from).collect(),
            spec_diff: settings
                .map(|row| SettingDocument {
                    key: row.key.clone(),
                    values: row.values.iter().map(|value| parsed(value.as_deref())).collect(),
                })
                .collect(),
            metrics: comparison.metrics.iter().map(MetricDocument::from).collect(),
            groups: comparison
                .groups
                .iter()
                .map(|group| {
                    let interval = group.accuracy.and_then(|(_, interval)| interval);
                    GroupDocument {
                        arm: group.arm.clone(),
                        runs: group.runs.iter().map(|index| id(*index)).collect(),
                        mean_test_accuracy: group.accuracy.map(|(mean, _)| mean),
                        ci_low: interval.map(|interval| interval.low),
                        ci_high: interval.map(|interval| interval.high),
                    }
                })
                .collect(),
            arms: arms.map(ArmsDocument::from),
            disagreements: disagreements.collect(),
        }
    }
}

fn parsed(json: Option<&str>) -> Option<Value> {
    serde_json::from_str(json?).ok()
}

impl From<&ComparedRun> for ComparedRunDocument {
    fn from(run: &ComparedRun) -> Self {
        let wall = curve_of(run, CurveAxis::WallTime);
        let labels = curve_of(run, CurveAxis::Labels);
        let place = |places: &[(u32, f64)], round: u32| {
            places.iter().find(|(known, _)| *known == round).map(|(_, x)| *x)
        };
        let curve = run.rounds.iter().map(|round| CurveDocument {
            round: round.round,
            test_accuracy: round.test.as_ref().map(|test| test.accuracy),
            validation_accuracy: round.validation.as_ref().map(|validation| validation.accuracy),
            coverage: round.selection.as_ref().and_then(|s| s.coverage),
            pseudo_label_precision: round.selection.as_ref().and_then(|s| s.pseudo_label_precision),
            wall_s: place(&wall, round.round),
            labels_trained_on: place(&labels, round.round),
        });
        let test = run.compared_round().and_then(|round| round.test.as_ref());
        Self {
            run: RunDocument::from(&run.row),
            round: run.round,
            test: test.map(EvaluationDocument::from),
            curve: curve.collect(),
        }
    }
}

/// Where the tested rounds of a run lie on an axis.
fn curve_of(run: &ComparedRun, axis: CurveAxis) -> Vec<(u32, f64)> {
    let points = curve(run, CurveMetric::TestAccuracy, axis);
    points.iter().map(|point| (point.round, point.x)).collect()
}

impl From<&MetricRow> for MetricDocument {
    fn from(row: &MetricRow) -> Self {
        let difference = |difference: &Difference| DifferenceDocument {
            n: difference.paired.n,
            difference: difference.paired.difference,
            ci_low: difference.paired.interval.low,
            ci_high: difference.paired.interval.high,
            p: difference.paired.p_value,
            p_holm: difference.p_holm,
        };
        Self {
            name: row.name,
            better: match row.direction {
                Direction::Higher => Some("higher"),
                Direction::Lower => Some("lower"),
                Direction::Neither => None,
            },
            values: row.values.clone(),
            differences: row.differences.iter().map(|d| d.as_ref().map(difference)).collect(),
            method: row.method,
        }
    }
}

impl PairDocument {
    fn new(found: &Disagreement, shows_gold: bool) -> Self {
        let tells = shows_gold || found.split == DisagreementSplit::Test;
        let opinion = |opinion: &Opinion| OpinionDocument {
            round: opinion.round,
            confidence: opinion.confidence,
            is_selected: opinion.is_selected,
            is_right: tells.then_some(opinion.is_right),
        };
        Self {
            pair: found.pair.0,
            split: found.split,
            base: opinion(&found.base),
            run: opinion(&found.other),
        }
    }
}
