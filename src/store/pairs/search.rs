//! Looking into the texts of a data set, for words or for near-duplicates: a scan on several threads.
//!
//! An index of trigrams would be as large as the texts and slow every import down; the texts of a
//! data set lie next to each other, and scanning them is bound by memory.

use rusqlite::Connection;

use super::generated::RunPairs;
use super::{key_range, pair};
use crate::domain::pool::GeneratedPair;
use crate::domain::preference::{PairId, PreferencePair};
use crate::domain::text::near_duplicate::NearPair;
use crate::store::database::connection;
use crate::store::error::StoreError;
use crate::store::{Access, Store};

/// Threads of a search. A scan is bound by memory, which few threads use up.
const N_THREADS: i64 = 4;
/// Bytes of the file that a scanning connection may map into memory, so that pages are read without
/// copying.
const MAPPED_BYTES: i64 = 16 << 30;
/// A near-duplicate of a prompt has between a half and twice its bytes, so other prompts are not
/// even read.
const LENGTH_RATIO: i64 = 2;

/// Keys from the first to before the second.
type Part = (i64, i64);

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
        self.scan(dataset, |connection, part| with_text(connection, part, &needle))
    }

    /// The near-duplicates of a pair, itself among them, ascending: prompt and both answers are nearly
    /// the same, whichever answer was chosen.
    ///
    /// # Errors
    /// When there is no such pair, or the database cannot be read.
    pub fn pairs_like(&self, dataset: i64, id: PairId) -> Result<Vec<u32>, StoreError> {
        let wanted = self.read(|connection| pair(connection, dataset, id))?;
        self.like(dataset, &wanted)
    }

    fn like(&self, dataset: i64, wanted: &PreferencePair) -> Result<Vec<u32>, StoreError> {
        let near = NearPair::new(&wanted.prompt, [&wanted.chosen, &wanted.rejected]);
        let n_bytes = wanted.prompt.len() as i64;
        self.scan(dataset, |connection, part| like(connection, part, near.clone(), n_bytes))
    }

    /// As [`Store::pairs_with_text`], among the pairs of a run's pool.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(in crate::store) fn pool_pairs_with_text(
        &self,
        pairs: RunPairs,
        text: &str,
    ) -> Result<Vec<u32>, StoreError> {
        let mut found = self.pairs_with_text(pairs.dataset, text)?;
        found.extend(self.read(|connection| pairs.generated_with_text(connection, text))?);
        Ok(found)
    }

    /// As [`Store::pairs_like`], among the pairs of a run's pool.
    ///
    /// # Errors
    /// When there is no such pair, or the database cannot be read.
    pub(in crate::store) fn pool_pairs_like(
        &self,
        pairs: RunPairs,
        id: PairId,
    ) -> Result<Vec<u32>, StoreError> {
        let wanted = self.read(|connection| pairs.pair(connection, id))?;
        let mut found = self.like(pairs.dataset, &wanted)?;
        let mut near = NearPair::new(&wanted.prompt, [&wanted.chosen, &wanted.rejected]);
        let mut is_near = |one: &GeneratedPair| {
            near.is_near_prompt(&one.prompt) && near.are_near_answers([&one.chosen, &one.rejected])
        };
        let generated = self.read(|connection| pairs.all(connection))?;
        found.extend(generated.iter().filter(|one| is_near(one)).map(|one| one.pair.0));
        Ok(found)
    }

    /// What is found in each part of a data set, one after the other.
    fn scan(
        &self,
        dataset: i64,
        find: impl Fn(&Connection, Part) -> Result<Vec<u32>, StoreError> + Sync,
    ) -> Result<Vec<u32>, StoreError> {
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
                    let (path, find) = (&path, &find);
                    scope.spawn(move || {
                        let connection = connection::open(path, Access::ReadOnly)?;
                        connection.pragma_update(None, "mmap_size", MAPPED_BYTES)?;
                        find(&connection, part)
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

/// The pairs of a part that hold the needle.
fn with_text(
    connection: &Connection,
    (from, to): Part,
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

/// The pairs of a part that are near-duplicates. Answers are only read where the prompt is one.
fn like(
    connection: &Connection,
    (from, to): Part,
    mut wanted: NearPair,
    n_bytes: i64,
) -> Result<Vec<u32>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT key, prompt FROM pair_texts
         WHERE key >= ?1 AND key < ?2 AND octet_length(prompt) BETWEEN ?3 AND ?4",
    )?;
    let mut answers =
        connection.prepare("SELECT chosen, rejected FROM pair_texts WHERE key = ?1")?;
    let mut rows = statement.query((from, to, n_bytes / LENGTH_RATIO, n_bytes * LENGTH_RATIO))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        if !wanted.is_near_prompt(text) {
            continue;
        }
        let key: i64 = row.get(0)?;
        let is_near = answers.query_row([key], |row| {
            let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?);
            Ok(wanted.are_near_answers([text(0)?, text(1)?]))
        })?;
        if is_near {
            found.push(key as u32);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

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

    #[test]
    fn near_duplicates_are_found_with_their_answers_swapped_too() {
        let mut fixture = testing::store();
        let answer = "blot it at once and then put plenty of salt on the stain";
        let other = "leave it to dry and call somebody who knows about stains of wine";
        let prompt = "how do I get the stain of red wine out of a white cotton shirt";
        let pair = |prompt: &str, chosen: &str, rejected: &str| PreferencePair {
            prompt: prompt.to_owned(),
            chosen: chosen.to_owned(),
            rejected: rejected.to_owned(),
            ..testing::pairs(1).swap_remove(0)
        };
        let pairs = vec![
            pair(prompt, answer, other),
            pair("something else", answer, other),
            pair(&format!("{prompt}?"), &other.to_uppercase(), answer),
            pair(prompt, answer, "no idea"),
        ];
        let dataset = testing::import(&mut fixture.store, "near", pairs.into_iter()).unwrap();
        let like = |pair| fixture.store.pairs_like(dataset.id, PairId(pair)).unwrap();
        assert_eq!(like(0), [0, 2]);
        assert_eq!(like(2), [0, 2]);
        assert_eq!(like(3), [3]);
        assert!(fixture.store.pairs_like(dataset.id, PairId(9)).is_err());
    }
}
