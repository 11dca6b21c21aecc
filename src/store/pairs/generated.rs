//! Pairs of a policy's answers, which belong to one run and are numbered on from those of its data set.

use rusqlite::{Connection, OptionalExtension, Row};

use super::pair_key;
use crate::domain::event::RunEvent;
use crate::domain::pool::{GeneratedPair, Generation, Origin};
use crate::domain::preference::{CandidatePair, PairId, PreferencePair};
use crate::domain::run::RunId;
use crate::store::error::StoreError;
use crate::store::{Store, keys};

/// The columns of [`read_pair`].
const COLUMNS: &str = "pair, prompt_of, prompt, chosen, rejected, form, is_judged, reward_chosen,
                       reward_rejected";

/// A run with what finds its pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct RunPairs {
    pub run: i64,
    pub dataset: i64,
    pub rng_seed: u64,
    /// Pairs of the data set; later numbers are those of a policy's pairs.
    pub n_pairs: u32,
}

impl RunPairs {
    /// What finds the pairs of a run.
    pub(in crate::store) fn of(connection: &Connection, run: i64) -> Result<Self, StoreError> {
        let sql = "SELECT dataset, rng_seed, n_pairs
                   FROM runs JOIN datasets ON datasets.key = runs.dataset WHERE runs.key = ?1";
        let found = connection.prepare_cached(sql)?.query_row([run], |row| {
            let (dataset, rng_seed) = (row.get(0)?, row.get::<_, i64>(1)? as u64);
            Ok(Self { run, dataset, rng_seed, n_pairs: row.get(2)? })
        })?;
        Ok(found)
    }

    /// Whether a policy wrote the answers of a pair.
    pub(in crate::store) fn is_generated(&self, pair: PairId) -> bool {
        pair.0 >= self.n_pairs
    }

    /// The texts of a pair of the pool, wherever it is from.
    ///
    /// # Errors
    /// When there is no such pair.
    pub(in crate::store) fn pair(
        &self,
        connection: &Connection,
        id: PairId,
    ) -> Result<PreferencePair, StoreError> {
        if !self.is_generated(id) {
            return super::pair(connection, self.dataset, id);
        }
        let dataset = self.dataset;
        let found = self.generated(connection, id)?;
        let source = super::pair(connection, dataset, found.prompt_of)?;
        found.to_pair(&source.group, &source.slice).map_err(|detail| StoreError::BrokenPair {
            dataset,
            pair: id.0,
            detail,
        })
    }

    fn generated(&self, connection: &Connection, id: PairId) -> Result<GeneratedPair, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM generated_pairs WHERE run = ?1 AND pair = ?2");
        let mut statement = connection.prepare_cached(&sql)?;
        let found = statement.query_row((self.run, id.0), read_pair).optional()?;
        found.ok_or(StoreError::UnknownPair { dataset: self.dataset, pair: id.0 })
    }

    /// The pair of the data set whose group and slice a pair has: itself, or the one whose prompt it is.
    pub(in crate::store) fn source_of(
        &self,
        connection: &Connection,
        id: PairId,
    ) -> Result<PairId, StoreError> {
        if !self.is_generated(id) {
            return Ok(id);
        }
        Ok(self.generated(connection, id)?.prompt_of)
    }

    /// Characters of the chosen and the other answer of a pair, and its slice.
    pub(in crate::store) fn lengths(
        &self,
        connection: &Connection,
        id: PairId,
    ) -> Result<(u32, u32, String), StoreError> {
        let is_generated = self.is_generated(id);
        let sql = if is_generated {
            "SELECT of.n_chars_chosen, of.n_chars_rejected, slice
             FROM generated_pairs AS of JOIN pairs ON key = ?3 + prompt_of
             WHERE run = ?1 AND pair = ?2"
        } else {
            "SELECT n_chars_chosen, n_chars_rejected, slice FROM pairs WHERE key = ?3 + ?2
             AND ?1 = ?1"
        };
        let found = connection
            .prepare_cached(sql)?
            .query_row((self.run, id.0, pair_key(self.dataset, 0)), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        found.ok_or(StoreError::UnknownPair { dataset: self.dataset, pair: id.0 })
    }

    /// Whether a hidden label of a pair is known: of a policy's pair only where a judge gave one.
    pub(in crate::store) fn is_labeled(
        &self,
        connection: &Connection,
        id: PairId,
    ) -> Result<bool, StoreError> {
        Ok(!self.is_generated(id) || self.generated(connection, id)?.is_judged)
    }

    /// Who wrote the answers of a pair; `None` for one of the data set.
    pub(in crate::store) fn origin(
        &self,
        connection: &Connection,
        id: PairId,
    ) -> Result<Option<Origin>, StoreError> {
        if !self.is_generated(id) {
            return Ok(None);
        }
        let sql = "SELECT generation FROM generated_pairs JOIN generations USING (run, round)
                   WHERE run = ?1 AND pair = ?2";
        let text: Option<String> = connection
            .prepare_cached(sql)?
            .query_row((self.run, id.0), |row| row.get(0))
            .optional()?;
        Ok(text.as_deref().map(parse).transpose()?.map(|it| it.origin))
    }

    /// The policy's pairs whose texts hold a text, ignoring the case of ASCII letters, ascending.
    pub(in crate::store) fn generated_with_text(
        &self,
        connection: &Connection,
        text: &str,
    ) -> Result<Vec<u32>, StoreError> {
        let needle = text.to_ascii_lowercase();
        let mut found = self.all(connection)?;
        let holds = |text: &String| text.to_ascii_lowercase().contains(&needle);
        found.retain(|it| [&it.prompt, &it.chosen, &it.rejected].into_iter().any(holds));
        Ok(found.iter().filter(|_| !needle.is_empty()).map(|it| it.pair.0).collect())
    }

    /// All pairs of the policy, ascending.
    pub(in crate::store) fn all(
        &self,
        connection: &Connection,
    ) -> Result<Vec<GeneratedPair>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM generated_pairs WHERE run = ?1 ORDER BY pair");
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_map([self.run], read_pair)?.collect::<Result<_, _>>()?)
    }
}

