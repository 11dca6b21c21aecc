//! Which worker holds a run: attempts and heartbeats.
//!
//! Two processes may try to start the same run at the same time. [`Store::begin_attempt`] decides
//! in one transaction, and the loser is told who won.

use super::apply;
use super::claims::{claim, is_alive};
use crate::domain::event::WorkerIdentity;
use crate::domain::run::RunId;
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::RunEvent;
    use crate::domain::run::RunStatus;
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
