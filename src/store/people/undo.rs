//! Taking decisions back. An undo appends, for each pair of a batch, a row that says what holds
//! without the batch; a redo appends what holds with it again. What can be undone is found by
//! replaying the table, so it is the same after a restart and in every viewer, and the worker need
//! not know about it. A reviewer takes back what they decided themselves: where somebody else has
//! decided about a pair since, that stays in force.

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction};

use crate::domain::preference::PairId;
use crate::domain::run::RunId;
use crate::domain::verdict::Verdict;
use crate::store::clock::now_ms;
use crate::store::error::StoreError;
use crate::store::{Store, runs};

/// Rows that were decided together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    pub id: i64,
    pub verdict: Verdict,
    /// About how many pairs.
    pub n_pairs: u64,
    pub pair: PairId,
}

impl Store {
    /// Takes the latest decision of a reviewer back, or with `None` that of anybody; `None` when there
    /// is nothing to undo.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn undo_verdict(
        &mut self,
        run: &RunId,
        reviewer: Option<&str>,
    ) -> Result<Option<BatchRow>, StoreError> {
        self.write_verdicts(run, |transaction, key| {
            let Some(target) = stacks(transaction, key, reviewer)?.0.pop() else {
                return Ok(None);
            };
            let mut undone = undone(transaction, key)?;
            undone.insert(target);
            restore(transaction, key, (target, "undo"), &undone)?;
            batch_row(transaction, key, target)
        })
    }

    /// Brings back what the latest undo took back; `None` when nothing was undone since the last
    /// decision.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn redo_verdict(
        &mut self,
        run: &RunId,
        reviewer: Option<&str>,
    ) -> Result<Option<BatchRow>, StoreError> {
        self.write_verdicts(run, |transaction, key| {
            let Some(target) = stacks(transaction, key, reviewer)?.1.pop() else {
                return Ok(None);
            };
            let mut undone = undone(transaction, key)?;
            undone.remove(&target);
            restore(transaction, key, (target, "redo"), &undone)?;
            batch_row(transaction, key, target)
        })
    }
}

/// Appends a row for each pair of a batch that says what holds without the batches undone.
fn restore(
    transaction: &Transaction<'_>,
    run: i64,
    (target, action): (i64, &str),
    undone: &BTreeSet<i64>,
) -> Result<(), StoreError> {
    let pairs: Vec<u32> = transaction
        .prepare_cached("SELECT DISTINCT pair FROM verdicts WHERE run = ?1 AND batch = ?2")?
        .query_map((run, target), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let (batch, at_ms) = (next_id(transaction)?, now_ms());
    let mut copy = transaction.prepare_cached(
        "INSERT INTO verdicts
         (run, pair, verdict, reason, comment, queue, at_ms, batch, action, target, preferred,
          reviewer, shown_left, is_blind)
         SELECT run, pair, verdict, reason, comment, queue, ?2, ?3, ?4, ?5, preferred, reviewer,
                shown_left, is_blind
         FROM verdicts WHERE id = ?1",
    )?;
    let mut clear = transaction.prepare_cached(
        "INSERT INTO verdicts (run, pair, verdict, at_ms, batch, action, target)
         VALUES (?1, ?2, 'undo', ?3, ?4, ?5, ?6)",
    )?;
    for pair in pairs {
        match in_force(transaction, run, PairId(pair), undone)? {
            Some(id) => copy.execute((id, at_ms, batch, action, target))?,
            None => clear.execute((run, pair, at_ms, batch, action, target))?,
        };
    }
    Ok(())
}

/// The row of the newest decision about a pair whose batch is not among those undone.
pub(super) fn in_force(
    connection: &Connection,
    run: i64,
    pair: PairId,
    undone: &BTreeSet<i64>,
) -> Result<Option<i64>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, batch FROM verdicts
         WHERE run = ?1 AND pair = ?2 AND action IN ('decide', 'amend') ORDER BY id DESC",
    )?;
    let mut rows = statement.query((run, pair.0))?;
    while let Some(row) = rows.next()? {
        if !undone.contains(&row.get::<_, i64>(1)?) {
            return Ok(Some(row.get(0)?));
        }
    }
    Ok(None)
}

/// The batches that are taken back now, whoever decided them.
pub(super) fn undone(connection: &Connection, run: i64) -> Result<BTreeSet<i64>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT batch, action, target FROM verdicts
         WHERE run = ?1 AND target IS NOT NULL ORDER BY batch",
    )?;
    let mut rows = statement.query([run])?;
    let mut undone = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let target: i64 = row.get(2)?;
        if row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)? == "undo" {
            undone.insert(target);
        } else {
            undone.remove(&target);
        }
    }
    Ok(undone)
}

/// The batches of a reviewer (or of anybody) that can be undone and those that can be redone, the
/// next one last.
pub(super) fn stacks(
    connection: &Connection,
    run: i64,
    reviewer: Option<&str>,
) -> Result<(Vec<i64>, Vec<i64>), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT batch, action, target, reviewer FROM verdicts
         WHERE run = ?1 AND action <> 'amend' AND source = 'person' ORDER BY batch",
    )?;
    let mut rows = statement.query([run])?;
    let (mut done, mut undone): (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
    // The rows of one undo can restore the decisions of several reviewers: only the first counts.
    let shift = |target: i64, from: &mut Vec<i64>, to: &mut Vec<i64>| {
        if let Some(at) = from.iter().rposition(|other| *other == target) {
            to.push(from.remove(at));
        }
    };
    while let Some(row) = rows.next()? {
        let (batch, target): (i64, Option<i64>) = (row.get(0)?, row.get(2)?);
        match (row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?, target) {
            ("undo", Some(target)) => shift(target, &mut done, &mut undone),
            ("redo", Some(target)) => shift(target, &mut undone, &mut done),
            _ => {
                let by = row.get_ref(3)?.as_str_or_null().map_err(rusqlite::Error::from)?;
                if reviewer.is_none_or(|mine| by.is_none_or(|by| by == mine)) {
                    // A new decision ends the sequence of undone ones: they cannot be redone any more.
                    undone.clear();
                    done.push(batch);
                }
            }
        }
    }
    Ok((done, undone))
}

pub(super) fn batch_row(
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
pub(super) fn next_id(transaction: &Transaction<'_>) -> Result<i64, StoreError> {
    let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'verdicts'), 0) + 1";
    Ok(transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
