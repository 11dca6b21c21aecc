//! Relative positions of DeBERTa: the distance between a query and a key.
//!
//! A distance `i - j` selects a row of a table of embeddings, `delta(i, j)` of He et al. 2021
//! (DeBERTa, arXiv:2006.03654, equation 3): each distance has a row of its own up to half the span;
//! beyond, the rows of v2 and v3 stand for ever longer runs of distances.

use super::keys::Keys;
use crate::engine::EngineError;

/// Which row of the table a distance selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelativePositions {
    /// Rows for distances of one sign, logarithmic in their upper half; 0: a row for each distance.
    pub n_buckets: usize,
    /// Distances from here on share a row.
    pub max_distance: usize,
    /// Whether the table passes a layer norm before it is used.
    pub has_norm: bool,
}

impl RelativePositions {
    /// Rows for distances of one sign.
    #[must_use]
    pub fn span(&self) -> usize {
        if self.n_buckets > 0 { self.n_buckets } else { self.max_distance }
    }

    /// Rows of the table.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        2 * self.span()
    }

    /// The row for a distance (position of the query minus that of the key); it does not decrease
    /// with the distance.
    #[must_use]
    pub fn row(&self, distance: i64) -> usize {
        let bucket = self.bucket(distance.unsigned_abs() as usize) as i64;
        let row = self.span() as i64 + bucket * distance.signum();
        row.clamp(0, self.n_rows() as i64 - 1) as usize
    }

    /// `make_log_bucket_position` of transformers.
    fn bucket(&self, distance: usize) -> usize {
        let half = self.n_buckets / 2;
        if self.n_buckets == 0 || distance <= half {
            return distance;
        }
        let logarithm = |ratio: usize| (ratio as f64 / half as f64).ln();
        let share = logarithm(distance) / logarithm(self.max_distance - 1);
        half + (share * (half as f64 - 1.0)).ceil() as usize
    }
}

/// Reads the keys of a `config.json`; refuses what v2 and v3 models do not use.
pub(super) fn parse(
    keys: &Keys<'_>,
    max_positions: usize,
) -> Result<RelativePositions, EngineError> {
    for key in ["relative_attention", "share_att_key"] {
        if !keys.flag(key, false)? {
            return Err(keys.bad(key, "`true`".into()));
        }
    }
    if !has_both_terms(keys) {
        return Err(keys.bad("pos_att_type", "`p2c|c2p`".into()));
    }
    let n_buckets = count_or_none(keys, "position_buckets")?.unwrap_or(0);
    let max_distance = count_or_none(keys, "max_relative_positions")?.unwrap_or(max_positions);
    if n_buckets > 0 && (n_buckets < 2 || n_buckets / 2 + 1 >= max_distance) {
        let expected = format!("`-1`, or from 2 to less than {}", 2 * (max_distance - 1));
        return Err(keys.bad("position_buckets", expected));
    }
    let has_norm = match keys.get("norm_rel_ebd") {
        None => false,
        Some(_) => {
            let kinds = keys.text("norm_rel_ebd")?.to_lowercase();
            kinds.split('|').any(|kind| kind.trim() == "layer_norm")
        }
    };
    Ok(RelativePositions { n_buckets, max_distance, has_norm })
}

/// Whether both terms are there, content to position and position to content, in any order, as a
/// text or a list.
fn has_both_terms(keys: &Keys<'_>) -> bool {
    let Some(value) = keys.get("pos_att_type") else { return false };
    let mut kinds: Vec<String> = match (value.as_str(), value.as_array()) {
        (Some(text), _) => text.split('|').map(|kind| kind.trim().to_lowercase()).collect(),
        (_, Some(list)) => list.iter().filter_map(|it| it.as_str()).map(str::to_owned).collect(),
        _ => return false,
    };
    kinds.sort();
    kinds == ["c2p", "p2c"]
}

/// A count; -1 and 0 mean that there is none.
fn count_or_none(keys: &Keys<'_>, key: &'static str) -> Result<Option<usize>, EngineError> {
    match keys.get(key).and_then(serde_json::Value::as_i64) {
        Some(-1 | 0) => Ok(None),
        _ => keys.optional_count(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `make_log_bucket_position` of transformers 5.24, every `step`-th distance.
    #[test]
    fn buckets_are_those_of_transformers() {
        let v3 = RelativePositions { n_buckets: 256, max_distance: 512, has_norm: true };
        let buckets = |it: RelativePositions, step| -> Vec<usize> {
            (0..16_i64).map(|i| it.row(i * step) - it.span()).collect()
        };
        let expected = [0, 32, 64, 96, 128, 149, 166, 180, 192, 203, 213, 221, 229, 237, 243, 250];
        assert_eq!(buckets(v3, 32), expected);
        let small = RelativePositions { n_buckets: 8, max_distance: 48, has_norm: false };
        assert_eq!(buckets(small, 3), [0, 3, 5, 5, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
        assert_eq!((v3.row(511), v3.row(600), v3.row(-511), v3.row(-600)), (511, 511, 1, 0));
    }

    #[test]
    fn rows_ascend_and_are_odd_about_the_middle() {
        for positions in [
            RelativePositions { n_buckets: 8, max_distance: 48, has_norm: true },
            RelativePositions { n_buckets: 0, max_distance: 20, has_norm: false },
        ] {
            let span = positions.span();
            for distance in 0..100_i64 {
                let row = positions.row(distance);
                assert!(row <= positions.row(distance + 1) && row < positions.n_rows());
                let bucket = row - span;
                if bucket < span - 1 {
                    assert_eq!(positions.row(-distance), span - bucket);
                }
            }
        }
        let plain = RelativePositions { n_buckets: 0, max_distance: 20, has_norm: false };
        assert_eq!([-30, -20, -3, 0, 19, 20].map(|it| plain.row(it)), [0, 0, 17, 20, 39, 39]);
    }
}
