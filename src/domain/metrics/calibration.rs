//! Calibration: whether labels with a confidence of .8 are right four times in five.

use serde::{Deserialize, Serialize};

use crate::domain::stats::bradley_terry::{log_sigmoid, preference_probability, sigmoid};

/// How many equal-width bins over `[0.5, 1]` the expected calibration error uses.
pub const N_BINS: usize = 10;

/// One bin of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Pairs whose confidence fell into the bin.
    pub n: u64,
    /// Mean confidence of those pairs.
    pub mean_confidence: f64,
    /// Share of those pairs ranked correctly.
    pub accuracy: f64,
}

/// Bins of `(confidence, is_correct)` over `[0.5, 1]`.
#[must_use]
pub fn reliability_bins(outcomes: impl IntoIterator<Item = (f64, bool)>) -> Vec<ReliabilityBin> {
    let mut bins = vec![ReliabilityBin::default(); N_BINS];
    for (confidence, is_correct) in outcomes {
        let position = ((confidence - 0.5) * 2.0 * N_BINS as f64).max(0.0) as usize;
        let bin = &mut bins[position.min(N_BINS - 1)];
        bin.n += 1;
        bin.mean_confidence += confidence;
        bin.accuracy += f64::from(u8::from(is_correct));
    }
    for bin in bins.iter_mut().filter(|bin| bin.n > 0) {
        bin.mean_confidence /= bin.n as f64;
        bin.accuracy /= bin.n as f64;
    }
    bins
}

/// Expected calibration error: the mean gap between confidence and accuracy, weighted by bin size
/// (Naeini et al. 2015). `None` when no pair was counted.
#[must_use]
pub fn expected_calibration_error(bins: &[ReliabilityBin]) -> Option<f64> {
    let total: u64 = bins.iter().map(|bin| bin.n).sum();
    if total == 0 {
        return None;
    }
    let gaps = bins.iter().map(|bin| bin.n as f64 * (bin.mean_confidence - bin.accuracy).abs());
    Some(gaps.sum::<f64>() / total as f64)
}

/// The least and the greatest temperature that is fitted. Dividing margins of 1 by 0.05 makes them
/// certain, dividing them by 20 makes them coin tosses.
const TEMPERATURES: [f64; 2] = [0.05, 20.0];
/// With fewer held-out pairs than this no temperature is fitted, and margins stay as they are.
const PAIRS_MIN: usize = 10;

/// The temperature `T` under which margins `reward(chosen) - reward(rejected)` of held-out human
/// pairs are most likely, `min sum(-log sigmoid(margin / T))` (Guo et al. 2017, for two classes).
///
/// In `b = 1 / T` the sum is convex, and its slope `sum(-margin * sigmoid(-b * margin))` rises, so
/// bisection finds its one zero, or the end of the range where there is none (margins that are all
/// right ask for a temperature of 0, margins that are mostly wrong for an infinite one). 1 for
/// fewer than ten pairs, or when all margins are 0.
#[must_use]
pub fn fit_temperature(margins: &[f64]) -> f64 {
    if margins.len() < PAIRS_MIN || margins.iter().all(|margin| *margin == 0.0) {
        return 1.0;
    }
    let slope = |b: f64| -> f64 { margins.iter().map(|m| -m * sigmoid(-b * m)).sum() };
    let [mut low, mut high] = [1.0 / TEMPERATURES[1], 1.0 / TEMPERATURES[0]];
    if slope(low) >= 0.0 {
        return TEMPERATURES[1];
    }
    if slope(high) <= 0.0 {
        return TEMPERATURES[0];
    }
    // 60 halvings of the logarithm leave less than a rounding error.
    for _ in 0..60 {
        let middle = (low * high).sqrt();
        if slope(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    1.0 / (low * high).sqrt()
}

/// Calibration on held-out human pairs before and after a temperature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibrationReport {
    /// The temperature; 1 changes nothing.
    pub temperature: f64,
    /// Held-out human pairs.
    pub n: u64,
    /// Expected calibration error of `sigmoid(margin)`.
    pub ece_before: f64,
    /// Expected calibration error of `sigmoid(margin / T)`.
    pub ece_after: f64,
    /// Mean negative log-likelihood before, in nats.
    pub nll_before: f64,
    pub nll_after: f64,
    /// Mean confidence of `sigmoid(margin)` minus accuracy; above 0 the model is over-confident.
    pub over_confidence: f64,
}

impl CalibrationReport {
    /// Of margins `reward(chosen) - reward(rejected)`; `None` for no pairs.
    #[must_use]
    pub fn of(margins: &[f64], temperature: f64) -> Option<Self> {
        let n = margins.len() as f64;
        let mean = |f: &dyn Fn(f64) -> f64| margins.iter().map(|m| f(*m)).sum::<f64>() / n;
        let confidence = |margin: f64| preference_probability(margin.abs());
        let ece = |t: f64| {
            let outcomes = margins.iter().map(|m| (confidence(m / t), *m > 0.0));
            expected_calibration_error(&reliability_bins(outcomes))
        };
        Some(Self {
            temperature,
            n: margins.len() as u64,
            ece_before: ece(1.0)?,
            ece_after: ece(temperature)?,
            nll_before: mean(&|m| -log_sigmoid(m)),
            nll_after: mean(&|m| -log_sigmoid(m / temperature)),
            over_confidence: mean(&confidence) - mean(&|m| f64::from(u8::from(m > 0.0))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_solves_its_equation() {
        // 3 of 4 right at a margin of 2: sigmoid(2 / T) = 3/4 at T = 2 / ln 3.
        let margins: Vec<f64> = (0..40).map(|i| if i % 4 == 0 { -2.0 } else { 2.0 }).collect();
        let temperature = fit_temperature(&margins);
        assert!((temperature - 2.0 / 3.0_f64.ln()).abs() < 1e-9, "{temperature}");
        let report = CalibrationReport::of(&margins, temperature).unwrap();
        // sigmoid(2) - 3/4 before, nothing after.
        assert!((report.ece_before - 0.130_797).abs() < 1e-6, "{report:?}");
        assert!(report.ece_after < 1e-9 && report.nll_after < report.nll_before, "{report:?}");
        assert!((report.over_confidence - 0.130_797).abs() < 1e-6);
        // -(3 ln(3/4) + ln(1/4)) / 4
        assert!((report.nll_after - 0.562_335).abs() < 1e-6, "{report:?}");
    }

    #[test]
    fn a_temperature_has_bounds_and_needs_pairs() {
        assert_eq!(fit_temperature(&[1.0; 20]), 0.05, "all right: as sure as may be");
        assert_eq!(fit_temperature(&[-1.0; 20]), 20.0, "all wrong: as unsure as may be");
        assert_eq!(fit_temperature(&[0.0; 20]), 1.0);
        assert_eq!(fit_temperature(&[2.0; 9]), 1.0);
        assert!(CalibrationReport::of(&[], 1.0).is_none());
    }

    #[test]
    fn error_of_a_hand_made_case() {
        // Two pairs at .9, one right; two at .6, both right: (2 * .4 + 2 * .4) / 4 = .4
        let bins = reliability_bins([(0.9, true), (0.9, false), (0.6, true), (0.6, true)]);
        assert!((expected_calibration_error(&bins).unwrap() - 0.4).abs() < 1e-12);
        assert_eq!(expected_calibration_error(&reliability_bins([])), None);
    }

    #[test]
    fn a_calibrated_model_has_no_error() {
        let bins = reliability_bins([(0.75, true), (0.75, true), (0.75, true), (0.75, false)]);
        assert!(expected_calibration_error(&bins).unwrap() < 1e-12);
    }
}
