//! The confidence histogram: a fixed set of buckets over `[0.5, 1]`, stored once per round.

use serde::{Deserialize, Serialize};

/// How many buckets a stored histogram has. Screens merge neighbors to fit.
pub const N_BUCKETS: usize = 100;

/// Counts of confidences in [`N_BUCKETS`] equal buckets over `[0.5, 1]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfidenceHistogram {
    counts: Vec<u32>,
}

impl Default for ConfidenceHistogram {
    fn default() -> Self {
        Self { counts: vec![0; N_BUCKETS] }
    }
}

impl ConfidenceHistogram {
    /// Counts every confidence in its bucket.
    #[must_use]
    pub fn of(confidences: impl IntoIterator<Item = f64>) -> Self {
        let mut histogram = Self::default();
        for confidence in confidences {
            histogram.counts[Self::bucket(confidence)] += 1;
        }
        histogram
    }

    /// The bucket of a confidence; 1.0 belongs to the last.
    #[must_use]
    pub fn bucket(confidence: f64) -> usize {
        let position = (confidence - 0.5) * 2.0 * N_BUCKETS as f64;
        (position.max(0.0) as usize).min(N_BUCKETS - 1)
    }

    /// All counts, lowest confidence first.
    #[must_use]
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Number of confidences counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// Counts merged into `n` columns of as equal a width as possible.
    #[must_use]
    pub fn columns(&self, n: usize) -> Vec<u64> {
        let mut columns = vec![0_u64; n.max(1)];
        for (bucket, count) in self.counts.iter().enumerate() {
            let column = bucket * columns.len() / self.counts.len().max(1);
            columns[column] += u64::from(*count);
        }
        columns
    }

    /// The least confidence counted, to bucket precision; `None` when empty.
    #[must_use]
    pub fn least(&self) -> Option<f64> {
        let bucket = self.counts.iter().position(|count| *count > 0)?;
        Some(0.5 + bucket as f64 / (2.0 * N_BUCKETS as f64))
    }

    /// The middle confidence, to bucket precision; `None` when empty.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        let half = self.total().div_ceil(2);
        if half == 0 {
            return None;
        }
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= half {
                return Some(0.5 + (bucket as f64 + 0.5) / (2.0 * N_BUCKETS as f64));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_the_edge_of_the_lowest_bucket_with_a_count() {
        assert_eq!(ConfidenceHistogram::default().least(), None);
        let histogram = ConfidenceHistogram::of([0.9, 0.6749, 0.99]);
        assert_eq!(histogram.least(), Some(0.67));
    }

    #[test]
    fn every_confidence_lands_in_a_bucket() {
        let histogram = ConfidenceHistogram::of([0.5, 0.504, 0.505, 0.999, 1.0, 0.4, 1.2]);
        assert_eq!(histogram.total(), 7);
        assert_eq!(histogram.counts()[0], 3);
        assert_eq!(histogram.counts()[1], 1);
        assert_eq!(histogram.counts()[99], 3);
    }

    #[test]
    fn columns_keep_the_total() {
        let histogram = ConfidenceHistogram::of((0..1000).map(|i| 0.5 + f64::from(i) / 2000.0));
        for n in [1, 7, 30, 100, 150] {
            assert_eq!(histogram.columns(n).iter().sum::<u64>(), 1000);
        }
        assert!((histogram.median().unwrap() - 0.75).abs() < 0.01);
        assert!(ConfidenceHistogram::default().median().is_none());
    }
}
