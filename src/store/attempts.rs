//! Which worker holds a run: the queue, attempts and heartbeats.
//!
//! Two processes may try to start the same run at the same time. [`Store::begin_attempt`] decides
//! in one transaction, and the loser is told who won.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::clock::now_ms;
use super::error::StoreError;
use super::liveness::{self, Claim};
use super::rows::RunDetail;
use super::{Store, apply, runs};
use crate::domain::event::{EventRecord, RunEvent, WorkerIdentity};
use crate::domain::run::{Liveness, RunId, RunStatus};

/// A worker's right to write a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Which (re)start of the run, from 1.
    pub number: u32,
    /// The number of the attempt's first event.
    pub next_seq: u64,
}

impl Store {
    /// Takes a queued or interrupted run for a worker.
    ///
    /// # Errors
    /// When a living worker holds the run, or it ended and nobody put it back into the queue.
    pub fn begin_attempt(
        &mut self,
        run: &RunId,
        worker: &WorkerIdentity,
    ) -> Result<Attempt, StoreError> {
        self.write(|transaction| {
            let key = runs::key(transaction, run)?;
            let row = runs::one_row(transaction, run)?;
            if row.status.is_ended() {
                let (name, state) = (row.name, row.status.name());
                return Err(StoreError::WrongState { action: "nothing to start", name, state });
            }
            let claim = claim(transaction, key)?;
            if let Some(claim) = &claim
                && is_alive(row.liveness)
            {
                return Err(StoreError::Held { run: run.clone(), pid: claim.worker.pid });
            }
            let number = claim.map_or(0, |claim| claim.attempt) + 1;
            transaction
                .prepare_cached(
                    "REPLACE INTO heartbeats
                 (run, attempt, is_held, pid, process_start, boot_id, host, at_ms,
                      last_request_before)
                     VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7,
                             (SELECT coalesce(max(id), 0) FROM requests WHERE run = ?1))",
                )?
                .execute((
                    key,
                    number,
                    worker.pid,
                    worker.process_start as i64,
                    &worker.boot_id,
                    &worker.host,
                    now_ms(),
                ))?;
            transaction.execute("DELETE FROM queue WHERE run = ?1", [key])?;
            Ok(Attempt { number, next_seq: apply::last_seq(transaction, key)? + 1 })
        })
    }

    /// Says that the worker of an attempt lives. `false` when a newer attempt holds the run, and
    /// the worker must end.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn heartbeat(&mut self, run: &RunId, attempt: u32) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let n_changed = transaction
                .prepare_cached(
                    "UPDATE heartbeats SET at_ms = ?3
                     WHERE run = (SELECT key FROM runs WHERE id = ?1) AND attempt = ?2",
                )?
                .execute((run.as_str(), attempt, now_ms()))?;
            Ok(n_changed == 1)
        })
    }

    /// The head of the queue.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn next_queued(&self) -> Result<Option<RunId>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT id FROM queue JOIN runs ON runs.key = queue.run
                       ORDER BY position LIMIT 1";
            Ok(connection.query_row(sql, [], |row| row.get(0)).optional()?.map(RunId))
        })
    }

    /// Every run that a worker should be working on, whether its process is alive or not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn running(&self) -> Result<Vec<RunDetail>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT id FROM heartbeats JOIN runs ON runs.key = heartbeats.run
                       WHERE is_held = 1 ORDER BY runs.key";
            let ids: Vec<String> = connection
                .prepare_cached(sql)?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let details = ids.into_iter().map(|id| runs::detail(connection, &RunId(id)));
            let wants = |detail: &RunDetail| detail.row.status.wants_worker();
            details.filter(|detail| detail.as_ref().is_ok_and(wants) || detail.is_err()).collect()
        })
    }

    /// Puts a stopped, failed or interrupted run at the end of the queue.
    ///
    /// # Errors
    /// When the run is queued, at work or finished.
    pub fn requeue(&mut self, run: &RunId) -> Result<(), StoreError> {
        self.write(|transaction| {
            let row = runs::one_row(transaction, run)?;
            let can_resume = match row.status {
                RunStatus::Stopped | RunStatus::Failed => true,
                RunStatus::Running | RunStatus::Paused => !is_alive(row.liveness),
                RunStatus::Queued | RunStatus::Finished => false,
            };
            if !can_resume {
                let (name, state) = (row.name, row.status.name());
                return Err(StoreError::WrongState { action: "nothing to resume", name, state });
            }
            let key = runs::key(transaction, run)?;
            transaction.execute("INSERT INTO queue (run) VALUES (?1)", [key])?;
            Ok(())
        })
    }

    /// Ends a queued run that no worker has taken, by an event a person or a supervisor writes in
    /// its place: `run_stopped` when it is cancelled, `run_failed` when its worker cannot start.
    ///
    /// # Errors
    /// When the run is not in the queue any more, or the event does not end it.
    pub fn end_queued(&mut self, run: &RunId, event: RunEvent) -> Result<(), StoreError> {
        self.write(|transaction| {
            let row = runs::one_row(transaction, run)?;
            let ends = event.status().is_some_and(RunStatus::is_ended);
            if row.status != RunStatus::Queued || !ends {
                let (name, state) = (row.name, row.status.name());
                return Err(StoreError::WrongState { action: "cannot end it here", name, state });
            }
            let key = runs::key(transaction, run)?;
            transaction.execute("DELETE FROM queue WHERE run = ?1", [key])?;
            let record = EventRecord {
                run: run.clone(),
                attempt: row.attempt,
                seq: apply::last_seq(transaction, key)? + 1,
                at_ms: now_ms(),
                event,
            };
            apply::append(transaction, std::slice::from_ref(&record))
        })
    }
}

