//! Intervals around what was measured.

use serde::{Deserialize, Serialize};

/// Two-sided 95 % quantile of the standard normal distribution.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// A closed interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
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
    if n_trials == 0 {
        return None;
    }
    let n = n_trials as f64;
    let p = n_successes as f64 / n;
    let z2 = Z_95 * Z_95;
    let center = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let spread = Z_95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    Some(Interval { low: (center - spread).max(0.0), high: (center + spread).min(1.0) })
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
    let half = t_quantile_975(values.len() - 1) * (variance / n).sqrt();
    Some((mean, Some(Interval { low: mean - half, high: mean + half })))
}

/// 97.5 % quantile of Student's t (table up to 30 degrees of freedom, normal beyond).
fn t_quantile_975(degrees_of_freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    TABLE.get(degrees_of_freedom.saturating_sub(1)).copied().unwrap_or(Z_95)
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
    fn t_interval_of_three_values_is_wide() {
        let (mean, interval) = mean_with_t_interval(&[1.0, 2.0, 3.0]).unwrap();
        let interval = interval.unwrap();
        assert_eq!(mean, 2.0);
        // 4.303 * 1 / sqrt(3)
        assert!((interval.high - 4.484_34).abs() < 1e-3, "{interval:?}");
        assert_eq!(mean_with_t_interval(&[0.5]), Some((0.5, None)));
        assert_eq!(mean_with_t_interval(&[]), None);
    }
}
