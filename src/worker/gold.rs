//! Held-back labels, read by metrics, and by the oracle reviewer of a spec that asks for one.
//!
//! Selection and training never see this type: they get [`crate::domain::preference::CandidatePair`]
//! and [`crate::domain::preference::TrainingLabel`].

use std::collections::BTreeSet;

use crate::domain::preference::{PairId, Side, chosen_side};

/// The hidden labels of the unlabeled pool: people's, and of the pairs of a policy those of its judge.
#[derive(Debug)]
pub struct GoldLabels {
    rng_seed: u64,
    known_wrong: BTreeSet<PairId>,
    /// Pairs from this one on are a policy's.
    first_generated: PairId,
    /// Those of them that the judge has labeled.
    judged: BTreeSet<PairId>,
}

impl GoldLabels {
    /// The labels of a run's pool, before a policy adds to it; the recorded label noise of the pairs in
    /// `known_wrong` is undone here.
    #[must_use]
    pub fn new(rng_seed: u64, known_wrong: BTreeSet<PairId>, first_generated: PairId) -> Self {
        Self { rng_seed, known_wrong, first_generated, judged: BTreeSet::new() }
    }

    /// Notes that the judge has labeled a pair of the policy.
    pub fn judge(&mut self, pair: PairId) {
        self.judged.insert(pair);
    }

    /// The first pair that is a policy's.
    #[must_use]
    pub fn first_generated(&self) -> PairId {
        self.first_generated
    }

    /// The side that people, or the judge of a policy's pairs, prefer; `None` where nobody has said so.
    #[must_use]
    pub fn known(&self, pair: PairId) -> Option<Side> {
        let is_known = pair < self.first_generated || self.judged.contains(&pair);
        is_known.then(|| self.preferred(pair))
    }

    /// The side people prefer, of a pair of the data set.
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
        let gold = GoldLabels::new(3, BTreeSet::from([PairId(5)]), PairId(9));
        assert_eq!(gold.preferred(PairId(4)), chosen_side(3, PairId(4)));
        assert_eq!(gold.preferred(PairId(5)), chosen_side(3, PairId(5)).other());
    }

    #[test]
    fn of_a_policys_pairs_only_the_judged_have_a_label() {
        let mut gold = GoldLabels::new(3, BTreeSet::new(), PairId(9));
        gold.judge(PairId(10));
        let expected = [8, 10].map(|pair| Some(chosen_side(3, PairId(pair))));
        let known = [8, 9, 10, 11].map(|pair| gold.known(PairId(pair)));
        assert_eq!(known, [expected[0], None, expected[1], None]);
    }
}
