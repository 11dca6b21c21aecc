//! What people decide about pairs: append-only rows, of which the newest of a pair holds.
//!
//! Rows decided together share a batch, named after its first row, and are undone together. An undo
//! appends a row for each pair that restores what held before the batch; a redo appends what the
//! batch said. The stack of what can be undone is therefore a replay of the table, the same after a
//! restart and in every viewer, and the worker needs to know nothing of it.

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction};

use super::clock::now_ms;
use super::error::StoreError;
use super::{Store, runs};
use crate::domain::preference::PairId;
use crate::domain::review::Queue;
use crate::domain::run::RunId;
use crate::domain::verdict::{Verdict, VerdictSet};

/// A decision about one pair or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What.
    pub verdict: Verdict,
    /// Why, in a word.
    pub reason: Option<&'a str>,
    /// Why, in a sentence.
    pub comment: Option<&'a str>,
    /// The queue in which the pairs were shown.
    pub queue: Option<Queue>,
}

impl Decision<'_> {
    /// A decision without a reason.
    #[must_use]
    pub fn new(verdict: Verdict) -> Self {
        Self { verdict, reason: None, comment: None, queue: None }
    }
}

/// Rows that were decided together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    /// Its first row.
    pub id: i64,
    /// What was decided.
    pub verdict: Verdict,
    /// About how many pairs.
    pub n_pairs: u64,
    /// One of them.
    pub pair: PairId,
}

/// The decision in force about one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRow {
    /// What.
    pub verdict: Verdict,
    /// Why, in a word.
    pub reason: Option<String>,
    /// Why, in a sentence.
    pub comment: Option<String>,
    /// Milliseconds since 1970.
    pub at_ms: i64,
}

/// Everything that was decided about a run's pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReviewState {
    /// The decisions in force.
    pub verdicts: VerdictSet,
    /// Pairs whose decision was made in the audit queue.
    pub audited: BTreeSet<PairId>,
    /// The last row read; 0 for none.
    pub last_id: i64,
    /// What an undo would take back.
    pub undo: Option<BatchRow>,
    /// What a redo would bring back.
    pub redo: Option<BatchRow>,
}

impl Store {
    /// Records a decision about a pair; returns the verdict's row.
    ///
    /// # Errors
    /// When there is no such run, or its data set has no such pair.
    pub fn add_verdict(
        &mut self,
        run: &RunId,
        pair: PairId,
        verdict: Verdict,
        reason: Option<&str>,
    ) -> Result<i64, StoreError> {
        self.decide(run, &[pair], Decision { reason, ..Decision::new(verdict) })
    }

    /// Records one decision about pairs, which an undo takes back at once; returns the batch. On the
    /// disk when this returns.
    ///
    /// # Errors
    /// When there is no such run, or its data set lacks one of the pairs; nothing is recorded then.
    pub fn decide(
        &mut self,
        run: &RunId,
        pairs: &[PairId],
        decision: Decision<'_>,
    ) -> Result<i64, StoreError> {
        self.write_verdicts(run, |transaction, key| {
            let batch = next_id(transaction)?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO verdicts (run, pair, verdict, reason, comment, queue, at_ms, batch)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            let at_ms = now_ms();
            let Decision { verdict, reason, comment, queue } = decision;
            let queue = queue.map(Queue::name);
            require_pairs(transaction, key, pairs)?;
            for pair in pairs {
                let name = verdict.name();
                insert.execute((key, pair.0, name, reason, comment, queue, at_ms, batch))?;
            }
            Ok(batch)
        })
    }

