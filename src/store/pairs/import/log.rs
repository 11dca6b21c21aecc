//! Keeps the write-ahead log short while an import writes.
//!
//! What lies in the log has to be copied into the database file. A commit would do so by itself, on
//! the thread that writes; here another connection does it meanwhile. That copy never catches up with
//! a writer, so the log would grow as large as the data: when it is [`RESTART_BYTES`] long, the writer
//! waits for the rest to be copied and starts it anew.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use crate::store::database::connection;
use crate::store::error::StoreError;
use crate::store::{Access, Store};

/// Bytes of text after which what is in the log is copied.
const COPY_BYTES: usize = 12 << 20;

/// Bytes of text after which the log starts anew.
const RESTART_BYTES: usize = 48 << 20;

/// The pages after which a commit looks after the log by itself, and what they are for a connection
/// that was not told otherwise.
const AUTOMATIC: &str = "wal_autocheckpoint";
const DEFAULT_PAGES: i64 = 1_000;

/// What was written since the log was last looked after, and the thread that copies, once there is
/// enough to copy.
pub(super) struct LogKeeper {
    copier: Option<Copier>,
    n_uncopied: usize,
    n_logged: usize,
}

struct Copier {
    ask: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl LogKeeper {
    /// From now on a commit of `store` leaves the log alone.
    pub(super) fn start(store: &Store) -> Result<Self, StoreError> {
        store.connection.pragma_update(None, AUTOMATIC, 0)?;
        // A log that is cut back each time it starts anew needs new pages each time.
        store.connection.pragma_update(None, "journal_size_limit", 2 * RESTART_BYTES as i64)?;
        Ok(Self { copier: None, n_uncopied: 0, n_logged: 0 })
    }

    /// After a commit of so many bytes of text.
    pub(super) fn committed(&mut self, n_bytes: usize, store: &Store) -> Result<(), StoreError> {
        self.n_uncopied += n_bytes;
        self.n_logged += n_bytes;
        if self.n_logged >= RESTART_BYTES {
            checkpoint(&store.connection, "RESTART")?;
            (self.n_logged, self.n_uncopied) = (0, 0);
        } else if self.n_uncopied >= COPY_BYTES {
            let copier = self.copier.get_or_insert_with(|| Copier::start(store.home.database()));
            // Still at it when there is no room to ask; then the next commit asks.
            if copier.ask.try_send(()).is_ok() {
                self.n_uncopied = 0;
            }
        }
        Ok(())
    }

    /// Ends the thread; commits look after the log again.
    pub(super) fn stop(self, store: &Store) -> Result<(), StoreError> {
        if let Some(Copier { ask, thread }) = self.copier {
            drop(ask);
            // Whether the copies went well changes nothing about what was written.
            let _ = thread.join();
        }
        let limit = connection::JOURNAL_SIZE_LIMIT;
        store.connection.pragma_update(None, "journal_size_limit", limit)?;
        store.connection.pragma_update(None, AUTOMATIC, DEFAULT_PAGES)?;
        // Whatever keeps this from cutting the log back, the next commits try again.
        checkpoint(&store.connection, "RESTART")
    }
}

impl Copier {
    fn start(database: PathBuf) -> Self {
        let (ask, asked) = sync_channel(1);
        Self { ask, thread: thread::spawn(move || copy_when_asked(&database, &asked)) }
    }
}

/// Copies when asked, beside the writer and without keeping it waiting. Where that fails, the writer's
/// own turn says so.
fn copy_when_asked(database: &Path, asked: &Receiver<()>) {
    let Ok(connection) = connection::open(database, Access::ReadWrite) else { return };
    while asked.recv().is_ok() {
        let _ = checkpoint(&connection, "PASSIVE");
    }
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<(), StoreError> {
    // The row says whether it was kept from finishing; the next one tries again.
    Ok(connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))?)
}
