//! Which share of the pool may be labeled so that the labels' error stays below a target, with
//! confidence.
//!
//! Pairs are ranked by confidence: the rank of a pair is the share of the pool that is more
//! confident, so the pairs below rank `c` are the most confident share `c` of the pool. Held-out human
//! pairs have ranks by the same pool, and for them it is known whether the model is right. If they
//! were drawn like the pool, the errors among those below rank `c` are binomial with the error rate
//! of the labels that a coverage of `c` would give.
//!
//! The coverage is chosen by what the held-out pairs say, so a plain bound at the chosen one would be
//! too small. Learn then Test (Angelopoulos et al. 2021) tests "the error at coverage `c` is above the
//! target" over a grid fixed beforehand, by fixed sequences from several starts, each at an equal
//! part of the allowed `1 - certainty`: from a start the coverage grows until a test fails. The
//! probability that any certified coverage has an error above the target is at most `1 - certainty`,
//! whatever the shape of the error over the ranks.

use serde::{Deserialize, Serialize};

use crate::domain::stats::special::binomial_cdf;

/// Coverages that can be certified: 1/40, 2/40, … 1. They are fixed beforehand, as the proof of the
/// bound requires.
const N_COVERAGES: usize = 40;
/// Starting points of the fixed sequences. With more of them a coverage is found in more places,
/// but every test runs at a smaller level: `(1 - certainty) / N_STARTS`.
const N_STARTS: usize = 4;

/// A held-out human pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeldOutPair {
    /// `reward(chosen) - reward(rejected)`, on the scale of the labeling model.
    pub margin: f64,
    /// Share of the pool that is more confident, in `[0, 1]`.
    pub rank: f64,
}

impl HeldOutPair {
    /// Whether the model ranks it as people do; a tie is an error.
    #[must_use]
    pub fn is_correct(&self) -> bool {
        self.margin > 0.0
    }
}

/// The bound on the error rate that the labels have to meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskTarget {
    /// The largest error rate that is allowed.
    pub max_error: f64,
    /// The probability with which the bound has to hold.
    pub certainty: f64,
}

/// The result of a certification: the largest coverage whose error is bounded as asked, or else the
/// coverage with the smallest bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Whether the error is below the target with the certainty asked for.
    pub is_certified: bool,
    /// The most confident share of the pool it is about: the largest certified, else the one with the
    /// smallest bound.
    pub coverage: f64,
    /// Held-out human pairs in that share.
    pub n: u64,
    /// Those that the model ranks wrongly.
    pub n_errors: u64,
    /// The error is at most this, with the certainty asked for.
    pub bound: f64,
    pub max_error: f64,
    pub certainty: f64,
}