    /// Gives the decision in force about a pair a reason or a comment; `false` when there is none.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn amend_verdict(
        &mut self,
        run: &RunId,
        pair: PairId,
        reason: Option<&str>,
        comment: Option<&str>,
    ) -> Result<bool, StoreError> {
        self.write_verdicts(run, |transaction, key| {
            let n = transaction.execute(
                "INSERT INTO verdicts
                 (run, pair, verdict, reason, comment, queue, at_ms, batch, action)
                 SELECT run, pair, verdict, coalesce(?3, reason), coalesce(?4, comment), queue, ?5,
                        batch, 'amend'
                 FROM verdicts WHERE verdict <> 'undo' AND id =
                     (SELECT max(id) FROM verdicts WHERE run = ?1 AND pair = ?2)",
                (key, pair.0, reason, comment, now_ms()),
            )?;
            Ok(n > 0)
        })
    }

    /// Takes the latest decision back; `None` when there is nothing to undo.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn undo_verdict(&mut self, run: &RunId) -> Result<Option<BatchRow>, StoreError> {
        self.write_verdicts(run, |transaction, key| {
            let Some(target) = stacks(transaction, key)?.0.pop() else { return Ok(None) };
            let row = batch_row(transaction, key, target)?;
            let batch = next_id(transaction)?;
            transaction.execute(
                "INSERT INTO verdicts
                 (run, pair, verdict, reason, comment, queue, at_ms, batch, action, target)
                 SELECT ?1, decided.pair, coalesce(before.verdict, 'undo'), before.reason,
                        before.comment, before.queue, ?3, ?4, 'undo', ?2
                 FROM (SELECT DISTINCT pair FROM verdicts WHERE run = ?1 AND batch = ?2) AS decided
                 LEFT JOIN verdicts AS before ON before.id =
                     (SELECT max(id) FROM verdicts
                      WHERE run = ?1 AND pair = decided.pair AND id < ?2)",
                (key, target, now_ms(), batch),
            )?;
            Ok(row)
        })
    }

    /// Brings back what the latest undo took back; `None` when nothing was undone since the last
    /// decision.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn redo_verdict(&mut self, run: &RunId) -> Result<Option<BatchRow>, StoreError> {
        self.write_verdicts(run, |transaction, key| {
            let Some(target) = stacks(transaction, key)?.1.pop() else { return Ok(None) };
            let row = batch_row(transaction, key, target)?;
            let batch = next_id(transaction)?;
            transaction.execute(
                "INSERT INTO verdicts
                 (run, pair, verdict, reason, comment, queue, at_ms, batch, action, target)
                 SELECT run, pair, verdict, reason, comment, queue, ?3, ?4, 'redo', ?2
                 FROM verdicts WHERE id IN
                     (SELECT max(id) FROM verdicts WHERE run = ?1 AND batch = ?2 GROUP BY pair)",
                (key, target, now_ms(), batch),
            )?;
            Ok(row)
        })
    }

    /// The verdicts in force, of all rows or of the rows up to one, and the last row's id (0 for
    /// none).
    ///
    /// # Errors
    /// When there is no such run.
    pub fn verdicts(
        &self,
        run: &RunId,
        up_to: Option<i64>,
    ) -> Result<(VerdictSet, i64), StoreError> {
        self.read(|connection| {
            let key = runs::key(connection, run)?;
            verdict_set(connection, key, up_to.unwrap_or(i64::MAX))
        })
    }

    /// Adds what was decided after a row to the verdicts up to it; returns the last row's id. Costs
    /// next to nothing when nothing was.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn read_verdicts_after(
        &self,
        run: &RunId,
        last_id: i64,
        verdicts: &mut VerdictSet,
    ) -> Result<i64, StoreError> {
        self.read(|connection| {
            let key = runs::key(connection, run)?;
            let mut last = last_id;
            each_row(connection, key, last_id, i64::MAX, |id, pair, verdict, _| {
                last = id;
                verdicts.record(pair, verdict);
            })?;
            Ok(last)
        })
    }

    /// Brings what is known of a run's decisions up to date; `false` when it was.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn refresh_review(&self, run: &RunId, state: &mut ReviewState) -> Result<bool, StoreError> {
        self.read(|connection| {
            let key = runs::key(connection, run)?;
            let before = state.last_id;
            let ReviewState { verdicts, audited, last_id, .. } = state;
            each_row(connection, key, before, i64::MAX, |id, pair, verdict, is_audit| {
                *last_id = id;
                verdicts.record(pair, verdict);
                if is_audit && verdict != Verdict::Undo {
                    audited.insert(pair);
                } else {
                    audited.remove(&pair);
                }
            })?;
            if state.last_id == before {
                return Ok(false);
            }
            let (done, undone) = stacks(connection, key)?;
            let row = |batch: Option<&i64>| match batch {
                Some(batch) => batch_row(connection, key, *batch),
                None => Ok(None),
            };
            state.undo = row(done.last())?;
            state.redo = row(undone.last())?;
            Ok(true)
        })
    }

    /// The decision in force about a pair, with its reason.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn verdict_of(&self, run: &RunId, pair: PairId) -> Result<Option<VerdictRow>, StoreError> {
        self.read(|connection| {
            let key = runs::key(connection, run)?;
            verdict_row(connection, key, pair)
        })
    }

    /// A write that is on the disk when it returns: nobody should lose a decision to a power cut.
    fn write_verdicts<T>(
        &mut self,
        run: &RunId,
        work: impl FnOnce(&Transaction<'_>, i64) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let outcome = self.write(|transaction| {
            let key = runs::key(transaction, run)?;
            work(transaction, key)
        });
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        outcome
    }
}

