//! Judging the whole seed set by models that did not learn it (cross-fitting).
//!
//! A few validation pairs are too few to certify anything, and every human label that is held back
//! is one less to train on. So in round 0 the seed set is divided into folds (the pairs of a prompt
//! stay together). For each fold one more model is trained on the other folds, exactly as round 0
//! was, and scores the pairs of its own fold. Every human label is then held out once. For each
//! pair that a fold model scored two numbers are kept: the margin in units of the model's root mean
//! square margin over the pool, and the pair's rank among the fold model's own scores of the pool.
//! Models whose rewards have different scales can be compared by them.
//!
//! The fold models saw a little less data than the model of round 0, so for round 1 what they show
//! is on the safe side. Cross-fitting again in later rounds would not help, because the
//! pseudo-labels of those rounds come from a teacher that was trained on every fold. So the scores
//! of round 0 are kept, on the scale of the present model, beside the validation pairs, which no
//! model of the run is trained on. This assumes that a later model is no worse than the fold models
//! were; the test for a drop on the validation pairs is there to notice when that fails.

use serde::{Deserialize, Serialize};

use super::second_view::{REWARD_ALONE, fit_weights};
use super::views::{ViewJudgments, beside, toward_label};
use crate::domain::preference::PairFacts;
use crate::domain::preference::{PairId, TrainingLabel};
use crate::domain::pseudo_label::PairScore;
use crate::domain::selection::Ranking;
use crate::domain::selection::risk::HeldOutPair;
use crate::domain::spec::TeacherName;

/// The scores that the fold models gave: to the seed pairs they were not trained on, and, until
/// round 1 has its labels, to the pool and the validation pairs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldJudgments {
    /// Seed pairs, each judged by the model that did not learn it; margins in units of that model's
    /// root mean square margin over the pool.
    pub held_out: Vec<HeldOutPair>,
    /// The ids of the pairs in `held_out`.
    #[serde(default)]
    pub pairs: Vec<PairId>,
    /// Sums over the fold models of the rewards `[a, b]` of each pool pair; empty once round 1 has
    /// its labels.
    pub pool: Vec<[f32; 2]>,
    /// The same sums of each validation pair.
    pub validation: Vec<[f32; 2]>,
    /// The scores that the second views gave to the same pairs.
    #[serde(default)]
    pub views: Vec<ViewJudgments>,
}

/// Rewards by one fold model.
#[derive(Debug, Clone, Copy)]
pub struct FoldScores<'a> {
    /// Rewards of the pool.
    pub pool: &'a [PairScore],
    /// Rewards of the validation pairs.
    pub validation: &'a [PairScore],
    /// Rewards of the seed pairs that the model did not learn.
    pub own: &'a [PairScore],
}

/// Returns the root mean square of the margins.
#[must_use]
pub fn margin_scale(scores: &[PairScore]) -> f64 {
    let sum: f64 = scores.iter().map(|score| score.margin().powi(2)).sum();
    (sum / scores.len().max(1) as f64).sqrt()
}

/// Splits labels into those of one fold and all others; `fold_of` has the fold of each label, in
/// the same order.
#[must_use]
pub fn part(
    labels: &[TrainingLabel],
    fold_of: &[u32],
    fold: u32,
) -> (Vec<TrainingLabel>, Vec<TrainingLabel>) {
    let (own, others): (Vec<_>, Vec<_>) =
        labels.iter().zip(fold_of).partition(|(_, of)| **of == fold);
    let labels = |found: Vec<(&TrainingLabel, &u32)>| found.into_iter().map(|it| *it.0).collect();
    (labels(own), labels(others))
}

fn add(sums: &mut Vec<[f32; 2]>, scores: &[PairScore]) {
    sums.resize(scores.len(), [0.0; 2]);
    for (sum, score) in sums.iter_mut().zip(scores) {
        sum[0] += score.reward_a;
        sum[1] += score.reward_b;
    }
}

