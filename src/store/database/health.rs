//! Whether the database file is sound.

use crate::store::Store;
use crate::store::error::StoreError;

/// The state of the database file, as `ser doctor` reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// `wal`, or `truncate` on a network file system.
    pub journal_mode: String,
    /// What `PRAGMA quick_check` found; empty for a sound file.
    pub damage: Vec<String>,
    /// Size of the file.
    pub n_bytes: u64,
}

impl Store {
    /// Reads every page of the file once.
    ///
    /// # Errors
    /// When the database cannot be read at all.
    pub fn health(&self) -> Result<Health, StoreError> {
        self.read(|connection| {
            let journal_mode =
                connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
            let mut damage = Vec::new();
            connection.pragma_query(None, "quick_check", |row| {
                let finding: String = row.get(0)?;
                if finding != "ok" {
                    damage.push(finding);
                }
                Ok(())
            })?;
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            let size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            Ok(Health { journal_mode, damage, n_bytes: (pages * size) as u64 })
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::store::{Access, Home, Store};

    #[test]
    fn a_fresh_database_is_sound() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Home::new(folder.path()), Access::ReadWrite).unwrap();
        let health = store.health().unwrap();
        assert_eq!(health.journal_mode, "wal");
        assert_eq!(health.damage, Vec::<String>::new());
        assert!(health.n_bytes > 0);
    }
}
