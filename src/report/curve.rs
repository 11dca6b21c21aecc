//! One metric of one run along an axis: the curves of the compare screen and of its exports.

use crate::analysis::ComparedRun;
use crate::store::rows::{LossPoint, RoundRow};

/// What runs horizontally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CurveAxis {
    /// Rounds; optimizer steps for the loss.
    #[default]
    Round,
    /// Seconds of work since the run began, waiting and pauses left out.
    WallTime,
    /// Labels trained on, counted once for each round that trains on them.
    Labels,
}

impl CurveAxis {
    /// The next one, for the key that walks through them.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Round => Self::WallTime,
            Self::WallTime => Self::Labels,
            Self::Labels => Self::Round,
        }
    }

    /// Words for a heading.
    #[must_use]
    pub fn words(self, metric: CurveMetric) -> &'static str {
        match self {
            Self::Round if metric == CurveMetric::Loss => "by step",
            Self::Round => "by round",
            Self::WallTime => "by wall time (s)",
            Self::Labels => "by labels trained on",
        }
    }
}

/// What runs vertically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CurveMetric {
    /// Test accuracy, with its interval.
    #[default]
    TestAccuracy,
    /// Validation accuracy, with its interval.
    ValidationAccuracy,
    /// Share of the pseudo-labels that agree with the hidden ones.
    Precision,
    /// Share of the pool that was selected.
    Coverage,
    /// Train loss by optimizer step.
    Loss,
}

impl CurveMetric {
    /// The next one, for the key that walks through them.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::TestAccuracy => Self::ValidationAccuracy,
            Self::ValidationAccuracy => Self::Precision,
            Self::Precision => Self::Coverage,
            Self::Coverage => Self::Loss,
            Self::Loss => Self::TestAccuracy,
        }
    }

    /// Words for a heading.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::TestAccuracy => "test accuracy",
            Self::ValidationAccuracy => "validation accuracy",
            Self::Precision => "pseudo-label precision",
            Self::Coverage => "coverage",
            Self::Loss => "train loss",
        }
    }
}

/// One value of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Which round it belongs to.
    pub round: u32,
    /// Place on the axis.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// Ends of its interval.
    pub interval: Option<(f64, f64)>,
}

/// The curve of a run; a round without the metric or without a place on the axis is left out.
#[must_use]
pub fn curve(run: &ComparedRun, metric: CurveMetric, axis: CurveAxis) -> Vec<CurvePoint> {
    if metric == CurveMetric::Loss {
        return loss(run, axis);
    }
    let places = places(&run.rounds, axis);
    let points = run.rounds.iter().zip(places).filter_map(|(round, x)| {
        let (y, interval) = value(round, metric)?;
        Some(CurvePoint { round: round.round, x: x?, y, interval })
    });
    points.collect()
}

fn value(round: &RoundRow, metric: CurveMetric) -> Option<(f64, Option<(f64, f64)>)> {
    let selection = round.selection.as_ref();
    let evaluation = match metric {
        CurveMetric::TestAccuracy => round.test.as_ref(),
        CurveMetric::ValidationAccuracy => round.validation.as_ref(),
        CurveMetric::Precision => return Some((selection?.pseudo_label_precision?, None)),
        CurveMetric::Coverage => return Some((selection?.coverage?, None)),
        CurveMetric::Loss => None,
    }?;
    Some((evaluation.accuracy, Some((evaluation.ci_low, evaluation.ci_high))))
}

/// Where the end of each round lies on the axis; `None` from the first round on whose length is not
/// known.
fn places(rounds: &[RoundRow], axis: CurveAxis) -> Vec<Option<f64>> {
    let mut sum = Some(0.0);
    let place = |round: &RoundRow| {
        let length = match axis {
            CurveAxis::Round => return Some(f64::from(round.round)),
            CurveAxis::WallTime => round.wall_ms.map(|ms| ms as f64 / 1000.0),
            CurveAxis::Labels => round.n_train_pairs.map(|n| n as f64),
        };
        sum = sum.zip(length).map(|(sum, length)| sum + length);
        sum
    };
    rounds.iter().map(place).collect()
}

/// Where each round after the first begins in a loss curve: the round, and the steps before it. A round
/// that has not taken a step yet is left out.
#[must_use]
pub fn round_starts(rounds: &[RoundRow], loss: &[LossPoint]) -> Vec<(u32, u64)> {
    let mut n_before = 0;
    let mut starts = Vec::new();
    for round in rounds {
        let has_begun =
            round.n_steps.is_some() || loss.iter().rev().any(|point| point.round == round.round);
        if n_before > 0 && has_begun {
            starts.push((round.round, n_before));
        }
        n_before += round.n_steps.unwrap_or(0);
    }
    starts
}

/// The loss curve: a step is placed between the ends of its round, in proportion to its number.
fn loss(run: &ComparedRun, axis: CurveAxis) -> Vec<CurvePoint> {
    let ends = places(&run.rounds, axis);
    let mut first_step = 0.0;
    let mut spans = Vec::new();
    for (i, round) in run.rounds.iter().enumerate() {
        let begin = if i == 0 { Some(0.0) } else { ends[i - 1] };
        let n_steps = round.n_steps.unwrap_or(0) as f64;
        spans.push((round.round, first_step, n_steps, begin, ends[i]));
        first_step += n_steps;
    }
    let points = run.loss.iter().filter_map(|point| {
        let step = point.global_step as f64;
        let x = if axis == CurveAxis::Round {
            step
        } else {
            let (_, first, n, begin, end) =
                spans.iter().find(|(round, ..)| *round == point.round)?;
            let share = if *n > 0.0 { ((step - first) / n).clamp(0.0, 1.0) } else { 1.0 };
            (*begin)? + share * ((*end)? - (*begin)?)
        };
        let interval = (point.max > point.min).then_some((point.min.into(), point.max.into()));
        Some(CurvePoint { round: point.round, x, y: f64::from(point.loss), interval })
    });
    points.collect()
}
