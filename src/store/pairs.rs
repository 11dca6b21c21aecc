//! Reading pairs back: groups for the split, texts with or without their labels.

pub(crate) mod datasets;
pub(in crate::store) mod generated;
pub(crate) mod import;
pub(crate) mod search;

use super::Store;
use super::error::StoreError;
use crate::domain::preference::{CandidatePair, PairId, PreferencePair};
use crate::domain::text::conversation::TextForm;
use rusqlite::Connection;

impl Store {
    /// The group hash of every pair, by [`PairId`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn group_hashes(&self, dataset: i64) -> Result<Vec<u64>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT group_hash FROM pairs WHERE key BETWEEN ?1 AND ?2 ORDER BY key",
            )?;
            let hashes = statement.query_map(key_range(dataset), |row| {
                row.get::<_, i64>(0).map(|hash| hash as u64)
            })?;
            Ok(hashes.collect::<Result<_, _>>()?)
        })
    }

    /// The pairs of a data set whose recorded label is known to be wrong, in ascending order. No text
    /// is read.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn mislabeled_pairs(&self, dataset: i64) -> Result<Vec<PairId>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key FROM pairs WHERE key BETWEEN ?1 AND ?2 AND label_noise ORDER BY key",
            )?;
            let ids = statement.query_map(key_range(dataset), |row| {
                row.get::<_, i64>(0).map(|key| PairId(key as u32))
            })?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
    }

    /// The texts of labeled pairs, in the order asked for. For the seed set, validation, test and
    /// metrics only: the unlabeled pool is read with [`Store::candidate_pairs`].
    ///
    /// # Errors
    /// When a pair does not exist.
    pub fn preference_pairs(
        &self,
        dataset: i64,
        ids: &[PairId],
    ) -> Result<Vec<PreferencePair>, StoreError> {
        self.read(|connection| ids.iter().map(|id| pair(connection, dataset, *id)).collect())
    }

    /// Whether an export can write the pairs of a data set as messages, and at least one pair came
    /// as messages. Flat dialogues and plain texts can be written so; whole texts, which are no
    /// conversation, cannot.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_conversational(&self, dataset: i64) -> Result<bool, StoreError> {
        self.read(|connection| {
            let found = |condition: &str| -> Result<bool, StoreError> {
                let sql = format!(
                    "SELECT EXISTS (SELECT 1 FROM pair_texts
                     WHERE key BETWEEN ?1 AND ?2 AND form {condition})"
                );
                let mut statement = connection.prepare_cached(&sql)?;
                Ok(statement.query_row(key_range(dataset), |row| row.get(0))?)
            };
            Ok(found("LIKE '{%'")? && !found("= 'whole'")?)
        })
    }

    /// The texts of pool pairs in presentation order, without any label.
    ///
    /// # Errors
    /// When a pair does not exist.
    pub fn candidate_pairs(
        &self,
        dataset: i64,
        rng_seed: u64,
        ids: &[PairId],
    ) -> Result<Vec<CandidatePair>, StoreError> {
        self.read(|connection| {
            let candidate = |id: &PairId| {
                pair(connection, dataset, *id).map(|pair| pair.to_candidate(rng_seed, *id))
            };
            ids.iter().map(candidate).collect()
        })
    }
}

/// The key of a pair in `pairs` and `pair_texts`.
pub(super) fn pair_key(dataset: i64, pair: u32) -> i64 {
    (dataset << 32) | i64::from(pair)
}

/// First and last possible key of a data set.
pub(super) fn key_range(dataset: i64) -> (i64, i64) {
    (pair_key(dataset, 0), pair_key(dataset, u32::MAX))
}

pub(super) fn pair(
    connection: &Connection,
    dataset: i64,
    id: PairId,
) -> Result<PreferencePair, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT prompt, chosen, rejected, group_name, slice, label_noise, form
         FROM pair_texts JOIN pairs USING (key) WHERE key = ?1",
    )?;
    let mut rows = statement.query([pair_key(dataset, id.0)])?;
    let row = rows.next()?.ok_or(StoreError::UnknownPair { dataset, pair: id.0 })?;
    let [prompt, chosen, rejected]: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
    let stored = row.get_ref(6)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    let form = TextForm::from_stored(stored, &prompt, [&chosen, &rejected])
        .map_err(|detail| StoreError::BrokenPair { dataset, pair: id.0, detail })?;
    Ok(PreferencePair {
        group: row.get::<_, Option<String>>(3)?.unwrap_or_else(|| prompt.clone()),
        prompt,
        chosen,
        rejected,
        form,
        slice: row.get(4)?,
        label_noise: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::domain::preference::{Side, chosen_side};
    use crate::domain::split::group_hash;

    #[test]
    fn mislabeled_pairs_are_found_without_their_texts() {
        let fixture = testing::store();
        let expected: Vec<PairId> =
            (0..testing::N_PAIRS as u32).filter(|i| i.is_multiple_of(5)).map(PairId).collect();
        assert_eq!(fixture.store.mislabeled_pairs(fixture.dataset).unwrap(), expected);
    }

    #[test]
    fn pairs_come_back_as_they_went_in() {
        let fixture = testing::store();
        let pairs = testing::pairs(testing::N_PAIRS);
        let ids: Vec<PairId> = [7, 3, 0].map(PairId).to_vec();
        let found = fixture.store.preference_pairs(fixture.dataset, &ids).unwrap();
        for (id, pair) in ids.iter().zip(&found) {
            assert_eq!(*pair, pairs[id.0 as usize]);
        }
        let hashes = fixture.store.group_hashes(fixture.dataset).unwrap();
        let expected: Vec<u64> = pairs.iter().map(|pair| group_hash(&pair.group)).collect();
        assert_eq!(hashes, expected);
        let error = fixture.store.preference_pairs(fixture.dataset, &[PairId(99_999)]).unwrap_err();
        assert_eq!(error.to_string(), format!("data set {} has no pair 99999", fixture.dataset));
    }

    #[test]
    fn candidates_are_shuffled_by_the_runs_seed() {
        let fixture = testing::store();
        let pairs = testing::pairs(testing::N_PAIRS);
        let ids: Vec<PairId> = (0..20).map(PairId).collect();
        for candidate in fixture.store.candidate_pairs(fixture.dataset, 9, &ids).unwrap() {
            let pair = &pairs[candidate.id.0 as usize];
            let first = match chosen_side(9, candidate.id) {
                Side::A => &pair.chosen,
                Side::B => &pair.rejected,
            };
            assert_eq!(candidate.response_a, *first);
        }
    }
}
