//! The only code that writes a run's rows. It takes events in order, from the attempt in force.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::stored::{StoredEvent, parse};
use super::{claims, columns, derive, parts};
use crate::domain::event::{EventRecord, RunEvent};
use crate::domain::phase::Phase;
use crate::domain::run::{RunId, RunStatus};
use crate::store::error::StoreError;
use crate::store::rows::EventLine;
use crate::store::{Store, keys};

/// The tables that hold nothing but what events say. `phases` and `verdicts` have rules of their own.
const DERIVED: [&str; 10] = [
    "rounds",
    "metrics",
    "checkpoints",
    "run_states",
    "policy_steps",
    "policy_evaluations",
    "policy_signs",
    "policy_outcomes",
    "generations",
    "generated_pairs",
];

impl Store {
    /// Stores events and everything that follows from them, in one transaction.
    ///
    /// A batch with a change of state or a checkpoint is on disk when this returns. Other batches
    /// survive the death of the process, but may be lost in a power cut.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] for events of an attempt that is not in force,
    /// [`StoreError::Gap`] for a missing or repeated number; nothing is stored then.
    pub fn apply(&mut self, records: &[EventRecord]) -> Result<(), StoreError> {
        let events = records.iter().map(StoredEvent::of).collect::<Result<Vec<_>, _>>()?;
        self.ingest(&events)
    }

    /// Stores events as another sink kept them, byte for byte, as [`Store::apply`] does.
    ///
    /// # Errors
    /// As [`Store::apply`], and when a line or its columns cannot be read.
    pub fn ingest(&mut self, events: &[StoredEvent]) -> Result<(), StoreError> {
        let parsed = events.iter().map(StoredEvent::parse).collect::<Result<Vec<_>, _>>()?;
        let is_durable = |event: &RunEvent| {
            event.status().is_some() || matches!(event, RunEvent::CheckpointSaved { .. })
        };
        let must_sync = parsed.iter().any(is_durable);
        if must_sync {
            self.connection.pragma_update(None, "synchronous", "FULL")?;
        }
        let outcome = self.write(|transaction| append(transaction, events, &parsed));
        if must_sync {
            self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        }
        outcome
    }

