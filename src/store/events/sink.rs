//! The place that a worker's events are written to.

use super::attempts::Attempt;
use crate::domain::event::EventRecord;
use crate::domain::run::RunId;
use crate::store::error::StoreError;
use crate::store::{Access, Home, Store};

/// Keeps the events of one attempt, whole and in order. [`super::writer::EventWriter`] is the only
/// one who writes to it.
pub trait EventSink: Send {
    /// Keeps all of some events, or none of them.
    ///
    /// # Errors
    /// When they cannot be kept; one for which [`StoreError::is_locked`] holds may pass.
    fn append(&mut self, records: &[EventRecord]) -> Result<(), StoreError>;

    /// Says that the attempt is alive.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] when another attempt is in force.
    fn heartbeat(&mut self) -> Result<(), StoreError>;
}

/// Keeps events in the database, where viewers see them.
#[derive(Debug)]
pub struct StoreSink {
    store: Store,
    run: RunId,
    attempt: u32,
}

impl StoreSink {
    /// Opens a connection of its own.
    ///
    /// # Errors
    /// When the database cannot be opened.
    pub fn new(home: &Home, run: &RunId, attempt: Attempt) -> Result<Self, StoreError> {
        let store = Store::open(home, Access::ReadWrite)?;
        Ok(Self { store, run: run.clone(), attempt: attempt.number })
    }
}

impl EventSink for StoreSink {
    fn append(&mut self, records: &[EventRecord]) -> Result<(), StoreError> {
        self.store.apply(records)
    }

    fn heartbeat(&mut self) -> Result<(), StoreError> {
        if self.store.heartbeat(&self.run, self.attempt)? {
            return Ok(());
        }
        let current = self.store.run(&self.run)?.row.attempt;
        Err(StoreError::Superseded { run: self.run.clone(), attempt: self.attempt, current })
    }
}
