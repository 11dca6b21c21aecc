//! Who labels a round, and human pairs that it has not learned.

use crate::domain::metrics::labeled_margin;
use crate::domain::preference::chosen_side;
use crate::domain::pseudo_label::PairScore;
use crate::domain::risk::HeldOutPair;
use crate::domain::second_view::{REWARD_ALONE, TwoMargins, ViewWeights, fit_weights};
use crate::domain::selection::Ranking;
use crate::domain::spec::TeacherName;

use super::cross_fit::{FoldJudgements, ViewJudgements, margin_scale};
use super::session::Session;

/// The pool as the teacher of a round sees it, with the human pairs that the teacher has not learned.
pub struct Lesson {
    /// Rewards of the pool.
    pub scores: Vec<PairScore>,
    /// Margins towards the human label, on the scale of `scores`: the validation pairs, then the
    /// seed pairs as the fold models judged them.
    pub margins: Vec<f64>,
    /// Ranks of the seed pairs, where those that the fold models gave still hold.
    ranks: Option<Vec<f64>>,
    /// How much the second view counted.
    pub weights: ViewWeights,
}

impl Lesson {
    /// The lesson of a round from the present model's rewards of the pool.
    ///
    /// In round 1 the teacher may be more than the present model: the mean of it and the fold models,
    /// whose errors agree less than their judgements. A second view stands beside it in every round,
    /// with weights fitted anew: what a student has learned of it by then is for the fit to say.
    pub fn new(session: &Session<'_>, round: u32, scores: Vec<PairScore>) -> Self {
        let state = &session.journal.state;
        let folds = state.folds.as_ref();
        let own = state.validation.get(&(round - 1)).map_or(&[][..], Vec::as_slice);
        let mut validation: Vec<f64> = own.iter().map(|margin| f64::from(*margin)).collect();
        let mut scores = scores;
        let first = folds.filter(|folds| round == 1 && !folds.pool.is_empty());
        if let Some(folds) = first.filter(|_| session.spec.selection.teacher == TeacherName::Folds)
        {
            average(session, folds, &mut scores, &mut validation);
        }
        let held_out = folds.map_or(&[][..], |folds| folds.held_out.as_slice());
        let scale = margin_scale(&scores);
        let mut judged: Vec<f64> = held_out.iter().map(|pair| pair.margin * scale).collect();
        let mut ranks = Some(held_out.iter().map(|pair| pair.rank).collect());
        let mut weights = REWARD_ALONE;
        if let Some(view) = folds.and_then(|folds| folds.view.as_ref()) {
            let of_validation = view_margins(session, view);
            let both = |(reward, view): (&f64, &f64)| TwoMargins { reward: *reward, view: *view };
            let mut pairs: Vec<TwoMargins> =
                validation.iter().zip(&of_validation).map(both).collect();
            // Later the judgements are those of the teacher of round 1, which are joined already.
            pairs.extend(judged.iter().zip(&view.held_out).map(both));
            weights = fit_weights(&pairs);
            if weights != REWARD_ALONE {
                join(weights, &mut validation, &of_validation);
                join_rewards(session, weights, &mut scores, &view.pool);
                if !view.held_out.is_empty() {
                    join(weights, &mut judged, &view.held_out);
                    ranks = None;
                }
            }
        }
        validation.extend(judged);
        Self { scores, margins: validation, ranks, weights }
    }

    /// The held-out human pairs with their ranks among the pool.
    pub fn held_out(&self, session: &Session<'_>, ranking: &Ranking) -> Vec<HeldOutPair> {
        let ids = &session.inputs.split.validation;
        let n_validation = self.margins.len().min(ids.len());
        let (validation, judged) = self.margins.split_at(n_validation);
        let ranked = |(margin, n_tokens): (&f64, u32)| HeldOutPair {
            margin: *margin,
            rank: ranking.rank(*margin, n_tokens),
        };
        let lengths = ids.iter().map(|id| session.inputs.facts(*id).n_tokens());
        let mut pairs: Vec<HeldOutPair> = validation.iter().zip(lengths).map(ranked).collect();
        match &self.ranks {
            Some(ranks) => pairs.extend(
                judged
                    .iter()
                    .zip(ranks)
                    .map(|(margin, rank)| HeldOutPair { margin: *margin, rank: *rank }),
            ),
            // The second view has put the pairs in another order. Their lengths are those of the seed
            // set, in which strata are as even as in the pool.
            None => {
                pairs.extend(judged.iter().map(|margin| HeldOutPair {
                    margin: *margin,
                    rank: ranking.rank_in_all(*margin),
                }));
            }
        }
        pairs
    }
}

fn join(weights: ViewWeights, margins: &mut [f64], views: &[f64]) {
    for (margin, view) in margins.iter_mut().zip(views) {
        *margin = weights.reward * *margin + weights.view * view;
    }
}

/// What is kept of a pool pair in a list over the whole pool; people may have labelled some of it
/// since, so that fewer pairs are scored.
fn of_pair<'a>(
    session: &Session<'_>,
    of_pool: &'a [[f32; 2]],
    score: &PairScore,
) -> Option<&'a [f32; 2]> {
    // A split lists its pairs in order.
    let place = session.inputs.split.unlabeled_pool.binary_search(&score.pair).ok()?;
    of_pool.get(place)
}

fn join_rewards(
    session: &Session<'_>,
    weights: ViewWeights,
    scores: &mut [PairScore],
    views: &[[f32; 2]],
) {
    let joined = |reward: f32, view: f32| {
        (weights.reward * f64::from(reward) + weights.view * f64::from(view)) as f32
    };
    for score in scores {
        let Some(view) = of_pair(session, views, score) else { continue };
        score.reward_a = joined(score.reward_a, view[0]);
        score.reward_b = joined(score.reward_b, view[1]);
    }
}

/// Margins of the validation pairs by the second view, towards the human label.
fn view_margins(session: &Session<'_>, view: &ViewJudgements) -> Vec<f64> {
    let ids = session.inputs.split.validation.iter();
    let towards_label = |(id, [a, b]): (&_, &[f32; 2])| {
        let score = PairScore { pair: *id, reward_a: *a, reward_b: *b };
        labeled_margin(&score, chosen_side(session.spec.rng_seed, *id))
    };
    ids.zip(&view.validation).map(towards_label).collect()
}

/// Replaces the model's rewards and margins by the means over it and the fold models.
fn average(
    session: &Session<'_>,
    folds: &FoldJudgements,
    scores: &mut [PairScore],
    validation: &mut [f64],
) {
    let n_teachers = session.spec.selection.calibration_folds + 1;
    for score in scores {
        let Some([sum_a, sum_b]) = of_pair(session, &folds.pool, score) else { continue };
        score.reward_a = (score.reward_a + sum_a) / n_teachers as f32;
        score.reward_b = (score.reward_b + sum_b) / n_teachers as f32;
    }
    let ids = session.inputs.split.validation.iter();
    for ((margin, id), [sum_a, sum_b]) in validation.iter_mut().zip(ids).zip(&folds.validation) {
        let sums = PairScore { pair: *id, reward_a: *sum_a, reward_b: *sum_b };
        let sum = labeled_margin(&sums, chosen_side(session.spec.rng_seed, *id));
        *margin = (*margin + sum) / f64::from(n_teachers);
    }
}
