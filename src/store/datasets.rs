//! Data sets: importing, listing and deleting them.
//!
//! An import commits every [`BATCH_PAIRS`] pairs under a row that readers ignore until the last
//! batch marks it complete. One transaction for a million pairs would hold the write lock, and so
//! every running worker, for its whole length, and would write each page twice through a log as
//! large as the data. An error removes what was imported; what a killed importer leaves is swept
//! when the database is next opened.

use rusqlite::{OptionalExtension, Row, Transaction};

use super::Store;
use super::clock::now_ms;
use super::error::StoreError;
use super::liveness;
use super::pairs::{key_range, pair_key};
use super::rows::DatasetRow;
use crate::domain::event::WorkerIdentity;
use crate::domain::preference::PreferencePair;
use crate::domain::split::group_hash;

/// Pairs of one transaction.
const BATCH_PAIRS: u32 = 2_000;

/// Batches after which the log is made to start anew.
const RESTART_BATCHES: u32 = 20;

/// Page cache during an import: a batch fits.
const IMPORT_CACHE_KIB: i64 = 16 << 10;

/// The page cache of every other connection.
const DEFAULT_CACHE_KIB: i64 = 2_000;

/// What is known of a data set before its first pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDataset {
    /// Content hash, hex.
    pub fingerprint: String,
    /// Where it came from.
    pub source: String,
    /// Layout.
    pub format: String,
    /// How pairs are grouped.
    pub grouped_by: String,
}

/// One thing read from a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportItem {
    /// An accepted pair and the line (or row) it came from.
    Pair {
        /// Counted from 1.
        line: u64,
        /// The pair.
        pair: PreferencePair,
    },
    /// A row that was left out.
    Dropped,
}

