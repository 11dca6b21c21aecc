//! How far a reviewer is in a queue, how long the rest takes, and what it will tell.

use super::precision::PrecisionEstimate;
use crate::domain::stats::wilson_half_width_finite;

/// Pairs that a reviewer sets out to judge, unless they say otherwise.
pub const N_GOAL: usize = 20;
/// A longer pause between two judgments is a break, not thinking: it says nothing about the pace.
const BREAK_MS: i64 = 180_000;
/// Judgments whose pace is looked at, the newest ones.
const N_PACED: usize = 30;

/// Where a reviewer is in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Pairs of the queue that the reviewer has judged.
    pub n_done: usize,
    /// Of them, those of which the reviewer and the model both call an answer the better one.
    pub n_compared: usize,
    /// Of these, those where the two differ.
    pub n_against: usize,
    /// The milliseconds that one more judgment takes, once there are two.
    pub pace_ms: Option<u64>,
}

/// How many judged pairs a reviewer is aiming at: the next multiple of `step`, or the end of the
/// queue where that comes first. A goal that was just reached stays until the next judgment.
#[must_use]
pub fn goal(n_done: usize, step: usize, n_listed: usize) -> usize {
    let step = step.max(1);
    (n_done.div_ceil(step).max(1) * step).min(n_listed.max(n_done))
}

/// The median time from one judgment to the next, breaks left out, of times in milliseconds that
/// ascend; `None` for fewer than two.
#[must_use]
pub fn pace_ms(times: &[i64]) -> Option<u64> {
    let newest = &times[times.len().saturating_sub(N_PACED)..];
    let gaps = newest.windows(2).map(|two| two[1] - two[0]);
    let mut gaps: Vec<i64> = gaps.filter(|gap| (0..BREAK_MS).contains(gap)).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).map(|gap| *gap as u64)
}

/// Half the width of the precision's 95 % interval once `n_more` further pairs of the audit sample
/// are judged, if the share found right stays what it is. Before the first judgment the share is
/// taken as one half, which gives the widest interval.
#[must_use]
pub fn half_width_after(
    estimate: Option<&PrecisionEstimate>,
    n_more: usize,
    n_selected: usize,
) -> Option<f64> {
    let (n, share) = estimate.map_or((0, 0.5), |it| (it.n_reviewed, it.precision));
    wilson_half_width_finite(share, n + n_more as u64, n_selected as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::stats::wilson_interval_finite;

    #[test]
    fn a_goal_is_the_next_multiple_and_stays_when_it_is_reached() {
        let cases = [
            (0, 20, 200, 20),
            (7, 20, 200, 20),
            (20, 20, 200, 20),
            (21, 20, 200, 40),
            (190, 20, 195, 195),
            (3, 20, 5, 5),
            (0, 20, 0, 0),
            (4, 0, 9, 4),
        ];
        for (n_done, step, n_listed, expected) in cases {
            assert_eq!(goal(n_done, step, n_listed), expected, "{n_done} {step} {n_listed}");
        }
    }

    #[test]
    fn a_pace_is_a_median_without_breaks() {
        assert_eq!(pace_ms(&[]), None);
        assert_eq!(pace_ms(&[5]), None);
        // Ten minutes away from the keyboard are no pace.
        assert_eq!(pace_ms(&[0, 4_000, 604_000, 610_000, 618_000]), Some(6_000));
        assert_eq!(pace_ms(&[0, 600_000]), None);
        let slow_then_fast: Vec<i64> =
            (0..50).map(|i| i * 60_000).chain((1..40).map(|i| 3_000_000 + i * 2_000)).collect();
        assert_eq!(pace_ms(&slow_then_fast), Some(2_000), "the newest ones count");
    }

    #[test]
    fn the_outlook_is_the_interval_that_will_be_there() {
        let interval = wilson_interval_finite(36, 40, 4_000).unwrap();
        let estimate = PrecisionEstimate {
            n_reviewed: 40,
            n_right: 36,
            n_selected: 4_000,
            precision: 0.9,
            interval,
        };
        let now = half_width_after(Some(&estimate), 0, 4_000).unwrap();
        assert!((now - interval.half_width()).abs() < 1e-12);
        // With 20 more, 54 of 60 would be right.
        let then = half_width_after(Some(&estimate), 20, 4_000).unwrap();
        let exact = wilson_interval_finite(54, 60, 4_000).unwrap().half_width();
        assert!((then - exact).abs() < 1e-12 && then < now);
        let widest = half_width_after(None, 20, 4_000).unwrap();
        assert!(
            (widest - wilson_interval_finite(10, 20, 4_000).unwrap().half_width()).abs() < 1e-12
        );
        assert_eq!(half_width_after(None, 20, 20), Some(0.0), "all of them are looked at");
        assert_eq!(half_width_after(None, 0, 100), None);
    }
}