impl FoldJudgments {
    /// Adds the scores of one fold model. `facts` looks up what is known of a pair's texts, and
    /// `longer_strata` says whether ranks are taken by which answer is preferred ([`Ranking`]).
    pub fn add(
        &mut self,
        scores: FoldScores<'_>,
        rng_seed: u64,
        longer_strata: bool,
        facts: impl Fn(PairId) -> PairFacts,
    ) {
        add(&mut self.pool, scores.pool);
        add(&mut self.validation, scores.validation);
        let pool_facts: Vec<PairFacts> =
            scores.pool.iter().map(|score| facts(score.pair)).collect();
        let ranking = Ranking::new(scores.pool, &pool_facts, longer_strata);
        let scale = margin_scale(scores.pool);
        for score in scores.own {
            let margin = toward_label(rng_seed, score.pair, [score.reward_a, score.reward_b]);
            let rank = ranking.rank(score, facts(score.pair));
            let margin = if scale > 0.0 { margin / scale } else { 0.0 };
            self.held_out.push(HeldOutPair { margin, rank });
            self.pairs.push(score.pair);
        }
    }

    /// Returns how many seed pairs the fold models rank right, and how many there are.
    #[must_use]
    pub fn n_right(&self) -> (u64, u64) {
        let n_right = self.held_out.iter().filter(|pair| pair.is_correct()).count();
        (n_right as u64, self.held_out.len() as u64)
    }

    /// Returns how many seed pairs are ranked right by the fold models joined with the views that
    /// significantly improve them, and how many there are; `(0, 0)` where no view does.
    ///
    /// The pool is labeled by this joined margin, so a seed model at chance level can still be
    /// useful beside a view that is better than chance.
    #[must_use]
    pub fn n_right_with_views(&self) -> (u64, u64) {
        let rewards: Vec<f64> = self.held_out.iter().map(|pair| pair.margin).collect();
        let pairs = beside(&rewards, &self.views, |view, place| view.held_out[place]);
        let weights = fit_weights(&pairs);
        if weights == REWARD_ALONE {
            return (0, 0);
        }
        let n_right = pairs.iter().filter(|pair| weights.join(**pair) > 0.0).count();
        (n_right as u64, pairs.len() as u64)
    }

    /// Whether second views have scored the seed pairs and are not joined with the margins in
    /// `held_out` yet.
    #[must_use]
    pub fn has_views_apart(&self) -> bool {
        self.views.iter().any(|view| !view.held_out.is_empty())
    }