pub(super) fn verdict_row(
    connection: &Connection,
    run: i64,
    pair: PairId,
) -> Result<Option<VerdictRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT verdict, reason, comment, at_ms FROM verdicts WHERE id =
         (SELECT max(id) FROM verdicts WHERE run = ?1 AND pair = ?2)",
    )?;
    let mut rows = statement.query((run, pair.0))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let verdict = runs::word(row, 0, "verdict", Verdict::from_name)?;
    let found =
        VerdictRow { verdict, reason: row.get(1)?, comment: row.get(2)?, at_ms: row.get(3)? };
    Ok((verdict != Verdict::Undo).then_some(found))
}

pub(super) fn verdict_set(
    connection: &Connection,
    run: i64,
    up_to: i64,
) -> Result<(VerdictSet, i64), StoreError> {
    let mut verdicts = VerdictSet::default();
    let mut last = 0;
    each_row(connection, run, 0, up_to, |id, pair, verdict, _| {
        last = id;
        verdicts.record(pair, verdict);
    })?;
    Ok((verdicts, last))
}

/// Visits the rows after one and up to another, in order: id, pair, verdict, whether in an audit.
fn each_row(
    connection: &Connection,
    run: i64,
    after: i64,
    up_to: i64,
    mut visit: impl FnMut(i64, PairId, Verdict, bool),
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, pair, verdict, queue FROM verdicts
         WHERE run = ?1 AND id > ?2 AND id <= ?3 ORDER BY id",
    )?;
    let mut rows = statement.query((run, after, up_to))?;
    while let Some(row) = rows.next()? {
        let verdict = runs::word(row, 2, "verdict", Verdict::from_name)?;
        let queue: Option<String> = row.get(3)?;
        let is_audit = queue.as_deref() == Some(Queue::Audit.name());
        visit(row.get(0)?, PairId(row.get(1)?), verdict, is_audit);
    }
    Ok(())
}

/// The batches that can be undone and those that can be redone, the next one last.
fn stacks(connection: &Connection, run: i64) -> Result<(Vec<i64>, Vec<i64>), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT batch, action, target FROM verdicts
         WHERE run = ?1 AND action <> 'amend' ORDER BY batch",
    )?;
    let mut rows = statement.query([run])?;
    let (mut done, mut undone): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (batch, target): (i64, Option<i64>) = (row.get(0)?, row.get(2)?);
        match (row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?, target) {
            ("undo", Some(target)) => {
                done.retain(|other| *other != target);
                undone.push(target);
            }
            ("redo", Some(target)) => {
                undone.retain(|other| *other != target);
                done.push(target);
            }
            _ => {
                // A new decision ends the line of what was undone.
                undone.clear();
                done.push(batch);
            }
        }
    }
    Ok((done, undone))
}

