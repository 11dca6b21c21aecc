//! Who labels a round, and human pairs that it has not learned.

use crate::domain::preference::PairId;
use crate::domain::pseudo_label::PairScore;
use crate::domain::selection::risk::HeldOutPair;
use crate::domain::selection::{Ranking, ScoredPair};
use crate::domain::spec::TeacherName;
use crate::domain::stats::logistic::dot;
use crate::domain::teacher::second_view::{Margins, REWARD_ALONE, ViewWeights, fit_weights, weigh};

use super::cross_fit::{FoldJudgements, margin_scale};
use super::session::Session;
use super::state::Teacher;
use super::views::{ViewJudgements, beside, towards_label};

/// The pool as the teacher of a round sees it, with the human pairs that the teacher has not learned.
pub struct Lesson {
    /// Rewards of the pool.
    pub scores: Vec<PairScore>,
    /// Margins towards the human label, on the scale of `scores`: the validation pairs, then the
    /// seed pairs as the fold models judged them.
    pub margins: Vec<f64>,
    /// Ranks of the seed pairs, where those that the fold models gave still hold.
    ranks: Option<Vec<f64>>,
    /// How much the second views counted.
    pub weights: ViewWeights,
}

impl Lesson {
    /// The lesson of a round from the present model's rewards of the pool, and the pool as the round
    /// before saw it.
    ///
    /// In round 1 the teacher may be more than the present model: the mean of it and the fold models,
    /// whose errors agree less than their judgements, with second views beside it.
    pub fn new(
        session: &Session<'_>,
        round: u32,
        scores: Vec<PairScore>,
        pool_before: &[ScoredPair],
    ) -> Self {
        let state = &session.journal.state;
        let own = state.validation.get(&(round - 1)).map_or(&[][..], Vec::as_slice);
        let own: Vec<f64> = own.iter().map(|margin| f64::from(*margin)).collect();
        let folds = state.folds.as_ref();
        let held_out = folds.map_or(&[][..], |folds| folds.held_out.as_slice());
        let teacher = session.spec.selection.teacher;
        match (&state.teacher, folds) {
            (Some(before), _) if round > 1 && teacher == TeacherName::Ensemble => {
                Self::with_teacher_before(before, pool_before, scores, &own, held_out)
            }
            (_, Some(folds)) => Self::with_folds(session, round, folds, scores, own),
            (_, None) => Self::with_judged(scores, own, held_out),
        }
    }

    /// The lesson without second views: the teacher's margins of the validation pairs, and those of the
    /// seed pairs as they were judged.
    fn with_judged(scores: Vec<PairScore>, validation: Vec<f64>, held_out: &[HeldOutPair]) -> Self {
        let scale = margin_scale(&scores);
        let mut margins = validation;
        margins.extend(held_out.iter().map(|pair| pair.margin * scale));
        let ranks = Some(held_out.iter().map(|pair| pair.rank).collect());
        Self { scores, margins, ranks, weights: REWARD_ALONE }
    }

    /// The fold models' lesson, with second views, whose weights are fitted anew in each round that
    /// asks them: what a student has learned of them by then is for the fit to say.
    fn with_folds(
        session: &Session<'_>,
        round: u32,
        folds: &FoldJudgements,
        mut scores: Vec<PairScore>,
        mut validation: Vec<f64>,
    ) -> Self {
        let is_averaged = session.spec.selection.teacher != TeacherName::Model;
        if round == 1 && is_averaged && !folds.pool.is_empty() {
            average(session, folds, &mut scores, &mut validation);
        }
        if folds.views.is_empty() {
            return Self::with_judged(scores, validation, &folds.held_out);
        }
        let scale = margin_scale(&scores);
        let judged: Vec<f64> = folds.held_out.iter().map(|pair| pair.margin * scale).collect();
        let validation_margins = beside(&validation, &folds.views, |view, place| {
            let id = session.inputs.split.validation[place];
            towards_label(session, id, view.validation[place])
        });
        // Later the judgements are those of the teacher of round 1, which are joined already.
        let are_apart = folds.views.iter().all(|view| !view.held_out.is_empty());
        let seed_margins = if are_apart {
            beside(&judged, &folds.views, |view, place| view.held_out[place])
        } else {
            Vec::new()
        };
        let weights = fit_weights(&[&validation_margins[..], &seed_margins].concat());
        if weights == REWARD_ALONE {
            return Self::with_judged(scores, validation, &folds.held_out);
        }
        join_rewards(session, weights, &mut scores, &folds.views);
        let join = |pairs: &[Margins]| pairs.iter().map(|pair| weights.join(*pair)).collect();
        let mut margins: Vec<f64> = join(&validation_margins);
        // Where the views have put the pairs in another order, the ranks of before do not hold.
        let ranks = (!are_apart).then(|| folds.held_out.iter().map(|pair| pair.rank).collect());
        margins.extend(if are_apart { join(&seed_margins) } else { judged });
        Self { scores, margins, ranks, weights }
    }

