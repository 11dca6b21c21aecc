//! A round as a person reviews it: its columns in memory, lists over them, pages of lines.
//!
//! The columns of a million pairs are 13 MB and are read once; filters and orders are scans of
//! them, so a page costs the same at any offset. Texts are read for the pair that is looked at.

use rusqlite::Connection;

use super::opinions::runs_on;
use super::replay::ReviewState;
use crate::domain::pool::Origin;
use crate::domain::preference::{PairId, Side, chosen_side};
use crate::domain::review::columns::side_of;
use crate::domain::review::filter::Want;
use crate::domain::review::list::filtered;
use crate::domain::review::{
    ListContext, Order, PairFacts, PrecisionEstimate, RoundColumns, SampleFilter, audit_precision,
    queue, rows,
};
use crate::domain::run::RunId;
use crate::domain::selection::LeftOut;
use crate::domain::verdict::Verdict;
use crate::store::error::StoreError;
use crate::store::pairs::generated::RunPairs;
use crate::store::rounds::selected_rounds;
use crate::store::{Store, columns, keys};

/// How many other runs count in the teach queue, the newest first.
const N_COMMITTEE: usize = 4;

/// One round of one run, ready to be listed.
#[derive(Debug, Clone)]
pub struct RoundReview {
    pub run: RunId,
    pub round: u32,
    /// The rounds that made a selection.
    pub rounds: Vec<u32>,
    pub columns: RoundColumns,
    /// The confidence below which nothing could be selected.
    pub floor: Option<f64>,
    /// Every decision about the run's pairs.
    pub state: ReviewState,
    version: Option<u64>,
    pairs: RunPairs,
    facts: Option<PairFacts>,
    disagreement: Option<Vec<f32>>,
    audit: Vec<u32>,
}

/// One line of a list of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleLine {
    pub pair: PairId,
    /// The difference `reward_a - reward_b`.
    pub margin: f32,
    /// Confidence in `[0.5, 1]`.
    pub confidence: f64,
    /// How far the probability of the present preference moved since the round before.
    pub change: Option<f64>,
    /// Whether the pseudo-label is another one than in the round before.
    pub is_flipped: bool,
    /// `None` where the pair was selected.
    pub left_out: Option<LeftOut>,
    /// The decision in force.
    pub verdict: Option<Verdict>,
    pub reason: Option<String>,
    /// Characters of the answers, in presentation order.
    pub n_chars: (u32, u32),
    /// The slice of the data set.
    pub slice: String,
    /// Who wrote the answers; `None` for a pair of the data set.
    pub origin: Option<Origin>,
}

