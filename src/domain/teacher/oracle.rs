//! A reviewer who is always there: held-back labels answer for a review queue, so that what a label
//! from a person is worth can be measured without one.
//!
//! Which pairs the oracle is asked about, and where it is wrong, is a function of the run's own
//! scores, `rng_seed` and round, so a resumed run gets the same answers again.

use crate::domain::event::OracleAnswer;
use crate::domain::preference::{PairId, Side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::random::{Place, Purpose};
use crate::domain::review::RoundColumns;
use crate::domain::review::queue::{self, Facets};
use crate::domain::selection::ScoredPair;
use crate::domain::spec::{OracleQueue, ReviewSpec};
use crate::domain::verdict::{Verdict, VerdictSet};

/// The round in which an oracle is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// Which queue, how many pairs of it, and how often the answers are wrong.
    pub review: &'a ReviewSpec,
    /// The key of the run's randomness.
    pub rng_seed: u64,
    /// The round whose selection is reviewed.
    pub round: u32,
}

/// The scored pairs of a round that have no verdict yet, as the queues look at them.
pub struct Open<'a> {
    asking: Asking<'a>,
    columns: RoundColumns,
    /// By row of the columns, whether the pair has no verdict yet.
    has_no_verdict: Vec<bool>,
}

impl<'a> Open<'a> {
    /// Sets up the queues over the pairs of a selection, which follow those of the round before.
    #[must_use]
    pub fn new(
        asking: Asking<'a>,
        pairs: &[ScoredPair],
        before: &[ScoredPair],
        verdicts: &VerdictSet,
    ) -> Self {
        let mut sorted = pairs.to_vec();
        sorted.sort_unstable_by_key(|scored| scored.score.pair);
        let mut columns = RoundColumns::of(sorted);
        columns.follow(&RoundColumns::of(before.iter().copied()));
        let has_no_verdict = |pair: &u32| verdicts.get(PairId(*pair)).is_none();
        let has_no_verdict = columns.pairs.iter().map(has_no_verdict).collect();
        Self { asking, columns, has_no_verdict }
    }

    /// Returns the pairs at the head of the queue of the spec. Only the teach queue calls `facets`, for
    /// what some pairs have in common with others.
    ///
    /// # Errors
    /// Those of `facets`.
    pub fn asked<E>(
        &self,
        facets: impl FnOnce(&[u32]) -> Result<Vec<Facets>, E>,
    ) -> Result<Vec<PairScore>, E> {
        let Asking { review, rng_seed, round } = self.asking;
        let columns = &self.columns;
        let is_open = |row: &u32| self.has_no_verdict[*row as usize];
        let rows = match review.oracle {
            OracleQueue::None => Vec::new(),
            OracleQueue::Random => queue::pool_sample(columns, rng_seed, round),
            OracleQueue::Audit => queue::audit(columns, rng_seed, round),
            OracleQueue::Teach => {
                let open: Vec<u32> = (0..columns.len() as u32).filter(is_open).collect();
                // Other runs are left out, because their scores change with time and the oracle's
                // queue must be reproducible.
                let candidates = queue::teach_candidates(columns, &open, None);
                let pairs: Vec<u32> =
                    candidates.iter().map(|doubt| columns.pairs[doubt.row as usize]).collect();
                queue::teach(&candidates, &facets(&pairs)?)
            }
        };
        let asked = rows.into_iter().filter(is_open).take(review.oracle_labels as usize);
        Ok(asked.map(|row| columns.score(row as usize)).collect())
    }
}

/// What an oracle answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// One for each pair that was asked about, in that order.
    pub answers: Vec<OracleAnswer>,
    /// How many of them are wrong, as the spec asks.
    pub n_wrong: u64,
}