fn batch_row(
    connection: &Connection,
    run: i64,
    batch: i64,
) -> Result<Option<BatchRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT verdict, count(DISTINCT pair), min(pair) FROM verdicts
         WHERE run = ?1 AND batch = ?2 GROUP BY verdict",
    )?;
    let mut rows = statement.query((run, batch))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let verdict = runs::word(row, 0, "verdict", Verdict::from_name)?;
    let n_pairs = row.get::<_, i64>(1)? as u64;
    Ok(Some(BatchRow { id: batch, verdict, n_pairs, pair: PairId(row.get(2)?) }))
}

/// The id that the next row will get.
fn next_id(transaction: &Transaction<'_>) -> Result<i64, StoreError> {
    let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'verdicts'), 0) + 1";
    Ok(transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

fn require_pairs(connection: &Connection, run: i64, pairs: &[PairId]) -> Result<(), StoreError> {
    let sql = "SELECT dataset, n_pairs FROM runs JOIN datasets ON datasets.key = runs.dataset
               WHERE runs.key = ?1";
    let (dataset, n_pairs): (i64, i64) =
        connection.prepare_cached(sql)?.query_row([run], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match pairs.iter().find(|pair| i64::from(pair.0) >= n_pairs) {
        None => Ok(()),
        Some(pair) => Err(StoreError::UnknownPair { dataset, pair: pair.0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Access, testing};
    use super::*;

    fn state(store: &Store, run: &RunId) -> ReviewState {
        let mut state = ReviewState::default();
        store.refresh_review(run, &mut state).unwrap();
        state
    }

    fn get(store: &Store, run: &RunId, pair: u32) -> Option<Verdict> {
        state(store, run).verdicts.get(PairId(pair))
    }

    #[test]
    fn verdicts_are_replayed_up_to_a_row() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let store = &mut fixture.store;
        assert_eq!(store.verdicts(&run, None).unwrap(), (VerdictSet::default(), 0));
        let veto = store.add_verdict(&run, PairId(1), Verdict::Veto, Some("wrong")).unwrap();
        let flip = store.add_verdict(&run, PairId(2), Verdict::Flip, None).unwrap();
        assert_eq!(store.find_run("a").unwrap().n_vetoed, 1);
        let undo = store.add_verdict(&run, PairId(1), Verdict::Undo, None).unwrap();
        let (all, last) = store.verdicts(&run, None).unwrap();
        assert_eq!((all.get(PairId(1)), last), (None, undo));
        let (mut early, last) = store.verdicts(&run, Some(veto)).unwrap();
        assert_eq!((early.get(PairId(1)), early.len(), last), (Some(Verdict::Veto), 1, veto));
        assert_eq!(store.read_verdicts_after(&run, veto, &mut early).unwrap(), undo);
        assert_eq!(early, all);
        assert!(flip < undo);
        assert_eq!(store.find_run("a").unwrap().n_vetoed, 0);
        assert_eq!(store.runs().unwrap()[0].n_vetoed, 0);
        let error = store.add_verdict(&run, PairId(999), Verdict::Veto, None).unwrap_err();
        assert!(matches!(error, StoreError::UnknownPair { pair: 999, .. }), "{error}");
    }

    #[test]
    fn a_bulk_decision_is_one_step_and_restores_what_was_there() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let store = &mut fixture.store;
        store.add_verdict(&run, PairId(1), Verdict::Keep, Some("fine")).unwrap();
        let all: Vec<PairId> = (0..5).map(PairId).collect();
        let batch = store.decide(&run, &all, Decision::new(Verdict::Veto)).unwrap();
        let now = state(store, &run);
        assert_eq!(now.verdicts.n_vetoed(), 5);
        let expected = BatchRow { id: batch, verdict: Verdict::Veto, n_pairs: 5, pair: PairId(0) };
        assert_eq!(now.undo, Some(expected.clone()));
        assert_eq!(store.undo_verdict(&run).unwrap(), Some(expected));
        assert_eq!(get(store, &run, 1), Some(Verdict::Keep));
        assert_eq!(store.verdict_of(&run, PairId(1)).unwrap().unwrap().reason.unwrap(), "fine");
        assert_eq!(state(store, &run).verdicts.len(), 1);
        assert!(store.redo_verdict(&run).unwrap().is_some());
        assert_eq!(state(store, &run).verdicts.n_vetoed(), 5);
        assert_eq!(store.redo_verdict(&run).unwrap(), None);
        let unknown = [PairId(0), PairId(999)];
        assert!(store.decide(&run, &unknown, Decision::new(Verdict::Flip)).is_err());
        assert_eq!(state(store, &run).verdicts.n_vetoed(), 5, "all or nothing");
    }

    #[test]
    fn undo_and_redo_walk_the_log_across_restarts() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let home = fixture.home.clone();
        drop(fixture.store);
        let reopen = || Store::open(&home, Access::ReadWrite).unwrap();
        reopen().add_verdict(&run, PairId(7), Verdict::Veto, None).unwrap();
        reopen().add_verdict(&run, PairId(7), Verdict::Flip, None).unwrap();
        let seen = |store: &Store| get(store, &run, 7);
        let mut walk = Vec::new();
        for step in ["undo", "undo", "undo", "redo", "redo", "redo", "undo"] {
            let mut store = reopen();
            let did = match step {
                "undo" => store.undo_verdict(&run).unwrap().is_some(),
                _ => store.redo_verdict(&run).unwrap().is_some(),
            };
            walk.push((did, seen(&store)));
        }
        let (veto, flip) = (Some(Verdict::Veto), Some(Verdict::Flip));
        let expected = [
            (true, veto),
            (true, None),
            (false, None),
            (true, veto),
            (true, flip),
            (false, flip),
            (true, veto),
        ];
        assert_eq!(walk, expected);
        let mut store = reopen();
        store.add_verdict(&run, PairId(7), Verdict::Keep, None).unwrap();
        assert_eq!(store.redo_verdict(&run).unwrap(), None, "a new decision ends the redo");
        store.undo_verdict(&run).unwrap();
        assert_eq!(seen(&store), veto);
    }

    #[test]
    fn reasons_comments_and_queues_follow_their_verdict() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let store = &mut fixture.store;
        let amended = store.amend_verdict(&run, PairId(3), Some("late"), None).unwrap();
        assert!(!amended, "nothing was decided");
        let decision = Decision { queue: Some(Queue::Audit), ..Decision::new(Verdict::Veto) };
        store.decide(&run, &[PairId(3)], decision).unwrap();
        assert!(store.amend_verdict(&run, PairId(3), Some("both bad"), None).unwrap());
        assert!(store.amend_verdict(&run, PairId(3), None, Some("see 4")).unwrap());
        let row = store.verdict_of(&run, PairId(3)).unwrap().unwrap();
        assert_eq!(row.reason.as_deref(), Some("both bad"));
        assert_eq!(row.comment.as_deref(), Some("see 4"));
        assert_eq!(state(store, &run).audited, BTreeSet::from([PairId(3)]));
        store.undo_verdict(&run).unwrap();
        let undone = state(store, &run);
        assert!(undone.audited.is_empty() && undone.verdicts.is_empty() && undone.undo.is_none());
        assert_eq!(store.verdict_of(&run, PairId(3)).unwrap(), None);
        store.redo_verdict(&run).unwrap();
        let row = store.verdict_of(&run, PairId(3)).unwrap().unwrap();
        assert_eq!(
            (row.reason.as_deref(), row.comment.as_deref()),
            (Some("both bad"), Some("see 4"))
        );
        assert_eq!(state(store, &run).audited.len(), 1);
    }

    #[test]
    fn two_viewers_lose_no_decision() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        std::thread::scope(|scope| {
            for first in [0, 20] {
                let (home, run) = (fixture.home.clone(), run.clone());
                scope.spawn(move || {
                    let mut store = Store::open(&home, Access::ReadWrite).unwrap();
                    for pair in first..first + 20 {
                        store.add_verdict(&run, PairId(pair), Verdict::Veto, None).unwrap();
                    }
                });
            }
        });
        assert_eq!(state(&fixture.store, &run).verdicts.n_vetoed(), 40);
    }
}
