//! The one way into a run's rows: events, in order, of the attempt in force.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::error::StoreError;
use super::rows::EventLine;
use super::{Store, attempts, derive, runs, samples};
use crate::domain::event::{EventRecord, RunEvent};
use crate::domain::run::{RunId, RunStatus};

impl Store {
    /// Stores events and everything that follows from them, in one transaction.
    ///
    /// A batch with a change of state or a checkpoint is on the disk when this returns; others
    /// survive the death of the process but may be lost with the power.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] for events of an attempt that is not in force,
    /// [`StoreError::Gap`] for a missing or repeated number; nothing is stored then.
    pub fn apply(&mut self, records: &[EventRecord]) -> Result<(), StoreError> {
        let is_durable = |record: &EventRecord| {
            record.event.status().is_some()
                || matches!(record.event, RunEvent::CheckpointSaved { .. })
        };
        let must_sync = records.iter().any(is_durable);
        if must_sync {
            self.connection.pragma_update(None, "synchronous", "FULL")?;
        }
        let outcome = self.write(|transaction| append(transaction, records));
        if must_sync {
            self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        }
        outcome
    }

    /// Empties what is derived from a run's events and derives it again. The bulk tables
    /// (`pair_scores`, `evaluations`) are not in the events and stay.
    ///
    /// # Errors
    /// When an event cannot be read; nothing is changed then.
    pub fn rebuild(&mut self, run: &RunId) -> Result<(), StoreError> {
        self.write(|transaction| {
            let key = runs::key(transaction, run)?;
            for table in ["rounds", "metrics", "checkpoints", "run_states"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [key])?;
            }
            transaction.execute("INSERT INTO run_states (run) VALUES (?1)", [key])?;
            let sql = "SELECT seq, at_ms, body FROM events WHERE run = ?1 ORDER BY seq";
            let mut statement = transaction.prepare_cached(sql)?;
            let mut rows = statement.query([key])?;
            let mut last_seq = 0;
            while let Some(row) = rows.next()? {
                last_seq = row.get::<_, i64>(0)? as u64;
                let body = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
                let event = parse(run, last_seq, body)?;
                derive::derive(transaction, key, last_seq, row.get(1)?, &event)?;
            }
            set_last_seq(transaction, key, last_seq)
        })
    }

    /// Events with a number above `seq`, the oldest first. Numbers may be missing where older
    /// progress was pruned.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn events_after(
        &self,
        run: &RunId,
        seq: u64,
        limit: usize,
    ) -> Result<Vec<EventLine>, StoreError> {
        let sql = "SELECT seq, attempt, at_ms, body FROM events
                   WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        self.read(|connection| {
            let key = runs::key(connection, run)?;
            event_lines(connection, sql, (key, seq as i64, limit as i64))
        })
    }

    /// The last `n` events, the oldest first.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn last_events(&self, run: &RunId, n: usize) -> Result<Vec<EventLine>, StoreError> {
        let sql = "SELECT seq, attempt, at_ms, body FROM events
                   WHERE run = ?1 ORDER BY seq DESC LIMIT ?2";
        self.read(|connection| {
            let key = runs::key(connection, run)?;
            let mut lines = event_lines(connection, sql, (key, n as i64))?;
            lines.reverse();
            Ok(lines)
        })
    }
}

fn event_lines(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<EventLine>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let lines = statement.query_map(params, |row| {
        Ok(EventLine {
            seq: row.get::<_, i64>(0)? as u64,
            attempt: row.get(1)?,
            at_ms: row.get(2)?,
            body: row.get(3)?,
        })
    })?;
    Ok(lines.collect::<Result<_, _>>()?)
}

/// Stores a batch within the caller's transaction.
pub(super) fn append(
    transaction: &Transaction<'_>,
    records: &[EventRecord],
) -> Result<(), StoreError> {
    for batch in records.chunk_by(|a, b| a.run == b.run) {
        let Some(first) = batch.first() else { continue };
        let key = runs::key(transaction, &first.run)?;
        let current = attempts::claim(transaction, key)?.map_or(0, |claim| claim.attempt);
        let mut seq = last_seq(transaction, key)?;
        for record in batch {
            let (run, attempt) = (record.run.clone(), record.attempt);
            if attempt != current {
                return Err(StoreError::Superseded { run, attempt, current });
            }
            seq += 1;
            if record.seq != seq {
                return Err(StoreError::Gap { run, expected: seq, found: record.seq });
            }
            append_one(transaction, key, record)?;
        }
        set_last_seq(transaction, key, seq)?;
    }
    Ok(())
}

/// Rows are derived from the event as it was stored, not as it was given: printing a number and
/// reading it back may change its last bit, and a rebuild must come to the same rows.
fn append_one(
    transaction: &Transaction<'_>,
    key: i64,
    record: &EventRecord,
) -> Result<(), StoreError> {
    let body = serde_json::to_string(&record.event)
        .map_err(|source| unreadable(&record.run, record.seq, source))?;
    let stored = parse(&record.run, record.seq, &body)?;
    if let RunEvent::Progressed { round, step, .. } = &stored {
        prune_progress(transaction, key, *round, step)?;
    }
    transaction
        .prepare_cached(
            "INSERT INTO events (run, seq, attempt, at_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((key, record.seq as i64, record.attempt, record.at_ms, &body))?;
    samples::store_bulk(transaction, key, &record.event)?;
    derive::derive(transaction, key, record.seq, record.at_ms, &stored)?;
    if record.event.status().is_some_and(RunStatus::is_ended) {
        attempts::release(transaction, key, record.attempt)?;
    }
    Ok(())
}

/// Progress is only ever read as "now": the event before in the same step goes.
fn prune_progress(
    transaction: &Transaction<'_>,
    key: i64,
    round: u32,
    step: &str,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "DELETE FROM events WHERE run = ?1 AND seq = (
                 SELECT progress_seq FROM run_states
                 WHERE run = ?1 AND progress_round = ?2 AND progress_step = ?3)",
        )?
        .execute((key, round, step))?;
    Ok(())
}

fn parse(run: &RunId, seq: u64, body: &str) -> Result<RunEvent, StoreError> {
    serde_json::from_str(body).map_err(|source| unreadable(run, seq, source))
}

fn unreadable(run: &RunId, seq: u64, source: serde_json::Error) -> StoreError {
    StoreError::Json { what: format!("event {seq} of `{run}`"), source }
}

/// The number of a run's newest event; 0 before the first.
pub(super) fn last_seq(connection: &Connection, key: i64) -> Result<u64, StoreError> {
    let seq: Option<i64> = connection
        .prepare_cached("SELECT last_seq FROM run_states WHERE run = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    Ok(seq.unwrap_or(0) as u64)
}

fn set_last_seq(transaction: &Transaction<'_>, key: i64, seq: u64) -> Result<(), StoreError> {
    transaction
        .prepare_cached("UPDATE run_states SET last_seq = ?2 WHERE run = ?1")?
        .execute((key, seq as i64))?;
    Ok(())
}