impl Store {
    /// How many pairs a data set has; in its runs the pairs of policies have the numbers from there on.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn n_pairs(&self, dataset: i64) -> Result<u32, StoreError> {
        self.read(|connection| {
            let sql = "SELECT n_pairs FROM datasets WHERE key = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([dataset], |row| row.get(0))?)
        })
    }

    /// The texts of pairs of a run's pool in presentation order, without any label, in the order asked for.
    ///
    /// # Errors
    /// When there is no such run or pair.
    pub fn pool_pairs(
        &self,
        run: &RunId,
        ids: &[PairId],
    ) -> Result<Vec<CandidatePair>, StoreError> {
        self.read(|connection| {
            let pairs = RunPairs::of(connection, keys::run(connection, run)?)?;
            let candidate = |id: &PairId| {
                let pair = pairs.pair(connection, *id)?;
                Ok(pair.to_candidate(pairs.rng_seed, *id))
            };
            ids.iter().map(candidate).collect()
        })
    }

    /// Who wrote the answers of some pairs of a run, in the order asked for; `None` for pairs of the data
    /// set.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn origins_of(
        &self,
        run: &RunId,
        ids: &[PairId],
    ) -> Result<Vec<Option<Origin>>, StoreError> {
        self.read(|connection| {
            let pairs = RunPairs::of(connection, keys::run(connection, run)?)?;
            ids.iter().map(|id| pairs.origin(connection, *id)).collect()
        })
    }

    /// The pairs that a policy added to a run's pool, ascending, with the round that each joined for.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn generated_pairs(&self, run: &RunId) -> Result<Vec<(u32, GeneratedPair)>, StoreError> {
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let sql = format!(
                "SELECT {COLUMNS}, round FROM generated_pairs WHERE run = ?1 ORDER BY pair"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_map([key], |row| Ok((row.get(9)?, read_pair(row)?)))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    /// What came of each answering of prompts, by the round that its pairs joined for.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn generations(&self, run: &RunId) -> Result<Vec<Generation>, StoreError> {
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let sql = "SELECT generation FROM generations WHERE run = ?1 ORDER BY round";
            let mut statement = connection.prepare_cached(sql)?;
            let texts = statement.query_map([key], |row| row.get::<_, String>(0))?;
            texts.map(|text| parse(&text?)).collect()
        })
    }
}

fn read_pair(row: &Row<'_>) -> rusqlite::Result<GeneratedPair> {
    Ok(GeneratedPair {
        pair: PairId(row.get(0)?),
        prompt_of: PairId(row.get(1)?),
        prompt: row.get(2)?,
        chosen: row.get(3)?,
        rejected: row.get(4)?,
        form: row.get(5)?,
        is_judged: row.get(6)?,
        rewards: [row.get(7)?, row.get(8)?],
    })
}

fn parse(text: &str) -> Result<Generation, StoreError> {
    serde_json::from_str(text)
        .map_err(|source| StoreError::Json { what: "a generation".to_owned(), source })
}

/// Writes the rows that follow from a policy's answers; what an earlier attempt had of the round is gone.
pub(in crate::store) fn derive(
    connection: &Connection,
    run: i64,
    event: &RunEvent,
) -> Result<(), StoreError> {
    let RunEvent::PairsGenerated { generation, pairs } = event else { return Ok(()) };
    let round = generation.origin.round;
    let json = serde_json::to_string(generation)
        .map_err(|source| StoreError::Json { what: "a generation".to_owned(), source })?;
    connection
        .prepare_cached("REPLACE INTO generations (run, round, generation) VALUES (?1, ?2, ?3)")?
        .execute((run, round, json))?;
    connection
        .prepare_cached("DELETE FROM generated_pairs WHERE run = ?1 AND round = ?2")?
        .execute((run, round))?;
    let mut insert = connection.prepare_cached(
        "REPLACE INTO generated_pairs
         (run, pair, round, prompt_of, prompt, chosen, rejected, form, is_judged, reward_chosen,
          reward_rejected, n_chars_chosen, n_chars_rejected)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    for pair in pairs {
        let n_chars = [&pair.chosen, &pair.rejected].map(|text| text.chars().count() as i64);
        insert.execute((
            run,
            pair.pair.0,
            round,
            pair.prompt_of.0,
            &pair.prompt,
            &pair.chosen,
            &pair.rejected,
            &pair.form,
            pair.is_judged,
            pair.rewards[0],
            pair.rewards[1],
            n_chars[0],
            n_chars[1],
        ))?;
    }
    Ok(())
}
