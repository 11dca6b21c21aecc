//! The scored pairs of one round as columns: 13 bytes a pair, scanned rather than queried.

use crate::domain::preference::{PairId, Side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::selection::{LeftOut, ScoredPair};
use crate::domain::stats::bradley_terry::sigmoid;

/// Every scored pair of one round, by ascending pair. All columns have the same length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoundColumns {
    pub pairs: Vec<u32>,
    /// Reward of the first answer.
    pub rewards_a: Vec<f32>,
    /// Reward of the second answer.
    pub rewards_b: Vec<f32>,
    /// `None` where the pair was selected.
    pub left_out: Vec<Option<LeftOut>>,
    /// The margin in the round before, NaN where there was none; empty in the first round.
    pub margins_before: Vec<f32>,
}

/// Facts about pairs that are the same in every round, one entry for each row of the columns they
/// were read for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PairFacts {
    /// Characters of the first answer.
    pub n_chars_a: Vec<u32>,
    /// Characters of the second answer.
    pub n_chars_b: Vec<u32>,
    /// Index into `slice_names`.
    pub slices: Vec<u32>,
    /// The slices (sources, subsets) of the data set.
    pub slice_names: Vec<String>,
}

impl RoundColumns {
    /// Columns of scored pairs, which must come by ascending pair.
    #[must_use]
    pub fn of(scored: impl IntoIterator<Item = ScoredPair>) -> Self {
        let mut columns = Self::default();
        for ScoredPair { score, left_out } in scored {
            columns.pairs.push(score.pair.0);
            columns.rewards_a.push(score.reward_a);
            columns.rewards_b.push(score.reward_b);
            columns.left_out.push(left_out);
        }
        columns
    }

    /// How many pairs were scored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether nothing was scored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The row of a pair, if it was scored.
    #[must_use]
    pub fn row_of(&self, pair: PairId) -> Option<usize> {
        self.pairs.binary_search(&pair.0).ok()
    }

    /// The score in a row.
    #[must_use]
    pub fn score(&self, row: usize) -> PairScore {
        PairScore {
            pair: PairId(self.pairs[row]),
            reward_a: self.rewards_a[row],
            reward_b: self.rewards_b[row],
        }
    }

    /// The margin of a row, `reward_a - reward_b`.
    #[must_use]
    pub fn margin(&self, row: usize) -> f32 {
        self.rewards_a[row] - self.rewards_b[row]
    }

    /// The margin of the round before, where there was one.
    #[must_use]
    pub fn margin_before(&self, row: usize) -> Option<f32> {
        self.margins_before.get(row).copied().filter(|margin| !margin.is_nan())
    }

    /// Whether the pseudo-label is another one than in the round before.
    #[must_use]
    pub fn is_flipped(&self, row: usize) -> bool {
        self.margin_before(row).is_some_and(|before| {
            side_of(before).is_some_and(|side| side_of(self.margin(row)) == Some(side.other()))
        })
    }

    /// By how much the probability of the answer preferred now has changed since the round before.
    #[must_use]
    pub fn change(&self, row: usize) -> Option<f64> {
        let margin = self.margin(row);
        let toward = |m: f32| sigmoid(f64::from(if margin < 0.0 { -m } else { m }));
        self.margin_before(row).map(|before| toward(margin) - toward(before))
    }

    /// Fills `margins_before` with the margins of the round before.
    pub fn follow(&mut self, before: &Self) {
        let mut at = 0;
        let margin = |pair: &u32| {
            while before.pairs.get(at).is_some_and(|other| other < pair) {
                at += 1;
            }
            let is_there = before.pairs.get(at) == Some(pair);
            if is_there { before.margin(at) } else { f32::NAN }
        };
        self.margins_before = self.pairs.iter().map(margin).collect();
    }
}

/// The answer that a margin prefers; `None` for a tie.
#[must_use]
pub fn side_of(margin: f32) -> Option<Side> {
    if margin > 0.0 {
        Some(Side::A)
    } else if margin < 0.0 {
        Some(Side::B)
    } else {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Columns of pairs `0..`, with these margins.
    pub(crate) fn columns(margins: &[f32]) -> RoundColumns {
        RoundColumns::of((0..).zip(margins).map(|(pair, margin)| ScoredPair {
            score: PairScore { pair: PairId(pair), reward_a: *margin, reward_b: 0.0 },
            left_out: None,
        }))
    }

    #[test]
    fn the_round_before_is_matched_by_pair() {
        let mut now = columns(&[1.0, -1.0, 0.5, 0.0]);
        let mut before = columns(&[-1.0, -2.0, 0.0, 1.0]);
        before.pairs = vec![0, 1, 3, 9];
        now.follow(&before);
        assert!(now.margins_before[2].is_nan());
        let flipped: Vec<bool> = (0..4).map(|row| now.is_flipped(row)).collect();
        assert_eq!(flipped, [true, false, false, false]);
        assert!((now.change(0).unwrap() - (sigmoid(1.0) - sigmoid(-1.0))).abs() < 1e-9);
        assert!(now.change(1).unwrap() < 0.0, "less sure of the same answer");
        assert_eq!(now.change(2), None);
        assert_eq!(now.row_of(PairId(2)), Some(2));
        assert_eq!(now.row_of(PairId(7)), None);
    }
}