const SELECT: &str = "SELECT key, fingerprint, source, format, grouped_by, n_pairs, n_dropped,
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

    /// Imports pairs as they come; the first gets id 0. Memory does not grow with their number.
    /// Content that is there already (another process was faster) is not kept twice.
    ///
    /// # Errors
    /// The first error of the iterator or the database; nothing stays behind.
    pub fn import_dataset<E: From<StoreError>>(
        &mut self,
        new: &NewDataset,
        pairs: &mut dyn Iterator<Item = Result<ImportItem, E>>,
    ) -> Result<DatasetRow, E> {
        let dataset = self.begin_import(new)?;
        self.set_cache(IMPORT_CACHE_KIB)?;
        let outcome = self.import_pairs(dataset, pairs);
        self.set_cache(DEFAULT_CACHE_KIB)?;
        match outcome {
            Ok((n_pairs, n_dropped)) => Ok(self.complete_import(dataset, new, n_pairs, n_dropped)?),
            Err(error) => {
                // The first error is the one to tell; what stays is swept at the next opening,
                // unless this process goes on living, so it is tried now.
                let _ = self.remove_dataset_rows(dataset);
                Err(error)
            }
        }
    }

    /// Deletes a data set with its texts.
    ///
    /// # Errors
    /// When a run uses it.
    pub fn delete_dataset(&mut self, dataset: i64) -> Result<(), StoreError> {
        self.write(|transaction| {
            let sql = "SELECT count(*) FROM runs WHERE dataset = ?1 OR test_dataset = ?1";
            let n_runs: i64 = transaction.query_row(sql, [dataset], |row| row.get(0))?;
            if n_runs > 0 {
                return Err(StoreError::DatasetInUse { dataset, n_runs: n_runs as u64 });
            }
            // From here on no run can be created on it; the pairs go in batches below.
            let sql = "UPDATE datasets SET is_complete = 0 WHERE key = ?1";
            match transaction.execute(sql, [dataset])? {
                0 => Err(StoreError::UnknownDataset { dataset }),
                _ => Ok(()),
            }
        })?;
        self.remove_dataset_rows(dataset)
    }

    fn set_cache(&self, kib: i64) -> Result<(), StoreError> {
        Ok(self.connection.pragma_update(None, "cache_size", -kib)?)
    }

    /// The checkpoint that a commit makes by itself lets others write, but cannot start the log
    /// anew while they do, and with a busy neighbor it would grow as large as the data. This one
    /// keeps them out for a moment, so it comes after that one has done most of the work.
    fn restart_log(&self) -> Result<(), StoreError> {
        let restart = "PRAGMA wal_checkpoint(RESTART)";
        // The row says whether it was kept from finishing; the next batch tries again.
        Ok(self.connection.query_row(restart, [], |_| Ok(()))?)
    }

    fn begin_import(&mut self, new: &NewDataset) -> Result<i64, StoreError> {
        let importer = serde_json::to_string(&liveness::current_worker())
            .map_err(|source| StoreError::Json { what: "the importer".to_owned(), source })?;
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO datasets (fingerprint, source, format, grouped_by, n_pairs, n_dropped,
                                       imported_at_ms, is_complete, importer)
                 VALUES (?1, ?2, ?3, ?4, 0, 0, ?5, 0, ?6)",
                (&new.fingerprint, &new.source, &new.format, &new.grouped_by, now_ms(), &importer),
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// Returns how many pairs were stored and how many rows were dropped.
    fn import_pairs<E: From<StoreError>>(
        &mut self,
        dataset: i64,
        items: &mut dyn Iterator<Item = Result<ImportItem, E>>,
    ) -> Result<(u32, u64), E> {
        let (mut n_pairs, mut n_dropped) = (0_u32, 0_u64);
        let mut batch = Vec::new();
        let mut is_open = true;
        while is_open {
            match items.next().transpose()? {
                Some(ImportItem::Pair { line, pair }) => batch.push((line, pair)),
                Some(ImportItem::Dropped) => n_dropped += 1,
                None => is_open = false,
            }
            let n_batch = batch.len() as u32;
            if n_batch == BATCH_PAIRS || (!is_open && n_batch > 0) {
                self.write(|transaction| insert_pairs(transaction, dataset, n_pairs, &batch))?;
                n_pairs += n_batch;
                batch.clear();
                if (n_pairs / BATCH_PAIRS).is_multiple_of(RESTART_BATCHES) {
                    self.restart_log()?;
                }
            }
        }
        Ok((n_pairs, n_dropped))
    }

    fn complete_import(
        &mut self,
        dataset: i64,
        new: &NewDataset,
        n_pairs: u32,
        n_dropped: u64,
    ) -> Result<DatasetRow, StoreError> {
        let (row, is_mine) = self.write(|transaction| {
            let mut find = transaction.prepare_cached(&format!("{SELECT} AND fingerprint = ?1"))?;
            if let Some(row) = find.query_row([&new.fingerprint], dataset_row).optional()? {
                return Ok((row, false));
            }
            transaction.execute(
                "UPDATE datasets SET n_pairs = ?2, n_dropped = ?3, is_complete = 1 WHERE key = ?1",
                (dataset, n_pairs, n_dropped as i64),
            )?;
            Ok((find.query_row([&new.fingerprint], dataset_row)?, true))
        })?;
        if !is_mine {
            self.remove_dataset_rows(dataset)?;
        }
        Ok(row)
    }

    /// Removes what importers that no longer exist left unfinished.
    pub(super) fn sweep_dead_imports(&mut self) -> Result<(), StoreError> {
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
    fn remove_dataset_rows(&mut self, dataset: i64) -> Result<(), StoreError> {
        let (first, last) = key_range(dataset);
        loop {
            let n_removed = self.write(|transaction| {
                let sql = "SELECT key FROM pairs WHERE key BETWEEN ?1 AND ?2
                           ORDER BY key LIMIT 1 OFFSET ?3";
                let end: Option<i64> = transaction
                    .query_row(sql, (first, last, BATCH_PAIRS), |row| row.get(0))
                    .optional()?;
                let range = (first, end.unwrap_or(last));
                transaction.execute("DELETE FROM pair_texts WHERE key BETWEEN ?1 AND ?2", range)?;
                Ok(transaction.execute("DELETE FROM pairs WHERE key BETWEEN ?1 AND ?2", range)?)
            })?;
            if n_removed <= BATCH_PAIRS as usize {
                break;
            }
        }
        self.write(|transaction| {
            transaction.execute("DELETE FROM datasets WHERE key = ?1", [dataset])?;
            Ok(())
        })
    }
}

fn insert_pairs(
    transaction: &Transaction<'_>,
    dataset: i64,
    first: u32,
    batch: &[(u64, PreferencePair)],
) -> Result<(), StoreError> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO pairs
         (key, group_hash, line, slice, label_noise, n_chars_chosen, n_chars_rejected)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut insert_texts = transaction.prepare_cached(
        "INSERT INTO pair_texts (key, prompt, chosen, rejected, group_name)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (id, (line, pair)) in (first..).zip(batch) {
        let key = pair_key(dataset, id);
        let hash = group_hash(&pair.group) as i64;
        let n_chars = |text: &str| text.chars().count() as i64;
        let (n_chosen, n_rejected) = (n_chars(&pair.chosen), n_chars(&pair.rejected));
        let noise = pair.label_noise;
        insert.execute((key, hash, *line as i64, &pair.slice, noise, n_chosen, n_rejected))?;
        let group_name = (pair.group != pair.prompt).then_some(&pair.group);
        insert_texts.execute((key, &pair.prompt, &pair.chosen, &pair.rejected, group_name))?;
    }
    Ok(())
}

