//! Opening the database: permissions, journal, schema.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{filesystem, schema};
use crate::store::clock::BUSY_TIMEOUT;
use crate::store::error::StoreError;

/// Whether a connection may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads and writes, and creates the database where it is missing.
    ReadWrite,
    /// Changes nothing, not even the schema.
    ReadOnly,
}

/// Page cache of a read-only connection, in KiB. The kernel caches the same pages, and a viewer
/// that lists ten thousand runs reads the file once.
const READER_CACHE_KIB: i64 = 512;

/// The write-ahead log is cut back to this size after a checkpoint.
pub(in crate::store) const JOURNAL_SIZE_LIMIT: i64 = 32 << 20;

/// Opens `path`, which gets the schema where it is empty.
pub(in crate::store) fn open(path: &Path, access: Access) -> Result<Connection, StoreError> {
    let located = |error: StoreError| error.located(path);
    match access {
        Access::ReadWrite => open_to_write(path, journal_for(path)).map_err(located),
        Access::ReadOnly => open_to_read(path).map_err(located),
    }
}

/// The journal mode for a path. The write-ahead log lets readers and a writer work at the same
/// time, but it needs memory that all processes share, which a network file system does not have.
fn journal_for(path: &Path) -> &'static str {
    if filesystem::is_network(path.parent().unwrap_or(path)) { "TRUNCATE" } else { "WAL" }
}

fn open_to_write(path: &Path, journal: &str) -> Result<Connection, StoreError> {
    create_private_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    schema::check(&connection, path)?;
    connection.pragma_update_and_check(None, "journal_mode", journal, |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_SIZE_LIMIT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    schema::create(&mut connection, path)?;
    Ok(connection)
}

/// Opens a database for reading. In a folder that cannot be written, the index of the write-ahead
/// log may fail to open; then the file is read as it is, without what a live writer has not
/// checkpointed yet.
fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    let connection =
        match connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())) {
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) => {
                let uri = format!("file:{}?immutable=1", percent_encoded(path));
                let connection =
                    Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?;
                configure(&connection)?;
                connection
            }
            _ => connection,
        };
    schema::check_current(&connection, path)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Creates the database file for its owner alone. `SQLite` would create it with the umask's mode;
/// an existing database keeps its mode, and the log files inherit it. An existing file is not
/// opened here, because closing any descriptor of an open database would drop the locks of this
/// process.
fn create_private_file(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::Io { path: path.to_owned(), source }),
    }
}

fn percent_encoded(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::{Home, Store, testing};

    fn pragma(connection: &Connection, name: &str) -> String {
        connection
            .pragma_query_value(None, name, |row| {
                row.get::<_, String>(0).or_else(|_| row.get::<_, i64>(0).map(|n| n.to_string()))
            })
            .unwrap()
    }

    #[test]
    fn the_settings_are_in_force() {
        let fixture = testing::store();
        let connection = &fixture.store.connection;
        for (name, value) in [
            ("journal_mode", "wal"),
            ("synchronous", "1"),
            ("foreign_keys", "1"),
            ("trusted_schema", "0"),
            ("busy_timeout", "5000"),
        ] {
            assert_eq!(pragma(connection, name), value, "{name}");
        }
    }

    #[test]
    fn a_store_without_shared_memory_works_too() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let connection = open_to_write(&home.database(), "TRUNCATE").unwrap();
        assert_eq!(pragma(&connection, "journal_mode"), "truncate");
        let mut store = Store { connection, home: home.clone() };
        testing::import(&mut store, "x", testing::pairs(3).into_iter()).unwrap();
        assert!(!folder.path().join("ser.db-wal").exists());
        let reader = Store::open(&home, Access::ReadOnly).unwrap();
        assert_eq!(reader.datasets().unwrap().len(), 1);
    }

    #[test]
    fn a_write_lock_held_too_long_is_named() {
        let fixture = testing::store();
        let other = Connection::open(fixture.home.database()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let Store { connection, home } = fixture.store;
        connection.busy_timeout(Duration::from_millis(1)).unwrap();
        let mut store = Store { connection, home };
        let error = testing::import(&mut store, "x", testing::pairs(1).into_iter()).unwrap_err();
        assert!(error.is_locked() && error.hint().is_some(), "{error}");
        // Readers do not wait for a writer.
        assert_eq!(store.datasets().unwrap().len(), 1);
    }

    #[test]
    fn an_odd_path_survives_as_a_uri() {
        assert_eq!(percent_encoded(Path::new("/a b/ü?#.db")), "/a%20b/%C3%BC%3F%23.db");
    }

    #[test]
    fn a_full_disk_is_named_and_changes_nothing() {
        let mut fixture = testing::store();
        let n_pages: i64 =
            fixture.store.connection.pragma_query_value(None, "page_count", |r| r.get(0)).unwrap();
        // SQLite answers "full" at its page limit as on a full disk.
        fixture.store.connection.pragma_update(None, "max_page_count", n_pages + 2).unwrap();
        let pairs = testing::pairs(2000).into_iter();
        let error = testing::import(&mut fixture.store, "x", pairs).unwrap_err();
        assert!(matches!(error, super::StoreError::DiskFull { .. }), "{error}");
        assert!(error.hint().unwrap().contains("free at least"));
        assert_eq!(fixture.store.datasets().unwrap().len(), 1);
    }
}