    /// Drops what later rounds do not need. They have teachers of their own, but keep the held-out
    /// margins of round 1's teacher on the seed pairs. `joined` are these, in units of the
    /// teacher's root mean square margin, where second views have changed them.
    pub fn settle(&mut self, teacher: TeacherName, joined: Option<Vec<HeldOutPair>>) {
        if let Some(joined) = joined {
            self.held_out = joined;
        }
        self.pool = Vec::new();
        self.validation = Vec::new();
        if teacher == TeacherName::Ensemble {
            self.views = Vec::new();
        }
        for view in &mut self.views {
            view.held_out = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::preference::{LabelSource, Side, chosen_side};
    use crate::domain::teacher::second_view::View;

    const RNG_SEED: u64 = 3;

    fn score(pair: u32, reward_a: f32, reward_b: f32) -> PairScore {
        PairScore { pair: PairId(pair), reward_a, reward_b }
    }

    /// A score with a margin of 1 toward the chosen answer, or away from it.
    fn judged(pair: u32, is_right: bool) -> PairScore {
        let is_a = chosen_side(RNG_SEED, PairId(pair)) == Side::A;
        if is_a == is_right { score(pair, 1.0, 0.0) } else { score(pair, 0.0, 1.0) }
    }

    #[test]
    fn a_scale_is_a_root_mean_square() {
        assert_eq!(margin_scale(&[score(0, 3.0, 0.0), score(1, 0.0, 4.0)]), 12.5_f64.sqrt());
        assert_eq!(margin_scale(&[]), 0.0);
    }

    #[test]
    fn every_label_is_in_one_fold_and_out_of_the_others() {
        let label = |pair| TrainingLabel {
            pair: PairId(pair),
            preferred: Side::A,
            source: LabelSource::Human,
        };
        let labels: Vec<TrainingLabel> = (0..5).map(label).collect();
        let fold_of = [0, 1, 0, 2, 1];
        for (fold, own, others) in [
            (0, vec![0, 2], vec![1, 3, 4]),
            (1, vec![1, 4], vec![0, 2, 3]),
            (2, vec![3], vec![0, 1, 2, 4]),
            (3, vec![], vec![0, 1, 2, 3, 4]),
        ] {
            let ids = |labels: Vec<TrainingLabel>| -> Vec<u32> {
                labels.iter().map(|label| label.pair.0).collect()
            };
            let (found, rest) = part(&labels, &fold_of, fold);
            assert_eq!((ids(found), ids(rest)), (own, others), "{fold}");
        }
    }

    #[test]
    fn fold_models_of_different_scales_are_read_together() {
        let mut found = FoldJudgments::default();
        for (scale, own) in [(1.0, judged(10, true)), (10.0, judged(11, false))] {
            let times = |score: PairScore| PairScore {
                reward_a: score.reward_a * scale,
                reward_b: score.reward_b * scale,
                ..score
            };
            let pool = [score(0, 2.0, 0.0), score(1, 0.0, 0.5)].map(times);
            let (validation, own) = ([times(score(5, 1.0, 0.0))], [times(own)]);
            let scores = FoldScores { pool: &pool, validation: &validation, own: &own };
            found.add(scores, RNG_SEED, false, |_| PairFacts::default());
        }
        assert_eq!(found.pool, [[22.0, 0.0], [0.0, 5.5]]);
        assert_eq!(found.validation, [[11.0, 0.0]]);
        assert_eq!(found.pairs, [PairId(10), PairId(11)]);
        // Root mean square of 2 and .5; one of two pool pairs is surer than a margin of 1.
        let margin = 1.0 / 2.125_f64.sqrt();
        for (pair, expected) in found.held_out.iter().zip([margin, -margin]) {
            assert!((pair.margin - expected).abs() < 1e-12, "{pair:?}");
            assert_eq!(pair.rank, 0.5);
        }
        assert_eq!(found.n_right(), (1, 2));
    }

    #[test]
    fn a_model_that_is_sure_of_nothing_has_no_scale() {
        let mut found = FoldJudgments::default();
        let (pool, own) = ([score(0, 1.0, 1.0)], [judged(10, true)]);
        let scores = FoldScores { pool: &pool, validation: &[], own: &own };
        found.add(scores, RNG_SEED, true, |_| PairFacts::default());
        assert_eq!(found.held_out, [HeldOutPair { margin: 0.0, rank: 0.0 }]);
    }

    /// Forty pairs of which the reward ranks half right, and a view that ranks 36 right.
    fn with_a_view() -> FoldJudgments {
        let held_out = |i: u32| HeldOutPair {
            margin: if i.is_multiple_of(2) { 0.1 } else { -0.1 },
            rank: 0.5,
        };
        let view = |i: u32| if i < 36 { 1.0 } else { -1.0 };
        FoldJudgments {
            held_out: (0..40).map(held_out).collect(),
            pairs: (0..40).map(PairId).collect(),
            pool: vec![[1.0, 0.0]; 3],
            validation: vec![[1.0, 0.0]; 2],
            views: vec![ViewJudgments {
                view: View::Surface,
                pool: vec![[0.5, 0.0]; 3],
                validation: vec![[0.5, 0.0]; 2],
                held_out: (0..40).map(view).collect(),
            }],
        }
    }

    #[test]
    fn views_count_where_they_are_worth_having() {
        let found = with_a_view();
        assert_eq!(found.n_right(), (20, 40));
        assert_eq!(found.n_right_with_views(), (36, 40));
        let mut noise = with_a_view();
        noise.views[0].held_out = (0..40).map(|i| if i % 4 < 2 { 1.0 } else { -1.0 }).collect();
        assert_eq!(noise.n_right_with_views(), (0, 0), "a coin is no view");
        assert_eq!(FoldJudgments::default().n_right_with_views(), (0, 0));
    }

    #[test]
    fn later_rounds_keep_the_judges_and_no_rewards() {
        let joined = vec![HeldOutPair { margin: 2.0, rank: 0.25 }; 40];
        for (teacher, n_views) in [(TeacherName::Model, 1), (TeacherName::Ensemble, 0)] {
            let mut found = with_a_view();
            assert!(found.has_views_apart());
            found.settle(teacher, Some(joined.clone()));
            assert!(!found.has_views_apart());
            assert_eq!((found.held_out, found.views.len()), (joined.clone(), n_views));
            assert!(found.pool.is_empty() && found.validation.is_empty());
            assert_eq!(found.pairs.len(), 40);
        }
        let mut as_before = with_a_view();
        as_before.settle(TeacherName::Model, None);
        assert_eq!(as_before.held_out, with_a_view().held_out);
    }
}
