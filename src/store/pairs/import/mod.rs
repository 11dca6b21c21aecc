//! Importing a data set.
//!
//! An import commits batch by batch under a row that readers ignore until the last batch marks it
//! complete. One transaction for a million pairs would hold the write lock, and so every running
//! worker, for its whole length. An error removes what was imported; what a killed importer leaves is
//! swept when the database is next opened.

use rusqlite::{OptionalExtension, Transaction};

use super::datasets::{SELECT, dataset_row};
use crate::store::Store;
use crate::store::clock::now_ms;
use crate::store::error::StoreError;
use crate::store::events::liveness;
use crate::store::rows::DatasetRow;

pub(super) mod batch;
mod log;

pub use batch::{Batches, ImportBatch, ImportItem};
use log::LogKeeper;

/// Page cache during an import, in KiB; a batch fits into it.
const IMPORT_CACHE_KIB: i64 = 16 << 10;

/// The page cache of every other connection.
const DEFAULT_CACHE_KIB: i64 = 2_000;

/// A data set before its first pair is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDataset {
    /// Where it came from.
    pub source: String,
    pub format: String,
    /// How pairs are grouped.
    pub grouped_by: String,
}

impl Store {
    /// Whether a data set with this layout and grouping exists. If none does, no stored fingerprint
    /// can equal one computed with them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn has_datasets_like(&self, new: &NewDataset) -> Result<bool, StoreError> {
        self.read(|connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM datasets
                       WHERE is_complete = 1 AND format = ?1 AND grouped_by = ?2)";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_row((&new.format, &new.grouped_by), |row| row.get(0))?)
        })
    }

    /// Imports pairs as they come; the first gets id 0. Memory does not grow with their number. The
    /// fingerprint (content hash, hex) is asked for at the end, so that it can be computed meanwhile.
    /// Content that is there already (another process was faster) is not kept twice.
    ///
    /// # Errors
    /// The first error of the iterator, the fingerprint or the database; nothing stays behind.
    pub fn import_dataset<E: From<StoreError>>(
        &mut self,
        new: &NewDataset,
        batches: &mut dyn Iterator<Item = Result<ImportBatch, E>>,
        fingerprint: impl FnOnce() -> Result<String, E>,
    ) -> Result<DatasetRow, E> {
        let dataset = self.begin_import(new)?;
        let imported = self.import_batches(dataset, batches);
        let outcome = imported.and_then(|counts| Ok((counts, fingerprint()?)));
        match outcome {
            Ok((counts, fingerprint)) => Ok(self.complete_import(dataset, &fingerprint, counts)?),
            Err(error) => {
                // The first error is the one to report. What an import leaves is swept when the
                // database is next opened, but not while this process lives, so it is removed now.
                let _ = self.remove_dataset_rows(dataset);
                Err(error)
            }
        }
    }

    fn begin_import(&mut self, new: &NewDataset) -> Result<i64, StoreError> {
        let importer = serde_json::to_string(&liveness::current_worker())
            .map_err(|source| StoreError::Json { what: "the importer".to_owned(), source })?;
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO datasets (fingerprint, source, format, grouped_by, n_pairs, n_dropped,
                                       imported_at_ms, is_complete, importer)
                 VALUES ('', ?1, ?2, ?3, 0, 0, ?4, 0, ?5)",
                (&new.source, &new.format, &new.grouped_by, now_ms(), &importer),
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// Returns how many pairs were stored and how many rows were dropped.
    fn import_batches<E: From<StoreError>>(
        &mut self,
        dataset: i64,
        mut batches: &mut dyn Iterator<Item = Result<ImportBatch, E>>,
    ) -> Result<Counts, E> {
        self.set_cache(IMPORT_CACHE_KIB)?;
        let mut log = LogKeeper::start(self)?;
        let mut counts = Counts::default();
        let outcome = (&mut batches).try_for_each(|batch| -> Result<(), E> {
            let batch = batch?;
            self.write(|transaction| insert(transaction, dataset, counts.n_pairs, &batch))?;
            counts.n_pairs += batch.n_pairs();
            counts.n_dropped += batch.n_dropped();
            Ok(log.committed(batch.n_bytes(), self)?)
        });
        let tidied = log.stop(self).and_then(|()| self.set_cache(DEFAULT_CACHE_KIB));
        // The error that ended it comes before one of tidying up.
        outcome?;
        tidied?;
        Ok(counts)
    }

    fn set_cache(&self, kib: i64) -> Result<(), StoreError> {
        Ok(self.connection.pragma_update(None, "cache_size", -kib)?)
    }

    fn complete_import(
        &mut self,
        dataset: i64,
        fingerprint: &str,
        counts: Counts,
    ) -> Result<DatasetRow, StoreError> {
        let (row, is_mine) = self.write(|transaction| {
            let mut find = transaction.prepare_cached(&format!("{SELECT} AND fingerprint = ?1"))?;
            if let Some(row) = find.query_row([fingerprint], dataset_row).optional()? {
                return Ok((row, false));
            }
            transaction.execute(
                "UPDATE datasets
                 SET fingerprint = ?2, n_pairs = ?3, n_dropped = ?4, is_complete = 1
                 WHERE key = ?1",
                (dataset, fingerprint, counts.n_pairs, counts.n_dropped as i64),
            )?;
            Ok((find.query_row([fingerprint], dataset_row)?, true))
        })?;
        if !is_mine {
            self.remove_dataset_rows(dataset)?;
        }
        Ok(row)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    n_pairs: u32,
    n_dropped: u64,
}

fn insert(
    transaction: &Transaction<'_>,
    dataset: i64,
    first: u32,
    batch: &ImportBatch,
) -> Result<(), StoreError> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO pairs
         (key, group_hash, line, slice, label_noise, n_chars_chosen, n_chars_rejected)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut insert_texts = transaction.prepare_cached(
        "INSERT INTO pair_texts (key, prompt, chosen, rejected, group_name, form)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for row in batch.rows(dataset, first) {
        let [n_chosen, n_rejected] = row.n_chars;
        let facts = (row.key, row.group_hash, row.line, row.slice, row.label_noise);
        let (key, hash, line, slice, noise) = facts;
        insert.execute((key, hash, line, slice, noise, n_chosen, n_rejected))?;
        let texts = (key, row.prompt, row.chosen, row.rejected, row.group_name, row.form);
        insert_texts.execute(texts)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
