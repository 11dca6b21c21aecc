//! Metrics of a model, computed from its margins on labeled pairs.

pub mod calibration;
pub mod histogram;
pub mod reward_bench;

use serde::{Deserialize, Serialize};

use super::preference::Side;
use super::pseudo_label::{PairScore, PseudoLabel};
use super::stats::bradley_terry::{log_sigmoid, preference_probability};
use super::stats::wilson_interval;
use calibration::{ReliabilityBin, expected_calibration_error, reliability_bins};

/// Which labeled pairs were evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Split {
    /// Human-labeled pairs held out of the seed set; decisions may depend on them.
    Validation,
    /// Test pairs, on which no decision of a run depends.
    Test,
}

impl Split {
    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Metrics of one model on one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Pairs that were evaluated.
    pub n: u64,
    /// Pairs whose chosen answer has the strictly larger reward; a tie counts as wrong.
    pub n_correct: u64,
    /// Pairs with equal rewards.
    pub n_ties: u64,
    /// The share `n_correct / n`.
    pub accuracy: f64,
    /// Lower end of the 95 % Wilson interval of the accuracy.
    pub ci_low: f64,
    pub ci_high: f64,
    /// Expected calibration error over ten bins of confidence.
    pub ece: f64,
    /// Mean squared error of the preference probability, `mean((1 - p)^2)` (Brier 1950).
    pub brier: f64,
    /// Mean negative log-likelihood in nats.
    pub nll: f64,
    /// Mean of `reward(chosen) - reward(rejected)`.
    pub mean_margin: f64,
    /// The reliability diagram behind `ece`.
    pub reliability: Vec<ReliabilityBin>,
}

impl Evaluation {
    /// Metrics from margins `reward(chosen) - reward(rejected)`; `None` for no pairs.
    #[must_use]
    pub fn from_margins(margins: &[f64]) -> Option<Self> {
        let n = margins.len() as u64;
        let n_correct = margins.iter().filter(|margin| **margin > 0.0).count() as u64;
        let n_ties = margins.iter().filter(|margin| **margin == 0.0).count() as u64;
        let interval = wilson_interval(n_correct, n)?;
        let mean = |f: &dyn Fn(f64) -> f64| margins.iter().map(|m| f(*m)).sum::<f64>() / n as f64;
        let reliability = reliability_bins(margins.iter().map(|margin| {
            let p = preference_probability(*margin);
            (p.max(1.0 - p), *margin > 0.0)
        }));
        Some(Self {
            n,
            n_correct,
            n_ties,
            accuracy: n_correct as f64 / n as f64,
            ci_low: interval.low,
            ci_high: interval.high,
            ece: expected_calibration_error(&reliability)?,
            brier: mean(&|margin| (1.0 - preference_probability(margin)).powi(2)),
            nll: mean(&|margin| -log_sigmoid(margin)),
            mean_margin: mean(&|margin| margin),
            reliability,
        })
    }
}

/// The margin of a scored pair once its human label is known.
#[must_use]
pub fn labeled_margin(score: &PairScore, chosen: Side) -> f64 {
    match chosen {
        Side::A => score.margin(),
        Side::B => -score.margin(),
    }
}

/// Share of pseudo-labels that agree with held-back labels; `None` for no pseudo-labels.
///
/// `gold` answers with the chosen side of a pair, or `None` where no label is known.
#[must_use]
pub fn pseudo_label_precision(
    labels: &[PseudoLabel],
    gold: impl Fn(&PseudoLabel) -> Option<Side>,
) -> Option<f64> {
    let graded: Vec<bool> =
        labels.iter().filter_map(|l| gold(l).map(|side| side == l.preferred)).collect();
    if graded.is_empty() {
        return None;
    }
    Some(graded.iter().filter(|right| **right).count() as f64 / graded.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::preference::PairId;
    use super::*;

    #[test]
    fn hand_computed_metrics() {
        let evaluation = Evaluation::from_margins(&[2.0, 0.0, -1.0, 1.0]).unwrap();
        assert_eq!((evaluation.n, evaluation.n_correct, evaluation.n_ties), (4, 2, 1));
        assert_eq!(evaluation.accuracy, 0.5);
        assert!((evaluation.mean_margin - 0.5).abs() < 1e-12);
        // (ln(1+e^-2) + ln 2 + ln(1+e) + ln(1+e^-1)) / 4
        assert!((evaluation.nll - 0.611_649_6).abs() < 1e-6, "{}", evaluation.nll);
        // (0.1192029^2 + .25 + 0.7310586^2 + 0.2689414^2) / 4
        assert!((evaluation.brier - 0.217_746_4).abs() < 1e-6, "{}", evaluation.brier);
        assert!(Evaluation::from_margins(&[]).is_none());
    }

    #[test]
    fn confident_errors_stay_finite() {
        let evaluation = Evaluation::from_margins(&[100.0, -100.0]).unwrap();
        assert!((evaluation.nll - 50.0).abs() < 1e-9);
        assert!((evaluation.ece - 0.5).abs() < 1e-9);
    }

    #[test]
    fn precision_counts_only_graded_labels() {
        let label =
            |pair, preferred| PseudoLabel { pair: PairId(pair), preferred, confidence: 0.9 };
        let labels = [label(0, Side::A), label(1, Side::B), label(2, Side::A)];
        let gold = |l: &PseudoLabel| (l.pair.0 < 2).then_some(Side::A);
        assert_eq!(pseudo_label_precision(&labels, gold), Some(0.5));
        assert_eq!(pseudo_label_precision(&labels, |_| None), None);
        assert_eq!(pseudo_label_precision(&[], |_| Some(Side::A)), None);
    }
}