fn dataset_row(row: &Row<'_>) -> rusqlite::Result<DatasetRow> {
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
    use super::super::testing::{self, N_PAIRS};
    use super::super::{Access, Store};
    use super::*;

    fn n_rows(store: &Store, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        store.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_data_set_is_found_by_its_content_and_kept_once() {
        let mut fixture = testing::store();
        let found = fixture.store.find_dataset("f00d").unwrap().unwrap();
        assert_eq!((found.id, found.n_pairs), (fixture.dataset, N_PAIRS as u64));
        let again = testing::import(&mut fixture.store, "f00d", testing::pairs(3).into_iter());
        assert_eq!(again.unwrap(), found);
        assert_eq!(fixture.store.datasets().unwrap(), [found]);
        assert_eq!(n_rows(&fixture.store, "pair_texts"), N_PAIRS as i64);
    }

    #[test]
    fn a_failed_import_leaves_nothing() {
        let mut fixture = testing::store();
        let new = NewDataset {
            fingerprint: "bad".into(),
            source: "x".into(),
            format: "jsonl".into(),
            grouped_by: "prompt".into(),
        };
        let n_good = BATCH_PAIRS as usize + 10;
        let good =
            (1..).zip(testing::pairs(n_good)).map(|(line, pair)| ImportItem::Pair { line, pair });
        let bad = std::iter::once(Err(StoreError::WriterEnded));
        let mut items = good.map(Ok).chain(bad);
        let error = fixture.store.import_dataset(&new, &mut items).unwrap_err();
        assert!(matches!(error, StoreError::WriterEnded));
        assert!(fixture.store.find_dataset("bad").unwrap().is_none());
        assert_eq!(n_rows(&fixture.store, "pairs"), N_PAIRS as i64);
        assert_eq!(n_rows(&fixture.store, "datasets"), 1);
    }

    #[test]
    fn what_a_dead_importer_left_is_swept_and_a_living_one_is_not() {
        let mut fixture = testing::store();
        let texts = testing::pairs(2);
        for (fingerprint, start) in [("alive", 0), ("dead", 1)] {
            let mut importer = liveness::current_worker();
            importer.process_start += start;
            let new = NewDataset {
                fingerprint: fingerprint.into(),
                source: "x".into(),
                format: "x".into(),
                grouped_by: "x".into(),
            };
            let dataset = fixture.store.begin_import(&new).unwrap();
            let batch: Vec<_> = (1..).zip(texts.clone()).collect();
            fixture.store.write(|t| insert_pairs(t, dataset, 0, &batch)).unwrap();
            let importer = serde_json::to_string(&importer).unwrap();
            let sql = "UPDATE datasets SET importer = ?2 WHERE key = ?1";
            fixture.store.connection.execute(sql, (dataset, importer)).unwrap();
        }
        assert_eq!(n_rows(&fixture.store, "pairs"), N_PAIRS as i64 + 4);
        let store = Store::open(&fixture.home, Access::ReadWrite).unwrap();
        assert_eq!(n_rows(&store, "pairs"), N_PAIRS as i64 + 2);
        assert_eq!(store.datasets().unwrap().len(), 1);
        assert_eq!(n_rows(&store, "datasets"), 2);
    }

    #[test]
    fn a_data_set_in_use_stays() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let error = fixture.store.delete_dataset(fixture.dataset).unwrap_err();
        assert!(matches!(error, StoreError::DatasetInUse { n_runs: 1, .. }), "{error}");
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
        let n = 2 * BATCH_PAIRS as usize + 7;
        let row = testing::import(&mut fixture.store, "b", testing::pairs(n).into_iter()).unwrap();
        assert_eq!(row.n_pairs, n as u64);
        fixture.store.delete_dataset(row.id).unwrap();
        assert_eq!(n_rows(&fixture.store, "pairs"), N_PAIRS as i64);
    }
}
