//! Which prompts of the pool a policy answers, and in which round.

use std::collections::BTreeSet;

use crate::domain::preference::PairId;
use crate::domain::random::{Place, Purpose, bytes_hash, text_hash};

/// The prompts that may be answered: each text of the pool once, without those that a labeled or a test
/// pair has too, however the data were divided.
#[derive(Debug, Clone, Default)]
pub struct PoolPrompts {
    /// Those of labeled and of test pairs.
    held_out: BTreeSet<u64>,
    /// Of the pool, in the order in which they were seen.
    found: Vec<(u64, PairId)>,
    seen: BTreeSet<u64>,
    /// Pairs of the pool, by what they say.
    pairs: BTreeSet<u64>,
}

impl PoolPrompts {
    /// Notes the prompt of a labeled or a test pair.
    pub fn bar(&mut self, prompt: &str) {
        self.held_out.insert(key(prompt));
    }

    /// Notes a pair of the pool.
    pub fn add(&mut self, pair: PairId, prompt: &str, answers: [&str; 2]) {
        let hash = key(prompt);
        if self.seen.insert(hash) {
            self.found.push((hash, pair));
        }
        self.pairs.insert(said(prompt, answers));
    }

    /// Notes what a generated pair says; `false` where a pair of the pool says the same, in either order.
    pub fn is_new(&mut self, prompt: &str, answers: [&str; 2]) -> bool {
        self.pairs.insert(said(prompt, answers))
    }

    /// The first pair of every prompt that may be answered.
    #[must_use]
    pub fn askable(&self) -> Vec<PairId> {
        let is_free = |(hash, _): &&(u64, PairId)| !self.held_out.contains(hash);
        self.found.iter().filter(is_free).map(|(_, pair)| *pair).collect()
    }
}

/// Spaces at the ends of a prompt make no other prompt.
fn key(prompt: &str) -> u64 {
    text_hash(prompt.trim())
}

fn said(prompt: &str, answers: [&str; 2]) -> u64 {
    let mut hashes = answers.map(text_hash);
    hashes.sort_unstable();
    let all = [text_hash(prompt), hashes[0], hashes[1]];
    bytes_hash(all.into_iter().flat_map(u64::to_le_bytes))
}

/// The places among `n` prompts that are answered before round `round` (from 1), `per_round` of them: every
/// prompt once, in an order keyed by `rng_seed`, before any comes again in another order. Of a round no
/// prompt comes twice.
#[must_use]
pub fn of_round(rng_seed: u64, n: usize, per_round: usize, round: u32) -> Vec<usize> {
    let first = (round as usize).saturating_sub(1) * per_round;
    let mut places = Vec::with_capacity(per_round.min(n));
    let mut seen = BTreeSet::new();
    let (mut pass, mut order) = (u32::MAX, Vec::new());
    for position in first..first + if n == 0 { 0 } else { per_round } {
        let of = (position / n) as u32;
        if of != pass {
            pass = of;
            order = Place::new(rng_seed, Purpose::PoolPrompts).at(0, of).permutation(n);
        }
        let place = order[position % n] as usize;
        if seen.insert(place) {
            places.push(place);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prompt_comes_once_before_any_comes_again() {
        let of = |round| of_round(3, 10, 4, round);
        let mut first: Vec<usize> = [of(1), of(2)].concat();
        first.extend(&of(3)[..2]);
        first.sort_unstable();
        assert_eq!(first, (0..10).collect::<Vec<_>>());
        assert_eq!(of(1), of(1));
        assert_ne!(of_round(4, 10, 4, 1), of(1), "the order is of the random seed");
        // Of the third round the last two may repeat the first two.
        assert!((2..=4).contains(&of(3).len()));
    }

    #[test]
    fn more_than_there_are_is_all_of_them() {
        let mut places = of_round(1, 5, 12, 1);
        places.sort_unstable();
        assert_eq!(places, [0, 1, 2, 3, 4]);
        assert!(of_round(1, 0, 12, 2).is_empty());
    }

    #[test]
    fn held_out_prompts_and_pairs_that_are_there_are_known_by_their_texts() {
        let mut prompts = PoolPrompts::default();
        prompts.bar("held out");
        for (pair, prompt) in [(4, "a"), (5, " held out\n"), (6, "b"), (7, "a")] {
            prompts.add(PairId(pair), prompt, ["x", "y"]);
        }
        assert_eq!(prompts.askable(), [PairId(4), PairId(6)]);
        assert!(!prompts.is_new("a", ["y", "x"]));
        assert!(prompts.is_new("a", ["x", "z"]) && !prompts.is_new("a", ["z", "x"]));
    }
}
