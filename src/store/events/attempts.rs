//! Which worker holds a run: the queue, attempts and heartbeats.
//!
//! Two processes may try to start the same run at the same time. [`Store::begin_attempt`] decides
//! in one transaction, and the loser is told who won.

use rusqlite::{OptionalExtension, Transaction};

use super::apply;
use super::claims::{claim, is_alive};
use super::liveness;
use crate::domain::event::{EventRecord, RunEvent, WorkerIdentity};
use crate::domain::run::{RunId, RunStatus};
use crate::store::clock::now_ms;
use crate::store::error::StoreError;
use crate::store::rows::RunDetail;
use crate::store::{Store, keys, runs};

/// The right of a worker to write a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The number of the attempt: 1 for the first start, one more for every restart.
    pub number: u32,
    /// The number of the attempt's first event.
    pub next_seq: u64,
}

/// A run whose worker may now be started by the process that claimed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedRun {
    pub run: RunId,
    /// The latest attempt at it; 0 where there was none.
    pub attempt: u32,
}

/// How long a claim from another host holds, whose processes cannot be checked. A worker takes its
/// run within seconds.
const CLAIM_ELSEWHERE_MS: i64 = 60_000;

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
            let key = keys::run(transaction, run)?;
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

    /// Records a heartbeat of an attempt. `false` when a newer attempt holds the run, so that the
    /// worker must end.
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

    /// The first run in the queue.
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

    /// Claims the first run of the queue for the process that will start its worker, if fewer than
    /// `n_slots` runs are at work or being started. `None` when there is nothing to start, or
    /// another process is starting it: one transaction decides, so that of many processes that
    /// watch the queue only one starts a worker.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn claim_next(
        &mut self,
        by: &WorkerIdentity,
        n_slots: usize,
    ) -> Result<Option<QueuedRun>, StoreError> {
        let is_idle = self.next_queued()?.is_none();
        if is_idle {
            // An empty queue is found without taking a lock, so that polling costs nothing.
            return Ok(None);
        }
        let running = self.running()?;
        let n_working = running.iter().filter(|detail| is_alive(detail.row.liveness)).count();
        self.write(|transaction| {
            let waiting = waiting(transaction)?;
            let n_starting = waiting.iter().filter(|run| run.is_claimed).count();
            let free = waiting.iter().find(|run| !run.is_claimed);
            let Some(run) = free.filter(|_| n_working + n_starting < n_slots) else {
                return Ok(None);
            };
            let id: String =
                transaction
                    .query_row("SELECT id FROM runs WHERE key = ?1", [run.key], |row| row.get(0))?;
            let attempt = claim(transaction, run.key)?.map_or(0, |claim| claim.attempt);
            set_claim(transaction, run.key, Some(by))?;
            Ok(Some(QueuedRun { run: RunId(id), attempt }))
        })
    }

    /// Passes the claim on a run to the worker that was started for it, or gives the claim up.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn hand_claim(
        &mut self,
        run: &RunId,
        to: Option<&WorkerIdentity>,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            let key = keys::run(transaction, run)?;
            set_claim(transaction, key, to)
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
            let key = keys::run(transaction, run)?;
            transaction.execute("INSERT INTO queue (run) VALUES (?1)", [key])?;
            Ok(())
        })
    }

    /// Ends a queued run that no worker has taken. The event is written by a person's command or a
    /// supervisor in the worker's place: `run_stopped` when the run is canceled, `run_failed` when
    /// its worker cannot start.
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
            let key = keys::run(transaction, run)?;
            transaction.execute("DELETE FROM queue WHERE run = ?1", [key])?;
            let record = EventRecord {
                run: run.clone(),
                attempt: row.attempt,
                seq: apply::last_seq(transaction, key)? + 1,
                at_ms: now_ms(),
                event,
            };
            apply::append_record(transaction, &record)
        })
    }
}

/// A run in the queue.
struct Waiting {
    key: i64,
    /// Whether a living process has started a worker for it, or is about to.
    is_claimed: bool,
}

