//! Counter-based randomness: every draw is a pure function of where it is used.
//!
//! A generator with hidden state would have to be saved and restored to resume a run exactly.
//! Here nothing is saved: `(rng_seed, purpose, round, epoch, position)` *is* the state, so a
//! resumed run draws the same numbers by construction.

/// What a stream of random numbers is used for. Two purposes never share a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Which groups go to test, seed set, validation and pool.
    Split = 1,
    /// Which response of an unlabeled pair is shown as `a`.
    Presentation = 2,
    /// Order of the training pairs within an epoch.
    Shuffle = 3,
    /// Initial weights of the reward head (and of a model trained from nothing).
    Initialization = 4,
    Dropout = 5,
    /// Text of the embedded data set.
    DataGeneration = 6,
    /// Language-model pretraining order and sampling.
    Pretraining = 7,
    /// Which pairs are shown to the person as samples.
    Display = 8,
    /// The mock reward model of the tests.
    Mock = 9,
    /// The order of the audit queue.
    Audit = 10,
    /// Which pairs the oracle is asked about, and where it is wrong.
    Oracle = 11,
    /// Resamples of the paired bootstrap.
    Bootstrap = 12,
    /// Which pairs of a source a limit takes.
    Sample = 13,
    /// Which answer stands on the left in a review queue.
    Sides = 14,
    /// Which seed pairs a fold model does not learn, and in which order it learns the others.
    CrossFit = 20,
    /// Tokens of generated answers.
    Generation = 30,
    /// Which prompts of the pool a policy answers in which round, and its draws for them.
    PoolPrompts = 31,
    /// Which two of its answers become a pair, and how they stand.
    Pairing = 32,
}

/// The place of a stream: the same place always yields the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The run's random seed (never called just "seed": that word means labels here).
    pub rng_seed: u64,
    /// What the numbers are for.
    pub purpose: Purpose,
    /// SER round, 0 where it has no meaning.
    pub round: u32,
    /// Epoch within the round, 0 where it has no meaning.
    pub epoch: u32,
}

impl Place {
    /// A place outside any round.
    #[must_use]
    pub fn new(rng_seed: u64, purpose: Purpose) -> Self {
        Self { rng_seed, purpose, round: 0, epoch: 0 }
    }

    /// The same seed and purpose, at a round and an epoch.
    #[must_use]
    pub fn at(self, round: u32, epoch: u32) -> Self {
        Self { round, epoch, ..self }
    }

    /// The 64 random bits at `position` of this stream.
    #[must_use]
    pub fn bits(&self, position: u64) -> u64 {
        let mut state = mix(self.rng_seed ^ 0x9e37_79b9_7f4a_7c15);
        state = mix(state ^ (self.purpose as u64));
        state = mix(state ^ (u64::from(self.round) << 32 | u64::from(self.epoch)));
        mix(state ^ position.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// A number in `[0, 1)` with 53 random bits.
    #[must_use]
    pub fn unit(&self, position: u64) -> f64 {
        (self.bits(position) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An index below `n` (0 when `n` is 0). The bias of the multiply-shift is below 2^-32 for any
    /// `n` that fits 32 bits.
    #[must_use]
    pub fn below(&self, position: u64, n: usize) -> usize {
        ((u128::from(self.bits(position)) * n as u128) >> 64) as usize
    }

    /// A standard normal number (Box-Muller on positions `2 * position` and `2 * position + 1`).
    #[must_use]
    pub fn normal(&self, position: u64) -> f64 {
        let u = 1.0 - self.unit(position.wrapping_mul(2));
        let v = self.unit(position.wrapping_mul(2).wrapping_add(1));
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// A permutation of `0..n` (Fisher-Yates).
    #[must_use]
    pub fn permutation(&self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i as u64, i + 1));
        }
        order
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014), a bijection with full avalanche.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stable 64-bit hash of a text (FNV-1a followed by `mix`); the same on every platform and
/// version, unlike the standard library's hasher.
#[must_use]
pub fn text_hash(text: &str) -> u64 {
    bytes_hash(text.bytes())
}

/// The [`text_hash`] of the text that these bytes make.
#[must_use]
pub fn bytes_hash(bytes: impl Iterator<Item = u8>) -> u64 {
    mix(bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_always_yields_the_same_numbers() {
        let place = Place::new(7, Purpose::Shuffle).at(2, 1);
        // Pinned: a change here would silently change every split and every resumed run.
        assert_eq!(place.bits(0), Place::new(7, Purpose::Shuffle).at(2, 1).bits(0));
        assert_ne!(place.bits(0), place.at(2, 2).bits(0));
        assert_ne!(place.bits(0), place.at(3, 1).bits(0));
        assert_ne!(place.bits(0), Place::new(8, Purpose::Shuffle).at(2, 1).bits(0));
        assert_ne!(place.bits(0), Place::new(7, Purpose::Dropout).at(2, 1).bits(0));
    }

    #[test]
    fn permutations_hold_every_index_once() {
        for n in [0, 1, 2, 17, 1000] {
            let mut order = Place::new(3, Purpose::Shuffle).permutation(n);
            order.sort_unstable();
            assert_eq!(order, (0..n as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let place = Place::new(11, Purpose::Initialization);
        let n = 20_000_u64;
        let mean_unit = (0..n).map(|i| place.unit(i)).sum::<f64>() / n as f64;
        assert!((mean_unit - 0.5).abs() < 0.01, "{mean_unit}");
        let normals: Vec<f64> = (0..n).map(|i| place.normal(i)).collect();
        let mean = normals.iter().sum::<f64>() / n as f64;
        let variance = normals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }

    #[test]
    fn below_covers_its_range() {
        let place = Place::new(5, Purpose::Split);
        let mut seen = [false; 6];
        for i in 0..200 {
            seen[place.below(i, 6)] = true;
        }
        assert_eq!(seen, [true; 6]);
        assert_eq!(place.below(0, 0), 0);
    }
}
