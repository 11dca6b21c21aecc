//! Runs: creating, listing, reading and deleting them.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use rusqlite::{Connection, Row, Transaction};

use super::clock::now_ms;
use super::error::StoreError;
use super::events::claims::{
    self, claim_of, is_alive, liveness_of, queue_place, queue_places, status_in_force,
};
use super::events::liveness::Claim;
use super::keys::{self, unknown_run};
use super::people::annotations;
use super::rows::{PauseRow, ProgressRow, RunDetail, RunRow, Shared, SpecFacts};
use super::{Annotation, Store, naming};
use crate::domain::run::{RunId, RunStatus};
use crate::domain::spec::ExperimentSpec;

/// What a new run needs.
#[derive(Debug, Clone)]
pub struct NewRun<'a> {
    /// A unique name; without one it is made from arm, model and `rng_seed`.
    pub name: Option<String>,
    pub spec: &'a ExperimentSpec,
    /// Data set of the training pairs.
    pub dataset: i64,
    /// Data set of the test pairs, when it is a separate one.
    pub test_dataset: Option<i64>,
    /// The experiment this run belongs to; made when it does not exist.
    pub experiment: Option<String>,
}

impl Store {
    /// Creates a run at the end of the queue.
    ///
    /// # Errors
    /// When the name is taken or unfit, or the data sets do not exist.
    pub fn create_run(&mut self, new: &NewRun<'_>) -> Result<RunRow, StoreError> {
        let spec = serde_json::to_string(new.spec)
            .map_err(|source| StoreError::Json { what: "the spec".to_owned(), source })?;
        let high = new.spec.selection.high_threshold;
        self.write(|transaction| {
            let name = match &new.name {
                Some(name) => naming::checked_name(transaction, name)?,
                None => naming::default_name(transaction, new.spec, new.experiment.as_deref())?,
            };
            for dataset in [Some(new.dataset), new.test_dataset].into_iter().flatten() {
                require_dataset(transaction, dataset)?;
            }
            let experiment =
                new.experiment.as_deref().map(|name| keys::experiment(transaction, name));
            let experiment = experiment.transpose()?;
            let id = naming::unused_id(transaction, &name)?;
            let learning_rate = SpecFacts::learning_rate_of(new.spec);
            transaction.execute(
                "INSERT INTO runs (id, name, experiment, arm, rng_seed, rounds_max, dataset,
                                   test_dataset, created_at_ms, backbone, source, learning_rate,
                                   high_threshold, kind, slots)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
                (
                    id.as_str(),
                    &name,
                    experiment,
                    &new.spec.arm,
                    new.spec.rng_seed as i64,
                    new.spec.rounds_max(),
                    new.dataset,
                    new.test_dataset,
                    now_ms(),
                    &new.spec.model.backbone,
                    new.spec.data.source.to_string(),
                    learning_rate,
                    new.spec.selection.rule.has_two_thresholds().then_some(high),
                    new.spec.kind.name(),
                    new.spec.model.device.slots_name(),
                ),
            )?;
            let key = transaction.last_insert_rowid();
            transaction
                .execute("INSERT INTO run_specs (run, spec) VALUES (?1, ?2)", (key, &spec))?;
            transaction.execute("INSERT INTO run_states (run) VALUES (?1)", [key])?;
            transaction.execute("INSERT INTO queue (run) VALUES (?1)", [key])?;
            one_row(transaction, &id)
        })
    }

    /// Deletes a run and all its rows. Its folder is the caller's to remove.
    ///
    /// # Errors
    /// When a living worker holds it.
    pub fn delete_run(&mut self, run: &RunId) -> Result<(), StoreError> {
        self.write(|transaction| {
            let row = one_row(transaction, run)?;
            if is_alive(row.liveness) {
                let (name, state) = (row.name, row.status.name());
                return Err(StoreError::WrongState { action: "cannot delete it", name, state });
            }
            transaction.execute("DELETE FROM runs WHERE id = ?1", [run.as_str()])?;
            drop_empty_experiments(transaction)
        })
    }

    /// All runs, the newest first. [`RunRow::latest_test`] comes without its reliability diagram,
    /// which [`Store::rounds`] has.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let mut found = Vec::new();
        self.each_run(|row| found.push(row))?;
        Ok(found)
    }

    /// The rows of [`Store::runs`], one after the other: whoever keeps ten thousand of them decides
    /// how.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn each_run(&self, mut take: impl FnMut(RunRow)) -> Result<(), StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("{SELECT_ROW} ORDER BY runs.key DESC"))?;
            let mut rows = statement.query([])?;
            let mut n_vetoed = n_vetoed_by_run(connection)?;
            let mut kept = annotations::by_run(connection)?;
            let places = queue_places(connection)?;
            let (mut shared, nothing) = (Shared::default(), Arc::default());
            while let Some(row) = rows.next()? {
                let key: i64 = row.get(0)?;
                let annotation = kept.remove(&key).map_or(Arc::clone(&nothing), Arc::new);
                let n_vetoed = n_vetoed.remove(&key).unwrap_or(0);
                let mut found = run_row(row, n_vetoed, annotation, &mut shared)?;
                found.queue_place = places.get(&key).copied();
                take(found);
            }
            Ok(())
        })
    }

    /// One run with everything that belongs to it as a whole.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn run(&self, run: &RunId) -> Result<RunDetail, StoreError> {
        self.read(|connection| detail(connection, run))
    }

    /// The resolved spec of a run.
    ///
    /// # Errors
    /// When there is no such run, or its spec is from an incompatible version.
    pub fn spec(&self, run: &RunId) -> Result<ExperimentSpec, StoreError> {
        let text = self.run(run)?.spec_json;
        serde_json::from_str(&text)
            .map_err(|source| StoreError::Json { what: format!("the spec of `{run}`"), source })
    }
}

