//! How much of the way from the seed set alone to every label an arm has come, over random seeds.
//!
//! One run's share is a ratio of two noisy differences and says little. Over several seeds, and with
//! the three models judged on the same test pairs, it has an interval.

use super::super::random::{Place, Purpose};
use super::paired::{N_RESAMPLES, quantile};
use super::special::binomial_draw;
use super::{Interval, gap_closed};

/// How three models did on the test pairs of one random seed: how many pairs fall into each of the
/// eight combinations of who is right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GapOutcomes {
    cells: [u64; 8],
}

impl GapOutcomes {
    /// Counts `[floor is right, arm is right, ceiling is right]` over common pairs.
    #[must_use]
    pub fn of(outcomes: impl IntoIterator<Item = [bool; 3]>) -> Self {
        let mut cells = [0; 8];
        for outcome in outcomes {
            cells[outcome.iter().fold(0, |cell, right| 2 * cell + usize::from(*right))] += 1;
        }
        Self { cells }
    }

    /// How many pairs all three have judged.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.cells.iter().sum()
    }

    /// Accuracy of floor, arm and ceiling.
    fn accuracies(&self) -> [f64; 3] {
        let n = self.n() as f64;
        [4, 2, 1].map(|bit| {
            let right = self.cells.iter().enumerate().filter(|(cell, _)| cell & bit != 0);
            right.map(|(_, count)| *count).sum::<u64>() as f64 / n
        })
    }

    /// As many pairs drawn with replacement: a multinomial draw, cell by cell. Uses the numbers
    /// `position..position + 8`.
    fn resampled(&self, place: Place, position: u64) -> Self {
        let (mut n_left, mut mass_left) = (self.n(), self.n());
        let mut cells = [0; 8];
        for (index, (cell, count)) in cells.iter_mut().zip(self.cells).enumerate() {
            let share = count as f64 / mass_left.max(1) as f64;
            *cell = binomial_draw(place.unit(position + index as u64), n_left, share);
            n_left -= *cell;
            mass_left -= count;
        }
        Self { cells }
    }
}

/// The gap between floor and ceiling, and the share of it that an arm has closed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GapClosed {
    /// Mean accuracy of the ceiling minus that of the floor.
    pub gap: f64,
    /// Its 95 % interval.
    pub gap_interval: Interval,
    /// The share; `None` where the gap is not above 0 outside its interval.
    pub share: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
}

/// The share of the gap closed over random seeds, with percentile intervals of a bootstrap that draws
/// seeds with replacement and, within each, test pairs with replacement (so that both how a run was
/// trained and what it was tested on count as chance). Resamples without a gap have no share and are
/// left out of its interval; there are few where a share is given at all. `None` without a seed.
#[must_use]
pub fn gap_closed_over_seeds(seeds: &[GapOutcomes], rng_seed: u64) -> Option<GapClosed> {
    let seeds: Vec<GapOutcomes> = seeds.iter().copied().filter(|seed| seed.n() > 0).collect();
    if seeds.is_empty() {
        return None;
    }
    let [floor, arm, ceiling] = mean(seeds.iter().map(GapOutcomes::accuracies));
    let place = Place::new(rng_seed, Purpose::Bootstrap).at(1, 0);
    let n_seeds = seeds.len() as u64;
    let mut gaps = Vec::with_capacity(N_RESAMPLES as usize);
    let mut shares = Vec::with_capacity(N_RESAMPLES as usize);
    for resample in 0..u64::from(N_RESAMPLES) {
        let accuracies = (0..n_seeds).map(|draw| {
            let position = (resample * n_seeds + draw) * 9;
            let seed = seeds[place.below(position, seeds.len())];
            seed.resampled(place, position + 1).accuracies()
        });
        let [floor, arm, ceiling] = mean(accuracies);
        gaps.push(ceiling - floor);
        shares.extend(gap_closed(arm, floor, ceiling));
    }
    let gap_interval = percentiles(&mut gaps);
    let is_there = gap_interval.low > 0.0;
    Some(GapClosed {
        gap: ceiling - floor,
        gap_interval,
        share: gap_closed(arm, floor, ceiling).filter(|_| is_there),
        interval: is_there.then(|| percentiles(&mut shares)),
    })
}

fn mean(accuracies: impl Iterator<Item = [f64; 3]>) -> [f64; 3] {
    let mut sums = [0.0; 3];
    let mut n = 0.0;
    for seed in accuracies {
        for (sum, accuracy) in sums.iter_mut().zip(seed) {
            *sum += accuracy;
        }
        n += 1.0;
    }
    sums.map(|sum| sum / n)
}

fn percentiles(values: &mut [f64]) -> Interval {
    values.sort_unstable_by(f64::total_cmp);
    Interval { low: quantile(values, 0.025), high: quantile(values, 0.975) }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    /// So many pairs in each cell, floor first.
    fn outcomes(cells: [u64; 8]) -> GapOutcomes {
        GapOutcomes { cells }
    }

    #[test]
    fn outcomes_are_counted_by_who_is_right() {
        let found = GapOutcomes::of([
            [true, true, true],
            [false, true, true],
            [false, true, true],
            [true, false, false],
        ]);
        assert_eq!(found, outcomes([0, 0, 0, 2, 1, 0, 0, 1]));
        assert_eq!(found.accuracies(), [0.5, 0.75, 0.75]);
    }

    #[test]
    fn half_of_a_clear_gap_is_half() {
        // floor 500, arm 600, ceiling 700 of 1,000 right, nested in each other.
        let seed = outcomes([300, 100, 0, 100, 0, 0, 0, 500]);
        let found = gap_closed_over_seeds(&[seed, seed, seed], 1).unwrap();
        assert!((found.gap - 0.2).abs() < 1e-12 && (found.share.unwrap() - 0.5).abs() < 1e-12);
        // The 200 pairs between floor and ceiling are a binomial sample of 600 in all.
        let interval = found.interval.unwrap();
        let error = (0.25_f64 / 600.0).sqrt();
        assert!((interval.half_width() / (1.96 * error) - 1.0).abs() < 0.1, "{interval:?}");
        assert_eq!(gap_closed_over_seeds(&[seed, seed, seed], 1), Some(found));
    }

    #[test]
    fn without_a_gap_outside_noise_there_is_no_share() {
        let seed = outcomes([100, 5, 4, 0, 4, 0, 0, 100]);
        let found = gap_closed_over_seeds(&[seed, seed], 1).unwrap();
        assert!(found.gap_interval.low < 0.0 && found.gap_interval.high > 0.0, "{found:?}");
        assert_eq!((found.share, found.interval), (None, None));
        assert!(gap_closed_over_seeds(&[GapOutcomes::default()], 1).is_none());
    }

    #[test]
    fn the_bootstrap_agrees_with_resampling_seeds_and_pairs() {
        for row in fixture()["gap_closed"].as_array().unwrap() {
            let seeds: Vec<GapOutcomes> = row["seeds"]
                .as_array()
                .unwrap()
                .iter()
                .map(|cells| outcomes(std::array::from_fn(|cell| cells[cell].as_u64().unwrap())))
                .collect();
            let found = gap_closed_over_seeds(&seeds, 3).unwrap();
            let want = |key: &str| row[key].as_f64().unwrap();
            assert!((found.share.unwrap() - want("share")).abs() < 1e-12);
            let interval = found.interval.unwrap();
            let tolerance = 0.2 * want("sd");
            assert!((interval.low - want("low")).abs() < tolerance, "{interval:?} {row}");
            assert!((interval.high - want("high")).abs() < tolerance, "{interval:?} {row}");
        }
    }
}