impl Store {
    /// A round to review: this one, or the latest with a selection. `None` before there is one.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn round_review(
        &self,
        run: &RunId,
        round: Option<u32>,
    ) -> Result<Option<RoundReview>, StoreError> {
        let (rounds, pairs) = self.read(|connection| {
            let key = keys::run(connection, run)?;
            Ok((selected_rounds(connection, key)?, RunPairs::of(connection, key)?))
        })?;
        let found = match round {
            Some(wanted) => rounds.iter().copied().find(|round| *round == wanted),
            None => rounds.last().copied(),
        };
        let Some(round) = found else { return Ok(None) };
        let version = self.columns_version(run, round)?;
        let columns = self.round_columns(run, round)?;
        let audit = queue::audit(&columns, pairs.rng_seed, round);
        let mut state = ReviewState::default();
        self.refresh_review(run, &mut state)?;
        let floor = self.floor(run, round)?;
        Ok(Some(RoundReview {
            run: run.clone(),
            round,
            rounds,
            columns,
            floor,
            state,
            version,
            pairs,
            facts: None,
            disagreement: None,
            audit,
        }))
    }

    /// Whether the selection of the round was made again after it was read, or a later round has
    /// one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_outdated(&self, review: &RoundReview) -> Result<bool, StoreError> {
        if self.columns_version(&review.run, review.round)? != review.version {
            return Ok(true);
        }
        self.read(|connection| {
            let key = keys::run(connection, &review.run)?;
            Ok(selected_rounds(connection, key)? != review.rounds)
        })
    }

    /// The rows of a list. An audit always shows its whole sample, because a filtered sample would
    /// no longer be random.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn review_rows(
        &self,
        review: &mut RoundReview,
        filter: &SampleFilter,
        order: Order,
    ) -> Result<Vec<u32>, StoreError> {
        if order == Order::Audit {
            return Ok(review.audit.clone());
        }
        if (filter.needs_facts() || order == Order::Longest) && review.facts.is_none() {
            let facts = self.pair_facts(review.pairs, &review.columns)?;
            review.facts = Some(facts);
        }
        let search = |want: &Want| match want {
            Want::Text(text) => self.pool_pairs_with_text(review.pairs, text),
            Want::Like(pair) => self.pool_pairs_like(review.pairs, *pair),
            _ => Ok(Vec::new()),
        };
        let found = filter.searches().map(search).collect::<Result<Vec<_>, _>>()?;
        if order == Order::Teach {
            self.read_committee(review)?;
        }
        let context = ListContext {
            verdicts: &review.state.verdicts,
            facts: review.facts.as_ref(),
            found: &found,
            floor: review.floor,
            first_generated: review.pairs.n_pairs,
        };
        if order != Order::Teach {
            return Ok(rows(&review.columns, filter, order, context));
        }
        let rows = filtered(&review.columns, filter, context);
        let others = review.disagreement.as_deref();
        let candidates = queue::teach_candidates(&review.columns, &rows, others);
        let pairs: Vec<u32> =
            candidates.iter().map(|doubt| review.columns.pairs[doubt.row as usize]).collect();
        Ok(queue::teach(&candidates, &self.facets_of(&review.run, &pairs)?))
    }

    /// The near-duplicates of a pair among those scored in the round, without itself.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn scored_like(
        &self,
        review: &RoundReview,
        pair: PairId,
    ) -> Result<Vec<PairId>, StoreError> {
        let found = self.pool_pairs_like(review.pairs, pair)?;
        let others = found.into_iter().map(PairId).filter(|other| *other != pair);
        Ok(others.filter(|other| review.columns.row_of(*other).is_some()).collect())
    }

    /// Lines for some rows of a list.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn sample_lines(
        &self,
        review: &RoundReview,
        rows: &[u32],
    ) -> Result<Vec<SampleLine>, StoreError> {
        self.read(|connection| {
            let key = keys::run(connection, &review.run)?;
            rows.iter().map(|row| line(connection, key, review, *row as usize)).collect()
        })
    }

    fn floor(&self, run: &RunId, round: u32) -> Result<Option<f64>, StoreError> {
        // A spec of another version cannot be read; then only this line of the list is missing.
        let Ok(spec) = self.spec(run) else { return Ok(None) };
        let rounds = self.rounds(run)?;
        let selection =
            rounds.iter().find(|row| row.round == round).and_then(|row| row.selection.as_ref());
        Ok(selection.and_then(|summary| summary.confidence_floor(&spec.selection)))
    }

    /// For each row, how many of the newest other runs on the same data prefer the other answer.
    fn read_committee(&self, review: &mut RoundReview) -> Result<(), StoreError> {
        if review.disagreement.is_some() {
            return Ok(());
        }
        let RoundReview { run, pairs, columns: mine, .. } = &*review;
        let others = self.read(|connection| {
            let key = keys::run(connection, run)?;
            let mut others = Vec::new();
            for (other, _, _, seed) in runs_on(connection, pairs.dataset, key, N_COMMITTEE)? {
                let rounds = selected_rounds(connection, other)?;
                let Some(latest) = rounds.last() else { continue };
                others.push((columns::read_columns(connection, other, *latest)?, seed));
            }
            Ok(others)
        })?;
        let opinions: Vec<_> = others
            .iter()
            .map(|(columns, seed)| {
                move |pair: u32| {
                    // Another run has another pair under the number of a policy's.
                    if pairs.is_generated(PairId(pair)) {
                        return None;
                    }
                    let row = columns.row_of(PairId(pair))?;
                    let is_same = chosen_side(*seed, PairId(pair))
                        == chosen_side(pairs.rng_seed, PairId(pair));
                    let margin = columns.margin(row);
                    Some(if is_same { margin } else { -margin })
                }
            })
            .collect();
        let shares = (!opinions.is_empty()).then(|| queue::disagreement(mine, &opinions));
        review.disagreement = Some(shares.unwrap_or_else(|| vec![0.0; review.columns.len()]));
        Ok(())
    }
}

impl RoundReview {
    /// What the audit says about the round's pseudo-labels so far.
    #[must_use]
    pub fn precision(&self) -> Option<PrecisionEstimate> {
        let rank = |pair: &PairId| {
            let row = self.columns.row_of(*pair)? as u32;
            queue::audit_rank(&self.columns, &self.audit, self.rng_seed(), self.round, row)
        };
        let n_sample = self.state.audited.iter().filter_map(rank).max()? + 1;
        let label = |row: u32| side_of(self.columns.margin(row as usize));
        let sample = self.audit[..n_sample].iter().map(|row| (self.pair(*row), label(*row)));
        audit_precision(sample, self.audit.len(), &self.state.verdicts)
    }

    /// The pair in a row.
    #[must_use]
    pub fn pair(&self, row: u32) -> PairId {
        PairId(self.columns.pairs[row as usize])
    }

    /// The seed of the run's random numbers.
    #[must_use]
    pub fn rng_seed(&self) -> u64 {
        self.pairs.rng_seed
    }

    /// Selected pairs of the round.
    #[must_use]
    pub fn n_selected(&self) -> usize {
        self.audit.len()
    }
}

