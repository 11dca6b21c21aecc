//! The scores that the teacher of a round gives to the pool, and to human pairs it was not trained
//! on.
//!
//! In round 1 the teacher may be more than the present model: the mean of it and the fold models,
//! which agree less on errors than on right answers, with second views joined to it. In later
//! rounds it is the teacher before, joined by the present model as far as held-out pairs show that
//! it adds something (compare temporal ensembling, Laine and Aila 2017).
//!
//! Let `r` be the present model's reward of an answer and `r_1 … r_K` those of the fold models. The
//! ensemble gives it `m = (r + r_1 + … + r_K) / (K + 1)` in round 1, and with views `v`, whose
//! scores are `s_v`, `w_0 m + sum(w_v s_v)`. From round 2 on it gives `u_0 t + u_1 r`, `t` being
//! the reward by the teacher of the round before. The weights `w` and `u` come from a logistic
//! regression on held-out margins ([`super::second_view`]); a term that does not significantly
//! improve the fit has the weight 0.

use serde::{Deserialize, Serialize};

use super::folds::{FoldJudgments, margin_scale};
use super::newcomers::onto_scale;
use super::second_view::{Margins, REWARD_ALONE, ViewWeights, fit_weights, weigh};
use super::views::{ViewJudgments, beside, toward_label};
use crate::domain::preference::PairFacts;
use crate::domain::preference::PairId;
use crate::domain::pseudo_label::PairScore;
use crate::domain::selection::risk::HeldOutPair;
use crate::domain::selection::{Ranking, ScoredPair};
use crate::domain::spec::TeacherName;
use crate::domain::stats::logistic::dot;

/// What is kept of the teacher of a round; its rewards of the pool are in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// Its margins on the validation pairs, positive where it agrees with the human label.
    pub validation: Vec<f64>,
}

/// The inputs of a round's teacher, besides the present model's rewards of the pool.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The round that will learn from the teacher.
    pub round: u32,
    /// The key of the presentation order.
    pub rng_seed: u64,
    /// Who teaches, by the spec.
    pub teacher: TeacherName,
    /// How many fold models there are.
    pub n_folds: u32,
    /// The pool that the fold models judged, in ascending order. People may have labeled some of it since,
    /// so that fewer pairs are scored, and a policy may have added pairs to it.
    pub pool: &'a [PairId],
    /// The validation pairs of the split.
    pub validation: &'a [PairId],
    /// The present model's margins of the validation pairs toward their labels.
    pub margins: &'a [f32],
    /// What the fold models said, where there are any.
    pub folds: Option<&'a FoldJudgments>,
    /// The teacher of the round before, where there was one.
    pub teacher_before: Option<&'a Teacher>,
    /// The pool as that teacher saw it, in ascending order of the pairs.
    pub pool_before: &'a [ScoredPair],
}

impl Evidence<'_> {
    fn judged(&self) -> &[HeldOutPair] {
        self.folds.map_or(&[], |folds| &folds.held_out)
    }

    /// The root mean square margin over the pool that the fold models judged.
    fn scale(&self, scores: &[PairScore]) -> f64 {
        let judged = scores.iter().filter(|score| self.place_in_pool(score).is_some());
        margin_scale(&judged.copied().collect::<Vec<_>>())
    }

    /// Returns the place of a scored pair in a list over the whole pool.
    fn place_in_pool(&self, score: &PairScore) -> Option<usize> {
        self.pool.binary_search(&score.pair).ok()
    }
}

/// The teacher's scores of the pool, and of the human pairs that it was not trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// The teacher's rewards of the pool.
    pub scores: Vec<PairScore>,
    /// Margins toward the human label, on the scale of `scores`: the validation pairs, then the
    /// seed pairs as the fold models judged them.
    pub margins: Vec<f64>,
    /// Ranks of the seed pairs as the fold models gave them; `None` where views have changed the
    /// order.
    ranks: Option<Vec<f64>>,
    /// How much the second views counted.
    pub weights: ViewWeights,
}

