//! Experiments: runs that were launched together to be compared, and what one run of an experiment
//! needs to know of another.

use rusqlite::{Connection, OptionalExtension};

use super::error::StoreError;
use super::rows::RunRow;
use super::{Store, keys, runs};
use crate::domain::run::{RunId, RunStatus};
use crate::domain::spec::{ExperimentSpec, LONGEST, changed_arm};

/// The number of steps that a run should take at least, and the run it is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepsTaken {
    pub run: RunId,
    pub arm: String,
    /// Optimizer steps over all its rounds.
    pub n_steps: u64,
}

impl Store {
    /// The first free of `experiment-1`, `experiment-2`, …
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn unused_experiment_name(&self) -> Result<String, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare("SELECT 1 FROM experiments WHERE name = ?1")?;
            let mut number = 1_u32;
            loop {
                let name = format!("experiment-{number}");
                if !statement.exists([&name])? {
                    return Ok(name);
                }
                number += 1;
            }
        })
    }

    /// The runs of an experiment, the oldest first.
    ///
    /// # Errors
    /// When there is no such experiment.
    pub fn experiment(&self, name: &str) -> Result<Vec<RunRow>, StoreError> {
        self.read(|connection| {
            let ids = ids_of(connection, name)?;
            if ids.is_empty() {
                let nearest = nearest(connection, name)?;
                return Err(StoreError::UnknownExperiment { wanted: name.to_owned(), nearest });
            }
            ids.iter().map(|id| runs::one_row(connection, id)).collect()
        })
    }

    /// The newest run with exactly this spec on these data sets that has not failed, finished ones
    /// first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn run_of_spec(
        &self,
        spec: &ExperimentSpec,
        dataset: i64,
        test_dataset: Option<i64>,
    ) -> Result<Option<RunRow>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT id, spec FROM runs JOIN run_specs ON run_specs.run = runs.key
                 WHERE dataset = ?1 AND test_dataset IS ?2 AND arm = ?3 AND rng_seed = ?4
                 ORDER BY runs.key DESC",
            )?;
            let mut rows =
                statement.query((dataset, test_dataset, &spec.arm, spec.rng_seed as i64))?;
            let mut found = None;
            while let Some(row) = rows.next()? {
                // A spec that another version wrote is not the same spec.
                let text: String = row.get(1)?;
                if serde_json::from_str::<ExperimentSpec>(&text).ok().as_ref() != Some(spec) {
                    continue;
                }
                let row = runs::one_row(connection, &RunId(row.get(0)?))?;
                if row.status == RunStatus::Finished {
                    return Ok(Some(row));
                }
                if row.status != RunStatus::Failed && found.is_none() {
                    found = Some(row);
                }
            }
            Ok(found)
        })
    }

    /// What the finished runs of the same experiment and `rng_seed` took in optimizer steps: the one
    /// of an arm, or the longest. `None` when there is none.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn steps_of_sibling(
        &self,
        run: &RunId,
        arm: &str,
    ) -> Result<Option<StepsTaken>, StoreError> {
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let sql = "
                SELECT other.id, other.arm, sum(rounds.n_steps) AS n_steps
                FROM runs AS mine
                JOIN runs AS other ON other.experiment = mine.experiment
                    AND other.rng_seed = mine.rng_seed AND other.key <> mine.key
                JOIN run_states ON run_states.run = other.key AND status = 'finished'
                JOIN rounds ON rounds.run = other.key
                WHERE mine.key = ?1 AND (?2 = ?3 OR other.arm IN (?2, ?4))
                GROUP BY other.key ORDER BY n_steps DESC, other.key LIMIT 1";
            let found = connection.prepare_cached(sql)?.query_row(
                (key, arm, LONGEST, changed_arm(arm)),
                |row| {
                    Ok(StepsTaken {
                        run: RunId(row.get(0)?),
                        arm: row.get(1)?,
                        n_steps: row.get::<_, Option<i64>>(2)?.unwrap_or(0) as u64,
                    })
                },
            );
            Ok(found.optional()?)
        })
    }
}

fn ids_of(connection: &Connection, name: &str) -> Result<Vec<RunId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM runs JOIN experiments ON experiments.key = runs.experiment
         WHERE experiments.name = ?1 ORDER BY runs.key",
    )?;
    let ids = statement.query_map([name], |row| row.get(0).map(RunId))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

