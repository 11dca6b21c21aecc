//! The queue: which run is started next, and which runs take the slots of the machine.
//!
//! A run takes a slot from the moment a worker is started for it until it ends. A paused run takes
//! none. A person who lets it go on while no slot is free makes it wait for one, before all runs of
//! the queue.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::apply;
use super::claims::{claim, is_alive};
use super::liveness;
use super::slots::Slots;
use crate::domain::event::{EventRecord, RunEvent, WorkerIdentity};
use crate::domain::run::{RunId, RunStatus};
use crate::store::clock::now_ms;
use crate::store::error::StoreError;
use crate::store::{Store, keys, runs};

/// A run whose worker may now be started by the process that claimed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedRun {
    pub run: RunId,
    /// The latest attempt at it; 0 where there was none.
    pub attempt: u32,
}

/// Where a queued run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueMove {
    /// Before all others.
    First,
    /// Behind all others.
    Last,
    /// One place forward.
    Up,
    /// One place back.
    Down,
}

/// Whether a paused run that a person lets go on waits for a slot: what `heartbeats.wants_slot`
/// holds.
const WANTS_SLOT: i64 = 1;
/// As [`WANTS_SLOT`]: it goes on without a slot.
const NEEDS_NO_SLOT: i64 = 2;

/// How long a claim from another host holds, whose processes cannot be checked. A worker takes its
/// run within seconds.
const CLAIM_ELSEWHERE_MS: i64 = 60_000;

impl Store {
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

    /// Claims the first run of the queue for which a slot is free, for the process that will start
    /// its worker. `None` when there is nothing to start, or another process is starting it: one
    /// transaction decides, so that of many processes that watch the queue only one starts a worker.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn claim_next(
        &mut self,
        by: &WorkerIdentity,
        slots: &Slots,
    ) -> Result<Option<QueuedRun>, StoreError> {
        let is_idle = self.next_queued()?.is_none();
        if is_idle {
            // An empty queue is found without taking a lock, so that polling costs nothing.
            return Ok(None);
        }
        self.write(|transaction| {
            let waiting = waiting(transaction)?;
            let mut taken = taken(transaction, None)?;
            for run in waiting.iter().filter(|run| run.is_claimed) {
                *taken.entry(run.slots.clone()).or_default() += 1;
            }
            let has_slot =
                |run: &&Waiting| taken.get(&run.slots).copied().unwrap_or(0) < slots.of(&run.slots);
            let free = waiting.iter().filter(|run| !run.is_claimed).find(has_slot);
            free.map(|run| take(transaction, run.key, by)).transpose()
        })
    }

    /// Claims a certain run of the queue, whether a slot is free or not. `None` when another process
    /// is starting it.
    ///
    /// # Errors
    /// When the run is not in the queue, or the database cannot be written.
    pub fn claim_run(
        &mut self,
        run: &RunId,
        by: &WorkerIdentity,
    ) -> Result<Option<QueuedRun>, StoreError> {
        self.write(|transaction| {
            let key = queued_key(transaction, run, "nothing to start")?;
            let waiting = waiting(transaction)?;
            let is_claimed = waiting.iter().any(|other| other.key == key && other.is_claimed);
            if is_claimed { Ok(None) } else { take(transaction, key, by).map(Some) }
        })
    }

    /// Moves a run within the queue.
    ///
    /// # Errors
    /// When the run is not in the queue, or the database cannot be written.
    pub fn move_queued(&mut self, run: &RunId, to: QueueMove) -> Result<(), StoreError> {
        self.write(|transaction| {
            let key = queued_key(transaction, run, "nothing to move")?;
            let before: Vec<(i64, i64)> = transaction
                .prepare_cached("SELECT position, run FROM queue ORDER BY position")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let mut order: Vec<i64> = before.iter().map(|(_, run)| *run).collect();
            let Some(at) = order.iter().position(|run| *run == key) else { return Ok(()) };
            let place = match to {
                QueueMove::First => 0,
                QueueMove::Last => order.len() - 1,
                QueueMove::Up => at.saturating_sub(1),
                QueueMove::Down => (at + 1).min(order.len() - 1),
            };
            order.remove(at);
            order.insert(place, key);
            // The positions stay and the runs change places. Two rows must never have the same one.
            let sql = "UPDATE queue SET position = -position WHERE position > 0";
            transaction.prepare_cached(sql)?.execute([])?;
            for ((position, _), run) in before.iter().zip(order) {
                let sql = "UPDATE queue SET position = ?2 WHERE run = ?1";
                transaction.prepare_cached(sql)?.execute((run, position))?;
            }
            Ok(())
        })
    }

    /// Takes a slot for a paused run that a person lets go on; `false` while none is free. It then
    /// waits before all runs of the queue.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn take_slot(&mut self, run: &RunId, slots: &Slots) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let key = keys::run(transaction, run)?;
            let sql = "SELECT wants_slot, slots FROM heartbeats
                       JOIN runs ON runs.key = heartbeats.run WHERE run = ?1";
            let (wants, name): (i64, String) = transaction
                .prepare_cached(sql)?
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let n_taken = taken(transaction, Some(key))?.get(&name).copied().unwrap_or(0);
            let goes_on = wants == NEEDS_NO_SLOT || n_taken < slots.of(&name);
            let wants = if goes_on { 0 } else { WANTS_SLOT };
            set_wants_slot(transaction, key, wants)?;
            Ok(goes_on)
        })
    }

    /// Lets a paused run go on without a slot as soon as it is resumed.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn waive_slot(&mut self, run: &RunId) -> Result<(), StoreError> {
        self.write(|transaction| {
            set_wants_slot(transaction, keys::run(transaction, run)?, NEEDS_NO_SLOT)
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

/// How many runs at work take a slot, by the name of the slots. A paused run takes one only if it
/// waits for it; `but` is not counted.
fn taken(connection: &Connection, but: Option<i64>) -> Result<BTreeMap<String, usize>, StoreError> {
    let sql = "SELECT runs.key, runs.id, runs.slots, wants_slot FROM heartbeats
               JOIN runs ON runs.key = heartbeats.run WHERE is_held = 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut taken = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (key, id, wants): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(3)?);
        if but == Some(key) {
            continue;
        }
        let run = runs::one_row(connection, &RunId(id))?;
        let is_at_work = match run.status {
            // Of two that wait for a slot, none keeps it from the other.
            RunStatus::Paused => wants == WANTS_SLOT && but.is_none(),
            status => status.wants_worker(),
        };
        if is_at_work && is_alive(run.liveness) {
            *taken.entry(row.get(2)?).or_default() += 1;
        }
    }
    Ok(taken)
}

