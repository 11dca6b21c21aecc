//! What an audit says about all pseudo-labels of a round.

use serde::{Deserialize, Serialize};

use crate::domain::preference::{PairId, Side};
use crate::domain::stats::{Interval, wilson_interval_finite};
use crate::domain::verdict::{Verdict, VerdictSet};

/// The estimated share of right pseudo-labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrecisionEstimate {
    /// Pairs of the sample with a verdict.
    pub n_reviewed: u64,
    /// Of them, those found right.
    pub n_right: u64,
    pub n_selected: u64,
    /// The share `n_right / n_reviewed`.
    pub precision: f64,
    /// Its 95 % interval: Wilson, corrected for a finite population.
    pub interval: Interval,
}

/// Estimates the precision from a sample of the audit queue; `None` before the first verdict.
///
/// The sample is the queue up to the furthest pair judged in it: a prefix of a random order is a
/// random sample, whatever was decided elsewhere. Each pair comes with its pseudo-label of the round:
/// it is right where a person calls the same answer the better one, so that a pair judged in another
/// round, in which the model preferred the other answer, counts as what it is. A veto says the label
/// is wrong; a pair of the sample that was passed over does not count.
#[must_use]
pub fn audit_precision(
    sample: impl IntoIterator<Item = (PairId, Option<Side>)>,
    n_selected: usize,
    verdicts: &VerdictSet,
) -> Option<PrecisionEstimate> {
    let (mut n_reviewed, mut n_right) = (0, 0);
    for (pair, label) in sample {
        let Some(verdict) = verdicts.get(pair) else { continue };
        let is_right = match (verdicts.preferred(pair), label) {
            (Some(said), Some(label)) => said == label,
            _ => verdict == Verdict::Keep,
        };
        n_reviewed += 1;
        n_right += u64::from(is_right);
    }
    let n_selected = n_selected as u64;
    let interval = wilson_interval_finite(n_right, n_reviewed, n_selected)?;
    let precision = n_right as f64 / n_reviewed as f64;
    Some(PrecisionEstimate { n_reviewed, n_right, n_selected, precision, interval })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::{Place, Purpose};

    fn ids(pairs: &[u32]) -> Vec<PairId> {
        pairs.iter().copied().map(PairId).collect()
    }

    #[test]
    fn only_the_audited_prefix_counts() {
        let queue = ids(&[5, 3, 8, 1, 9]);
        let mut verdicts = VerdictSet::default();
        for (pair, verdict) in [
            (5, Verdict::Keep),
            (3, Verdict::Veto),
            (8, Verdict::Flip),
            // Found elsewhere, beyond the sample, and not selected at all.
            (9, Verdict::Veto),
            (77, Verdict::Veto),
        ] {
            verdicts.record(PairId(pair), verdict);
        }
        let labeled = |pair: &PairId| (*pair, Some(Side::A));
        let estimate_of = |n: usize| audit_precision(queue[..n].iter().map(labeled), 5, &verdicts);
        assert_eq!(estimate_of(0), None);
        let estimate = estimate_of(4).unwrap();
        assert_eq!((estimate.n_reviewed, estimate.n_right, estimate.n_selected), (3, 1, 5));
        assert!(estimate.interval.low < 1.0 / 3.0 && estimate.interval.high > 1.0 / 3.0);
        // What counts is the answer that a person named, not what its label was called elsewhere.
        verdicts.record_label(PairId(5), Verdict::Keep, Some(Side::B));
        verdicts.record_label(PairId(8), Verdict::Flip, Some(Side::A));
        let estimate = audit_precision(queue[..4].iter().map(labeled), 5, &verdicts).unwrap();
        assert_eq!((estimate.n_reviewed, estimate.n_right), (3, 1));
        verdicts.record_label(PairId(5), Verdict::Keep, Some(Side::A));
        let estimate = audit_precision(queue[..4].iter().map(labeled), 5, &verdicts).unwrap();
        assert_eq!(estimate.n_right, 2);
    }

    #[test]
    fn the_interval_covers_the_truth_about_as_often_as_it_says() {
        let n = 2000_u32;
        let place = Place::new(3, Purpose::Audit);
        // A fifth of the labels is wrong.
        let is_right = |pair: PairId| !pair.0.is_multiple_of(5);
        let n_covered = (0..2000_u32)
            .filter(|round| {
                let mut queue: Vec<PairId> = (0..n).map(PairId).collect();
                queue.sort_by_key(|pair| place.at(*round, 0).bits(u64::from(pair.0)));
                let mut verdicts = VerdictSet::default();
                for pair in &queue[..60] {
                    let verdict = if is_right(*pair) { Verdict::Keep } else { Verdict::Veto };
                    verdicts.record(*pair, verdict);
                }
                let sample = queue[..60].iter().map(|pair| (*pair, None));
                let interval = audit_precision(sample, queue.len(), &verdicts).unwrap().interval;
                (interval.low..=interval.high).contains(&0.8)
            })
            .count();
        // Exactly, by the hypergeometric distribution: .931 of them, with a standard error of .006.
        assert!((1817..=1907).contains(&n_covered), "{n_covered} of 2000");
    }
}
