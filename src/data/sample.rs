//! Which pairs, or prompts, of a source a limit takes: a random sample, keyed by a random seed.
//!
//! A pair is taken by its position among the usable pairs, so the sample of a smaller limit lies
//! within that of a larger one. Reading the first pairs instead would give a file that is sorted by
//! topic back as a data set of two topics.

use crate::domain::random::{Place, Purpose};

/// The pairs that are taken, asked in their order.
#[derive(Debug, Clone)]
pub struct Sample {
    place: Place,
    /// The largest key that is taken.
    highest: u64,
    n_asked: u64,
}

impl Sample {
    /// A sample of `n_wanted` of `n_pairs` pairs; 0 takes all. Streams of one seed are independent of each other.
    #[must_use]
    pub fn of(n_pairs: u64, n_wanted: u64, rng_seed: u64, stream: u32) -> Self {
        let place = Place::new(rng_seed, Purpose::Sample).at(stream, 0);
        let highest = match usize::try_from(n_wanted) {
            Ok(n_wanted @ 1..) if (n_wanted as u64) < n_pairs => {
                let mut keys: Vec<u64> = (0..n_pairs).map(|at| place.bits(at)).collect();
                *keys.select_nth_unstable(n_wanted - 1).1
            }
            _ => u64::MAX,
        };
        Self { place, highest, n_asked: 0 }
    }

    /// Whether the next pair is taken.
    pub fn takes(&mut self) -> bool {
        let key = self.place.bits(self.n_asked);
        self.n_asked += 1;
        key <= self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(n_pairs: u64, n_wanted: u64, rng_seed: u64) -> Vec<u64> {
        let mut sample = Sample::of(n_pairs, n_wanted, rng_seed, 0);
        (0..n_pairs).filter(|_| sample.takes()).collect()
    }

    #[test]
    fn a_sample_has_its_size_and_lies_within_larger_ones() {
        let small = taken(1_000, 50, 1);
        let large = taken(1_000, 300, 1);
        assert_eq!((small.len(), large.len()), (50, 300));
        assert!(small.iter().all(|pair| large.contains(pair)));
        assert!(large.iter().filter(|pair| **pair < 500).count().abs_diff(150) < 40);
        assert_ne!(small, taken(1_000, 50, 2));
        assert_eq!(taken(10, 0, 1).len() + taken(10, 10, 1).len() + taken(10, 99, 1).len(), 30);
    }
}
