//! The store: one `SQLite` file that workers write and everything else reads.
//!
//! The database is also how processes communicate: a worker commits batches of events
//! ([`EventWriter`]), viewers poll [`Store::data_version`]. Three invariants hold:
//!
//! * [`Store::apply`] is the only function that writes the rows of a run, and it derives them from
//!   the event as it was stored, line and columns (`events::stored`), so [`Store::rebuild`] can always
//!   do it again.
//! * An event carries its attempt; the events of an older attempt than the one in force are
//!   refused, so a worker that was given up for dead cannot write any more.
//! * Whether a process is alive is never stored. It is computed on every read ([`events::liveness`]).
//!
//! Reads are short transactions that see one state of the file. No cursor stays open between calls,
//! so a viewer never holds up a checkpoint of the write-ahead log.

mod chat_template;
mod clock;
mod columns;
pub(crate) mod database;
mod error;
pub mod events;
mod experiments;
mod filter;
mod find;
pub mod judging;
mod keys;
mod naming;
mod pairs;
mod paths;
mod people;
mod phases;
pub mod policy;
mod query;
mod rounds;
pub mod rows;
mod runs;
mod samples;
#[cfg(test)]
pub(crate) mod testing;

use crate::store::database::connection;
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use database::connection::Access;
pub use error::{STOPPING, StoreError};
pub use events::attempts::Attempt;
pub use events::queue::{QueueMove, QueuedRun};
pub use events::slots::{SLOT_NAMES, Slots};
pub use events::writer::EventWriter;
pub use experiments::StepsTaken;
pub use filter::{FilterError, RunFilter};
pub use pairs::import::{Batches, ImportItem, NewDataset};
pub use paths::{FOLDS, Home};
pub use people::annotations::{Annotation, RunEdit};
pub use people::opinions::{PairOpinions, RoundOpinion, RunOpinion};
pub use people::replay::ReviewState;
pub use people::review::{RoundReview, SampleLine};
pub use people::undo::BatchRow;
pub use people::verdicts::{Decision, Recorded, RecordedPair, Shown, VerdictRow};
pub use query::{QueryError, QueryLimits, QueryRows, SCHEMA, SqlValue, query};
pub use rounds::{LossCurve, best_of, best_round};
pub use rows::{EventLine, LossPoint, RequestRow, RoundRow, RunDetail, RunRow, SampledPair};
pub use runs::NewRun;

/// One connection to the database of a [`Home`].
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    home: Home,
}

impl Store {
    /// Opens the database of a home.
    ///
    /// # Errors
    /// When the file is missing (read-only), foreign, newer, damaged or cannot be accessed.
    pub fn open(home: &Home, access: Access) -> Result<Self, StoreError> {
        if access == Access::ReadWrite {
            home.ensure()?;
        }
        let connection = connection::open(&home.database(), access)?;
        let mut store = Self { connection, home: home.clone() };
        if access == Access::ReadWrite {
            store.sweep_dead_imports()?;
        }
        Ok(store)
    }

    /// The home this database belongs to.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// A number that changes when another connection has committed something.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        Ok(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// Runs several reads that all see the same state of the file.
    ///
    /// # Errors
    /// As `work`, and when the database cannot be read.
    pub fn snapshot<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let begun = self.connection.unchecked_transaction();
        let _until_the_end =
            begun.map_err(|error| StoreError::from(error).located(&self.home.database()))?;
        work(self)
    }

    /// Runs reads that see one state of the file: that of the snapshot they are part of, or one of
    /// their own.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let read = || {
            if !self.connection.is_autocommit() {
                return work(&self.connection);
            }
            let transaction = self.connection.unchecked_transaction()?;
            work(&transaction)
        };
        read().map_err(|error: StoreError| error.located(&self.home.database()))
    }

    /// Runs writes of which all or none take effect. The lock is taken at the beginning, because a
    /// transaction that starts by reading and wants to write later fails at once with `busy`,
    /// whatever the timeout.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let path = self.home.database();
        let write = || {
            let behavior = TransactionBehavior::Immediate;
            let transaction = self.connection.transaction_with_behavior(behavior)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        write().map_err(|error: StoreError| error.located(&path))
    }
}