/// Deletes experiments whose last run is gone.
fn drop_empty_experiments(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.execute(
        "DELETE FROM experiments WHERE NOT EXISTS
             (SELECT 1 FROM runs WHERE runs.experiment = experiments.key)",
        [],
    )?;
    Ok(())
}

/// The columns of [`run_row`].
const SELECT_ROW: &str = "
    SELECT runs.key, runs.id, runs.name, runs.arm, runs.rng_seed, runs.rounds_max,
           runs.created_at_ms, queue.position IS NOT NULL, status, stop_reason, finished_at_ms,
           failure, round, test_counts, latest_test, n_selected, progress_round, progress_step,
           progress_n_done, progress_n_total, progress_n_tokens, progress_elapsed_ms,
           progress_at_ms, backbone, source, learning_rate, high_threshold,
           coalesce(test_dataset, dataset), test_dataset IS NULL, experiments.name, runs.kind,
           heartbeats.attempt, is_held, pid, process_start, boot_id, host, heartbeats.at_ms,
           progress_part, progress_n_parts, paused_at_ms, paused_by, wants_slot, slots
    FROM runs
    JOIN run_states ON run_states.run = runs.key
    LEFT JOIN queue ON queue.run = runs.key
    LEFT JOIN experiments ON experiments.key = runs.experiment
    LEFT JOIN heartbeats ON heartbeats.run = runs.key";

/// The column of [`SELECT_ROW`] where the claim begins.
const FIRST_CLAIM_COLUMN: usize = 31;
/// The column of [`SELECT_ROW`] where fold and number of folds of the progress stand.
const FIRST_PART_COLUMN: usize = FIRST_CLAIM_COLUMN + 7;
/// The column of [`SELECT_ROW`] where pause, slot and place in the queue begin.
const FIRST_SLOT_COLUMN: usize = FIRST_PART_COLUMN + 2;

pub(super) fn one_row(connection: &Connection, run: &RunId) -> Result<RunRow, StoreError> {
    let key = keys::run(connection, run)?;
    let mut statement = connection.prepare_cached(&format!("{SELECT_ROW} WHERE runs.key = ?1"))?;
    let mut rows = statement.query([key])?;
    let row = rows.next()?.ok_or_else(|| unknown_run(connection, run))?;
    let annotation = Arc::new(annotations::annotation(connection, key)?);
    let mut found = run_row(row, n_vetoed(connection, key)?, annotation, &mut Shared::default())?;
    if found.status == RunStatus::Queued {
        found.queue_place = queue_place(connection, key)?;
    }
    Ok(found)
}