impl Lesson {
    /// Builds the lesson of a round from the present model's rewards of the pool.
    #[must_use]
    pub fn new(scores: Vec<PairScore>, evidence: &Evidence<'_>) -> Self {
        let own: Vec<f64> = evidence.margins.iter().map(|margin| f64::from(*margin)).collect();
        let is_ensemble = evidence.teacher == TeacherName::Ensemble;
        match (evidence.teacher_before, evidence.folds) {
            (Some(before), _) if evidence.round > 1 && is_ensemble => {
                Self::with_teacher_before(before, scores, &own, evidence)
            }
            (_, Some(folds)) => Self::with_folds(folds, scores, own, evidence),
            (_, None) => Self::with_judged(scores, own, &[], evidence),
        }
    }

    /// Puts a lesson together without second views: the teacher's margins of the validation pairs, and
    /// those of the seed pairs as they were judged.
    fn with_judged(
        scores: Vec<PairScore>,
        validation: Vec<f64>,
        judged: &[HeldOutPair],
        evidence: &Evidence<'_>,
    ) -> Self {
        let scale = evidence.scale(&scores);
        let mut margins = validation;
        margins.extend(judged.iter().map(|pair| pair.margin * scale));
        let ranks = Some(judged.iter().map(|pair| pair.rank).collect());
        Self { scores, margins, ranks, weights: REWARD_ALONE }
    }

    /// Joins the fold models' scores with second views. The weights of the views are fitted in
    /// every round that uses them, since a student may have learned part of what the views know.
    fn with_folds(
        folds: &FoldJudgments,
        mut scores: Vec<PairScore>,
        mut validation: Vec<f64>,
        evidence: &Evidence<'_>,
    ) -> Self {
        let is_averaged = evidence.teacher == TeacherName::Ensemble;
        if evidence.round == 1 && is_averaged && !folds.pool.is_empty() {
            average(folds, &mut scores, &mut validation, evidence);
        }
        if folds.views.is_empty() {
            return Self::with_judged(scores, validation, &folds.held_out, evidence);
        }
        let scale = evidence.scale(&scores);
        let judged: Vec<f64> = folds.held_out.iter().map(|pair| pair.margin * scale).collect();
        let validation_margins = beside(&validation, &folds.views, |view, place| {
            toward_label(evidence.rng_seed, evidence.validation[place], view.validation[place])
        });
        // Later the judgments are those of the teacher of round 1, which are joined already.
        let are_apart = folds.views.iter().all(|view| !view.held_out.is_empty());
        let seed_margins = if are_apart {
            beside(&judged, &folds.views, |view, place| view.held_out[place])
        } else {
            Vec::new()
        };
        let weights = fit_weights(&[&validation_margins[..], &seed_margins].concat());
        if weights == REWARD_ALONE {
            return Self::with_judged(scores, validation, &folds.held_out, evidence);
        }
        let own = scores.clone();
        join_rewards(weights, &mut scores, &folds.views, evidence);
        onto_scale(&own, &mut scores, |score| evidence.place_in_pool(score).is_some());
        let join = |pairs: &[Margins]| pairs.iter().map(|pair| weights.join(*pair)).collect();
        let mut margins: Vec<f64> = join(&validation_margins);
        // The views have changed the order of the pairs, so the ranks of the fold models do not
        // hold any more.
        let ranks = (!are_apart).then(|| folds.held_out.iter().map(|pair| pair.rank).collect());
        margins.extend(if are_apart { join(&seed_margins) } else { judged });
        Self { scores, margins, ranks, weights }
    }

