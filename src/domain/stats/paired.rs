//! Two models on the same test pairs.
//!
//! Pairs that both models rank right, or both wrong, say nothing about which is better. Comparing
//! pair by pair leaves them out, so a paired test finds far smaller differences than two separate
//! intervals do.

use serde::{Deserialize, Serialize};

use super::super::random::{Place, Purpose};
use super::Interval;
use super::special::{binomial_cdf, binomial_draw, student_t_95, student_t_two_sided};

/// Resamples of the bootstrap. The number is fixed, so that everybody computes the same interval.
pub const N_RESAMPLES: u32 = 2_000;

/// How two models did on the same pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairedOutcomes {
    /// Pairs that both were evaluated on.
    pub n: u64,
    pub n_both_right: u64,
    /// Only the base is right.
    pub n_only_base: u64,
    /// Only the other is right.
    pub n_only_other: u64,
}

impl PairedOutcomes {
    /// Counts `(base is right, other is right)` over the common pairs.
    #[must_use]
    pub fn of(outcomes: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut counts = Self::default();
        for (base, other) in outcomes {
            counts.n += 1;
            counts.n_both_right += u64::from(base && other);
            counts.n_only_base += u64::from(base && !other);
            counts.n_only_other += u64::from(other && !base);
        }
        counts
    }

    /// Pairs on which exactly one is right.
    #[must_use]
    pub fn n_disagreements(&self) -> u64 {
        self.n_only_base + self.n_only_other
    }
}

/// How much better (above 0) or worse the other model is than the base.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// Pairs that both were evaluated on.
    pub n: u64,
    /// Other minus base, over these pairs.
    pub difference: f64,
    /// 95 % interval of the difference.
    pub interval: Interval,
    /// Two-sided p-value of "there is no difference".
    pub p_value: f64,
}

/// Exact McNemar test, two-sided: under "no difference" each pair on which exactly one model is
/// right is a fair coin (McNemar 1947 in its binomial form). 1 when they never differ.
#[must_use]
pub fn mcnemar_exact(n_only_base: u64, n_only_other: u64) -> f64 {
    let n = n_only_base + n_only_other;
    if n == 0 {
        return 1.0;
    }
    (2.0 * binomial_cdf(n_only_base.min(n_only_other), n, 0.5)).min(1.0)
}

/// Difference of two accuracies with the percentile interval of the paired bootstrap and the
/// p-value of the exact McNemar test; `None` for no common pairs.
///
/// Drawing `n` pairs with replacement and counting what was drawn is one multinomial draw of
/// (only base right, only other right, the rest), which is what is drawn here: the same
/// distribution as resampling the pairs, in two numbers a resample instead of `n`. The numbers are
/// those of place `(rng_seed, Purpose::Bootstrap)`.
#[must_use]
pub fn accuracy_difference(outcomes: &PairedOutcomes, rng_seed: u64) -> Option<PairedDifference> {
    if outcomes.n == 0 {
        return None;
    }
    let n = outcomes.n as f64;
    let difference_of =
        |only_other: u64, only_base: u64| (only_other as f64 - only_base as f64) / n;
    let n_differing = outcomes.n_disagreements();
    let place = Place::new(rng_seed, Purpose::Bootstrap);
    let share_of_other = outcomes.n_only_other as f64 / n_differing.max(1) as f64;
    let mut resampled: Vec<f64> = (0..u64::from(N_RESAMPLES))
        .map(|i| {
            let differing = binomial_draw(place.unit(2 * i), outcomes.n, n_differing as f64 / n);
            let only_other = binomial_draw(place.unit(2 * i + 1), differing, share_of_other);
            difference_of(only_other, differing - only_other)
        })
        .collect();
    resampled.sort_unstable_by(f64::total_cmp);
    Some(PairedDifference {
        n: outcomes.n,
        difference: difference_of(outcomes.n_only_other, outcomes.n_only_base),
        interval: Interval { low: quantile(&resampled, 0.025), high: quantile(&resampled, 0.975) },
        p_value: mcnemar_exact(outcomes.n_only_base, outcomes.n_only_other),
    })
}

/// Mean of `other - base` of a per-pair number (a loss, a margin) with its paired t interval and
/// test; `None` for fewer than two pairs.
#[must_use]
pub fn mean_difference(differences: &[f64]) -> Option<PairedDifference> {
    if differences.len() < 2 {
        return None;
    }
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let error = (variance / n).sqrt();
    let half = student_t_95(n - 1.0) * error;
    let p_value = if error > 0.0 {
        student_t_two_sided(mean / error, n - 1.0)
    } else {
        f64::from(u8::from(mean == 0.0))
    };
    let interval = Interval { low: mean - half, high: mean + half };
    Some(PairedDifference { n: differences.len() as u64, difference: mean, interval, p_value })
}

