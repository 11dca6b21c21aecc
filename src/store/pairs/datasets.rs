//! Data sets: listing and deleting them.

use rusqlite::{OptionalExtension, Row};

use super::import::batch::BATCH_PAIRS;
use super::key_range;
use crate::domain::event::WorkerIdentity;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::events::liveness;
use crate::store::rows::DatasetRow;

pub(in crate::store) const SELECT: &str =
    "SELECT key, fingerprint, source, format, grouped_by, n_pairs, n_dropped,
                             imported_at_ms
                      FROM datasets WHERE is_complete = 1";

impl Store {
    /// The data set with this content, if it was imported.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn find_dataset(&self, fingerprint: &str) -> Result<Option<DatasetRow>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("{SELECT} AND fingerprint = ?1"))?;
            Ok(statement.query_row([fingerprint], dataset_row).optional()?)
        })
    }

    /// All data sets, the newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn datasets(&self) -> Result<Vec<DatasetRow>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("{SELECT} ORDER BY key DESC"))?;
            Ok(statement.query_map([], dataset_row)?.collect::<Result<_, _>>()?)
        })
    }

    /// Deletes a data set with its texts.
    ///
    /// # Errors
    /// When a run uses it.
    pub fn delete_dataset(&mut self, dataset: i64) -> Result<(), StoreError> {
        self.write(|transaction| {
            let sql = "SELECT name FROM runs WHERE dataset = ?1 OR test_dataset = ?1 ORDER BY name";
            let mut statement = transaction.prepare(sql)?;
            let runs = statement.query_map([dataset], |row| row.get(0))?;
            let runs: Vec<String> = runs.collect::<Result<_, _>>()?;
            if !runs.is_empty() {
                return Err(StoreError::DatasetInUse { dataset, runs });
            }
            // No run can be created on the data set from here on; its pairs are deleted in batches
            // below.
            let sql = "UPDATE datasets SET is_complete = 0 WHERE key = ?1";
            match transaction.execute(sql, [dataset])? {
                0 => Err(StoreError::UnknownDataset { dataset }),
                _ => Ok(()),
            }
        })?;
        self.remove_dataset_rows(dataset)
    }

    /// Deletes what importers that died have left unfinished.
    pub(in crate::store) fn sweep_dead_imports(&mut self) -> Result<(), StoreError> {
        let unfinished: Vec<(i64, String)> = self.read(|connection| {
            let sql = "SELECT key, importer FROM datasets WHERE is_complete = 0";
            let mut statement = connection.prepare(sql)?;
            let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(found.collect::<Result<_, _>>()?)
        })?;
        for (dataset, importer) in unfinished {
            let importer = serde_json::from_str::<WorkerIdentity>(&importer);
            if !importer.is_ok_and(|importer| liveness::may_exist(&importer)) {
                self.remove_dataset_rows(dataset)?;
            }
        }
        Ok(())
    }

    /// In batches, for the same reason as importing.
    pub(in crate::store) fn remove_dataset_rows(&mut self, dataset: i64) -> Result<(), StoreError> {
        let (first, last) = key_range(dataset);
        loop {
            let n_removed = self.write(|transaction| {
                let sql = "SELECT key FROM pairs WHERE key BETWEEN ?1 AND ?2
                           ORDER BY key LIMIT 1 OFFSET ?3";
                let end: Option<i64> = transaction
                    .query_row(sql, (first, last, BATCH_PAIRS as i64), |row| row.get(0))
                    .optional()?;
                let range = (first, end.unwrap_or(last));
                transaction.execute("DELETE FROM pair_texts WHERE key BETWEEN ?1 AND ?2", range)?;
                Ok(transaction.execute("DELETE FROM pairs WHERE key BETWEEN ?1 AND ?2", range)?)
            })?;
            if n_removed <= BATCH_PAIRS {
                break;
            }
        }
        self.write(|transaction| {
            transaction.execute("DELETE FROM datasets WHERE key = ?1", [dataset])?;
            Ok(())
        })
    }
}

pub(in crate::store) fn dataset_row(row: &Row<'_>) -> rusqlite::Result<DatasetRow> {
    Ok(DatasetRow {
        id: row.get(0)?,
        fingerprint: row.get(1)?,
        source: row.get(2)?,
        format: row.get(3)?,
        grouped_by: row.get(4)?,
        n_pairs: row.get::<_, i64>(5)? as u64,
        n_dropped: row.get::<_, i64>(6)? as u64,
        imported_at_ms: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::testing;
    use crate::store::testing::N_PAIRS;

    fn n_rows(store: &Store, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        store.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_data_set_in_use_stays() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let error = fixture.store.delete_dataset(fixture.dataset).unwrap_err();
        assert!(matches!(error, StoreError::DatasetInUse { .. }), "{error}");
        let expected = format!("data set {} is used by 1 run: `a`", fixture.dataset);
        assert_eq!(error.to_string(), expected);
        fixture.store.delete_run(&run).unwrap();
        fixture.store.delete_dataset(fixture.dataset).unwrap();
        assert_eq!(n_rows(&fixture.store, "pairs") + n_rows(&fixture.store, "pair_texts"), 0);
        assert!(matches!(
            fixture.store.delete_dataset(fixture.dataset),
            Err(StoreError::UnknownDataset { .. })
        ));
    }

    #[test]
    fn removal_goes_on_over_several_batches() {
        let mut fixture = testing::store();
        let n = 2 * BATCH_PAIRS + 7;
        let row = testing::import(&mut fixture.store, "b", testing::pairs(n).into_iter()).unwrap();
        assert_eq!(row.n_pairs, n as u64);
        fixture.store.delete_dataset(row.id).unwrap();
        assert_eq!(n_rows(&fixture.store, "pairs"), N_PAIRS as i64);
    }
}
