//! Columns in the database, cut into rows, so that the numbers of one pair are found without
//! reading the whole.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::columns::{self, BrokenColumns, Header, N_LENGTH_BYTES, ScorePlaces};
use crate::domain::event::PairMargin;
use crate::domain::metrics::Split;
use crate::domain::preference::PairId;
use crate::domain::pseudo_label::PairScore;
use crate::domain::selection::ScoredPair;
use crate::store::error::StoreError;

/// Bytes of a row. `SQLite` reads a value from its beginning, so with a single value for a million
/// pairs the score of one pair would cost 13 MB.
const N_PART_BYTES: usize = 1 << 16;

/// Stores the columns of an event.
pub(super) fn write(
    transaction: &Transaction<'_>,
    run: i64,
    seq: u64,
    columns: &[u8],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO event_columns (run, seq, part, bytes) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = transaction.prepare_cached(sql)?;
    for (part, bytes) in (0_i64..).zip(columns.chunks(N_PART_BYTES)) {
        insert.execute((run, seq as i64, part, bytes))?;
    }
    Ok(())
}

/// The columns of an event, or `None` where it has none.
pub(in crate::store) fn read(
    connection: &Connection,
    run: i64,
    seq: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT bytes FROM event_columns WHERE run = ?1 AND seq = ?2 ORDER BY part";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((run, seq as i64))?;
    let mut columns: Option<Vec<u8>> = None;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        columns.get_or_insert_default().extend_from_slice(bytes);
    }
    Ok(columns)
}

/// The number of the event that made the selection in force of a round.
pub(in crate::store) fn selection_seq(
    connection: &Connection,
    run: i64,
    round: u32,
) -> Result<Option<u64>, StoreError> {
    seq_of(connection, run, round, "selection_seq")
}

fn seq_of(
    connection: &Connection,
    run: i64,
    round: u32,
    column: &'static str,
) -> Result<Option<u64>, StoreError> {
    let sql = format!("SELECT {column} FROM rounds WHERE run = ?1 AND round = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let seq: Option<Option<i64>> =
        statement.query_row((run, round), |row| row.get(0)).optional()?;
    Ok(seq.flatten().map(|seq| seq as u64))
}

/// The scored pairs of a round, by ascending pair; empty before the selection was made.
pub(in crate::store) fn scores(
    connection: &Connection,
    run: i64,
    round: u32,
) -> Result<Vec<ScoredPair>, StoreError> {
    let Some(seq) = selection_seq(connection, run, round)? else { return Ok(Vec::new()) };
    let columns = read(connection, run, seq)?.unwrap_or_default();
    columns::scores(&columns).map_err(|source| StoreError::BrokenColumns { seq, source })
}

/// The column that numbers the event with the margins of a split.
pub(super) fn margins_seq(split: Split) -> &'static str {
    match split {
        Split::Validation => "validation_seq",
        Split::Test => "test_seq",
    }
}

/// The margins of a split after a round, by ascending pair; empty before it was evaluated.
pub(in crate::store) fn margins(
    connection: &Connection,
    run: i64,
    round: u32,
    split: Split,
) -> Result<Vec<PairMargin>, StoreError> {
    let Some(seq) = seq_of(connection, run, round, margins_seq(split))? else {
        return Ok(Vec::new());
    };
    let columns = read(connection, run, seq)?.unwrap_or_default();
    columns::margins(&columns).map_err(|source| StoreError::BrokenColumns { seq, source })
}

