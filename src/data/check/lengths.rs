//! Lengths, counted one by one.

use std::collections::BTreeMap;

use serde::Serialize;

/// Lengths in characters or tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct LengthSummary {
    /// Arithmetic mean.
    pub mean: f64,
    /// The smallest length that at least half of the texts do not exceed.
    pub median: u64,
    /// The same of 95 % of the texts.
    pub p95: u64,
    pub max: u64,
}

/// How often each length occurs.
#[derive(Default)]
pub(super) struct Lengths {
    counts: BTreeMap<u64, u64>,
    n: u64,
    sum: u64,
}

impl Lengths {
    pub(super) fn add(&mut self, length: u64) {
        *self.counts.entry(length).or_default() += 1;
        self.n += 1;
        self.sum += length;
    }

    pub(super) fn summary(&self) -> LengthSummary {
        LengthSummary {
            mean: self.sum as f64 / self.n.max(1) as f64,
            median: self.quantile(0.5),
            p95: self.quantile(0.95),
            max: self.counts.last_key_value().map_or(0, |(length, _)| *length),
        }
    }

    fn quantile(&self, share: f64) -> u64 {
        let rank = (self.n as f64 * share).ceil() as u64;
        let mut n_below = 0;
        let reached = self.counts.iter().find(|(_, n)| {
            n_below += **n;
            n_below >= rank
        });
        reached.map_or(0, |(length, _)| *length)
    }

    /// How many are below each power of two and not below the one before: `(64, n)` counts 32 to 63.
    pub(super) fn by_powers_of_two(&self) -> Vec<(u64, u64)> {
        let mut out: BTreeMap<u64, u64> = BTreeMap::new();
        for (length, n) in &self.counts {
            *out.entry(length.saturating_add(1).next_power_of_two().max(16)).or_default() += n;
        }
        out.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_lengths_that_occur() {
        let mut lengths = Lengths::default();
        for n in 0..=10_000 {
            lengths.add(n);
        }
        let LengthSummary { mean, median, p95, max } = lengths.summary();
        assert_eq!((mean, median, p95, max), (5000.0, 5000, 9500, 10_000));
        let mut few = Lengths::default();
        for n in [304, 314, 7, 580] {
            few.add(n);
        }
        assert_eq!((few.summary().median, few.summary().p95), (304, 580));
        assert_eq!(Lengths::default().summary(), LengthSummary::default());
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
