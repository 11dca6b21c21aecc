//! An event in its stored form: a line of JSON and the columns beside it.

use super::columns;
use crate::domain::event::{EventRecord, RunEvent};
use crate::domain::run::RunId;
use crate::store::error::StoreError;

/// An event byte for byte as a sink keeps it, so that it can go from one sink to another unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// The run it is about.
    pub run: RunId,
    /// The attempt that reported it.
    pub attempt: u32,
    /// Its number in the run, from 1.
    pub seq: u64,
    /// When it was reported, in milliseconds since 1970.
    pub at_ms: i64,
    /// The event as JSON, without its columns.
    pub body: String,
    /// The columns, for the kinds that have them.
    pub columns: Option<Vec<u8>>,
}

impl StoredEvent {
    /// Brings an event into the form in which it is kept.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn of(record: &EventRecord) -> Result<Self, StoreError> {
        let EventRecord { run, attempt, seq, at_ms, event } = record;
        let (attempt, seq, at_ms) = (*attempt, *seq, *at_ms);
        let body = serde_json::to_string(event).map_err(|source| unreadable(run, seq, source))?;
        let columns = columns::encode(event);
        let columns = columns.map_err(|source| StoreError::BrokenColumns { seq, source })?;
        Ok(Self { run: run.clone(), attempt, seq, at_ms, body, columns })
    }

    /// Reads the line alone.
    pub(super) fn parse(&self) -> Result<RunEvent, StoreError> {
        parse(&self.run, self.seq, &self.body)
    }
}

pub(in crate::store) fn parse(run: &RunId, seq: u64, body: &str) -> Result<RunEvent, StoreError> {
    serde_json::from_str(body).map_err(|source| unreadable(run, seq, source))
}

fn unreadable(run: &RunId, seq: u64, source: serde_json::Error) -> StoreError {
    StoreError::Json { what: format!("event {seq} of `{run}`"), source }
}
