//! Reading what was decided: the decisions in force, and what each reviewer said under them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::undo;
use super::undo::BatchRow;
use crate::domain::preference::{PairId, Side};
use crate::domain::review::{Judgment, Panel, Queue};
use crate::domain::run::RunId;
use crate::domain::verdict::{Verdict, VerdictSet};
use crate::store::error::StoreError;
use crate::store::{Store, keys, runs};

/// `source` of a row that the held-back labels decided.
const ORACLE: &str = "oracle";
/// How many of a reviewer's latest times a [`ReviewState`] keeps.
const N_TIMES: usize = 64;

/// Everything that was decided about a run's pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReviewState {
    /// Whose undo and redo these are, and whose times; `None` is everybody's.
    pub reviewer: Option<String>,
    /// The decisions in force.
    pub verdicts: VerdictSet,
    /// What each reviewer said.
    pub panel: Panel,
    /// When the reviewer judged pairs in a queue, the latest times, ascending.
    pub times: Vec<i64>,
    /// Pairs whose decision was made in the audit queue.
    pub audited: BTreeSet<PairId>,
    /// The last row read; 0 for none.
    pub last_id: i64,
    /// What an undo would take back.
    pub undo: Option<BatchRow>,
    /// What a redo would bring back.
    pub redo: Option<BatchRow>,
}

impl ReviewState {
    /// What a reviewer needs to know, before anything was read.
    #[must_use]
    pub fn of(reviewer: Option<&str>) -> Self {
        Self { reviewer: reviewer.map(str::to_owned), ..Self::default() }
    }
}

impl Store {
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
            let mut takes_back = false;
            each_row(connection, key, before, i64::MAX, |row| {
                state.last_id = row.id;
                state.verdicts.record_label(row.pair, row.verdict, row.preferred);
                takes_back |= row.is_taken_back;
                if row.is_audit && row.verdict != Verdict::Undo {
                    state.audited.insert(row.pair);
                } else {
                    state.audited.remove(&row.pair);
                }
                note_judgment(state, &row);
            })?;
            if state.last_id == before {
                return Ok(false);
            }
            if takes_back {
                state.panel = panel(connection, key)?;
            }
            let n_old = state.times.len().saturating_sub(N_TIMES);
            state.times.drain(..n_old);
            let (done, undone) = undo::stacks(connection, key, state.reviewer.as_deref())?;
            let row = |batch: Option<&i64>| match batch {
                Some(batch) => undo::batch_row(connection, key, *batch),
                None => Ok(None),
            };
            state.undo = row(done.last())?;
            state.redo = row(undone.last())?;
            Ok(true)
        })
    }

    /// Who made the decision in force about a pair, for the pairs where somebody is named.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn verdict_authors(&self, run: &RunId) -> Result<BTreeMap<PairId, String>, StoreError> {
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            // `SQLite` takes bare columns from the row of the maximum.
            let mut statement = connection.prepare_cached(
                "SELECT pair, reviewer FROM
                 (SELECT pair, reviewer, verdict, max(id) FROM verdicts WHERE run = ?1 GROUP BY pair)
                 WHERE reviewer IS NOT NULL AND verdict <> 'undo'",
            )?;
            let rows = statement.query_map([key], |row| Ok((PairId(row.get(0)?), row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// What each reviewer of a run said of its pairs.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn panel(&self, run: &RunId) -> Result<Panel, StoreError> {
        self.read(|connection| panel(connection, keys::run(connection, run)?))
    }
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
struct Row<'a> {
    id: i64,
    pair: PairId,
    verdict: Verdict,
    preferred: Option<Side>,
    at_ms: i64,
    batch: i64,
    reviewer: Option<&'a str>,
    left: Option<Side>,
    is_blind: bool,
    is_audit: bool,
    is_queued: bool,
    is_oracle: bool,
    /// Whether it is a decision of its own, and no amendment, undo or redo.
    is_decision: bool,
    is_taken_back: bool,
}

impl Row<'_> {
    fn judgment(&self) -> Judgment {
        let Self { verdict, preferred, left, is_blind, .. } = *self;
        Judgment { verdict, preferred, left, is_blind }
    }
}

/// Adds what a row says to what its reviewer said, and to when.
fn note_judgment(state: &mut ReviewState, row: &Row<'_>) {
    if row.is_oracle || !row.is_decision {
        return;
    }
    let reviewer = row.reviewer.unwrap_or_default();
    state.panel.record(reviewer, row.pair, row.judgment());
    let is_mine = state.reviewer.as_deref().is_none_or(|mine| mine == reviewer);
    if row.is_queued && is_mine {
        state.times.push(row.at_ms);
    }
}

/// What each reviewer said, without what was taken back.
fn panel(connection: &Connection, run: i64) -> Result<Panel, StoreError> {
    let undone = undo::undone(connection, run)?;
    let mut panel = Panel::default();
    each_row(connection, run, 0, i64::MAX, |row| {
        if !row.is_oracle && row.is_decision && !undone.contains(&row.batch) {
            panel.record(row.reviewer.unwrap_or_default(), row.pair, row.judgment());
        }
    })?;
    Ok(panel)
}

/// Visits the rows after one and up to another, in order.
fn each_row(
    connection: &Connection,
    run: i64,
    after: i64,
    up_to: i64,
    mut visit: impl FnMut(Row<'_>),
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, pair, verdict, queue, preferred, source, at_ms, batch, action, reviewer,
                shown_left, is_blind
         FROM verdicts WHERE run = ?1 AND id > ?2 AND id <= ?3 ORDER BY id",
    )?;
    let mut rows = statement.query((run, after, up_to))?;
    while let Some(row) = rows.next()? {
        let text = |index| row.get_ref(index)?.as_str_or_null().map_err(rusqlite::Error::from);
        let side = |index| Ok::<_, rusqlite::Error>(text(index)?.and_then(|it| it.parse().ok()));
        let action = text(8)?.unwrap_or_default();
        visit(Row {
            id: row.get(0)?,
            pair: PairId(row.get(1)?),
            verdict: runs::word(row, 2, "verdict")?,
            preferred: side(4)?,
            at_ms: row.get(6)?,
            batch: row.get(7)?,
            reviewer: text(9)?,
            left: side(10)?,
            is_blind: row.get(11)?,
            is_audit: text(3)? == Some(Queue::Audit.name()),
            is_queued: text(3)?.is_some(),
            is_oracle: text(5)? == Some(ORACLE),
            is_decision: action == "decide",
            is_taken_back: matches!(action, "undo" | "redo"),
        });
    }
    Ok(())
}