fn set_wants_slot(transaction: &Transaction<'_>, key: i64, wants: i64) -> Result<(), StoreError> {
    let sql = "UPDATE heartbeats SET wants_slot = ?2 WHERE run = ?1 AND wants_slot <> ?2";
    transaction.prepare_cached(sql)?.execute((key, wants))?;
    Ok(())
}

/// The key of a run that is in the queue.
fn queued_key(
    transaction: &Transaction<'_>,
    run: &RunId,
    action: &'static str,
) -> Result<i64, StoreError> {
    let row = runs::one_row(transaction, run)?;
    if row.queue_place.is_none() {
        let (name, state) = (row.name, row.status.name());
        return Err(StoreError::WrongState { action, name, state });
    }
    keys::run(transaction, run)
}

/// Claims a run of the queue.
fn take(
    transaction: &Transaction<'_>,
    key: i64,
    by: &WorkerIdentity,
) -> Result<QueuedRun, StoreError> {
    let sql = "SELECT id FROM runs WHERE key = ?1";
    let id: String = transaction.query_row(sql, [key], |row| row.get(0))?;
    let attempt = claim(transaction, key)?.map_or(0, |claim| claim.attempt);
    set_claim(transaction, key, Some(by))?;
    Ok(QueuedRun { run: RunId(id), attempt })
}

/// A run in the queue.
struct Waiting {
    key: i64,
    /// Whose slots it takes.
    slots: String,
    /// Whether a living process has started a worker for it, or is about to.
    is_claimed: bool,
}