fn row_claim(row: &Row<'_>) -> rusqlite::Result<Option<Claim>> {
    match row.get::<_, Option<u32>>(FIRST_CLAIM_COLUMN)? {
        Some(_) => claim_of(row, FIRST_CLAIM_COLUMN).map(Some),
        None => Ok(None),
    }
}

fn run_row(
    row: &Row<'_>,
    n_vetoed: u64,
    annotation: Arc<Annotation>,
    shared: &mut Shared,
) -> Result<RunRow, StoreError> {
    let kind = row.get_ref(30)?.as_str().map_err(rusqlite::Error::from)?;
    let kind = kind.parse().map_err(|_| unknown_kind(row, kind))?;
    let claim = row_claim(row)?;
    let stored: RunStatus = word(row, 8, "status")?;
    let status = status_in_force(stored, row.get(7)?, claim.as_ref());
    // A run that was put back into the queue counts as not ended.
    let has_ended = status.is_ended();
    let counts: Vec<Option<(u64, u64)>> = json(row, 13, "the test counts")?;
    let share = |(n_correct, n): (u64, u64)| n_correct as f64 / n as f64;
    let has_reason = has_ended && row.get_ref(9)? != rusqlite::types::ValueRef::Null;
    let reason = || word(row, 9, "stop reason");
    Ok(RunRow {
        id: RunId(row.get(1)?),
        name: row.get(2)?,
        kind,
        arm: text(row, 3, shared)?,
        experiment: match row.get_ref(29)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(text(row, 29, shared)?),
        },
        status,
        liveness: liveness_of(status, claim.as_ref()),
        stop_reason: has_reason.then(reason).transpose()?,
        rng_seed: row.get::<_, i64>(4)? as u64,
        attempt: claim.map_or(0, |claim| claim.attempt),
        created_at_ms: row.get(6)?,
        finished_at_ms: row.get::<_, Option<i64>>(10)?.filter(|_| has_ended),
        round: row.get(12)?,
        rounds_max: row.get(5)?,
        test_accuracy: counts.into_iter().map(|counts| counts.map(share)).collect(),
        latest_test: optional_json(row, 14, "the latest test evaluation")?,
        n_selected: row.get::<_, Option<i64>>(15)?.map(|n| n as u64),
        n_vetoed,
        progress: match status {
            RunStatus::Finished => None,
            _ => progress(row, 16)?.map(Box::new),
        },
        failure: row.get::<_, Option<String>>(11)?.filter(|_| has_ended),
        pause: if status == RunStatus::Paused { pause(row)?.map(Box::new) } else { None },
        queue_place: None,
        slots: text(row, FIRST_SLOT_COLUMN + 3, shared)?,
        annotation,
        facts: SpecFacts {
            backbone: text(row, 23, shared)?,
            source: text(row, 24, shared)?,
            learning_rate: row.get(25)?,
            high_threshold: row.get(26)?,
            test_dataset: row.get(27)?,
            is_test_split: row.get(28)?,
        },
    })
}

fn unknown_kind(row: &Row<'_>, kind: &str) -> StoreError {
    match row.get(1) {
        Ok(run) => StoreError::UnknownKind { run: RunId(run), kind: kind.to_owned() },
        Err(error) => error.into(),
    }
}

/// A text that other rows may share.
fn text(row: &Row<'_>, index: usize, shared: &mut Shared) -> Result<Arc<str>, StoreError> {
    Ok(shared.one(row.get_ref(index)?.as_str().map_err(rusqlite::Error::from)?))
}

