//! A look at another threshold: how many of the pairs scored in a round are at least this sure.
//!
//! The rule looks at both rewards and the histogram only at their difference, so this is how many
//! pairs would pass at most. Nothing of it reaches the run.

use crate::domain::event::SelectionSummary;
use crate::domain::metrics::histogram::{ConfidenceHistogram, N_BUCKETS};

/// What a threshold would let through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preview {
    /// The threshold: the lower end of a bucket.
    pub at: f64,
    /// Pairs at least this sure.
    pub n_above: u64,
    /// That many more (or fewer) than above the threshold in force.
    pub n_more: Option<i64>,
}

/// The preview at a threshold; `floor` is the one in force.
pub fn preview(summary: &SelectionSummary, at: f64, floor: Option<f64>) -> Preview {
    let above = |from: f64| n_above(&summary.histogram, from);
    let n_above = above(at);
    let n_more = floor.map(|floor| n_above as i64 - above(floor) as i64);
    Preview { at: snap(at), n_above, n_more }
}

/// The threshold `n` buckets on, or back.
pub fn moved(at: f64, n: i64) -> f64 {
    let bucket = ConfidenceHistogram::bucket(at + 1e-9) as i64;
    edge((bucket + n).clamp(0, N_BUCKETS as i64 - 1) as usize)
}

fn snap(at: f64) -> f64 {
    edge(ConfidenceHistogram::bucket(at + 1e-9))
}

/// Lower end of a bucket.
fn edge(bucket: usize) -> f64 {
    0.5 + 0.5 * bucket as f64 / N_BUCKETS as f64
}

fn n_above(histogram: &ConfidenceHistogram, from: f64) -> u64 {
    let first = ConfidenceHistogram::bucket(from + 1e-9);
    histogram.counts()[first..].iter().map(|n| u64::from(*n)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixtures::running_data;

    #[test]
    fn a_lower_threshold_lets_more_through() {
        let data = running_data();
        let (_, summary) = data.selection().unwrap();
        let all = preview(summary, 0.5, Some(0.9));
        assert_eq!(all.n_above, summary.n_scored);
        let here = preview(summary, 0.9, Some(0.9));
        assert_eq!(here.n_more, Some(0));
        assert!(all.n_more.unwrap() > 0 && preview(summary, 0.95, Some(0.9)).n_more.unwrap() < 0);
    }

    #[test]
    fn thresholds_move_by_buckets_and_stay_inside() {
        assert!((moved(0.75, 1) - 0.755).abs() < 1e-9);
        assert!((moved(0.75, -50) - 0.5).abs() < 1e-9);
        assert!((moved(0.5, -1) - 0.5).abs() < 1e-9);
        assert!((moved(0.99, 50) - 0.995).abs() < 1e-9);
        let mut at = 0.5;
        for _ in 0..99 {
            at = moved(at, 1);
        }
        assert!((at - 0.995).abs() < 1e-9, "no step is lost to rounding: {at}");
    }
}
