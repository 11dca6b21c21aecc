//! From what a person types to one run: an id, a unique prefix of one, or a name.

use rusqlite::{Connection, OptionalExtension};

use super::error::StoreError;
use super::keys::nearest_run;
use super::rows::RunRow;
use super::{Store, runs};
use crate::domain::run::RunId;

/// Most candidates that an error lists.
const CANDIDATES_MAX: usize = 8;

impl Store {
    /// The run that `wanted` means: an id, a name, or a unique prefix of an id, in this order.
    ///
    /// # Errors
    /// When there is none (with the nearest name) or several (with their names).
    pub fn find_run(&self, wanted: &str) -> Result<RunRow, StoreError> {
        self.read(|connection| {
            let id = find_id(connection, wanted)?;
            runs::one_row(connection, &id)
        })
    }
}

fn find_id(connection: &Connection, wanted: &str) -> Result<RunId, StoreError> {
    let exact = connection
        .query_row(
            "SELECT id FROM runs WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC LIMIT 1",
            [wanted],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(id) = exact {
        return Ok(RunId(id));
    }
    if wanted.is_empty() {
        return Err(StoreError::UnknownRun { wanted: String::new(), nearest: None });
    }
    let mut statement = connection.prepare_cached(
        "SELECT id, name FROM runs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT ?2",
    )?;
    let limit = CANDIDATES_MAX as i64;
    let matches: Vec<(String, String)> = statement
        .query_map((wanted, limit), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    match matches.as_slice() {
        [] => {
            let nearest = nearest_run(connection, wanted)?;
            Err(StoreError::UnknownRun { wanted: wanted.to_owned(), nearest })
        }
        [(id, _)] => Ok(RunId(id.clone())),
        several => {
            let candidates = several.iter().map(|(id, name)| format!("{id} ({name})")).collect();
            Err(StoreError::AmbiguousRun { wanted: wanted.to_owned(), candidates })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    #[test]
    fn ids_prefixes_and_names_find_a_run() {
        let mut fixture = testing::store();
        let first = fixture.run("warm-start");
        let found = |wanted: &str| fixture.store.find_run(wanted);
        assert_eq!(found("warm-start").unwrap().id, first);
        assert_eq!(found(first.as_str()).unwrap().id, first);
        assert_eq!(found(&first.as_str()[..3]).unwrap().id, first);
        let error = found("warm-stat").unwrap_err();
        assert_eq!(error.to_string(), "there is no run `warm-stat`");
        assert_eq!(error.hint().unwrap(), "did you mean `warm-start`?");
        assert_eq!(found("zzz").unwrap_err().hint().unwrap(), "list the runs with `ser runs`");
        assert!(found("").is_err());
    }

    #[test]
    fn a_shared_prefix_lists_the_candidates() {
        let mut fixture = testing::store();
        let ids = [fixture.run("one"), fixture.run("two")];
        let error = fixture.store.find_run("r").unwrap_err().to_string();
        for id in &ids {
            assert!(error.contains(id.as_str()), "{error}");
        }
        // A name wins over a prefix.
        let named = fixture.run("r");
        assert_eq!(fixture.store.find_run("r").unwrap().id, named);
    }
}
