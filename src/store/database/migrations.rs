//! The schema's history: an append-only list, whose length is the file's `user_version`.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::store::error::StoreError;

/// `SERL` in ASCII; marks the file as ours.
const APPLICATION_ID: i32 = 0x5345_524c;

/// Every schema change, oldest first. Never edit one, append the next.
const MIGRATIONS: [&str; 9] = [
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_review.sql"),
    include_str!("../migrations/0003_annotations.sql"),
    include_str!("../migrations/0004_below_threshold.sql"),
    include_str!("../migrations/0005_method_reasons.sql"),
    include_str!("../migrations/0006_human_labels.sql"),
    include_str!("../migrations/0007_retired_parts.sql"),
    include_str!("../migrations/0008_text_forms.sql"),
    include_str!("../migrations/0009_queue_claims.sql"),
];

/// The file's schema; 0 for an empty file.
pub(in crate::store) fn version(connection: &Connection) -> Result<usize, StoreError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Refuses files of other programs and of newer versions.
pub(in crate::store) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let application_id: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let n_objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let is_ours = application_id == APPLICATION_ID || (application_id == 0 && n_objects == 0);
    if !is_ours {
        return Err(StoreError::Foreign { path: path.to_owned(), application_id });
    }
    let found = version(connection)?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() });
    }
    Ok(())
}

/// Refuses a file whose schema is not there yet, or is older than what is read.
pub(in crate::store) fn check_current(
    connection: &Connection,
    path: &Path,
) -> Result<(), StoreError> {
    match version(connection)? {
        0 => Err(StoreError::Missing { path: path.to_owned() }),
        found if found < MIGRATIONS.len() => {
            Err(StoreError::Older { path: path.to_owned(), found, known: MIGRATIONS.len() })
        }
        _ => Ok(()),
    }
}

/// Applies what is missing in one exclusive transaction, so that two processes never migrate at
/// the same time and a failure leaves the old schema.
pub(in crate::store) fn migrate(
    connection: &mut Connection,
    path: &Path,
) -> Result<(), StoreError> {
    if version(connection)? == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    // Another process may have been faster.
    check(&transaction, path)?;
    for migration in MIGRATIONS.iter().skip(version(&transaction)?) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::ExperimentSpec;
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
        assert!(tables.len() >= 18, "{}", tables.len());
        let is_internal = |sql: &str| sql.contains("sqlite_sequence");
        assert!(tables.iter().all(|sql| sql.contains("STRICT") || is_internal(sql)));
    }

    #[test]
    fn a_failing_migration_leaves_no_table() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE runs (id TEXT); DROP TABLE runs;").unwrap();
        connection.execute_batch("CREATE TABLE requests (id TEXT)").unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        assert!(migrate(&mut connection, Path::new("x")).is_err());
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
    fn every_older_file_is_brought_up_to_date_and_not_read_before() {
        let folder = tempfile::tempdir().unwrap();
        let newest = Home::new(folder.path().join("newest"));
        Store::open(&newest, Access::ReadWrite).unwrap();
        for n in 1..MIGRATIONS.len() {
            let home = Home::new(folder.path().join(n.to_string()));
            std::fs::create_dir(home.root()).unwrap();
            let connection = Connection::open(home.database()).unwrap();
            for migration in &MIGRATIONS[..n] {
                connection.execute_batch(migration).unwrap();
            }
            connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
            connection.pragma_update(None, "user_version", n as i64).unwrap();
            drop(connection);
            let error = Store::open(&home, Access::ReadOnly).unwrap_err();
            assert!(matches!(error, StoreError::Older { found, .. } if found == n), "{error}");
            Store::open(&home, Access::ReadWrite).unwrap();
            assert_eq!(schema(&home), schema(&newest), "from {n}");
        }
    }

    #[test]
    fn parts_that_are_gone_are_set_aside_in_stored_specs() {
        let mut spec = serde_json::to_value(crate::store::testing::spec()).unwrap();
        spec["train"]["token_dropout"] = 0.0.into();
        spec["train"]["pseudo_weights"] = "equal".into();
        spec["selection"]["agreement"] = false.into();
        spec["selection"]["length_guard"] = 0.5.into();
        spec["rounds"]["seed_share"] = 0.0.into();
        let off = spec.clone();
        spec["rounds"]["seed_share"] = 0.25.into();
        spec["train"]["token_dropout"] = 0.1.into();
        spec["train"]["pseudo_weights"] = "information".into();
        spec["train"]["pseudo_targets"] = "smoothed".into();
        spec["selection"]["agreement"] = true.into();
        spec["selection"]["length_guard"] = 0.75.into();
        let mut older = off.clone();
        for (table, key) in [
            ("train", "token_dropout"),
            ("train", "pseudo_weights"),
            ("train", "pseudo_targets"),
            ("selection", "agreement"),
            ("selection", "length_guard"),
            ("rounds", "seed_share"),
        ] {
            older[table].as_object_mut().unwrap().remove(key);
        }
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE run_specs (run INTEGER, spec TEXT)").unwrap();
        for (run, spec) in (0_i64..).zip([off, spec, older]) {
            let row = (run, spec.to_string());
            connection.execute("INSERT INTO run_specs VALUES (?1, ?2)", row).unwrap();
        }
        connection.execute_batch(MIGRATIONS[6]).unwrap();
        let read = |run: i64| -> ExperimentSpec {
            let sql = "SELECT spec FROM run_specs WHERE run = ?1";
            let text: String = connection.query_row(sql, [run], |row| row.get(0)).unwrap();
            serde_json::from_str(&text).unwrap()
        };
        assert_eq!(read(0), crate::store::testing::spec());
        assert!(read(2).check_retired().is_ok());
        let retired = [
            ("rounds.seed_share", "0.25"),
            ("selection.agreement", "true"),
            ("selection.length_guard", "0.75"),
            ("train.pseudo_targets", "smoothed"),
            ("train.pseudo_weights", "information"),
            ("train.token_dropout", "0.1"),
        ];
        assert_eq!(read(1).retired, retired.map(|(k, v)| (k.into(), v.into())).into());
        assert!(read(1).check_retired().is_err());
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
