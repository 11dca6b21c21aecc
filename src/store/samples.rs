//! The scored pairs of a round with their texts, and the margins of evaluated pairs.

use super::error::StoreError;
use super::events::parts;
use super::pairs::pair;
use super::people::verdicts;
use super::rows::SampledPair;
use super::{Store, columns, keys};
use crate::domain::event::PairMargin;
use crate::domain::metrics::Split;
use crate::domain::preference::{PairId, chosen_side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::random::{Place, Purpose};
use crate::domain::review::RoundColumns;
use crate::domain::run::RunId;
use crate::domain::selection::ScoredPair;

/// In which order pairs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleOrder {
    /// Shuffled by this number, the same for every round: a fair sample that stays in place.
    Display(u64),
    /// The least confident first: where a person's decision matters most.
    LeastConfident,
    /// The most confident first.
    MostConfident,
}

/// Which scored pairs of a round to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleQuery {
    /// At most so many.
    pub n: usize,
    /// After skipping so many.
    pub offset: usize,
    pub order: SampleOrder,
    /// Only selected (`true`) or only left out (`false`) pairs.
    pub selected_only: Option<bool>,
}

impl Store {
    /// Scored pool pairs of one round's selection, with texts, verdicts and the confidence before.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn sampled_pairs(
        &self,
        run: &RunId,
        round: u32,
        query: &SampleQuery,
    ) -> Result<Vec<SampledPair>, StoreError> {
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let sql = "SELECT dataset, rng_seed FROM runs WHERE key = ?1";
            let (dataset, rng_seed): (i64, i64) = connection
                .prepare_cached(sql)?
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let (verdicts, _) = verdicts::verdict_set(connection, key, i64::MAX)?;
            let rng_seed = rng_seed as u64;
            let columns = columns::read_columns(connection, key, round)?;
            let before = match round.checked_sub(1) {
                Some(before) => columns::read_columns(connection, key, before)?,
                None => RoundColumns::default(),
            };
            let rows = sampled_rows(&columns, query);
            let mut sampled = Vec::with_capacity(rows.len());
            for row in rows {
                let score = columns.score(row);
                let id = score.pair;
                let texts = pair(connection, dataset, id)?.to_candidate(rng_seed, id);
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
                    gold: chosen_side(rng_seed, id),
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

/// The rows of one page.
fn sampled_rows(columns: &RoundColumns, query: &SampleQuery) -> Vec<usize> {
    let is_wanted = |row: &usize| {
        let is_selected = columns.left_out[*row].is_none();
        query.selected_only.is_none_or(|wanted| wanted == is_selected)
    };
    let rank = |row: usize| match query.order {
        SampleOrder::Display(rng_seed) => {
            Place::new(rng_seed, Purpose::Display).bits(u64::from(columns.pairs[row]))
        }
        // The bits of a non-negative float are ordered like the float.
        SampleOrder::LeastConfident => u64::from(columns.margin(row).abs().to_bits()),
        SampleOrder::MostConfident => !u64::from(columns.margin(row).abs().to_bits()),
    };
    let rows = (0..columns.len()).filter(is_wanted);
    let ranked: Vec<(u64, u32)> = rows.map(|row| (rank(row), columns.pairs[row])).collect();
    let pairs = page(ranked, query.offset, query.n);
    pairs.into_iter().filter_map(|pair| columns.row_of(PairId(pair))).collect()
}

/// One page of pairs by rank. The rank of [`SampleOrder::Display`] depends on the pair alone, so
/// that pairs keep their order from round to round.
fn page(mut ranked: Vec<(u64, u32)>, offset: usize, n: usize) -> Vec<u32> {
    let end = offset.saturating_add(n);
    if end < ranked.len() {
        ranked.select_nth_unstable(end);
        ranked.truncate(end);
    }
    ranked.sort_unstable();
    ranked.into_iter().skip(offset).map(|(_, pair)| pair).collect()
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
    use crate::domain::verdict::Verdict;

    fn query(order: SampleOrder, selected_only: Option<bool>) -> SampleQuery {
        SampleQuery { n: 5, offset: 0, order, selected_only }
    }

    #[test]
    fn samples_come_with_texts_verdicts_and_the_confidence_before() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let events = vec![testing::selection_made(1, 30), testing::selection_made(2, 30)];
        fixture.apply(&run, attempt, events);
        fixture.store.add_verdict(&run, PairId(4), Verdict::Veto, None).unwrap();
        let all = SampleQuery { n: 100, ..query(SampleOrder::MostConfident, None) };
        let samples = fixture.store.sampled_pairs(&run, 2, &all).unwrap();
        assert_eq!(samples.len(), 30);
        let texts = testing::pairs(testing::N_PAIRS);
        for sample in &samples {
            let pair = &texts[sample.pair.0 as usize];
            let gold = if sample.gold == crate::domain::preference::Side::A {
                &sample.response_a
            } else {
                &sample.response_b
            };
            assert_eq!(*gold, pair.chosen);
            assert_eq!(sample.verdict, (sample.pair.0 == 4).then_some(Verdict::Veto));
            // The fixture's rewards depend on the pair alone, so nothing moved.
            assert!(sample.previous_confidence.unwrap() >= 0.5);
        }
        let first = fixture.store.sampled_pairs(&run, 1, &all).unwrap();
        assert!(first.iter().all(|sample| sample.previous_confidence.is_none()));
    }

    #[test]
    fn orders_filters_and_pages() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
        let ids = |query: &SampleQuery| -> Vec<u32> {
            let samples = fixture.store.sampled_pairs(&run, 1, query).unwrap();
            samples.iter().map(|sample| sample.pair.0).collect()
        };
        // `selection_made` gives pair i a margin of i and selects the even ones.
        assert_eq!(ids(&query(SampleOrder::MostConfident, Some(true))), [28, 26, 24, 22, 20]);
        assert_eq!(ids(&query(SampleOrder::LeastConfident, Some(false))), [1, 3, 5, 7, 9]);
        let shuffled = query(SampleOrder::Display(8), None);
        let mut pages: Vec<u32> = Vec::new();
        for offset in (0..30).step_by(5) {
            pages.extend(ids(&SampleQuery { offset, ..shuffled }));
        }
        assert_eq!(pages, ids(&SampleQuery { n: 100, ..shuffled }));
        assert_ne!(pages, ids(&SampleQuery { n: 100, ..query(SampleOrder::Display(9), None) }));
        pages.sort_unstable();
        assert_eq!(pages, (0..30).collect::<Vec<_>>());
    }

    #[test]
    fn a_turned_preference_shows_as_negative_confidence() {
        let score = |a, b| PairScore { pair: PairId(0), reward_a: a, reward_b: b };
        assert!(signed_confidence(&score(2.0, 0.0), &score(1.0, 0.0)) > 0.8);
        assert!(signed_confidence(&score(0.0, 2.0), &score(1.0, 0.0)) < -0.8);
    }
}
