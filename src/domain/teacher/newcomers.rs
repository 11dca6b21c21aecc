//! Pairs that joined the pool after the teacher had scored it: the present model alone knows them.
//!
//! A teacher's rewards are sums of several scores with weights of their own, so those of the present model
//! cannot stand beside them as they are. They are brought to the mean and to the root mean square margin
//! that the teacher has over the pairs that both know; nothing else is known of how sure the teacher would be.

use super::folds::margin_scale;
use crate::domain::pseudo_label::PairScore;

/// Brings the rewards of newcomers, which still are the present model's (`own`), to the scale of the others,
/// which became the teacher's. Both lists are in one order. Without newcomers, or without others, nothing
/// changes.
pub fn onto_scale(
    own: &[PairScore],
    scores: &mut [PairScore],
    is_known: impl Fn(&PairScore) -> bool,
) {
    let is_known: Vec<bool> = own.iter().map(is_known).collect();
    if is_known.iter().all(|is| *is) || !is_known.contains(&true) {
        return;
    }
    let known = |all: &[PairScore]| -> Vec<PairScore> {
        all.iter().zip(&is_known).filter(|(_, is)| **is).map(|(score, _)| *score).collect()
    };
    let (by_model, by_teacher) = (known(own), known(scores));
    let scale = match margin_scale(&by_model) {
        unsure if unsure > 0.0 => margin_scale(&by_teacher) / unsure,
        _ => 1.0,
    };
    let (from, to) = (mean(&by_model), mean(&by_teacher));
    let moved = |reward: f32| ((f64::from(reward) - from) * scale + to) as f32;
    for (score, _) in scores.iter_mut().zip(&is_known).filter(|(_, is)| !**is) {
        (score.reward_a, score.reward_b) = (moved(score.reward_a), moved(score.reward_b));
    }
}

fn mean(scores: &[PairScore]) -> f64 {
    let sum: f64 = scores.iter().map(|it| f64::from(it.reward_a) + f64::from(it.reward_b)).sum();
    sum / (2 * scores.len().max(1)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::preference::PairId;

    fn score(pair: u32, reward_a: f32, reward_b: f32) -> PairScore {
        PairScore { pair: PairId(pair), reward_a, reward_b }
    }

    #[test]
    fn newcomers_are_as_sure_as_the_others_were_made() {
        let own = [score(0, 1.0, 0.0), score(1, 0.0, 1.0), score(2, 2.0, 0.0)];
        // The teacher is three times as sure, and its rewards lie around 5.5 instead of .5.
        let teacher = [score(0, 7.0, 4.0), score(1, 4.0, 7.0), own[2]];
        let mut scores = teacher;
        onto_scale(&own, &mut scores, |score| score.pair.0 < 2);
        assert_eq!(scores[..2], teacher[..2]);
        assert_eq!((scores[2].reward_a, scores[2].reward_b), (10.0, 4.0));
    }

    #[test]
    fn a_pool_of_one_kind_stays_as_it_is() {
        let own = [score(0, 1.0, 0.0), score(1, 0.0, 1.0)];
        let mut scores = [score(0, 7.0, 4.0), score(1, 4.0, 7.0)];
        let before = scores;
        for is_known in [true, false] {
            onto_scale(&own, &mut scores, |_| is_known);
            assert_eq!(scores, before);
        }
    }
}