/// Whether a process may be writing.
pub(super) fn is_alive(liveness: Liveness) -> bool {
    matches!(liveness, Liveness::Alive | Liveness::Silent)
}

/// Who holds a run, if anybody ever did.
pub(super) fn claim(connection: &Connection, key: i64) -> Result<Option<Claim>, StoreError> {
    let sql = "SELECT attempt, is_held, pid, process_start, boot_id, host, at_ms
               FROM heartbeats WHERE run = ?1";
    let claim = connection.prepare_cached(sql)?.query_row([key], |row| claim_of(row, 0));
    Ok(claim.optional()?)
}

/// A claim from seven columns, beginning at `first`.
pub(super) fn claim_of(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Claim> {
    Ok(Claim {
        attempt: row.get(first)?,
        is_held: row.get(first + 1)?,
        worker: WorkerIdentity {
            pid: row.get(first + 2)?,
            process_start: row.get::<_, i64>(first + 3)? as u64,
            boot_id: row.get(first + 4)?,
            host: row.get(first + 5)?,
        },
        at_ms: row.get(first + 6)?,
    })
}

/// Notes that an attempt ended by an event, so that nobody expects its process any more.
pub(super) fn release(
    transaction: &Transaction<'_>,
    key: i64,
    attempt: u32,
) -> Result<(), StoreError> {
    let sql = "UPDATE heartbeats SET is_held = 0 WHERE run = ?1 AND attempt = ?2";
    transaction.prepare_cached(sql)?.execute((key, attempt))?;
    Ok(())
}

/// The status to show: what the events say, unless the run waits in the queue or was just taken by
/// a worker that has not reported yet.
pub(super) fn status_in_force(
    stored: RunStatus,
    is_queued: bool,
    claim: Option<&Claim>,
) -> RunStatus {
    if is_queued {
        RunStatus::Queued
    } else if claim.is_some_and(|claim| claim.is_held) && !stored.wants_worker() {
        RunStatus::Running
    } else {
        stored
    }
}

/// What is known of the process behind a run in this status.
pub(super) fn liveness_of(status: RunStatus, claim: Option<&Claim>) -> Liveness {
    liveness::liveness(status, claim, now_ms())
}
