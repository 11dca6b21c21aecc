//! The scored pairs of a round with their texts, and the margins of evaluated pairs.

use super::error::StoreError;
use super::events::parts;
use super::pairs::generated::RunPairs;
use super::people::replay;
use super::rows::SampledPair;
use super::{Store, columns, keys};
use crate::domain::event::PairMargin;
use crate::domain::metrics::Split;
use crate::domain::preference::chosen_side;
use crate::domain::pseudo_label::PairScore;
use crate::domain::random::{Place, Purpose};
use crate::domain::review::RoundColumns;
use crate::domain::run::RunId;
use crate::domain::selection::ScoredPair;

impl Store {
    /// At most `n` scored pool pairs of one round's selection, with texts, verdicts and the confidence
    /// before: those that come first when all are shuffled by `display_seed`. The place of a pair depends
    /// on the pair alone, so that it keeps it among the others from round to round.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn sampled_pairs(
        &self,
        run: &RunId,
        round: u32,
        n: usize,
        display_seed: u64,
    ) -> Result<Vec<SampledPair>, StoreError> {
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let pairs = RunPairs::of(connection, key)?;
            let (verdicts, _) = replay::verdict_set(connection, key, i64::MAX)?;
            let rng_seed = pairs.rng_seed;
            let columns = columns::read_columns(connection, key, round)?;
            let before = match round.checked_sub(1) {
                Some(before) => columns::read_columns(connection, key, before)?,
                None => RoundColumns::default(),
            };
            let rows = sampled_rows(&columns, n, display_seed);
            let mut sampled = Vec::with_capacity(rows.len());
            for row in rows {
                let score = columns.score(row);
                let id = score.pair;
                let texts = pairs.pair(connection, id)?.to_candidate(rng_seed, id);
                sampled.push(SampledPair {
                    pair: id,
                    round,
                    prompt: texts.prompt,
                    response_a: texts.response_a,
                    response_b: texts.response_b,
                    reward_a: score.reward_a,
                    reward_b: score.reward_b,
                    left_out: columns.left_out[row],
                    verdict: verdicts.get(id),
                    gold: pairs.is_labeled(connection, id)?.then(|| chosen_side(rng_seed, id)),
                    origin: pairs.origin(connection, id)?,
                    previous_confidence: before
                        .row_of(id)
                        .map(|row| signed_confidence(&before.score(row), &score)),
                });
            }
            Ok(sampled)
        })
    }

    /// Every scored pair of a round's selection, by pair.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn pair_scores(&self, run: &RunId, round: u32) -> Result<Vec<ScoredPair>, StoreError> {
        self.read(|connection| parts::scores(connection, keys::run(connection, run)?, round))
    }

    /// The margin of every evaluated pair, by pair.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn margins(
        &self,
        run: &RunId,
        round: u32,
        split: Split,
    ) -> Result<Vec<PairMargin>, StoreError> {
        self.read(|connection| {
            parts::margins(connection, keys::run(connection, run)?, round, split)
        })
    }
}

fn sampled_rows(columns: &RoundColumns, n: usize, display_seed: u64) -> Vec<usize> {
    let place = Place::new(display_seed, Purpose::Display);
    let rank = |row: usize| (place.bits(u64::from(columns.pairs[row])), columns.pairs[row]);
    let mut ranked: Vec<usize> = (0..columns.len()).collect();
    if n < ranked.len() {
        ranked.select_nth_unstable_by_key(n, |row| rank(*row));
        ranked.truncate(n);
    }
    ranked.sort_unstable_by_key(|row| rank(*row));
    ranked
}

/// The confidence in the round before, with a minus sign where that round preferred the other
/// answer.
fn signed_confidence(before: &PairScore, now: &PairScore) -> f64 {
    let is_same = (before.margin() > 0.0) == (now.margin() > 0.0);
    if is_same { before.confidence() } else { -before.confidence() }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::domain::preference::PairId;
    use crate::domain::verdict::Verdict;
    use crate::store::Decision;

    #[test]
    fn samples_come_with_texts_verdicts_and_the_confidence_before() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let events = vec![testing::selection_made(1, 30), testing::selection_made(2, 30)];
        fixture.apply(&run, attempt, events);
        fixture.store.decide(&run, &[PairId(4)], Decision::new(Verdict::Veto)).unwrap();
        let samples = fixture.store.sampled_pairs(&run, 2, 100, 8).unwrap();
        assert_eq!(samples.len(), 30);
        let texts = testing::pairs(testing::N_PAIRS);
        for sample in &samples {
            let pair = &texts[sample.pair.0 as usize];
            let gold = if sample.gold == Some(crate::domain::preference::Side::A) {
                &sample.response_a
            } else {
                &sample.response_b
            };
            assert_eq!(*gold, pair.chosen);
            assert_eq!(sample.verdict, (sample.pair.0 == 4).then_some(Verdict::Veto));
            // The fixture's rewards depend on the pair alone, so nothing moved.
            assert!(sample.previous_confidence.unwrap() >= 0.5);
        }
        let first = fixture.store.sampled_pairs(&run, 1, 100, 8).unwrap();
        assert!(first.iter().all(|sample| sample.previous_confidence.is_none()));
    }

    #[test]
    fn a_few_are_the_first_of_all_in_the_order_of_the_seed() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
        let ids = |n, seed| -> Vec<u32> {
            let samples = fixture.store.sampled_pairs(&run, 1, n, seed).unwrap();
            samples.iter().map(|sample| sample.pair.0).collect()
        };
        let mut all = ids(100, 8);
        assert_eq!(ids(5, 8), all[..5]);
        assert_ne!(ids(100, 9), all);
        all.sort_unstable();
        assert_eq!(all, (0..30).collect::<Vec<_>>());
    }

    #[test]
    fn a_turned_preference_shows_as_negative_confidence() {
        let score = |a, b| PairScore { pair: PairId(0), reward_a: a, reward_b: b };
        assert!(signed_confidence(&score(2.0, 0.0), &score(1.0, 0.0)) > 0.8);
        assert!(signed_confidence(&score(0.0, 2.0), &score(1.0, 0.0)) < -0.8);
    }
}