/// One scored pair of a round, found by bisection in the rows that hold it.
pub(in crate::store) fn scored_pair(
    connection: &Connection,
    run: i64,
    round: u32,
    id: PairId,
) -> Result<Option<ScoredPair>, StoreError> {
    let Some(seq) = selection_seq(connection, run, round)? else { return Ok(None) };
    let mut file = Parts { connection, run, seq, part: None };
    let n_bytes = Header::length(file.bytes(0, N_LENGTH_BYTES)?.as_slice());
    let n_bytes = n_bytes.map_err(|source| file.broken(source))?;
    let header = Header::parse(&file.bytes(N_LENGTH_BYTES, n_bytes)?);
    let places = header.and_then(|header| header.scores()).map_err(|source| file.broken(source))?;
    let (mut low, mut high) = (0, places.pairs.len() / 4);
    while low < high {
        let middle = usize::midpoint(low, high);
        let found = PairId(u32::from_le_bytes(file.word(places.pairs.start + 4 * middle)?));
        match found.cmp(&id) {
            std::cmp::Ordering::Equal => return file.row(&places, id, middle).map(Some),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(None)
}

/// The file of one event, read where it is asked for.
struct Parts<'a> {
    connection: &'a Connection,
    run: i64,
    seq: u64,
    /// The row that was read last, with its number; the last steps of a bisection stay in one row.
    part: Option<(usize, Vec<u8>)>,
}

impl Parts<'_> {
    fn broken(&self, source: BrokenColumns) -> StoreError {
        StoreError::BrokenColumns { seq: self.seq, source }
    }

    fn part(&mut self, number: usize) -> Result<&[u8], StoreError> {
        if self.part.as_ref().is_none_or(|(known, _)| *known != number) {
            let sql = "SELECT bytes FROM event_columns WHERE run = ?1 AND seq = ?2 AND part = ?3";
            let mut statement = self.connection.prepare_cached(sql)?;
            let key = (self.run, self.seq as i64, number as i64);
            let bytes: Option<Vec<u8>> = statement.query_row(key, |row| row.get(0)).optional()?;
            self.part = Some((number, bytes.unwrap_or_default()));
        }
        Ok(self.part.as_ref().map_or(&[], |(_, bytes)| bytes))
    }

    fn bytes(&mut self, begin: usize, n: usize) -> Result<Vec<u8>, StoreError> {
        let mut found = Vec::with_capacity(n);
        while found.len() < n {
            let at = begin + found.len();
            let offset = at % N_PART_BYTES;
            let part = self.part(at / N_PART_BYTES)?;
            let end = part.len().min(offset + n - found.len());
            let Some(more) = part.get(offset..end).filter(|more| !more.is_empty()) else {
                return Err(self.broken(BrokenColumns::cut_off()));
            };
            found.extend_from_slice(more);
        }
        Ok(found)
    }

    fn word(&mut self, at: usize) -> Result<[u8; 4], StoreError> {
        let bytes = self.bytes(at, 4)?;
        bytes.first_chunk().copied().ok_or_else(|| self.broken(BrokenColumns::cut_off()))
    }

    fn row(
        &mut self,
        places: &ScorePlaces,
        pair: PairId,
        row: usize,
    ) -> Result<ScoredPair, StoreError> {
        let reward_a = f32::from_le_bytes(self.word(places.rewards_a.start + 4 * row)?);
        let reward_b = f32::from_le_bytes(self.word(places.rewards_b.start + 4 * row)?);
        let code = self.bytes(places.left_out.start + row, 1)?;
        let reasons = columns::reasons(&code).map_err(|source| self.broken(source))?;
        let left_out = reasons.first().copied().flatten();
        Ok(ScoredPair { score: PairScore { pair, reward_a, reward_b }, left_out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::RunEvent;
    use crate::store::{keys, testing};

    #[test]
    fn a_pair_is_found_in_any_part() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        // Three parts, and numbers with gaps.
        let n = 14_000;
        let RunEvent::SelectionMade { round, summary, mut pairs } = testing::selection_made(1, n)
        else {
            unreachable!()
        };
        for scored in &mut pairs {
            scored.score.pair.0 *= 3;
        }
        let event = RunEvent::SelectionMade { round, summary, pairs: pairs.clone() };
        fixture.apply(&run, attempt, vec![event]);
        let connection = &fixture.store.connection;
        let key = keys::run(connection, &run).unwrap();
        let parts: i64 = connection
            .query_row("SELECT count(*) FROM event_columns", [], |row| row.get(0))
            .unwrap();
        assert_eq!(parts, 3);
        for scored in pairs.iter().step_by(97).chain(pairs.last()) {
            let pair = scored.score.pair;
            let found = scored_pair(connection, key, 1, pair).unwrap();
            assert_eq!(found.as_ref(), Some(scored));
            assert_eq!(scored_pair(connection, key, 1, PairId(pair.0 + 1)).unwrap(), None);
        }
        assert_eq!(scores(connection, key, 1).unwrap(), pairs);
        assert_eq!(scored_pair(connection, key, 2, PairId(3)).unwrap(), None);
        connection.execute("DELETE FROM event_columns WHERE part = 1", []).unwrap();
        let error = scores(connection, key, 1).unwrap_err();
        assert!(error.to_string().starts_with("the columns of event 1 are damaged"), "{error}");
        assert!(scored_pair(connection, key, 1, PairId(3 * (n - 1))).is_err());
    }
}
