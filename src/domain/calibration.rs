//! Does a confidence of .8 mean right four times in five?

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

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