/// The quantile of ascending values, interpolated as numpy does (type 7).
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let below = place.floor() as usize;
    let low = sorted.get(below).copied().unwrap_or(f64::NAN);
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    low + (high - low) * (place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn outcomes(n: u64, n_only_base: u64, n_only_other: u64) -> PairedOutcomes {
        PairedOutcomes { n, n_both_right: 0, n_only_base, n_only_other }
    }

    #[test]
    fn mcnemar_by_hand_and_by_the_fixture() {
        // 2 (1 + 4) / 16: one of four coins or fewer shows heads.
        assert!((mcnemar_exact(1, 3) - 0.625).abs() < 1e-12);
        assert_eq!(mcnemar_exact(0, 0), 1.0);
        assert_eq!(mcnemar_exact(7, 7), 1.0);
        assert!((mcnemar_exact(0, 10) - 2.0 / 1024.0).abs() < 1e-15);
        for row in fixture()["mcnemar"].as_array().unwrap() {
            let (b, c) = (row[0].as_u64().unwrap(), row[1].as_u64().unwrap());
            let want = row[2].as_f64().unwrap();
            assert!((mcnemar_exact(b, c) / want - 1.0).abs() < 1e-9, "{b} {c}");
        }
    }

    #[test]
    fn the_bootstrap_agrees_with_resampling_the_pairs() {
        // The fixture resampled the pairs themselves, 200,000 times; the ends of our interval
        // have a standard error of about 0.05 standard deviations of the difference.
        for row in fixture()["bootstrap"].as_array().unwrap() {
            let [n, b, c] = [0, 1, 2].map(|i| row[i].as_u64().unwrap());
            let [low, high, sd] = [3, 4, 5].map(|i| row[i].as_f64().unwrap());
            let found = accuracy_difference(&outcomes(n, b, c), 7).unwrap();
            assert!((found.interval.low - low).abs() < 0.2 * sd + 1e-12, "{found:?} {low}");
            assert!((found.interval.high - high).abs() < 0.2 * sd + 1e-12, "{found:?} {high}");
            assert_eq!(found.difference, (c as f64 - b as f64) / n as f64);
        }
    }

    #[test]
    fn the_same_place_gives_the_same_interval() {
        let counts = outcomes(8_552, 410, 466);
        assert_eq!(accuracy_difference(&counts, 1), accuracy_difference(&counts, 1));
        assert_ne!(accuracy_difference(&counts, 1), accuracy_difference(&counts, 2));
        assert!(accuracy_difference(&outcomes(0, 0, 0), 1).is_none());
        let equal = accuracy_difference(&outcomes(100, 0, 0), 1).unwrap();
        assert_eq!((equal.interval.low, equal.interval.high, equal.p_value), (0.0, 0.0, 1.0));
        let opposite = accuracy_difference(&outcomes(3, 0, 3), 1).unwrap();
        assert_eq!((opposite.difference, opposite.interval.low), (1.0, 1.0));
    }

    #[test]
    fn outcomes_are_counted_by_cell() {
        let counts =
            PairedOutcomes::of([(true, true), (true, false), (false, true), (false, false)]);
        assert_eq!((counts.n, counts.n_both_right), (4, 1));
        assert_eq!((counts.n_only_base, counts.n_only_other, counts.n_disagreements()), (1, 1, 2));
    }

    #[test]
    fn the_paired_t_test_agrees_with_the_fixture() {
        for row in fixture()["paired_t"].as_array().unwrap() {
            let values: Vec<f64> = row["differences"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_f64().unwrap())
                .collect();
            let found = mean_difference(&values).unwrap();
            for (found, want) in [
                (found.difference, &row["mean"]),
                (found.interval.low, &row["low"]),
                (found.interval.high, &row["high"]),
                (found.p_value, &row["p"]),
            ] {
                assert!((found - want.as_f64().unwrap()).abs() < 1e-10, "{found} {want}");
            }
        }
        assert!(mean_difference(&[1.0]).is_none());
        assert_eq!(mean_difference(&[0.0, 0.0]).unwrap().p_value, 1.0);
        assert_eq!(mean_difference(&[2.0, 2.0]).unwrap().p_value, 0.0);
    }
}
