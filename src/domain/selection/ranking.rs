//! The rank of a pair in the pool by how confident the model is about it.

use crate::domain::preference::PairFacts;
use crate::domain::pseudo_label::PairScore;

/// The rank of a pair in the scored pool: by `|margin|`, within its stratum.
///
/// Thresholds by quantile adapt to the model: a weak one selects as many pairs as a strong one.
/// Strata keep the model from selecting only the kind of pair that it is most confident about, as
/// the thresholds by class of `FlexMatch` do (Zhang et al. 2021). A stratum takes the place of a
/// class; it is what the model predicts: that the longer answer is preferred, or that it is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    by_preferred: bool,
    /// `|margin|` of the pool pairs, ascending: those whose longer answer is not preferred, then those
    /// whose longer answer is. Without strata the first list has all of them.
    strata: [Vec<f64>; 2],
}

impl Ranking {
    /// Ranks a pool, whose texts are described by `facts` in the same order. Where these are missing,
    /// no answer is longer than the other.
    #[must_use]
    pub fn new(scores: &[PairScore], facts: &[PairFacts], by_preferred: bool) -> Self {
        let mut ranking = Self { by_preferred, strata: [Vec::new(), Vec::new()] };
        for (i, score) in scores.iter().enumerate() {
            let stratum = ranking.stratum(score, facts.get(i).copied().unwrap_or_default());
            ranking.strata[stratum].push(score.margin().abs());
        }
        for stratum in &mut ranking.strata {
            stratum.sort_unstable_by(f64::total_cmp);
        }
        ranking
    }

    fn stratum(&self, score: &PairScore, facts: PairFacts) -> usize {
        let prefers_longer = score.pseudo_label().is_some_and(|label| {
            let (preferred, other) = facts.lengths(label.preferred);
            preferred > other
        });
        usize::from(self.by_preferred && prefers_longer)
    }

    /// Returns the share of the pool pairs of the same stratum that are more confident, in `[0, 1]`; of
    /// all pool pairs, where the stratum has none.
    #[must_use]
    pub fn rank(&self, score: &PairScore, facts: PairFacts) -> f64 {
        let stratum = &self.strata[self.stratum(score, facts)];
        if stratum.is_empty() {
            return self.rank_in_all(score.margin());
        }
        n_above(stratum, score.margin()) as f64 / stratum.len() as f64
    }

    fn rank_in_all(&self, margin: f64) -> f64 {
        let n: usize = self.strata.iter().map(Vec::len).sum();
        let n_above: usize = self.strata.iter().map(|stratum| n_above(stratum, margin)).sum();
        n_above as f64 / n.max(1) as f64
    }

    /// Returns the rank of each pair of a list, with the facts of its texts in the same order.
    pub(super) fn ranks(&self, scores: &[PairScore], facts: &[PairFacts]) -> Vec<f64> {
        let facts = |i: usize| facts.get(i).copied().unwrap_or_default();
        scores.iter().enumerate().map(|(i, score)| self.rank(score, facts(i))).collect()
    }
}

/// Counts the ascending margins that are above that of a pair.
fn n_above(stratum: &[f64], margin: f64) -> usize {
    stratum.len() - stratum.partition_point(|other| *other <= margin.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::preference::PairId;

    fn score(margin: f32) -> PairScore {
        PairScore { pair: PairId(0), reward_a: margin, reward_b: 0.0 }
    }

    #[test]
    fn a_rank_is_the_share_that_is_surer() {
        let longer = PairFacts { n_tokens: [9, 5], ..PairFacts::default() };
        // Three prefer the longer answer, one the shorter.
        let pool = [score(3.0), score(2.0), score(1.0), score(-0.5)];
        let rank = |by_preferred: bool, margin: f32| {
            Ranking::new(&pool, &[longer; 4], by_preferred).rank(&score(margin), longer)
        };
        for (margin, of_all, of_stratum) in [
            (4.0, 0.0, 0.0),
            (3.0, 0.0, 0.0),
            (1.5, 0.5, 2.0 / 3.0),
            (0.1, 1.0, 1.0),
            (-0.1, 1.0, 1.0),
            (-2.5, 0.25, 0.0),
        ] {
            assert_eq!(rank(false, margin), of_all, "{margin}");
            assert_eq!(rank(true, margin), of_stratum, "{margin}");
        }
    }

    #[test]
    fn a_stratum_that_the_pool_lacks_is_ranked_among_all() {
        let longer = PairFacts { n_tokens: [9, 5], ..PairFacts::default() };
        let ranking = Ranking::new(&[score(3.0), score(1.0)], &[longer; 2], true);
        assert_eq!(ranking.rank(&score(-2.0), longer), 0.5);
        assert_eq!(Ranking::new(&[], &[], true).rank(&score(1.0), longer), 0.0);
    }
}
