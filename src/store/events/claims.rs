//! Who holds a run: the rows that say it, and what they mean for its status. And how many runs come
//! before one that nobody holds.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::liveness::{Claim, liveness};
use crate::domain::event::WorkerIdentity;
use crate::domain::run::{Liveness, RunStatus};
use crate::store::clock::now_ms;
use crate::store::error::StoreError;

/// Whether a process may still write to the run.
pub(in crate::store) fn is_alive(liveness: Liveness) -> bool {
    matches!(liveness, Liveness::Alive | Liveness::Silent)
}

/// The claim on a run, if any worker ever had one.
pub(in crate::store) fn claim(
    connection: &Connection,
    key: i64,
) -> Result<Option<Claim>, StoreError> {
    let sql = "SELECT attempt, is_held, pid, process_start, boot_id, host, at_ms
               FROM heartbeats WHERE run = ?1";
    let claim = connection.prepare_cached(sql)?.query_row([key], |row| claim_of(row, 0));
    Ok(claim.optional()?)
}

/// A claim from seven columns, beginning at `first`.
pub(in crate::store) fn claim_of(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Claim> {
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

/// Records that an attempt has ended by an event, so that its process is no longer expected.
pub(in crate::store) fn release(
    transaction: &Transaction<'_>,
    key: i64,
    attempt: u32,
) -> Result<(), StoreError> {
    let sql = "UPDATE heartbeats SET is_held = 0 WHERE run = ?1 AND attempt = ?2";
    transaction.prepare_cached(sql)?.execute((key, attempt))?;
    Ok(())
}

/// The status to show: the one by the events, unless the run is in the queue or has just been taken
/// by a worker that has not reported yet.
pub(in crate::store) fn status_in_force(
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

/// The liveness of the process behind a run with this status.
pub(in crate::store) fn liveness_of(status: RunStatus, claim: Option<&Claim>) -> Liveness {
    liveness(status, claim, now_ms())
}

/// The places of all queued runs, from 1, by the keys of the runs. They are counted once for a list
/// of runs, since counting them run by run would take time with the square of their number.
pub(in crate::store) fn queue_places(
    connection: &Connection,
) -> rusqlite::Result<HashMap<i64, u32>> {
    let mut statement = connection.prepare_cached("SELECT run FROM queue ORDER BY position")?;
    let runs = statement.query_map([], |row| row.get(0))?;
    runs.zip(1..).map(|(run, place)| Ok((run?, place))).collect()
}

/// The place of one queued run, from 1.
pub(in crate::store) fn queue_place(
    connection: &Connection,
    key: i64,
) -> rusqlite::Result<Option<u32>> {
    let sql = "SELECT (SELECT count(*) FROM queue AS other WHERE other.position <= queue.position)
               FROM queue WHERE run = ?1";
    connection.prepare_cached(sql)?.query_row([key], |row| row.get(0)).optional()
}