fn progress(row: &Row<'_>, first: usize) -> Result<Option<ProgressRow>, StoreError> {
    let Some(round) = row.get(first)? else { return Ok(None) };
    let count = |index: usize| row.get::<_, i64>(first + index).map(|n| n as u64);
    Ok(Some(ProgressRow {
        round,
        step: word(row, first + 1, "phase")?,
        part: row.get(FIRST_PART_COLUMN)?,
        n_parts: row.get(FIRST_PART_COLUMN + 1)?,
        n_done: count(2)?,
        n_total: count(3)?,
        n_tokens: count(4)?,
        elapsed_ms: count(5)?,
        at_ms: row.get(first + 6)?,
    }))
}

fn pause(row: &Row<'_>) -> rusqlite::Result<Option<PauseRow>> {
    let Some(since_ms) = row.get(FIRST_SLOT_COLUMN)? else { return Ok(None) };
    Ok(Some(PauseRow {
        since_ms,
        by: row.get::<_, Option<String>>(FIRST_SLOT_COLUMN + 1)?.filter(|name| !name.is_empty()),
        waits_for_slot: row.get::<_, Option<i64>>(FIRST_SLOT_COLUMN + 2)?.unwrap_or(0) > 0,
    }))
}

pub(super) fn detail(connection: &Connection, run: &RunId) -> Result<RunDetail, StoreError> {
    let row = one_row(connection, run)?;
    let key = keys::run(connection, run)?;
    let claim = claims::claim(connection, key)?;
    let mut statement = connection.prepare_cached(
        "SELECT spec, dataset, test_dataset, checkpoint, sizes, encoding, model
         FROM runs
         JOIN run_states ON run_states.run = runs.key
         JOIN run_specs ON run_specs.run = runs.key
         WHERE runs.key = ?1",
    )?;
    let mut rows = statement.query([key])?;
    let found = rows.next()?.ok_or_else(|| unknown_run(connection, run))?;
    Ok(RunDetail {
        row,
        spec_json: found.get(0)?,
        dataset: found.get(1)?,
        test_dataset: found.get(2)?,
        heartbeat_at_ms: claim.as_ref().map(|claim| claim.at_ms),
        worker: claim.map(|claim| claim.worker),
        checkpoint: found.get(3)?,
        sizes: optional_json(found, 4, "the split sizes")?,
        encoding: optional_json(found, 5, "the encoding")?,
        model: found.get(6)?,
    })
}

/// A stored word as an enum value.
pub(super) fn word<T: FromStr>(
    row: &Row<'_>,
    index: usize,
    what: &'static str,
) -> Result<T, StoreError> {
    let value: String = row.get(index)?;
    value.parse().map_err(|_| StoreError::UnknownValue { what, value })
}

pub(super) fn json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    index: usize,
    what: &str,
) -> Result<T, StoreError> {
    let text = row.get_ref(index)?.as_str().map_err(rusqlite::Error::from)?;
    serde_json::from_str(text).map_err(|source| StoreError::Json { what: what.to_owned(), source })
}

/// A JSON column that may be NULL.
pub(super) fn optional_json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    index: usize,
    what: &str,
) -> Result<Option<T>, StoreError> {
    if row.get_ref(index)? == rusqlite::types::ValueRef::Null {
        return Ok(None);
    }
    json(row, index, what).map(Some)
}

/// The newest verdict of each pair (`SQLite` takes bare columns from the row of the maximum).
const NEWEST_VERDICTS: &str = "SELECT run, verdict, max(id) FROM verdicts";

