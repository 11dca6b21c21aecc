//! Random choices of the generator, from a counter-based stream of their own for each record.

use crate::domain::random::{Place, Purpose};

/// Which family of records a stream belongs to. Two families never share a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Family {
    Train = 1,
    Test = 2,
    Corpus = 3,
    /// Which training labels are flipped.
    Noise = 4,
}

/// The choices of one record.
pub(super) struct Draw {
    place: Place,
    position: u64,
}

impl Draw {
    pub(super) fn new(rng_seed: u64, family: Family, record: u32) -> Self {
        let place = Place::new(rng_seed, Purpose::DataGeneration).at(family as u32, record);
        Self { place, position: 0 }
    }

    fn next(&mut self) -> u64 {
        self.position += 1;
        self.position
    }

    /// An index below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let position = self.next();
        self.place.below(position, n)
    }

    /// A whole number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        let position = self.next();
        self.place.unit(position) < probability
    }

    /// One of `items`, which must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// `n` different ones of `items`, in random order; fewer when there are fewer.
    pub(super) fn pick_n<T: Copy>(&mut self, items: &[T], n: usize) -> Vec<T> {
        let mut pool = items.to_vec();
        let n = n.min(pool.len());
        (0..n).map(|_| pool.swap_remove(self.below(pool.len()))).collect()
    }

    /// One of `items` that `refused` does not hold, if there is any.
    pub(super) fn pick_other<T: Copy + PartialEq>(
        &mut self,
        items: &[T],
        refused: &[T],
    ) -> Option<T> {
        let allowed: Vec<T> = items.iter().filter(|x| !refused.contains(x)).copied().collect();
        (!allowed.is_empty()).then(|| self.pick(&allowed))
    }
}
