//! Looking for words in the texts of a data set: a scan on several threads.
//!
//! An index of trigrams would be as large as the texts and slow every import down; the texts of a
//! data set lie next to each other, and scanning them is bound by memory.

use rusqlite::Connection;

use super::error::StoreError;
use super::pairs::key_range;
use super::{Access, Store, connection};

/// Threads that scan.
const N_THREADS: i64 = 4;
/// Bytes of the file that a scanning connection may map: pages are then read without copying.
const MAPPED_BYTES: i64 = 16 << 30;

impl Store {
    /// The pairs whose prompt or answers hold a text, ignoring the case of ASCII letters, ascending.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn pairs_with_text(&self, dataset: i64, text: &str) -> Result<Vec<u32>, StoreError> {
        let needle = text.to_ascii_lowercase();
        if needle.is_empty() {
            return Ok(Vec::new());
        }
        let n_pairs: i64 = self.read(|connection| {
            let sql = "SELECT n_pairs FROM datasets WHERE key = ?1";
            Ok(connection.query_row(sql, [dataset], |row| row.get(0))?)
        })?;
        let first = key_range(dataset).0;
        let path = self.home.database();
        let parts = (0..N_THREADS)
            .map(|i| (first + n_pairs * i / N_THREADS, first + n_pairs * (i + 1) / N_THREADS));
        let found = std::thread::scope(|scope| {
            let threads: Vec<_> = parts
                .map(|part| {
                    let (path, needle) = (&path, needle.as_str());
                    scope.spawn(move || {
                        let connection = connection::open(path, Access::ReadOnly)?;
                        connection.pragma_update(None, "mmap_size", MAPPED_BYTES)?;
                        scan(&connection, part, needle)
                    })
                })
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<_, StoreError>>| {
                thread.join().unwrap_or(Err(StoreError::WriterEnded))
            };
            threads.into_iter().map(join).collect::<Result<Vec<Vec<u32>>, StoreError>>()
        })?;
        Ok(found.concat())
    }
}

/// The pairs with keys from `from` to before `to` that hold the needle.
fn scan(
    connection: &Connection,
    (from, to): (i64, i64),
    needle: &str,
) -> Result<Vec<u32>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT key, prompt, chosen, rejected FROM pair_texts WHERE key >= ?1 AND key < ?2",
    )?;
    let mut rows = statement.query((from, to))?;
    let mut found = Vec::new();
    let mut lower = String::new();
    while let Some(row) = rows.next()? {
        for column in 1..4 {
            let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
            lower.clear();
            lower.push_str(text);
            lower.make_ascii_lowercase();
            if lower.contains(needle) {
                found.push(row.get::<_, i64>(0)? as u32);
                break;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    #[test]
    fn words_are_found_in_every_text_whatever_their_case() {
        let fixture = testing::store();
        let find = |text: &str| fixture.store.pairs_with_text(fixture.dataset, text).unwrap();
        assert_eq!(find("GOOD 7"), [7]);
        assert_eq!(find("bad 12"), [12]);
        assert_eq!(find("prompt 3 é"), [3]);
        let twenties: Vec<u32> = [2].into_iter().chain(20..30).collect();
        assert_eq!(find("prompt 2"), twenties);
        assert_eq!(find("nothing like it"), [0_u32; 0]);
        assert_eq!(find(""), [0_u32; 0]);
    }
}
