//! Opening the database: permissions, journal, migrations.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::{Access, filesystem, migrations};

/// How long a statement waits for another process.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The write-ahead log is cut back to this size after a checkpoint.
const JOURNAL_SIZE_LIMIT: i64 = 32 << 20;

/// Opens `path` and brings it up to the newest schema.
pub(super) fn open(path: &Path, access: Access) -> Result<Connection, StoreError> {
    let located = |error: StoreError| error.located(path);
    match access {
        Access::ReadWrite => open_to_write(path).map_err(located),
        Access::ReadOnly => open_to_read(path).map_err(located),
    }
}

fn open_to_write(path: &Path) -> Result<Connection, StoreError> {
    create_private_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    migrations::check(&connection, path)?;
    let folder = path.parent().unwrap_or(path);
    let journal = if filesystem::is_network(folder) { "TRUNCATE" } else { "WAL" };
    connection.pragma_update_and_check(None, "journal_mode", journal, |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_SIZE_LIMIT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    migrations::migrate(&mut connection, path)?;
    Ok(connection)
}

/// A reader of a folder it cannot write may fail to open the log's index; then the file is read as
/// it lies, which misses what a live writer has not checkpointed yet.
fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
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
    migrations::check(&connection, path)?;
    if migrations::version(&connection)? == 0 {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    Ok(connection)
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// `SQLite` creates files with the umask's mode; a database it finds keeps its own, and the log
/// files inherit it. The file is only touched when it is not there: closing any descriptor of an
/// open database would drop the locks of this process.
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
