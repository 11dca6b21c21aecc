//! The scored pairs of a round as columns, and what is known of the pairs beside their scores.

use std::collections::HashMap;

use rusqlite::Connection;

use super::error::StoreError;
use super::events::parts;
use super::pairs::generated::RunPairs;
use super::pairs::key_range;
use super::{Store, keys};
use crate::domain::preference::{PairId, Side, chosen_side};
use crate::domain::random::text_hash;
use crate::domain::review::queue::Facets;
use crate::domain::review::{PairFacts, RoundColumns};
use crate::domain::run::RunId;

impl Store {
    /// A number that changes when the selection of a round is made again; `None` before the round
    /// has one.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn columns_version(&self, run: &RunId, round: u32) -> Result<Option<u64>, StoreError> {
        self.read(|connection| parts::selection_seq(connection, keys::run(connection, run)?, round))
    }

    /// Every scored pair of a round with its margin in the round before; empty before the selection
    /// was made.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn round_columns(&self, run: &RunId, round: u32) -> Result<RoundColumns, StoreError> {
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let mut columns = read_columns(connection, key, round)?;
            if let Some(before) = round.checked_sub(1) {
                let before = read_columns(connection, key, before)?;
                if !before.is_empty() {
                    columns.follow(&before);
                }
            }
            Ok(columns)
        })
    }

    /// Lengths and slices of the pairs of some columns, in presentation order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(in crate::store) fn pair_facts(
        &self,
        pairs: RunPairs,
        columns: &RoundColumns,
    ) -> Result<PairFacts, StoreError> {
        self.read(|connection| {
            let mut gathered = Gathered::default();
            let mut statement = connection.prepare_cached(
                "SELECT key, n_chars_chosen, n_chars_rejected, slice FROM pairs
                 WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
            )?;
            let mut rows = statement.query(key_range(pairs.dataset))?;
            let mut wanted = columns.pairs.iter().copied().peekable();
            while let (Some(row), Some(next)) = (rows.next()?, wanted.peek().copied()) {
                let pair = row.get::<_, i64>(0)? as u32;
                if pair != next {
                    continue;
                }
                wanted.next();
                let lengths = (row.get(1)?, row.get(2)?);
                let slice = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
                gathered.add(chosen_side(pairs.rng_seed, PairId(pair)), lengths, slice);
            }
            // Those of a policy stand behind those of the data set.
            for pair in wanted.map(PairId) {
                let (chosen, rejected, slice) = pairs.lengths(connection, pair)?;
                gathered.add(chosen_side(pairs.rng_seed, pair), (chosen, rejected), &slice);
            }
            Ok(gathered.facts)
        })
    }

    /// What some pairs have in common with others (see [`Facets`]), in the order asked for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn facets_of(&self, run: &RunId, pairs: &[u32]) -> Result<Vec<Facets>, StoreError> {
        self.read(|connection| {
            let of = RunPairs::of(connection, keys::run(connection, run)?)?;
            let sql = "SELECT group_hash FROM pairs WHERE key = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let mut facets = |pair: &u32| {
                let id = PairId(*pair);
                let (texts, source) = (of.pair(connection, id)?, of.source_of(connection, id)?);
                let key = super::pairs::pair_key(of.dataset, source.0);
                let group: i64 = statement.query_row([key], |row| row.get(0))?;
                let answers = [&texts.chosen, &texts.rejected];
                Ok(Facets {
                    group: group as u64,
                    answers: answers.map(|text| text_hash(text)),
                    n_chars: answers.map(|text| text.chars().count() as u64).iter().sum(),
                })
            };
            pairs.iter().map(&mut facets).collect()
        })
    }
}

/// Facts in the making.
#[derive(Default)]
struct Gathered {
    facts: PairFacts,
    slices: HashMap<String, u32>,
}

impl Gathered {
    fn add(&mut self, chosen_side: Side, (chosen, rejected): (u32, u32), slice: &str) {
        let facts = &mut self.facts;
        let (a, b) = match chosen_side {
            Side::A => (chosen, rejected),
            Side::B => (rejected, chosen),
        };
        facts.n_chars_a.push(a);
        facts.n_chars_b.push(b);
        let index = if let Some(index) = self.slices.get(slice) {
            *index
        } else {
            let index = self.slices.len() as u32;
            self.slices.insert(slice.to_owned(), index);
            facts.slice_names.push(slice.to_owned());
            index
        };
        facts.slices.push(index);
    }
}

/// The columns of one round, without the round before.
pub(super) fn read_columns(
    connection: &Connection,
    run: i64,
    round: u32,
) -> Result<RoundColumns, StoreError> {
    Ok(RoundColumns::of(parts::scores(connection, run, round)?))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn columns_are_the_scored_pairs() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        assert_eq!(fixture.store.columns_version(&run, 1).unwrap(), None);
        assert!(fixture.store.round_columns(&run, 1).unwrap().is_empty());
        let events = vec![testing::selection_made(1, 30), testing::selection_made(2, 20)];
        fixture.apply(&run, attempt, events);
        let first = fixture.store.round_columns(&run, 1).unwrap();
        let rows = fixture.store.pair_scores(&run, 1).unwrap();
        assert_eq!(first, RoundColumns::of(rows));
        assert_eq!(first.left_out.iter().filter(|reason| reason.is_none()).count(), 15);
        let second = fixture.store.round_columns(&run, 2).unwrap();
        assert_eq!(second.margins_before.len(), 20);
        assert_eq!(second.margin_before(7), Some(first.margin(7)));
        assert_eq!(fixture.store.columns_version(&run, 2).unwrap(), Some(2));
    }

    #[test]
    fn a_selection_made_again_has_another_version() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
        let version = fixture.store.columns_version(&run, 1).unwrap();
        let later = super::super::Attempt { next_seq: 2, ..attempt };
        fixture.apply(&run, later, vec![testing::selection_made(1, 10)]);
        assert_ne!(fixture.store.columns_version(&run, 1).unwrap(), version);
        assert_eq!(fixture.store.round_columns(&run, 1).unwrap().len(), 10);
    }

    #[test]
    fn facts_follow_the_rows_of_the_columns() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let of = |store: &Store| store.read(|it| RunPairs::of(it, keys::run(it, &run)?)).unwrap();
        let columns = RoundColumns { pairs: vec![1, 9, 10], ..RoundColumns::default() };
        let facts = fixture.store.pair_facts(of(&fixture.store), &columns).unwrap();
        let names: Vec<&str> =
            facts.slices.iter().map(|slice| facts.slice_names[*slice as usize].as_str()).collect();
        assert_eq!(names, ["slice 1", "slice 1", "slice 2"]);
        for (i, pair) in [1, 9, 10].into_iter().enumerate() {
            // `good 10` and `bad 10` by the side on which each stands.
            let is_first = chosen_side(3, PairId(pair)) == Side::A;
            assert_eq!(facts.n_chars_a[i] > facts.n_chars_b[i], is_first, "{pair}");
        }
        let facets = fixture.store.facets_of(&run, &[10, 1]).unwrap();
        let all = fixture.store.group_hashes(fixture.dataset).unwrap();
        assert_eq!(facets.iter().map(|facets| facets.group).collect::<Vec<_>>(), [all[10], all[1]]);
        assert_eq!(facets[0].answers, [text_hash("good 10"), text_hash("bad 10")]);
        assert_eq!(facets[0].n_chars, 13);
    }
}