    /// Deletes everything that is derived from a run's events and derives it again.
    ///
    /// The oracle's verdicts stand among those of people, and their order counts. They are written
    /// again only where the stored rows differ.
    ///
    /// # Errors
    /// When an event cannot be read; nothing is changed then.
    pub fn rebuild(&mut self, run: &RunId) -> Result<(), StoreError> {
        self.write(|transaction| {
            let key = keys::run(transaction, run)?;
            for table in DERIVED {
                transaction.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [key])?;
            }
            transaction.execute("INSERT INTO run_states (run) VALUES (?1)", [key])?;
            let sql = "SELECT seq, at_ms, body FROM events WHERE run = ?1 ORDER BY seq";
            let mut statement = transaction.prepare_cached(sql)?;
            let mut rows = statement.query([key])?;
            let mut last_seq = 0;
            let mut answered = BTreeMap::new();
            while let Some(row) = rows.next()? {
                last_seq = row.get::<_, i64>(0)? as u64;
                let at_ms = row.get(1)?;
                let event =
                    parse(run, last_seq, row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
                if let RunEvent::OracleAnswered { round, .. } = event {
                    // Of several answers of the oracle in a round the newest counts.
                    answered.insert(round, (last_seq, at_ms, event));
                } else {
                    derive::derive(transaction, key, last_seq, at_ms, &event)?;
                }
            }
            for (seq, at_ms, event) in answered.into_values() {
                derive::derive(transaction, key, seq, at_ms, &event)?;
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
            let key = keys::run(connection, run)?;
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
            let key = keys::run(connection, run)?;
            let mut lines = event_lines(connection, sql, (key, n as i64))?;
            lines.reverse();
            Ok(lines)
        })
    }

    /// The newest `n` events without those that only add a point to a curve or move a progress bar,
    /// oldest first. The beginning of a phase stays where nothing else is told of it for minutes.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn last_log_events(&self, run: &RunId, n: usize) -> Result<Vec<EventLine>, StoreError> {
        let sql = "SELECT seq, attempt, at_ms, body FROM events
                   WHERE run = ?1
                     AND (kind NOT IN ('train_step_taken', 'progressed', 'step_started',
                                       'rollouts_sampled', 'policy_step_taken')
                          OR (kind = 'step_started'
                              AND body ->> '$.step' IN ('cross_fit', 'second_view', 'sft', 'best_of')))
                   ORDER BY seq DESC LIMIT ?2";
        self.read(|connection| {
            let key = keys::run(connection, run)?;
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

/// Stores one event within the caller's transaction.
pub(in crate::store) fn append_record(
    transaction: &Transaction<'_>,
    record: &EventRecord,
) -> Result<(), StoreError> {
    let stored = StoredEvent::of(record)?;
    let event = stored.parse()?;
    append(transaction, &[stored], &[event])
}

/// Stores a batch, given both as stored lines and as parsed events, within the caller's
/// transaction.
fn append(
    transaction: &Transaction<'_>,
    stored: &[StoredEvent],
    parsed: &[RunEvent],
) -> Result<(), StoreError> {
    let mut parsed = parsed.iter();
    for batch in stored.chunk_by(|a, b| a.run == b.run) {
        let Some(first) = batch.first() else { continue };
        let key = keys::run(transaction, &first.run)?;
        let current = claims::claim(transaction, key)?.map_or(0, |claim| claim.attempt);
        let mut seq = last_seq(transaction, key)?;
        for (stored, event) in batch.iter().zip(&mut parsed) {
            let (run, attempt) = (stored.run.clone(), stored.attempt);
            if attempt != current {
                return Err(StoreError::Superseded { run, attempt, current });
            }
            seq += 1;
            if stored.seq != seq {
                return Err(StoreError::Gap { run, expected: seq, found: stored.seq });
            }
            append_one(transaction, key, stored, event)?;
        }
        set_last_seq(transaction, key, seq)?;
    }
    Ok(())
}

/// Stores one event and derives its rows. The event is read back from its stored form first:
/// printing a number and parsing it may change its last bit, and a rebuild must give the same rows.
fn append_one(
    transaction: &Transaction<'_>,
    key: i64,
    stored: &StoredEvent,
    event: &RunEvent,
) -> Result<(), StoreError> {
    let StoredEvent { attempt, seq, at_ms, ref body, ref columns, .. } = *stored;
    if let RunEvent::Progressed { round, step, .. } = event {
        prune_progress(transaction, key, *round, *step)?;
    }
    transaction
        .prepare_cached(
            "INSERT INTO events (run, seq, attempt, at_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((key, seq as i64, attempt, at_ms, body))?;
    columns::check(event, columns.as_deref())
        .map_err(|source| StoreError::BrokenColumns { seq, source })?;
    if let Some(columns) = columns {
        parts::write(transaction, key, seq, columns)?;
    }
    derive::derive(transaction, key, seq, at_ms, event)?;
    if event.status().is_some_and(RunStatus::is_ended) {
        claims::release(transaction, key, attempt)?;
    }
    Ok(())
}

/// Deletes the progress event before this one in the same step, since only the newest progress is
/// ever read.
fn prune_progress(
    transaction: &Transaction<'_>,
    key: i64,
    round: u32,
    step: Phase,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "DELETE FROM events WHERE run = ?1 AND seq = (
                 SELECT progress_seq FROM run_states
                 WHERE run = ?1 AND progress_round = ?2 AND progress_step = ?3)",
        )?
        .execute((key, round, step.name()))?;
    Ok(())
}

/// The number of a run's newest event; 0 before the first.
pub(in crate::store) fn last_seq(connection: &Connection, key: i64) -> Result<u64, StoreError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::PairMargin;
    use crate::domain::metrics::{Evaluation, Split};
    use crate::domain::preference::PairId;
    use crate::domain::run::StopReason;
    use crate::store::testing;
    use crate::store::testing::{Fixture, train_step};

    fn evaluated(round: u32, margins: &[f64]) -> RunEvent {
        let pair =
            |(id, margin): (u32, &f64)| PairMargin { pair: PairId(id), margin: *margin as f32 };
        RunEvent::Evaluated {
            round,
            split: Split::Test,
            evaluation: Evaluation::from_margins(margins).unwrap(),
            margins: (0..).zip(margins).map(pair).collect(),
        }
    }

    fn progressed(n_done: u64) -> RunEvent {
        let (step, n_total, n_tokens) = (Phase::Train, 9, 70);
        RunEvent::Progressed { round: 0, step, part: 0, n_done, n_total, n_tokens, elapsed_ms: 8 }
    }

    /// A life with a death in it: attempt 2 goes on from the checkpoint at step 2.
    fn two_attempts(fixture: &mut Fixture) -> RunId {
        let run = fixture.run("a");
        let first = fixture.begin_as_dead(&run);
        let worker = crate::store::events::liveness::current_worker();
        let checkpoint = RunEvent::CheckpointSaved {
            name: "step-2".into(),
            round: 0,
            global_step: 2,
            n_bytes: 10,
            digest: "d".into(),
        };
        let started = |resumed_from| RunEvent::RunStarted { worker: worker.clone(), resumed_from };
        let mut events = vec![started(None), testing::step_started(0, Phase::Train, 9)];
        events.extend([train_step(1, 0.7), train_step(2, 0.6), progressed(2), checkpoint]);
        events.extend([train_step(3, 0.5), progressed(3), train_step(4, 0.4)]);
        fixture.apply(&run, first, events);
        let second = fixture.begin(&run);
        assert_eq!((second.number, second.next_seq), (2, 10));
        let mut events =
            vec![started(Some("step-2".into())), testing::step_started(0, Phase::Train, 9)];
        events.extend([train_step(3, 0.55), train_step(4, 0.45), progressed(4)]);
        events.push(evaluated(0, &[0.1, -0.3, 1.0 / 3.0, 2.0]));
        events.push(testing::selection_made(1, 20));
        events.push(evaluated(1, &[0.7, 0.123_456_789_012_345, -1e-7]));
        events.push(RunEvent::RunFinished { reason: StopReason::RoundLimit });
        fixture.apply(&run, second, events);
        run
    }

    #[test]
    fn steps_taken_again_replace_those_of_the_attempt_before() {
        let mut fixture = testing::store();
        let run = two_attempts(&mut fixture);
        let points = fixture.store.loss_points(&run, 100).unwrap();
        let losses: Vec<f32> = points.iter().map(|point| point.loss).collect();
        assert_eq!(losses, [0.7, 0.6, 0.55, 0.45]);
        let detail = fixture.store.run(&run).unwrap();
        assert_eq!(detail.row.status, RunStatus::Finished);
        assert_eq!(detail.row.stop_reason, Some(StopReason::RoundLimit));
        assert_eq!((detail.row.attempt, detail.row.round), (2, 0));
        assert_eq!(*detail.row.test_accuracy, [Some(0.75), Some(2.0 / 3.0)]);
        assert_eq!(detail.row.latest_test.unwrap().n, 3);
        assert_eq!(detail.checkpoint.as_deref(), Some("step-2"));
        assert!(detail.row.finished_at_ms.is_some() && detail.row.progress.is_none());
    }

    #[test]
    fn a_run_that_was_rebuilt_goes_on_where_it_was() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        fixture.apply(&run, attempt, vec![train_step(1, 0.1)]);
        fixture.store.rebuild(&run).unwrap();
        let next = crate::store::Attempt { next_seq: 2, ..attempt };
        fixture.apply(&run, next, vec![train_step(2, 0.2)]);
        assert_eq!(fixture.store.loss_points(&run, 10).unwrap().len(), 2);
    }

    #[test]
    fn only_the_newest_progress_of_a_step_is_kept() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        fixture.apply(&run, attempt, (0..50).map(progressed).collect());
        let events = fixture.store.events_after(&run, 0, 100).unwrap();
        assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [50]);
        let progress = fixture.store.run(&run).unwrap().row.progress.unwrap();
        assert_eq!((progress.n_done, progress.n_total, progress.step), (49, 9, Phase::Train));
    }

    #[test]
    fn older_attempts_and_gaps_store_nothing() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let first = fixture.begin_as_dead(&run);
        fixture.apply(&run, first, vec![train_step(1, 0.5)]);
        let second = fixture.begin(&run);
        let stale = crate::store::Attempt { number: first.number, ..second };
        let error = fixture
            .store
            .apply(&testing::records(&run, stale, vec![train_step(2, 0.1)]))
            .unwrap_err();
        assert!(matches!(error, StoreError::Superseded { attempt: 1, current: 2, .. }), "{error}");
        let mut records =
            testing::records(&run, second, vec![train_step(2, 0.2), train_step(3, 0.3)]);
        records[1].seq += 1;
        let error = fixture.store.apply(&records).unwrap_err();
        assert!(matches!(error, StoreError::Gap { expected: 3, found: 4, .. }), "{error}");
        records[1].seq -= 1;
        records[0].seq -= 1;
        assert!(fixture.store.apply(&records).is_err());
        assert_eq!(fixture.store.loss_points(&run, 10).unwrap().len(), 1);
        assert_eq!(fixture.store.last_events(&run, 10).unwrap().len(), 1);
    }

    #[test]
    fn columns_lie_beside_the_line_and_the_newest_hold() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let selection = testing::selection_made(1, 30);
        let RunEvent::SelectionMade { pairs, .. } = selection.clone() else { unreachable!() };
        // The second evaluation of a round, with fewer pairs, replaces the first.
        let events = vec![selection, evaluated(1, &[1.0, 2.0, 3.0]), evaluated(1, &[-1.0, 0.5])];
        fixture.apply(&run, attempt, events);
        assert_eq!(fixture.store.pair_scores(&run, 1).unwrap(), pairs);
        let margins = fixture.store.margins(&run, 1, Split::Test).unwrap();
        assert_eq!(margins.iter().map(|m| m.margin).collect::<Vec<_>>(), [-1.0, 0.5]);
        for event in fixture.store.last_events(&run, 3).unwrap() {
            assert!(!event.body.contains("pairs\":[") && !event.body.contains("margins"));
        }
        let round = &fixture.store.rounds(&run).unwrap()[0];
        assert_eq!(round.selection.as_ref().unwrap().n_scored, 30);
        assert_eq!(round.test.as_ref().unwrap().reliability.len(), 10);
        assert!(round.validation.is_none());
    }

    #[test]
    fn a_number_that_json_cannot_hold_is_refused_at_once() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let records = testing::records(&run, attempt, vec![train_step(1, f32::NAN)]);
        let error = fixture.store.apply(&records).unwrap_err();
        assert_eq!(error.to_string(), format!("event 1 of `{run}` cannot be read"));
        assert!(fixture.store.last_events(&run, 1).unwrap().is_empty());
    }
}
