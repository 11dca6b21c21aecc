//! The schema, and which database files are accepted: those with exactly this schema.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::store::error::StoreError;

/// `SERL` in ASCII; marks the file as ours.
const APPLICATION_ID: i32 = 0x5345_524c;

/// The number of the schema, which a file keeps as its `user_version`. The numbers 1 to 9 were those
/// of steps before the first release, whose files are not read.
const VERSION: usize = 13;
/// The oldest schema that is read. What a file of it or of a later one lacks it gets when it is opened for
/// writing ([`ADDED`]). Read-only it is read as it is: where there is no table there are no rows of it.
const OLDEST: usize = 10;

const SCHEMA: &str = include_str!("schema.sql");
/// What each version added.
const ADDED: [(usize, &str); 3] = [
    (11, include_str!("policy.sql")),
    (12, include_str!("generated.sql")),
    (13, include_str!("judged_games.sql")),
];

/// The file's schema; 0 for an empty file.
fn version(connection: &Connection) -> Result<usize, StoreError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Refuses files of other programs, of older and of newer versions; an empty file passes.
pub(in crate::store) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let application_id: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let n_objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let is_ours = application_id == APPLICATION_ID || (application_id == 0 && n_objects == 0);
    if !is_ours {
        return Err(StoreError::Foreign { path: path.to_owned(), application_id });
    }
    match version(connection)? {
        0 | OLDEST..=VERSION => Ok(()),
        found if found > VERSION => {
            Err(StoreError::Newer { path: path.to_owned(), found, known: VERSION })
        }
        found => Err(StoreError::Older { path: path.to_owned(), found, known: VERSION }),
    }
}

/// Refuses a file like [`check`], and also one that has no schema yet.
pub(in crate::store) fn check_current(
    connection: &Connection,
    path: &Path,
) -> Result<(), StoreError> {
    check(connection, path)?;
    if version(connection)? == 0 {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    Ok(())
}

/// Gives an empty file the schema, or one of an earlier version what it lacks, in one exclusive transaction:
/// two processes never do it at the same time, and a failure leaves the file as it was.
pub(in crate::store) fn create(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    if version(connection)? == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    // Another process may have been faster.
    check(&transaction, path)?;
    let found = version(&transaction)?;
    if found == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    for (version, sql) in ADDED.into_iter().filter(|(version, _)| *version > found) {
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", version as i64)?;
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Access, Home, Store};

    fn schema(home: &Home) -> Vec<String> {
        let store = Store::open(home, Access::ReadOnly).unwrap();
        let sql = "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name";
        let mut statement = store.connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn opening_twice_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        Store::open(&home, Access::ReadWrite).unwrap();
        let first = schema(&home);
        Store::open(&home, Access::ReadWrite).unwrap();
        assert_eq!(schema(&home), first);
        let tables: Vec<&String> =
            first.iter().filter(|sql| sql.starts_with("CREATE TABLE")).collect();
        assert!(tables.len() >= 17, "{}", tables.len());
        let is_internal = |sql: &str| sql.contains("sqlite_sequence");
        assert!(tables.iter().all(|sql| sql.contains("STRICT") || is_internal(sql)));
    }

    #[test]
    fn a_file_of_an_earlier_version_gets_what_it_lacks_when_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        Store::open(&home, Access::ReadWrite).unwrap();
        let whole = schema(&home);
        for earlier in OLDEST..VERSION {
            std::fs::remove_file(home.database()).unwrap();
            let connection = Connection::open(home.database()).unwrap();
            connection.execute_batch(SCHEMA).unwrap();
            for (_, sql) in ADDED.into_iter().filter(|(version, _)| *version <= earlier) {
                connection.execute_batch(sql).unwrap();
            }
            connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
            connection.pragma_update(None, "user_version", earlier as i64).unwrap();
            connection.pragma_update(None, "journal_mode", "WAL").unwrap();
            drop(connection);
            let before = schema(&home);
            assert!(before.len() < whole.len() && Store::open(&home, Access::ReadOnly).is_ok());
            let store = Store::open(&home, Access::ReadWrite).unwrap();
            assert_eq!(version(&store.connection).unwrap(), VERSION);
            assert_eq!(schema(&home), whole, "from {earlier}");
        }
    }

    #[test]
    fn a_schema_that_fails_leaves_no_table() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE requests (id TEXT)").unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        assert!(create(&mut connection, Path::new("x")).is_err());
        assert_eq!(version(&connection).unwrap(), 0);
        let n: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(n, 1);
    }

    #[test]
    fn foreign_and_newer_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        Store::open(&home, Access::ReadWrite).unwrap();
        let connection = Connection::open(home.database()).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        for access in [Access::ReadWrite, Access::ReadOnly] {
            let error = Store::open(&home, access).unwrap_err();
            assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
            assert!(error.hint().is_some());
        }
        connection.pragma_update(None, "application_id", 7).unwrap();
        let error = Store::open(&home, Access::ReadWrite).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { application_id: 7, .. }), "{error}");
    }

    #[test]
    fn every_older_file_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        for n in 1..OLDEST {
            let home = Home::new(folder.path().join(n.to_string()));
            std::fs::create_dir(home.root()).unwrap();
            let connection = Connection::open(home.database()).unwrap();
            connection.execute_batch("CREATE TABLE runs (id TEXT)").unwrap();
            connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
            connection.pragma_update(None, "user_version", n as i64).unwrap();
            drop(connection);
            let before = std::fs::read(home.database()).unwrap();
            for access in [Access::ReadWrite, Access::ReadOnly] {
                let error = Store::open(&home, access).unwrap_err();
                let expected = format!(
                    "`{}` was made by an older `ser` (schema {n}), which this one (schema 13) does \
                     not read",
                    home.database().display()
                );
                assert_eq!(error.to_string(), expected);
                assert!(error.hint().unwrap().contains("ser export"));
            }
            assert_eq!(std::fs::read(home.database()).unwrap(), before);
        }
    }

    #[test]
    fn another_programs_unmarked_tables_are_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let connection = Connection::open(home.database()).unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        let error = Store::open(&home, Access::ReadWrite).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { application_id: 0, .. }), "{error}");
    }

    #[test]
    fn a_text_file_is_not_a_database() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        std::fs::write(home.database(), "hello, this is not a database at all\n".repeat(50))
            .unwrap();
        let error = Store::open(&home, Access::ReadWrite).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }

    #[test]
    fn files_are_private_and_reading_needs_a_database() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let error = Store::open(&home, Access::ReadOnly).unwrap_err();
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
        let store = Store::open(&home, Access::ReadWrite).unwrap();
        for name in ["ser.db", "ser.db-wal", "ser.db-shm"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        drop(store);
    }
}