fn n_vetoed_by_run(connection: &Connection) -> Result<HashMap<i64, u64>, StoreError> {
    let sql = format!(
        "SELECT run, count(*) FROM ({NEWEST_VERDICTS} GROUP BY run, pair)
         WHERE verdict = 'veto' GROUP BY run"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let counts = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
    Ok(counts.collect::<Result<_, _>>()?)
}

fn n_vetoed(connection: &Connection, key: i64) -> Result<u64, StoreError> {
    let sql = format!(
        "SELECT count(*) FROM ({NEWEST_VERDICTS} WHERE run = ?1 GROUP BY pair)
         WHERE verdict = 'veto'"
    );
    let n: i64 = connection.prepare_cached(&sql)?.query_row([key], |row| row.get(0))?;
    Ok(n as u64)
}

fn require_dataset(transaction: &Transaction<'_>, dataset: i64) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM datasets WHERE key = ?1 AND is_complete = 1";
    if transaction.prepare_cached(sql)?.exists([dataset])? {
        Ok(())
    } else {
        Err(StoreError::UnknownDataset { dataset })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn a_new_run_is_queued_and_says_everything() {
        let mut fixture = testing::store();
        let mut spec = testing::spec();
        spec.rng_seed = u64::MAX;
        let new = NewRun {
            name: None,
            spec: &spec,
            dataset: fixture.dataset,
            test_dataset: Some(fixture.dataset),
            experiment: Some("which seed".to_owned()),
        };
        let first = fixture.store.create_run(&new).unwrap();
        let second = fixture.store.create_run(&new).unwrap();
        assert_eq!(first.name, format!("which-seed-ser-s{}", u64::MAX));
        assert_eq!(second.name, format!("{}-2", first.name));
        assert_eq!(
            (first.status, first.rng_seed, first.rounds_max),
            (RunStatus::Queued, u64::MAX, 3)
        );
        let detail = fixture.store.run(&first.id).unwrap();
        assert_eq!(detail.row, first);
        assert_eq!(detail.test_dataset, Some(fixture.dataset));
        assert_eq!(fixture.store.spec(&first.id).unwrap(), spec);
        let ids: Vec<RunId> = fixture.store.runs().unwrap().into_iter().map(|row| row.id).collect();
        assert_eq!(ids, [second.id, first.id]);
    }

    #[test]
    fn rows_share_the_words_that_they_have_in_common() {
        let mut fixture = testing::store();
        fixture.run("a");
        fixture.run("b");
        let rows = fixture.store.runs().unwrap();
        assert!(Arc::ptr_eq(&rows[0].arm, &rows[1].arm));
        assert!(Arc::ptr_eq(&rows[0].facts.backbone, &rows[1].facts.backbone));
        assert!(Arc::ptr_eq(&rows[0].annotation, &rows[1].annotation));
    }

    #[test]
    fn a_refused_run_leaves_nothing() {
        let mut fixture = testing::store();
        let spec = testing::spec();
        let new = NewRun {
            name: Some("a".to_owned()),
            spec: &spec,
            dataset: 99,
            test_dataset: None,
            experiment: None,
        };
        let error = fixture.store.create_run(&new).unwrap_err();
        assert!(matches!(error, StoreError::UnknownDataset { dataset: 99 }), "{error}");
        assert!(fixture.store.runs().unwrap().is_empty());
    }

    #[test]
    fn a_run_of_a_newer_kind_is_named() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        assert_eq!(fixture.store.run(&run).unwrap().row.kind.name(), "ser");
        fixture.store.connection.execute("UPDATE runs SET kind = 'trial'", []).unwrap();
        for error in [fixture.store.run(&run).unwrap_err(), fixture.store.runs().unwrap_err()] {
            let message = format!(
                "run `{run}` is of the kind `trial`: it was made by a newer version of `ser`"
            );
            assert_eq!(error.to_string(), message);
            assert!(error.hint().unwrap().contains("newer"));
        }
    }

    #[test]
    fn deleting_takes_every_row_but_spares_a_run_at_work() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let selection = testing::selection_made(1, 10);
        fixture.apply(&run, attempt, vec![testing::train_step(1, 0.5), selection]);
        let error = fixture.store.delete_run(&run).unwrap_err();
        assert_eq!(error.to_string(), "cannot delete it: `a` is running");
        let end = crate::domain::event::RunEvent::RunStopped;
        let after = super::super::Attempt { next_seq: 3, ..attempt };
        fixture.apply(&run, after, vec![end]);
        fixture.store.delete_run(&run).unwrap();
        for table in ["runs", "run_specs", "run_states", "events", "metrics", "event_columns"] {
            let sql = format!("SELECT count(*) FROM {table}");
            let n: i64 = fixture.store.connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(n, 0, "{table}");
        }
        assert!(fixture.store.run(&run).is_err());
    }
}
