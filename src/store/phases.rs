//! How long the phases of a run took.

use rusqlite::Row;

use super::runs::word;
use super::{Store, StoreError, keys};
use crate::domain::forecast::SeenPhase;
use crate::domain::phase::PhaseKey;
use crate::domain::run::RunId;

impl Store {
    /// The phases that a run has begun, in the order in which they began last: the present one
    /// stands at the end.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn phases(&self, run: &RunId) -> Result<Vec<SeenPhase>, StoreError> {
        let sql = "SELECT round, phase, part, n_before, n_done, n_total, elapsed_ms
                   FROM phases WHERE run = ?1 ORDER BY seq";
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([key])?;
            let mut phases = Vec::new();
            while let Some(row) = rows.next()? {
                phases.push(phase(row)?);
            }
            Ok(phases)
        })
    }
}

fn phase(row: &Row<'_>) -> Result<SeenPhase, StoreError> {
    let count = |index: usize| row.get::<_, i64>(index).map(|n| n as u64);
    Ok(SeenPhase {
        key: PhaseKey { round: row.get(0)?, phase: word(row, 1, "phase")?, part: row.get(2)? },
        n_before: count(3)?,
        n_done: count(4)?,
        n_total: count(5)?,
        elapsed_ms: count(6)?,
    })
}