fn line(
    connection: &Connection,
    run: i64,
    review: &RoundReview,
    row: usize,
) -> Result<SampleLine, StoreError> {
    let columns = &review.columns;
    let score = columns.score(row);
    let (chosen, rejected, slice) = review.pairs.lengths(connection, score.pair)?;
    let n_chars = match chosen_side(review.pairs.rng_seed, score.pair) {
        Side::A => (chosen, rejected),
        Side::B => (rejected, chosen),
    };
    let verdict = review.state.verdicts.get(score.pair);
    let reason = match verdict {
        Some(_) => {
            super::verdicts::verdict_row(connection, run, score.pair)?.and_then(|v| v.reason)
        }
        None => None,
    };
    Ok(SampleLine {
        pair: score.pair,
        margin: columns.margin(row),
        confidence: score.confidence(),
        change: columns.change(row),
        is_flipped: columns.is_flipped(row),
        left_out: columns.left_out[row],
        verdict,
        reason,
        n_chars,
        slice,
        origin: review.pairs.origin(connection, score.pair)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::review::Queue;
    use crate::store::{Decision, testing};

    fn pairs(review: &RoundReview, rows: &[u32]) -> Vec<u32> {
        rows.iter().map(|row| review.columns.pairs[*row as usize]).collect()
    }

    #[test]
    fn lists_lines_and_the_estimate_follow_the_verdicts() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        assert!(fixture.store.round_review(&run, None).unwrap().is_none());
        let attempt = fixture.begin(&run);
        fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
        let store = &mut fixture.store;
        let mut review = store.round_review(&run, None).unwrap().unwrap();
        assert_eq!((review.round, review.n_selected(), review.precision()), (1, 15, None));
        assert!(store.round_review(&run, Some(7)).unwrap().is_none());
        let everything = SampleFilter::default();
        let list = store.review_rows(&mut review, &everything, Order::MostConfident).unwrap();
        assert_eq!(pairs(&review, &list[..3]), [29, 28, 27]);
        let audit = store.review_rows(&mut review, &everything, Order::Audit).unwrap();
        assert_eq!(audit.len(), 15);
        let wrong = PairId(review.columns.pairs[audit[0] as usize]);
        let right = PairId(review.columns.pairs[audit[1] as usize]);
        let decision = |verdict| Decision { queue: Some(Queue::Audit), ..Decision::new(verdict) };
        store.decide(&run, &[wrong], decision(Verdict::Flip)).unwrap();
        store.decide(&run, &[right], decision(Verdict::Keep)).unwrap();
        assert!(!store.is_outdated(&review).unwrap());
        assert!(store.refresh_review(&run, &mut review.state).unwrap());
        let estimate = review.precision().unwrap();
        assert_eq!((estimate.n_reviewed, estimate.n_right, estimate.precision), (2, 1, 0.5));
        let lines = store.sample_lines(&review, &audit[..2]).unwrap();
        assert_eq!(lines[0].verdict, Some(Verdict::Flip));
        assert_eq!(lines[0].slice, format!("slice {}", wrong.0 % 4));
        let flipped = SampleFilter::parse("verdict:flip").unwrap();
        let list = store.review_rows(&mut review, &flipped, Order::Pair).unwrap();
        assert_eq!(pairs(&review, &list), [wrong.0]);
        let text = SampleFilter::parse("\"prompt 3\" selected:yes").unwrap();
        // `prompt 3`, `prompt 30` and on hold the text; of them only 30 and above were not scored.
        let list = store.review_rows(&mut review, &text, Order::Pair).unwrap();
        assert_eq!(pairs(&review, &list), [0_u32; 0]);
        let longest = store.review_rows(&mut review, &everything, Order::Longest).unwrap();
        assert!(pairs(&review, &longest[..20]).iter().all(|pair| *pair >= 10));
    }

    #[test]
    fn the_teach_queue_asks_the_other_runs() {
        let mut fixture = testing::store();
        let (mine, other) = (fixture.run("mine"), fixture.run("other"));
        let attempt = fixture.begin(&mine);
        fixture.apply(&mine, attempt, vec![testing::selection_made(1, 30)]);
        let attempt = fixture.begin(&other);
        let mut event = testing::selection_made(1, 30);
        if let crate::domain::event::RunEvent::SelectionMade { pairs, .. } = &mut event {
            // The other run is as sure of the opposite of pair 28.
            let score = &mut pairs[28].score;
            std::mem::swap(&mut score.reward_a, &mut score.reward_b);
        }
        fixture.apply(&other, attempt, vec![event]);
        let mut review = fixture.store.round_review(&mine, None).unwrap().unwrap();
        let all = SampleFilter::default();
        let list = fixture.store.review_rows(&mut review, &all, Order::Teach).unwrap();
        let order = pairs(&review, &list);
        // Both are selected; a dispute counts as much as a tie, and pair 28 is a little unsure too.
        assert_eq!(order[..2], [28, 0]);
        assert_eq!(order.len(), 30);
    }
}