/// The queue in its order.
fn waiting(transaction: &Transaction<'_>) -> Result<Vec<Waiting>, StoreError> {
    let sql = "SELECT run, claimed_by, claimed_ms FROM queue ORDER BY position";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        let (by, at_ms): (Option<String>, Option<i64>) = (row.get(1)?, row.get(2)?);
        let worker = by.and_then(|text| serde_json::from_str::<WorkerIdentity>(&text).ok());
        let is_recent = now_ms().saturating_sub(at_ms.unwrap_or(0)) < CLAIM_ELSEWHERE_MS;
        let holds = |worker: &WorkerIdentity| {
            liveness::exists(worker) || (liveness::is_elsewhere(worker) && is_recent)
        };
        Ok(Waiting { key: row.get(0)?, is_claimed: worker.as_ref().is_some_and(holds) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn set_claim(
    transaction: &Transaction<'_>,
    key: i64,
    by: Option<&WorkerIdentity>,
) -> Result<(), StoreError> {
    // Texts and numbers in a struct cannot fail to serialize.
    let by = by.and_then(|worker| serde_json::to_string(worker).ok());
    let sql = "UPDATE queue SET claimed_by = ?2, claimed_ms = ?3 WHERE run = ?1";
    transaction.prepare_cached(sql)?.execute((key, by, now_ms()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::{Liveness, StopReason};
    use crate::store::Access;
    use crate::store::events::liveness::current_worker;
    use crate::store::testing;

    #[test]
    fn runs_leave_the_queue_in_the_order_they_came() {
        let mut fixture = testing::store();
        let [a, b] = [fixture.run("a"), fixture.run("b")];
        assert_eq!(fixture.store.next_queued().unwrap(), Some(a.clone()));
        let row = fixture.store.find_run("a").unwrap();
        assert_eq!((row.status, row.liveness), (RunStatus::Queued, Liveness::NotExpected));
        let attempt = fixture.begin(&a);
        assert_eq!(attempt, Attempt { number: 1, next_seq: 1 });
        assert_eq!(fixture.store.next_queued().unwrap(), Some(b));
        // Taken, though it has not said anything yet.
        let running = fixture.store.running().unwrap();
        assert_eq!(running.len(), 1);
        assert_eq!(running[0].row.status, RunStatus::Running);
        assert_eq!(running[0].row.liveness, Liveness::Alive);
        assert_eq!(running[0].worker, Some(current_worker()));
    }

    #[test]
    fn of_two_workers_one_gets_the_run() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let take = || {
                let mut store = Store::open(&fixture.home, Access::ReadWrite).unwrap();
                store.begin_attempt(&run, &current_worker())
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        let lost = outcomes.into_iter().find_map(Result::err).unwrap();
        assert!(matches!(lost, StoreError::Held { .. }), "{lost}");
    }

    #[test]
    fn an_interrupted_run_can_be_taken_again() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let first = fixture.begin_as_dead(&run);
        assert_eq!(fixture.store.run(&run).unwrap().row.liveness, Liveness::Gone);
        fixture.store.requeue(&run).unwrap();
        assert_eq!(fixture.store.run(&run).unwrap().row.status, RunStatus::Queued);
        assert_eq!(fixture.begin(&run).number, 2);
        assert!(!fixture.store.heartbeat(&run, first.number).unwrap());
        assert!(fixture.store.heartbeat(&run, 2).unwrap());
        let error = fixture.store.requeue(&run).unwrap_err();
        assert_eq!(error.to_string(), "nothing to resume: `a` is running");
    }

    #[test]
    fn a_stopped_run_waits_to_be_put_back_and_a_finished_one_stays() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        fixture.apply(&run, attempt, vec![RunEvent::RunStopped]);
        let row = fixture.store.run(&run).unwrap().row;
        assert_eq!((row.status, row.liveness), (RunStatus::Stopped, Liveness::NotExpected));
        assert_eq!(row.stop_reason, Some(StopReason::UserStopped));
        assert!(fixture.store.begin_attempt(&run, &current_worker()).is_err());
        fixture.store.requeue(&run).unwrap();
        let row = fixture.store.run(&run).unwrap().row;
        assert_eq!((row.stop_reason, row.finished_at_ms), (None, None));
        let attempt = fixture.begin(&run);
        assert_eq!(attempt, Attempt { number: 2, next_seq: 2 });
        let end = RunEvent::RunFinished { reason: StopReason::RoundLimit };
        fixture.apply(&run, attempt, vec![end]);
        let error = fixture.store.requeue(&run).unwrap_err();
        assert_eq!(error.to_string(), "nothing to resume: `a` is finished");
    }

    #[test]
    fn old_requests_do_not_reach_a_new_attempt() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        fixture.begin_as_dead(&run);
        fixture.store.add_request(&run, crate::domain::run::RequestKind::Stop).unwrap();
        fixture.begin(&run);
        assert!(fixture.store.unread_requests(&run).unwrap().is_empty());
    }

    #[test]
    fn only_a_waiting_run_is_ended_from_outside() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        assert!(fixture.store.end_queued(&run, RunEvent::Resumed).is_err());
        fixture.store.end_queued(&run, RunEvent::RunStopped).unwrap();
        assert_eq!(fixture.store.run(&run).unwrap().row.status, RunStatus::Stopped);
        assert_eq!(fixture.store.next_queued().unwrap(), None);
        fixture.store.requeue(&run).unwrap();
        assert_eq!(fixture.begin(&run), Attempt { number: 1, next_seq: 2 });
        assert!(fixture.store.end_queued(&run, RunEvent::RunStopped).is_err());
    }
}
