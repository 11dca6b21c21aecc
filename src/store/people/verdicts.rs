//! What people decide about pairs: append-only rows, of which the newest of a pair holds.
//!
//! Rows that are decided together share a batch, named after its first row, and are undone
//! together. An undo appends, for each pair, a row that restores the decision before the batch; a
//! redo appends the decisions of the batch again. What can be undone is found by replaying the
//! table, so it is the same after a restart and in every viewer, and the worker need not know about
//! it.

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction};

use crate::domain::event::OracleAnswer;
use crate::domain::preference::{PairId, Side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::review::Queue;
use crate::domain::run::RunId;
use crate::domain::verdict::{Verdict, VerdictSet};
use crate::store::clock::now_ms;
use crate::store::error::StoreError;
use crate::store::events::parts::scored_pair;
use crate::store::rounds::selected_rounds;
use crate::store::{Store, columns, keys, runs};

/// `source` of a row that the held-back labels decided.
const ORACLE: &str = "oracle";

/// A decision about one pair or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'a> {
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
    pub id: i64,
    pub verdict: Verdict,
    /// About how many pairs.
    pub n_pairs: u64,
    pub pair: PairId,
}

/// The decision in force about one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRow {
    pub verdict: Verdict,
    /// Why, in a word.
    pub reason: Option<String>,
    /// Why, in a sentence.
    pub comment: Option<String>,
    /// Counted in milliseconds since 1970.
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
    /// Records one decision about several pairs, which one undo takes back; returns the batch. The
    /// rows are on disk when this returns.
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
                "INSERT INTO verdicts
                 (run, pair, verdict, reason, comment, queue, at_ms, batch, preferred)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?;
            let at_ms = now_ms();
            let Decision { verdict, reason, comment, queue } = decision;
            let queue = queue.map(Queue::name);
            require_pairs(transaction, key, pairs)?;
            let (name, sides) = (verdict.name(), preferred(transaction, key, pairs, verdict)?);
            for (pair, side) in pairs.iter().zip(sides) {
                let side = side.map(Side::name);
                insert.execute((key, pair.0, name, reason, comment, queue, at_ms, batch, side))?;
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
                 (run, pair, verdict, reason, comment, queue, at_ms, batch, action, preferred)
                 SELECT run, pair, verdict, coalesce(?3, reason), coalesce(?4, comment), queue, ?5,
                        batch, 'amend', preferred
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
                 (run, pair, verdict, reason, comment, queue, at_ms, batch, action, target,
                  preferred)
                 SELECT ?1, decided.pair, coalesce(before.verdict, 'undo'), before.reason,
                        before.comment, before.queue, ?3, ?4, 'undo', ?2, before.preferred
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
                 (run, pair, verdict, reason, comment, queue, at_ms, batch, action, target,
                  preferred)
                 SELECT run, pair, verdict, reason, comment, queue, ?3, ?4, 'redo', ?2, preferred
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
            let key = keys::run(connection, run)?;
            verdict_set(connection, key, up_to.unwrap_or(i64::MAX))
        })
    }

    /// Adds to the verdicts those of people after a row; returns the last row's id. It costs next
    /// to nothing when there are none. Rows of the oracle are skipped, because the worker that
    /// wrote them knows them.
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
            let key = keys::run(connection, run)?;
            let mut last = last_id;
            each_row(connection, key, last_id, i64::MAX, |row| {
                if !row.is_oracle {
                    last = row.id;
                    verdicts.record_label(row.pair, row.verdict, row.preferred);
                }
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
            let key = keys::run(connection, run)?;
            let before = state.last_id;
            let ReviewState { verdicts, audited, last_id, .. } = state;
            each_row(connection, key, before, i64::MAX, |row| {
                *last_id = row.id;
                verdicts.record_label(row.pair, row.verdict, row.preferred);
                if row.is_audit && row.verdict != Verdict::Undo {
                    audited.insert(row.pair);
                } else {
                    audited.remove(&row.pair);
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

    /// Runs a write that is on disk when it returns, because nobody should lose a decision in a
    /// power cut.
    fn write_verdicts<T>(
        &mut self,
        run: &RunId,
        work: impl FnOnce(&Transaction<'_>, i64) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let outcome = self.write(|transaction| {
            let key = keys::run(transaction, run)?;
            work(transaction, key)
        });
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        outcome
    }
}

pub(in crate::store) fn verdict_row(
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
    let verdict = runs::word(row, 0, "verdict")?;
    let found =
        VerdictRow { verdict, reason: row.get(1)?, comment: row.get(2)?, at_ms: row.get(3)? };
    Ok((verdict != Verdict::Undo).then_some(found))
}

pub(in crate::store) fn verdict_set(
    connection: &Connection,
    run: i64,
    up_to: i64,
) -> Result<(VerdictSet, i64), StoreError> {
    let mut verdicts = VerdictSet::default();
    let mut last = 0;
    each_row(connection, run, 0, up_to, |row| {
        last = row.id;
        verdicts.record_label(row.pair, row.verdict, row.preferred);
    })?;
    Ok((verdicts, last))
}

/// A row as it is replayed.
struct Row {
    id: i64,
    pair: PairId,
    verdict: Verdict,
    preferred: Option<Side>,
    is_audit: bool,
    is_oracle: bool,
}

/// Visits the rows after one and up to another, in order.
fn each_row(
    connection: &Connection,
    run: i64,
    after: i64,
    up_to: i64,
    mut visit: impl FnMut(Row),
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, pair, verdict, queue, preferred, source FROM verdicts
         WHERE run = ?1 AND id > ?2 AND id <= ?3 ORDER BY id",
    )?;
    let mut rows = statement.query((run, after, up_to))?;
    while let Some(row) = rows.next()? {
        let text = |index| row.get_ref(index)?.as_str_or_null().map_err(rusqlite::Error::from);
        visit(Row {
            id: row.get(0)?,
            pair: PairId(row.get(1)?),
            verdict: runs::word(row, 2, "verdict")?,
            preferred: text(4)?.and_then(|side| side.parse().ok()),
            is_audit: text(3)? == Some(Queue::Audit.name()),
            is_oracle: text(5)? == Some(ORACLE),
        });
    }
    Ok(())
}

/// Up to this many pairs are looked up one by one; for more, whole columns are read.
const N_SINGLE_MAX: usize = 32;

/// For each pair, the answer that a verdict about its latest pseudo-label makes the better one.
fn preferred(
    connection: &Connection,
    run: i64,
    pairs: &[PairId],
    verdict: Verdict,
) -> Result<Vec<Option<Side>>, StoreError> {
    let mut scores: Vec<Option<PairScore>> = vec![None; pairs.len()];
    // The latest round that scored the pair is used, since a pair with a human label is no longer
    // scored.
    for round in selected_rounds(connection, run)?.into_iter().rev() {
        let missing = pairs.iter().zip(&mut scores).filter(|(_, score)| score.is_none());
        if pairs.len() > N_SINGLE_MAX {
            let columns = columns::read_columns(connection, run, round)?;
            missing.for_each(|(pair, score)| {
                *score = columns.row_of(*pair).map(|row| columns.score(row));
            });
        } else {
            for (pair, score) in missing {
                *score = scored_pair(connection, run, round, *pair)?.map(|scored| scored.score);
            }
        }
    }
    let side = |score: Option<PairScore>| {
        let label = score?.pseudo_label()?;
        match verdict {
            Verdict::Keep => Some(label.preferred),
            Verdict::Flip => Some(label.preferred.other()),
            Verdict::Veto | Verdict::Undo => None,
        }
    };
    Ok(scores.into_iter().map(side).collect())
}

/// Writes the oracle's answers of a round as rows, in place of older ones. Rows that already say
/// the same stay, so that later decisions of people still come after them.
pub(in crate::store) fn write_oracle_rows(
    transaction: &Transaction<'_>,
    run: i64,
    round: u32,
    at_ms: i64,
    (queue, answers): (Option<Queue>, &[OracleAnswer]),
) -> Result<(), StoreError> {
    let sql = "SELECT pair, preferred FROM verdicts
               WHERE run = ?1 AND round = ?2 AND source = 'oracle' ORDER BY id";
    let known: Vec<(u32, Option<String>)> = transaction
        .prepare_cached(sql)?
        .query_map((run, round), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let is_same = |(known, answer): (&(u32, Option<String>), &OracleAnswer)| {
        known.0 == answer.pair.0 && known.1.as_deref() == Some(answer.preferred.name())
    };
    if known.len() == answers.len() && known.iter().zip(answers).all(is_same) {
        return Ok(());
    }
    let sql = "DELETE FROM verdicts WHERE run = ?1 AND round = ?2 AND source = 'oracle'";
    transaction.prepare_cached(sql)?.execute((run, round))?;
    let batch = next_id(transaction)?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO verdicts (run, pair, verdict, queue, at_ms, batch, preferred, source, round)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'oracle', ?8)",
    )?;
    let queue = queue.map(Queue::name);
    for OracleAnswer { pair, verdict, preferred } in answers {
        let (verdict, side) = (verdict.name(), preferred.name());
        insert.execute((run, pair.0, verdict, queue, at_ms, batch, side, round))?;
    }
    Ok(())
}

/// The batches that can be undone and those that can be redone, the next one last.
fn stacks(connection: &Connection, run: i64) -> Result<(Vec<i64>, Vec<i64>), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT batch, action, target FROM verdicts
         WHERE run = ?1 AND action <> 'amend' AND source = 'person' ORDER BY batch",
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
                // A new decision ends the sequence of undone ones: they cannot be redone any more.
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
    let verdict = runs::word(row, 0, "verdict")?;
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
mod tests;
