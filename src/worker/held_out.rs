//! Human pairs that the labelling model has not learned, on its own scale.

use crate::domain::metrics::labeled_margin;
use crate::domain::preference::chosen_side;
use crate::domain::pseudo_label::PairScore;
use crate::domain::risk::HeldOutPair;
use crate::domain::selection::Ranking;
use crate::domain::spec::TeacherName;

use super::cross_fit::{FoldJudgements, margin_scale};
use super::session::Session;

/// The fold models of round 0, where they label the pool of this round.
fn fold_teachers<'a>(session: &'a Session<'_>, round: u32) -> Option<&'a FoldJudgements> {
    let labels = round == 1 && session.spec.selection.teacher == TeacherName::Folds;
    session.journal.state.folds.as_ref().filter(|folds| labels && !folds.pool.is_empty())
}

/// The mean of a model's reward and the fold models' (`sum` over them).
fn mean_reward(own: f32, sum: f32, n_folds: u32) -> f32 {
    (own + sum) / (n_folds + 1) as f32
}

/// The rewards that label the pool: the model's own, or in round 1 the mean of it and the fold
/// models, whose errors agree less than their judgements.
pub fn teach(session: &Session<'_>, round: u32, scores: Vec<PairScore>) -> Vec<PairScore> {
    let Some(folds) = fold_teachers(session, round) else { return scores };
    let n_folds = session.spec.selection.calibration_folds;
    let with = |score: PairScore, [sum_a, sum_b]: &[f32; 2]| PairScore {
        reward_a: mean_reward(score.reward_a, *sum_a, n_folds),
        reward_b: mean_reward(score.reward_b, *sum_b, n_folds),
        ..score
    };
    scores.into_iter().zip(&folds.pool).map(|(score, sums)| with(score, sums)).collect()
}

/// Held-out human pairs as the labelling model of a round sees them: the validation pairs, and the
/// seed pairs as the fold models judged them (see [`super::cross_fit`]). `scores` are those of the
/// pool, `ranking` is theirs.
pub fn held_out(
    session: &Session<'_>,
    round: u32,
    scores: &[PairScore],
    ranking: &Ranking,
) -> Vec<HeldOutPair> {
    let state = &session.journal.state;
    let own = state.validation.get(&(round - 1)).map_or(&[][..], Vec::as_slice);
    let teachers = fold_teachers(session, round);
    let n_folds = session.spec.selection.calibration_folds;
    let ids = &session.inputs.split.validation;
    let mut pairs: Vec<HeldOutPair> = ids
        .iter()
        .zip(own)
        .enumerate()
        .map(|(i, (id, own))| {
            let mut margin = f64::from(*own);
            if let Some([reward_a, reward_b]) = teachers.and_then(|it| it.validation.get(i)) {
                let sums = PairScore { pair: *id, reward_a: *reward_a, reward_b: *reward_b };
                let sum = labeled_margin(&sums, chosen_side(session.spec.rng_seed, *id));
                margin = (margin + sum) / f64::from(n_folds + 1);
            }
            let rank = ranking.rank(margin, session.inputs.facts(*id).n_tokens());
            HeldOutPair { margin, rank }
        })
        .collect();
    let scale = margin_scale(scores);
    let judged = state.folds.iter().flat_map(|folds| &folds.held_out);
    pairs.extend(judged.map(|pair| HeldOutPair { margin: pair.margin * scale, ..*pair }));
    pairs
}