    /// Joins the teacher of the round before with the present model if the validation pairs, on
    /// which neither was trained, show that this helps. A student of the teacher's labels is
    /// usually weaker than the teacher, and a plain mean of both would get worse with every round.
    fn with_teacher_before(
        before: &Teacher,
        mut scores: Vec<PairScore>,
        own: &[f64],
        evidence: &Evidence<'_>,
    ) -> Self {
        let validation: Vec<[f64; 2]> =
            before.validation.iter().zip(own).map(|(before, own)| [*before, *own]).collect();
        let weights = weigh(&validation);
        let pool_before = evidence.pool_before;
        let place_before = |score: &PairScore| {
            pool_before.binary_search_by_key(&score.pair, |scored| scored.score.pair)
        };
        let own_scores = scores.clone();
        for score in &mut scores {
            let Ok(place) = place_before(score) else { continue };
            let earlier = &pool_before[place].score;
            let joined =
                |own: f32, before: f32| dot(&weights, &[f64::from(before), f64::from(own)]) as f32;
            score.reward_a = joined(score.reward_a, earlier.reward_a);
            score.reward_b = joined(score.reward_b, earlier.reward_b);
        }
        // A pair whose label was taken back stands as the present model scored it.
        onto_scale(&own_scores, &mut scores, |score| {
            evidence.place_in_pool(score).is_some() || place_before(score).is_ok()
        });
        let margins = validation.iter().map(|pair| dot(&weights, pair)).collect();
        Self::with_judged(scores, margins, evidence.judged(), evidence)
    }

    /// Returns the held-out human pairs with their ranks among the pool: the validation pairs, then the
    /// seed pairs. `facts` looks up what is known of a pair's texts.
    pub fn held_out(
        &self,
        evidence: &Evidence<'_>,
        ranking: &Ranking,
        facts: impl Fn(PairId) -> PairFacts,
    ) -> Vec<HeldOutPair> {
        let ids = evidence.validation;
        let n_validation = self.margins.len().min(ids.len());
        let (validation, judged) = self.margins.split_at(n_validation);
        let rank_here = |(margin, id): (&f64, &PairId)| {
            let reward_a = toward_label(evidence.rng_seed, *id, [*margin, 0.0]) as f32;
            let score = PairScore { pair: *id, reward_a, reward_b: 0.0 };
            HeldOutPair { margin: *margin, rank: ranking.rank(&score, facts(*id)) }
        };
        let as_before = |(margin, rank): (&f64, &f64)| HeldOutPair { margin: *margin, rank: *rank };
        let mut pairs: Vec<HeldOutPair> = validation.iter().zip(ids).map(rank_here).collect();
        match (&self.ranks, evidence.folds) {
            (Some(ranks), _) => pairs.extend(judged.iter().zip(ranks).map(as_before)),
            // The second views have put the pairs in another order than the fold models did.
            (None, Some(folds)) => pairs.extend(judged.iter().zip(&folds.pairs).map(rank_here)),
            (None, None) => (),
        }
        pairs
    }

    /// Returns what the next round needs to know of this teacher.
    #[must_use]
    pub fn teacher(&self, n_validation: usize) -> Teacher {
        Teacher { validation: self.margins.iter().take(n_validation).copied().collect() }
    }
}

fn join_rewards(
    weights: ViewWeights,
    scores: &mut [PairScore],
    views: &[ViewJudgments],
    evidence: &Evidence<'_>,
) {
    for score in scores {
        let Some(place) = evidence.place_in_pool(score) else { continue };
        let joined = |reward: f32, side: usize| {
            let mut rewards = Margins { reward: f64::from(reward), ..Margins::default() };
            for view in views {
                rewards.views[view.view as usize] = f64::from(view.pool[place][side]);
            }
            weights.join(rewards) as f32
        };
        (score.reward_a, score.reward_b) = (joined(score.reward_a, 0), joined(score.reward_b, 1));
    }
}

/// Replaces the model's rewards and margins by the means over it and the fold models.
fn average(
    folds: &FoldJudgments,
    scores: &mut [PairScore],
    validation: &mut [f64],
    evidence: &Evidence<'_>,
) {
    let n_teachers = evidence.n_folds + 1;
    for score in scores {
        let place = evidence.place_in_pool(score);
        let Some([sum_a, sum_b]) = place.and_then(|place| folds.pool.get(place)) else { continue };
        score.reward_a = (score.reward_a + sum_a) / n_teachers as f32;
        score.reward_b = (score.reward_b + sum_b) / n_teachers as f32;
    }
    let sums = evidence.validation.iter().zip(&folds.validation);
    for (margin, (id, sums)) in validation.iter_mut().zip(sums) {
        let sum = toward_label(evidence.rng_seed, *id, *sums);
        *margin = (*margin + sum) / f64::from(n_teachers);
    }
}

#[cfg(test)]
mod tests;
