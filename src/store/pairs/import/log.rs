//! Keeps the write-ahead log short while an import writes.
//!
//! What lies in the log has to be copied into the database file. A commit would do that by itself,
//! on the thread that writes; here a second connection does it meanwhile. That copy never catches
//! up with a writer, so the log would grow as large as the data. When it is [`RESTART_BYTES`] long,
//! the writer waits until the rest is copied and starts the log again.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use crate::store::database::connection;
use crate::store::error::StoreError;
use crate::store::{Access, Store};

/// Bytes of text after which the log is copied.
const COPY_BYTES: usize = 12 << 20;

/// Bytes of text after which the log is started again.
const RESTART_BYTES: usize = 48 << 20;

/// The pragma for the number of pages after which a commit copies the log by itself.
const AUTOMATIC: &str = "wal_autocheckpoint";
/// The pages after which a commit copies the log, by default of `SQLite`.
const DEFAULT_PAGES: i64 = 1_000;

/// The bytes written since the log was last copied, and the thread that copies, once it is needed.
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
    /// Begins: from now on a commit of `store` does not copy the log.
    pub(super) fn start(store: &Store) -> Result<Self, StoreError> {
        store.connection.pragma_update(None, AUTOMATIC, 0)?;
        // The log keeps its length when it is started again, since cutting it back would make it
        // grow anew each time.
        store.connection.pragma_update(None, "journal_size_limit", 2 * RESTART_BYTES as i64)?;
        Ok(Self { copier: None, n_uncopied: 0, n_logged: 0 })
    }

    /// Is called after a commit of so many bytes of text.
    pub(super) fn committed(&mut self, n_bytes: usize, store: &Store) -> Result<(), StoreError> {
        self.n_uncopied += n_bytes;
        self.n_logged += n_bytes;
        if self.n_logged >= RESTART_BYTES {
            checkpoint(&store.connection, "RESTART")?;
            (self.n_logged, self.n_uncopied) = (0, 0);
        } else if self.n_uncopied >= COPY_BYTES {
            let copier = self.copier.get_or_insert_with(|| Copier::start(store.home.database()));
            // The thread is still copying when it cannot be asked; then the next commit asks again.
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
            // Whether the copies succeeded changes nothing about what was written.
            let _ = thread.join();
        }
        let limit = connection::JOURNAL_SIZE_LIMIT;
        store.connection.pragma_update(None, "journal_size_limit", limit)?;
        store.connection.pragma_update(None, AUTOMATIC, DEFAULT_PAGES)?;
        // If something keeps the log from being cut back, the next commits try again.
        checkpoint(&store.connection, "RESTART")
    }
}

impl Copier {
    fn start(database: PathBuf) -> Self {
        let (ask, asked) = sync_channel(1);
        Self { ask, thread: thread::spawn(move || copy_when_asked(&database, &asked)) }
    }
}

/// Copies whenever asked, without making the writer wait. An error here is ignored, since the
/// writer's own copy would report it.
fn copy_when_asked(database: &Path, asked: &Receiver<()>) {
    let Ok(connection) = connection::open(database, Access::ReadWrite) else { return };
    while asked.recv().is_ok() {
        let _ = checkpoint(&connection, "PASSIVE");
    }
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<(), StoreError> {
    // The returned row says whether the copy was complete; if not, the next one goes on.
    Ok(connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))?)
}