/// Answers for pairs by their held-back labels, `gold`, a share of them wrongly.
pub fn answer(asking: Asking<'_>, asked: &[PairScore], gold: impl Fn(PairId) -> Side) -> Answers {
    let place = Place::new(asking.rng_seed, Purpose::Oracle).at(asking.round, 1);
    let is_wrong = |pair: PairId| place.unit(u64::from(pair.0)) < asking.review.oracle_error;
    let answer = |score: &PairScore| {
        let gold = gold(score.pair);
        let preferred = if is_wrong(score.pair) { gold.other() } else { gold };
        let agrees = score.pseudo_label().is_none_or(|label| label.preferred == preferred);
        let verdict = if agrees { Verdict::Keep } else { Verdict::Flip };
        OracleAnswer { pair: score.pair, verdict, preferred }
    };
    Answers {
        answers: asked.iter().map(answer).collect(),
        n_wrong: asked.iter().filter(|score| is_wrong(score.pair)).count() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::selection::LeftOut;
    use crate::domain::spec::ReviewMode;

    fn review(oracle: OracleQueue, oracle_labels: u32, oracle_error: f64) -> ReviewSpec {
        ReviewSpec { mode: ReviewMode::Live, timeout: 0, oracle, oracle_labels, oracle_error }
    }

    /// Twenty pairs, surer by number; odd ones are left out.
    fn pairs() -> Vec<ScoredPair> {
        let scored = |i: u32| ScoredPair {
            score: PairScore { pair: PairId(i), reward_a: 0.1 * (i + 1) as f32, reward_b: 0.0 },
            left_out: (i % 2 == 1).then_some(LeftOut::BelowThreshold),
        };
        // In an order of their own: the queues do not depend on it.
        (0..20).rev().map(scored).collect()
    }

    fn asked(review: &ReviewSpec, before: &[ScoredPair], verdicts: &VerdictSet) -> Vec<u32> {
        let asking = Asking { review, rng_seed: 3, round: 1 };
        let facets = |pairs: &[u32]| -> Result<Vec<Facets>, ()> {
            let apart = |pair: &u32| Facets {
                group: u64::from(*pair),
                answers: [u64::from(*pair); 2],
                n_chars: 10,
            };
            Ok(pairs.iter().map(apart).collect())
        };
        let asked = Open::new(asking, &pairs(), before, verdicts).asked(facets).unwrap();
        asked.into_iter().map(|score| score.pair.0).collect()
    }

    #[test]
    fn each_queue_asks_about_its_own_pairs() {
        let none = VerdictSet::default();
        assert!(asked(&review(OracleQueue::None, 5, 0.0), &[], &none).is_empty());
        let teach = asked(&review(OracleQueue::Teach, 3, 0.0), &[], &none);
        assert_eq!(teach, [0, 1, 2], "the least sure, selected or not");
        let mut audit = asked(&review(OracleQueue::Audit, 20, 0.0), &[], &none);
        audit.sort_unstable();
        assert_eq!(audit, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18], "the selected ones");
        let mut random = asked(&review(OracleQueue::Random, 20, 0.0), &[], &none);
        assert_ne!(random[..5], [0, 1, 2, 3, 4]);
        random.sort_unstable();
        assert_eq!(random, (0..20).collect::<Vec<u32>>());
    }

    #[test]
    fn a_pair_with_a_verdict_is_not_asked_about_again() {
        let mut verdicts = VerdictSet::default();
        verdicts.record(PairId(0), Verdict::Veto);
        verdicts.record(PairId(2), Verdict::Keep);
        assert_eq!(asked(&review(OracleQueue::Teach, 3, 0.0), &[], &verdicts), [1, 3, 4]);
        let audit = asked(&review(OracleQueue::Audit, 20, 0.0), &[], &verdicts);
        assert!(audit.len() == 8 && !audit.contains(&2));
    }

    #[test]
    fn a_label_that_turned_around_is_asked_about_first() {
        let turned = ScoredPair {
            score: PairScore { pair: PairId(12), reward_a: 0.0, reward_b: 1.0 },
            left_out: None,
        };
        let none = VerdictSet::default();
        assert_eq!(asked(&review(OracleQueue::Teach, 2, 0.0), &[turned], &none), [12, 0]);
    }

    #[test]
    fn answers_are_right_but_for_the_share_that_is_asked_to_be_wrong() {
        let scores: Vec<PairScore> = pairs().iter().map(|pair| pair.score).collect();
        for (oracle_error, n_wrong) in [(0.0, 0), (1.0, 20)] {
            let review = review(OracleQueue::Random, 20, oracle_error);
            let asking = Asking { review: &review, rng_seed: 3, round: 1 };
            // Every model prefers a; people prefer b of the pairs from 15 on.
            let gold = |pair: PairId| if pair.0 < 15 { Side::A } else { Side::B };
            let Answers { answers, n_wrong: found } = answer(asking, &scores, gold);
            assert_eq!(found, n_wrong, "{oracle_error}");
            for OracleAnswer { pair, verdict, preferred } in answers {
                let is_right = preferred == gold(pair);
                assert_eq!(is_right, n_wrong == 0, "{pair:?}");
                let keeps = preferred == Side::A;
                assert_eq!(verdict, if keeps { Verdict::Keep } else { Verdict::Flip }, "{pair:?}");
            }
        }
    }

    #[test]
    fn a_tie_is_kept_whatever_the_answer() {
        let review = review(OracleQueue::Random, 1, 0.0);
        let asking = Asking { review: &review, rng_seed: 3, round: 1 };
        let tie = [PairScore { pair: PairId(1), reward_a: 1.0, reward_b: 1.0 }];
        let found = answer(asking, &tie, |_| Side::B).answers[0];
        assert_eq!((found.verdict, found.preferred), (Verdict::Keep, Side::B));
    }
}