fn nearest(connection: &Connection, wanted: &str) -> Result<Option<String>, StoreError> {
    let mut statement = connection.prepare("SELECT name FROM experiments")?;
    let names: Vec<String> =
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let similarity = |name: &String| strsim::jaro_winkler(wanted, name);
    let nearest = names.into_iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    Ok(nearest.filter(|name| similarity(name) > 0.7))
}

#[cfg(test)]
mod tests {
    use super::super::{Attempt, NewRun, testing};
    use super::*;
    use crate::domain::event::RunEvent;
    use crate::domain::run::StopReason;

    fn trained(round: u32, n_steps: u64) -> RunEvent {
        RunEvent::RoundTrained {
            round,
            n_train_pairs: 8,
            n_steps,
            n_tokens: 80,
            elapsed_ms: 5,
            weights_digest: "d".into(),
            n_human_labels: 0,
        }
    }

    /// A run of the experiment `e`, finished after rounds of so many steps.
    fn finished(fixture: &mut testing::Fixture, arm: &str, steps: &[u64]) -> RunId {
        let spec = ExperimentSpec { arm: arm.into(), ..testing::spec() };
        let new = NewRun {
            name: None,
            spec: &spec,
            dataset: fixture.dataset,
            test_dataset: None,
            experiment: Some("e".into()),
        };
        let run = fixture.store.create_run(&new).unwrap().id;
        let attempt = fixture.begin(&run);
        let rounds = (0..).zip(steps).map(|(round, n_steps)| trained(round, *n_steps));
        let end = RunEvent::RunFinished { reason: StopReason::RoundLimit };
        fixture.apply(&run, attempt, rounds.chain([end]).collect());
        run
    }

    #[test]
    fn an_experiment_lists_its_runs_and_goes_with_the_last_one() {
        let mut fixture = testing::store();
        let first = finished(&mut fixture, "ser", &[3]);
        let second = finished(&mut fixture, "seed-only", &[3]);
        let rows = fixture.store.experiment("e").unwrap();
        assert_eq!(rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), [first, second]);
        assert_eq!(rows[0].name, "e-ser-s3");
        assert_eq!(rows[0].experiment.as_deref(), Some("e"));
        assert_eq!(fixture.store.unused_experiment_name().unwrap(), "experiment-1");
        let error = fixture.store.experiment("ee").unwrap_err();
        assert_eq!(error.to_string(), "there is no experiment `ee`");
        assert_eq!(error.hint().unwrap(), "did you mean `e`?");
        for row in rows {
            fixture.store.delete_run(&row.id).unwrap();
        }
        let n: i64 = fixture
            .store
            .connection
            .query_row("SELECT count(*) FROM experiments", [], |row| row.get(0))
            .unwrap();
        assert_eq!(n, 0);
    }

    #[test]
    fn steps_are_those_of_finished_siblings() {
        let mut fixture = testing::store();
        let ser = finished(&mut fixture, "ser", &[10, 20, 30]);
        let seed_only = finished(&mut fixture, "seed-only", &[10]);
        let mine = finished(&mut fixture, "full-labels", &[7]);
        let steps = |arm: &str| fixture.store.steps_of_sibling(&mine, arm).unwrap();
        let longest = StepsTaken { run: ser, arm: "ser".into(), n_steps: 60 };
        assert_eq!(steps(LONGEST), Some(longest.clone()));
        assert_eq!(steps("ser"), Some(longest));
        let shorter = StepsTaken { run: seed_only, arm: "seed-only".into(), n_steps: 10 };
        assert_eq!(steps("seed-only"), Some(shorter));
        assert_eq!(steps("naive"), None);
        let alone = fixture.run("alone");
        assert_eq!(fixture.store.steps_of_sibling(&alone, LONGEST).unwrap(), None);
    }

    #[test]
    fn a_run_is_found_by_its_whole_spec() {
        let mut fixture = testing::store();
        let run = finished(&mut fixture, "ser", &[1]);
        let spec = testing::spec();
        let dataset = fixture.dataset;
        let found = |spec: &_| fixture.store.run_of_spec(spec, dataset, None).unwrap();
        assert_eq!(found(&spec).map(|row| row.id), Some(run));
        let mut other = spec.clone();
        other.train.epochs += 1;
        assert_eq!(found(&other), None);
        assert_eq!(fixture.store.run_of_spec(&spec, dataset, Some(dataset)).unwrap(), None);
        // A run that waits is found too, but not before a finished one.
        let waiting = fixture.run("waiting");
        assert_ne!(fixture.store.run_of_spec(&spec, dataset, None).unwrap().unwrap().id, waiting);
        let _: Attempt = fixture.begin(&waiting);
    }
}