/// Upper end of the one-sided exact interval of a proportion (Clopper and Pearson 1934): the largest
/// `p` under which `n_errors` or fewer of `n` still have probability `level`. 1 for no trials.
#[must_use]
pub fn clopper_pearson_upper(n_errors: u64, n: u64, level: f64) -> f64 {
    if n_errors >= n {
        return 1.0;
    }
    let (mut low, mut high) = (n_errors as f64 / n as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if binomial_cdf(n_errors, n, middle) > level {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The largest coverage whose error is shown to be below the target; see the module's text.
#[must_use]
pub fn certify(held_out: &[HeldOutPair], target: RiskTarget) -> Certificate {
    let level = (1.0 - target.certainty) / N_STARTS as f64;
    let coverages: Vec<Certificate> = (1..=N_COVERAGES)
        .map(|step| {
            let coverage = step as f64 / N_COVERAGES as f64;
            let below = held_out.iter().filter(|pair| pair.rank < coverage);
            let (n, n_errors) = below
                .fold((0, 0), |(n, wrong), pair| (n + 1, wrong + u64::from(!pair.is_correct())));
            let bound = clopper_pearson_upper(n_errors, n, level);
            let RiskTarget { max_error, certainty } = target;
            let is_certified = bound <= max_error;
            Certificate { is_certified, coverage, n, n_errors, bound, max_error, certainty }
        })
        .collect();
    // At a small coverage even zero errors could not pass the test, and a start there would waste
    // its part of the level. The first start is chosen by the expected number of pairs, because the
    // choice must not depend on the errors that were seen.
    let n_least = level.ln() / (1.0 - target.max_error).ln();
    let is_hopeful = |at: &Certificate| held_out.len() as f64 * at.coverage >= n_least;
    let first = coverages.iter().position(is_hopeful).unwrap_or(N_COVERAGES - 1);
    let mut largest: Option<usize> = None;
    for start in (0..N_STARTS).map(|i| first + i * (N_COVERAGES - first) / N_STARTS) {
        let run = coverages[start..].iter().take_while(|at| at.is_certified).count();
        largest = largest.max(run.checked_sub(1).map(|last| start + last));
    }
    match largest {
        Some(largest) => coverages[largest],
        None => {
            let mut best = coverages[N_COVERAGES - 1];
            for at in &coverages {
                if at.bound < best.bound {
                    best = *at;
                }
            }
            Certificate { is_certified: false, ..best }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::{Place, Purpose};

    const TARGET: RiskTarget = RiskTarget { max_error: 0.1, certainty: 0.9 };

    /// Held-out pairs at even ranks, wrong where `is_wrong` says so.
    fn pairs(n: usize, is_wrong: impl Fn(usize, f64) -> bool) -> Vec<HeldOutPair> {
        (0..n)
            .map(|i| {
                let rank = i as f64 / n as f64;
                HeldOutPair { margin: if is_wrong(i, rank) { -1.0 } else { 1.0 }, rank }
            })
            .collect()
    }

    #[test]
    fn an_exact_bound_solves_its_equation() {
        // No error in n: (1 - p)^n = level.
        let bound = clopper_pearson_upper(0, 22, 0.1);
        assert!((bound - (1.0 - 0.1_f64.powf(1.0 / 22.0))).abs() < 1e-12, "{bound}");
        // Beta(3, 18) at .95: scipy.stats.beta.ppf(0.95, 3, 18) = 0.282619...
        let bound = clopper_pearson_upper(2, 20, 0.05);
        let at_bound = binomial_cdf(2, 20, bound);
        assert!((at_bound - 0.05).abs() < 1e-9 && (bound - 0.282_6).abs() < 1e-4, "{bound}");
        assert_eq!(clopper_pearson_upper(0, 0, 0.1), 1.0);
        assert_eq!(clopper_pearson_upper(3, 3, 0.1), 1.0);
    }

    #[test]
    fn the_largest_share_that_can_be_shown_is_found() {
        // Right up to rank .5, a coin beyond. At .5 there are 200 without an error.
        let held_out = pairs(400, |i, rank| rank >= 0.5 && i % 2 == 0);
        let certificate = certify(&held_out, TARGET);
        // At .575: 230 pairs with 15 errors, 6.5 %; at .6: 240 with 20, 8.3 %, bound above 10 %.
        assert!(certificate.is_certified && certificate.bound <= 0.1, "{certificate:?}");
        assert_eq!(
            (certificate.coverage, certificate.n, certificate.n_errors),
            (0.55, 220, 10),
            "{certificate:?}"
        );
        let all_right = certify(&pairs(400, |_, _| false), TARGET);
        assert_eq!((all_right.coverage, all_right.n), (1.0, 400));
    }

    #[test]
    fn what_cannot_be_shown_comes_with_numbers() {
        // 20 pairs show nothing at 10 %: 0.9^20 = .12.
        let few = certify(&pairs(20, |_, _| false), TARGET);
        assert!(!few.is_certified && few.n == 20 && few.bound > 0.1, "{few:?}");
        let coin = certify(&pairs(400, |i, _| i % 2 == 0), TARGET);
        assert!(!coin.is_certified && coin.n_errors > 0, "{coin:?}");
        let none = certify(&[], TARGET);
        assert!(!none.is_certified && none.n == 0 && none.bound == 1.0);
    }

    /// In how many of `n_rounds` something was certified, and in how many of them the true error at
    /// the certified coverage is above the target. The error at rank `r` is `at(r)`; `mean(c)` its
    /// mean below `c`.
    fn simulate(n_rounds: u64, at: impl Fn(f64) -> f64, mean: impl Fn(f64) -> f64) -> (u64, u64) {
        let (mut n_certified, mut n_broken) = (0, 0);
        for round in 0..n_rounds {
            let place = Place::new(round, Purpose::Mock);
            let held_out: Vec<HeldOutPair> = (0..600)
                .map(|i| {
                    let rank = place.unit(2 * i);
                    let is_wrong = place.unit(2 * i + 1) < at(rank);
                    HeldOutPair { margin: if is_wrong { -1.0 } else { 1.0 }, rank }
                })
                .collect();
            let certificate = certify(&held_out, TARGET);
            n_certified += u64::from(certificate.is_certified);
            let is_above = mean(certificate.coverage) > TARGET.max_error;
            n_broken += u64::from(certificate.is_certified && is_above);
        }
        (n_certified, n_broken)
    }

    #[test]
    fn the_bound_holds_at_its_stated_rate() {
        let n_rounds = 1000;
        // The hardest cases: an error just above the target everywhere; one that rises through it;
        // one that is worst among the most confident.
        let (flat, broken_flat) = simulate(n_rounds, |_| 0.101, |_| 0.101);
        let (rising, broken_rising) = simulate(n_rounds, |r| 0.4 * r, |c| 0.2 * c);
        let (odd, broken_odd) = simulate(n_rounds, |r| 0.21 - 0.2 * r, |c| 0.21 - 0.1 * c);
        for broken in [broken_flat, broken_rising, broken_odd] {
            // 1 - certainty is 100 of 1000; what is counted is exact, not an estimate of a limit.
            assert!(broken <= 100, "{broken_flat} {broken_rising} {broken_odd}");
        }
        assert_eq!(flat, broken_flat, "nothing that is certified there is below the target");
        assert_eq!(odd, broken_odd);
        // It is not true by never certifying.
        assert!(rising > 300, "{rising}");
        assert!(broken_flat > 10, "{broken_flat}");
    }
}
