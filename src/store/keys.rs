//! The keys by which tables name runs and experiments.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::clock::now_ms;
use super::error::StoreError;
use super::naming;
use crate::domain::run::RunId;

/// The Jaro-Winkler similarity below which a name is not suggested.
const SIMILARITY_MIN: f64 = 0.7;

/// The key of a run in all other tables.
pub(super) fn run(connection: &Connection, run: &RunId) -> Result<i64, StoreError> {
    let key = connection
        .prepare_cached("SELECT key FROM runs WHERE id = ?1")?
        .query_row([run.as_str()], |row| row.get(0))
        .optional()?;
    match key {
        Some(key) => Ok(key),
        None => Err(unknown_run(connection, run)),
    }
}

pub(super) fn unknown_run(connection: &Connection, run: &RunId) -> StoreError {
    let nearest = nearest_run(connection, run.as_str()).unwrap_or_default();
    StoreError::UnknownRun { wanted: run.to_string(), nearest }
}

/// The most similar name or id of a run.
pub(super) fn nearest_run(
    connection: &Connection,
    wanted: &str,
) -> Result<Option<String>, StoreError> {
    let mut statement =
        connection.prepare("SELECT name FROM runs UNION ALL SELECT id FROM runs")?;
    let mut rows = statement.query([])?;
    let mut best = None;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let similarity = strsim::jaro_winkler(wanted, &name);
        if similarity >= SIMILARITY_MIN && best.as_ref().is_none_or(|(top, _)| similarity > *top) {
            best = Some((similarity, name));
        }
    }
    Ok(best.map(|(_, name)| name))
}

/// The key of an experiment, which is created if it does not exist.
pub(super) fn experiment(transaction: &Transaction<'_>, name: &str) -> Result<i64, StoreError> {
    naming::require_fit(name, "an experiment")?;
    transaction.execute(
        "INSERT OR IGNORE INTO experiments (name, created_at_ms) VALUES (?1, ?2)",
        (name, now_ms()),
    )?;
    let sql = "SELECT key FROM experiments WHERE name = ?1";
    Ok(transaction.query_row(sql, [name], |row| row.get(0))?)
}
