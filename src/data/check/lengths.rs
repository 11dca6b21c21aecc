//! Lengths as a histogram that grows with the logarithm of the longest.

use std::collections::BTreeMap;

use serde::Serialize;

/// Lengths in characters or tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct LengthSummary {
    /// Arithmetic mean.
    pub mean: f64,
    /// Median, exact to 6 % (buckets that grow by an eighth of a power of two).
    pub median: u64,
    /// 95th percentile, as exact as the median.
    pub p95: u64,
    pub max: u64,
}

/// A histogram with eight buckets for each power of two.
#[derive(Default)]
pub(super) struct Lengths {
    buckets: BTreeMap<u64, u64>,
    n: u64,
    sum: u64,
    max: u64,
}

impl Lengths {
    pub(super) fn add(&mut self, length: u64) {
        let shift = (64 - length.leading_zeros()).saturating_sub(4);
        *self.buckets.entry(length >> shift << shift).or_default() += 1;
        self.n += 1;
        self.sum += length;
        self.max = self.max.max(length);
    }

    pub(super) fn summary(&self) -> LengthSummary {
        LengthSummary {
            mean: self.sum as f64 / self.n.max(1) as f64,
            median: self.quantile(0.5),
            p95: self.quantile(0.95),
            max: self.max,
        }
    }

    fn quantile(&self, share: f64) -> u64 {
        let mut left = (self.n as f64 * share).ceil() as u64;
        for (low, n) in &self.buckets {
            if left <= *n {
                // The middle of the bucket; buckets below 16 hold one length each.
                let width = 1_u64 << (64 - low.leading_zeros()).saturating_sub(4);
                return (low + width / 2).min(self.max);
            }
            left -= n;
        }
        self.max
    }

    /// How many are below each power of two and not below the one before: `(64, n)` counts 32 to 63.
    pub(super) fn by_powers_of_two(&self) -> Vec<(u64, u64)> {
        let mut out: BTreeMap<u64, u64> = BTreeMap::new();
        for (low, n) in &self.buckets {
            *out.entry(low.saturating_add(1).next_power_of_two().max(16)).or_default() += n;
        }
        out.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_their_buckets() {
        let mut lengths = Lengths::default();
        for n in 0..=10_000 {
            lengths.add(n);
        }
        let summary = lengths.summary();
        assert!((summary.median as f64 / 5000.0 - 1.0).abs() < 0.07, "{summary:?}");
        assert!((summary.p95 as f64 / 9500.0 - 1.0).abs() < 0.07, "{summary:?}");
        assert_eq!((summary.mean, summary.max), (5000.0, 10_000));
    }

    #[test]
    fn powers_of_two_cover_everything_once() {
        let mut lengths = Lengths::default();
        for n in [3, 15, 16, 31, 32, 63, 1000] {
            lengths.add(n);
        }
        assert_eq!(lengths.by_powers_of_two(), [(16, 2), (32, 2), (64, 2), (1024, 1)]);
    }
}