/// The queue in its order.
fn waiting(transaction: &Transaction<'_>) -> Result<Vec<Waiting>, StoreError> {
    let sql = "SELECT run, claimed_by, claimed_ms, slots FROM queue
               JOIN runs ON runs.key = queue.run ORDER BY position";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        let (by, at_ms): (Option<String>, Option<i64>) = (row.get(1)?, row.get(2)?);
        let worker = by.and_then(|text| serde_json::from_str::<WorkerIdentity>(&text).ok());
        let is_recent = now_ms().saturating_sub(at_ms.unwrap_or(0)) < CLAIM_ELSEWHERE_MS;
        let holds = |worker: &WorkerIdentity| {
            liveness::exists(worker) || (liveness::is_elsewhere(worker) && is_recent)
        };
        let is_claimed = worker.as_ref().is_some_and(holds);
        Ok(Waiting { key: row.get(0)?, slots: row.get(3)?, is_claimed })
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
    use crate::domain::run::RequestKind;
    use crate::store::events::liveness::current_worker;
    use crate::store::testing::{self, Fixture};

    fn claim_next(fixture: &mut Fixture, n_slots: usize) -> Option<RunId> {
        let claimed = fixture.store.claim_next(&current_worker(), &Slots::all(n_slots)).unwrap();
        claimed.map(|queued| queued.run)
    }

    fn places(fixture: &Fixture, runs: &[RunId]) -> Vec<Option<u32>> {
        runs.iter().map(|run| fixture.store.run(run).unwrap().row.queue_place).collect()
    }

    #[test]
    fn runs_change_places_in_the_queue() {
        let mut fixture = testing::store();
        let runs = ["a", "b", "c", "d"].map(|name| fixture.run(name));
        assert_eq!(places(&fixture, &runs), [1, 2, 3, 4].map(Some));
        for (run, to, expected) in [
            (2, QueueMove::First, [2, 3, 1, 4]),
            (2, QueueMove::Up, [2, 3, 1, 4]),
            (2, QueueMove::Down, [1, 3, 2, 4]),
            (0, QueueMove::Last, [4, 2, 1, 3]),
            (0, QueueMove::Down, [4, 2, 1, 3]),
            (3, QueueMove::Up, [4, 3, 1, 2]),
        ] {
            fixture.store.move_queued(&runs[run], to).unwrap();
            assert_eq!(places(&fixture, &runs), expected.map(Some), "{run} {to:?}");
        }
        assert_eq!(fixture.store.next_queued().unwrap().as_ref(), Some(&runs[2]));
        fixture.run("e");
        fixture.begin(&runs[2]);
        assert_eq!(places(&fixture, &runs), [Some(3), Some(2), None, Some(1)]);
        let error = fixture.store.move_queued(&runs[2], QueueMove::First).unwrap_err();
        assert_eq!(error.to_string(), "nothing to move: `c` is running");
    }

    #[test]
    fn a_paused_run_lets_its_slot_go_and_waits_for_another_one() {
        let mut fixture = testing::store();
        let [a, b] = ["a", "b"].map(|name| fixture.run(name));
        let attempt = fixture.begin(&a);
        assert_eq!(claim_next(&mut fixture, 1), None, "a holds the slot");
        fixture.store.add_request(&a, RequestKind::Pause).unwrap();
        let paused = |reason: &str| RunEvent::Paused { reason: reason.to_owned() };
        fixture.apply(&a, attempt, vec![paused("review")]);
        let row = fixture.store.run(&a).unwrap().row;
        assert!(!row.holds_slot());
        assert!(row.pause.is_some_and(|pause| pause.by.is_none() && !pause.waits_for_slot));
        assert_eq!(claim_next(&mut fixture, 1).as_ref(), Some(&b));
        let other = fixture.begin(&b);
        let one = Slots::all(1);
        assert!(!fixture.store.take_slot(&a, &one).unwrap());
        let row = fixture.store.run(&a).unwrap().row;
        assert!(row.pause.as_ref().is_some_and(|pause| pause.waits_for_slot));
        let rows = fixture.store.runs().unwrap();
        let behind: Vec<&str> = row.waits_behind(&rows).iter().map(|it| it.name.as_str()).collect();
        assert_eq!(behind, ["b"]);
        assert!(fixture.store.take_slot(&a, &Slots::all(2)).unwrap());
        assert!(!fixture.store.take_slot(&a, &one).unwrap());
        // The slot that b leaves is not for the queue: who was let go on comes first.
        let c = fixture.run("c");
        fixture.apply(&b, other, vec![RunEvent::RunStopped]);
        assert_eq!(claim_next(&mut fixture, 1), None);
        assert!(fixture.store.take_slot(&a, &one).unwrap());
        let resumed = crate::store::Attempt { next_seq: attempt.next_seq + 1, ..attempt };
        fixture.apply(&a, resumed, vec![RunEvent::Resumed]);
        assert!(fixture.store.run(&a).unwrap().row.pause.is_none());
        assert_eq!(claim_next(&mut fixture, 1), None);
        assert_eq!(claim_next(&mut fixture, 2), Some(c));
    }

    #[test]
    fn a_run_that_needs_no_slot_goes_on_beside_others() {
        let mut fixture = testing::store();
        let [a, b] = ["a", "b"].map(|name| fixture.run(name));
        fixture.begin(&a);
        assert_eq!(claim_next(&mut fixture, 1), None);
        let claimed = fixture.store.claim_run(&b, &current_worker()).unwrap();
        assert_eq!(claimed.map(|queued| queued.run).as_ref(), Some(&b));
        assert_eq!(fixture.store.claim_run(&b, &current_worker()).unwrap(), None, "it is starting");
        fixture.begin(&b);
        assert!(fixture.store.claim_run(&b, &current_worker()).is_err(), "it has left the queue");
        assert!(!fixture.store.take_slot(&b, &Slots::all(1)).unwrap());
        fixture.store.waive_slot(&b).unwrap();
        assert!(fixture.store.take_slot(&b, &Slots::all(1)).unwrap());
        assert!(!fixture.store.take_slot(&b, &Slots::all(1)).unwrap(), "once");
    }

    #[test]
    fn a_run_waits_only_for_its_own_part_of_the_machine() {
        let mut fixture = testing::store();
        let [a, b, c] = ["a", "b", "c"].map(|name| fixture.run(name));
        let sql = "UPDATE runs SET slots = 'cuda' WHERE name = 'c'";
        fixture.store.connection.execute(sql, []).unwrap();
        fixture.begin(&a);
        assert_eq!(claim_next(&mut fixture, 1), Some(c), "b waits, c does not");
        let rows = fixture.store.runs().unwrap();
        let row = fixture.store.run(&b).unwrap().row;
        assert_eq!(row.waits_behind(&rows).len(), 1);
    }
}