    /// The teacher of the round before, joined by the present model where the validation pairs, which
    /// neither has learned, show that it is worth having: a student of the teacher's labels mostly knows
    /// less than the teacher, and a mean of both would lose with every round.
    fn with_teacher_before(
        before: &Teacher,
        before_pool: &[ScoredPair],
        mut scores: Vec<PairScore>,
        own: &[f64],
        held_out: &[HeldOutPair],
    ) -> Self {
        let validation: Vec<[f64; 2]> =
            before.validation.iter().zip(own).map(|(before, own)| [*before, *own]).collect();
        let weights = weigh(&validation);
        for score in &mut scores {
            // Both are in order of the pairs.
            let place = before_pool.binary_search_by_key(&score.pair, |scored| scored.score.pair);
            let Ok(place) = place else { continue };
            let earlier = &before_pool[place].score;
            let joined =
                |own: f32, before: f32| dot(&weights, &[f64::from(before), f64::from(own)]) as f32;
            score.reward_a = joined(score.reward_a, earlier.reward_a);
            score.reward_b = joined(score.reward_b, earlier.reward_b);
        }
        let margins = validation.iter().map(|pair| dot(&weights, pair)).collect();
        Self::with_judged(scores, margins, held_out)
    }

    /// The held-out human pairs with their ranks among the pool.
    pub fn held_out(&self, session: &Session<'_>, ranking: &Ranking) -> Vec<HeldOutPair> {
        let ids = &session.inputs.split.validation;
        let n_validation = self.margins.len().min(ids.len());
        let (validation, judged) = self.margins.split_at(n_validation);
        let rank_here = |(margin, id): (&f64, &PairId)| {
            let rank = ranking.rank(&as_scored(session, *id, *margin), session.inputs.facts(*id));
            HeldOutPair { margin: *margin, rank }
        };
        let mut pairs: Vec<HeldOutPair> = validation.iter().zip(ids).map(rank_here).collect();
        let folds = session.journal.state.folds.as_ref();
        match (&self.ranks, folds) {
            (Some(ranks), _) => pairs.extend(
                judged
                    .iter()
                    .zip(ranks)
                    .map(|(margin, rank)| HeldOutPair { margin: *margin, rank: *rank }),
            ),
            // The second views have put the pairs in another order than the fold models did.
            (None, Some(folds)) => pairs.extend(judged.iter().zip(&folds.pairs).map(rank_here)),
            (None, None) => (),
        }
        pairs
    }
}

/// A pair with this margin towards its human label.
fn as_scored(session: &Session<'_>, pair: PairId, margin: f64) -> PairScore {
    let reward_a = towards_label(session, pair, [margin, 0.0]) as f32;
    PairScore { pair, reward_a, reward_b: 0.0 }
}

/// The place of a scored pair in a list over the whole pool; people may have labelled some of it
/// since, so that fewer pairs are scored.
fn place_in_pool(session: &Session<'_>, score: &PairScore) -> Option<usize> {
    // A split lists its pairs in order.
    session.inputs.split.unlabeled_pool.binary_search(&score.pair).ok()
}

fn join_rewards(
    session: &Session<'_>,
    weights: ViewWeights,
    scores: &mut [PairScore],
    views: &[ViewJudgements],
) {
    for score in scores {
        let Some(place) = place_in_pool(session, score) else { continue };
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
    session: &Session<'_>,
    folds: &FoldJudgements,
    scores: &mut [PairScore],
    validation: &mut [f64],
) {
    let n_teachers = session.spec.selection.calibration_folds + 1;
    for score in scores {
        let place = place_in_pool(session, score);
        let Some([sum_a, sum_b]) = place.and_then(|place| folds.pool.get(place)) else { continue };
        score.reward_a = (score.reward_a + sum_a) / n_teachers as f32;
        score.reward_b = (score.reward_b + sum_b) / n_teachers as f32;
    }
    let ids = session.inputs.split.validation.iter();
    for ((margin, id), sums) in validation.iter_mut().zip(ids).zip(&folds.validation) {
        let sum = towards_label(session, *id, *sums);
        *margin = (*margin + sum) / f64::from(n_teachers);
    }
}
