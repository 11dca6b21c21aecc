//! Held-back labels, read by metrics, and by the oracle reviewer of a spec that asks for one.
//!
//! Selection and training never see this type: they get [`crate::domain::preference::CandidatePair`]
//! and [`crate::domain::preference::TrainingLabel`].

use std::collections::BTreeSet;

use crate::domain::preference::{PairId, Side, chosen_side};

/// The human labels of the unlabeled pool.
#[derive(Debug, Default)]
pub struct GoldLabels {
    rng_seed: u64,
    known_wrong: BTreeSet<PairId>,
}

impl GoldLabels {
    /// The labels of a run's pool; the recorded label noise of the pairs in `known_wrong` is undone
    /// here.
    #[must_use]
    pub fn new(rng_seed: u64, known_wrong: BTreeSet<PairId>) -> Self {
        Self { rng_seed, known_wrong }
    }

    /// The side people prefer.
    #[must_use]
    pub fn preferred(&self, pair: PairId) -> Side {
        let side = chosen_side(self.rng_seed, pair);
        if self.known_wrong.contains(&pair) { side.other() } else { side }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_noise_is_undone() {
        let gold = GoldLabels::new(3, BTreeSet::from([PairId(5)]));
        assert_eq!(gold.preferred(PairId(4)), chosen_side(3, PairId(4)));
        assert_eq!(gold.preferred(PairId(5)), chosen_side(3, PairId(5)).other());
    }
}
