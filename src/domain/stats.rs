//! Intervals around what was measured, and tests of differences.

pub mod bradley_terry;
pub mod logistic;

use serde::{Deserialize, Serialize};

pub mod gap;
pub mod holm;
pub mod paired;
pub mod special;

/// Two-sided 95 % quantile of the standard normal distribution.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// A closed interval of a share or a mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// Half the width, for "± x".
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// Wilson score interval of a proportion at 95 % (Wilson 1927), `None` for no trials.
#[must_use]
pub fn wilson_interval(n_successes: u64, n_trials: u64) -> Option<Interval> {
    let n = n_trials as f64;
    (n_trials > 0).then(|| wilson(n_successes as f64 / n, n))
}

/// The same for a share that need not be a whole number of `n`; `None` unless `n` is above 0.
#[must_use]
pub fn wilson_interval_of_share(share: f64, n: f64) -> Option<Interval> {
    (n > 0.0).then(|| wilson(share, n))
}

/// The same for a sample without replacement from a population of `n_population`: the variance is
/// smaller by `(N - n) / (N - 1)` (Cochran 1977, 3.2), as if the sample were that much larger.
#[must_use]
pub fn wilson_interval_finite(
    n_successes: u64,
    n_trials: u64,
    n_population: u64,
) -> Option<Interval> {
    let (n, population) = (n_trials as f64, n_population as f64);
    let share = (n_trials > 0).then(|| n_successes as f64 / n)?;
    if n_trials >= n_population {
        // Everything was looked at: nothing is estimated.
        return Some(Interval { low: share, high: share });
    }
    Some(wilson(share, n * (population - 1.0) / (population - n)))
}

/// Half the width of [`wilson_interval_finite`] for a share that need not be a whole number of
/// `n_trials`: what an interval would be if the share stayed the same. `None` for no trials.
#[must_use]
pub fn wilson_half_width_finite(share: f64, n_trials: u64, n_population: u64) -> Option<f64> {
    if n_trials == 0 {
        return None;
    }
    if n_trials >= n_population {
        return Some(0.0);
    }
    let (n, population) = (n_trials as f64, n_population as f64);
    Some(wilson(share, n * (population - 1.0) / (population - n)).half_width())
}

fn wilson(p: f64, n: f64) -> Interval {
    let z2 = Z_95 * Z_95;
    let center = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let spread = Z_95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    Interval { low: (center - spread).max(0.0), high: (center + spread).min(1.0) }
}

/// Mean of several runs with its 95 % t interval; `None` for no value, and a mean without an
/// interval for a single one.
#[must_use]
pub fn mean_with_t_interval(values: &[f64]) -> Option<(f64, Option<Interval>)> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() == 1 {
        return Some((mean, None));
    }
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = special::student_t_95(n - 1.0) * (variance / n).sqrt();
    Some((mean, Some(Interval { low: mean - half, high: mean + half })))
}

/// Share of the way from `floor` (the seed set alone) to `ceiling` (every label from people) that
/// `value` has come; above 1 when it is above the ceiling. `None` unless the ceiling is above the
/// floor.
#[must_use]
pub fn gap_closed(value: f64, floor: f64, ceiling: f64) -> Option<f64> {
    (ceiling > floor).then(|| (value - floor) / (ceiling - floor))
}

/// Figures that `tests/fixtures/stats/make_fixtures.py` computed with other means.
#[cfg(test)]
fn fixture() -> serde_json::Value {
    serde_json::from_str(include_str!("../../tests/fixtures/stats/stats.json")).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_bounds_solve_their_equation() {
        // Roots of |81/263 - p| = z sqrt(p (1 - p) / 263), found by bisection.
        let interval = wilson_interval(81, 263).unwrap();
        assert!((interval.low - 0.255_289).abs() < 1e-5, "{interval:?}");
        assert!((interval.high - 0.366_210).abs() < 1e-5, "{interval:?}");
        let none_right = wilson_interval(0, 10).unwrap();
        assert!(none_right.low == 0.0 && (none_right.high - 0.277_533).abs() < 1e-5);
        assert!(wilson_interval(0, 0).is_none());
    }

    #[test]
    fn a_finite_population_narrows_the_interval() {
        let infinite = wilson_interval(45, 50).unwrap();
        let finite = wilson_interval_finite(45, 50, 100).unwrap();
        assert!(finite.half_width() < infinite.half_width());
        let large = wilson_interval_finite(45, 50, 1 << 40).unwrap();
        assert!((large.low - infinite.low).abs() < 1e-9);
        // n (N - 1) / (N - n) = 50 * 99 / 50: as if 99 had been looked at.
        let as_if = wilson(0.9, 99.0);
        assert_eq!(finite, as_if);
        let all = wilson_interval_finite(45, 50, 50).unwrap();
        assert_eq!((all.low, all.high), (0.9, 0.9));
        assert!(wilson_interval_finite(0, 0, 9).is_none());
    }

    #[test]
    fn t_interval_of_three_values_is_wide() {
        let (mean, interval) = mean_with_t_interval(&[1.0, 2.0, 3.0]).unwrap();
        let interval = interval.unwrap();
        assert_eq!(mean, 2.0);
        // 4.303 * 1 / sqrt(3)
        assert!((interval.high - 4.484_34).abs() < 1e-3, "{interval:?}");
        assert_eq!(mean_with_t_interval(&[0.5]), Some((0.5, None)));
        assert_eq!(mean_with_t_interval(&[]), None);
    }

    #[test]
    fn a_t_interval_over_seeds_agrees_with_the_fixture() {
        for row in fixture()["seeds"].as_array().unwrap() {
            let values: Vec<f64> =
                row["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            let (mean, interval) = mean_with_t_interval(&values).unwrap();
            let half = interval.unwrap().half_width();
            assert!((mean - row["mean"].as_f64().unwrap()).abs() < 1e-12);
            assert!((half - row["half"].as_f64().unwrap()).abs() < 1e-10, "{half}");
        }
    }

    #[test]
    fn the_gap_closed_is_a_share_of_the_way() {
        assert_eq!(gap_closed(0.75, 0.5, 1.0), Some(0.5));
        assert_eq!(gap_closed(0.25, 0.5, 1.0), Some(-0.5));
        assert_eq!(gap_closed(0.6, 0.7, 0.7), None);
        assert_eq!(gap_closed(0.6, 0.7, 0.6), None);
    }
}
