//! Lessons as tables: rewards of a few pairs and what was said before in, rewards and margins out.

use super::*;
use crate::domain::preference::{Side, chosen_side};
use crate::domain::selection::LeftOut;
use crate::domain::teacher::second_view::View;

const RNG_SEED: u64 = 3;

fn score(pair: u32, reward_a: f32, reward_b: f32) -> PairScore {
    PairScore { pair: PairId(pair), reward_a, reward_b }
}

fn ids(range: std::ops::Range<u32>) -> Vec<PairId> {
    range.map(PairId).collect()
}

fn rewards(lesson: &Lesson) -> Vec<[f32; 2]> {
    lesson.scores.iter().map(|score| [score.reward_a, score.reward_b]).collect()
}

/// Rewards with this margin toward the chosen answer.
fn toward(id: PairId, margin: f32) -> [f32; 2] {
    if chosen_side(RNG_SEED, id) == Side::A { [margin, 0.0] } else { [0.0, margin] }
}

/// Evidence of round 1 over pool pairs 0.. and validation pairs 100.., without folds.
fn evidence<'a>(pool: &'a [PairId], validation: &'a [PairId], margins: &'a [f32]) -> Evidence<'a> {
    Evidence {
        round: 1,
        rng_seed: RNG_SEED,
        teacher: TeacherName::Model,
        n_folds: 1,
        pool,
        validation,
        margins,
        folds: None,
        teacher_before: None,
        pool_before: &[],
    }
}

#[test]
fn a_model_alone_teaches_what_it_thinks() {
    let (pool, validation) = (ids(0..2), ids(100..102));
    let scores = vec![score(0, 1.0, 0.0), score(1, 0.0, 3.0)];
    let lesson = Lesson::new(scores.clone(), &evidence(&pool, &validation, &[0.5, -0.25]));
    assert_eq!(lesson.scores, scores);
    assert_eq!(lesson.margins, [0.5, -0.25]);
    assert_eq!(lesson.weights, REWARD_ALONE);
    assert_eq!(lesson.teacher(1), Teacher { validation: vec![0.5] });
}

#[test]
fn judged_seed_pairs_are_put_on_the_scale_of_the_model() {
    let (pool, validation) = (ids(0..2), ids(100..101));
    let folds = FoldJudgments {
        held_out: vec![
            HeldOutPair { margin: 2.0, rank: 0.75 },
            HeldOutPair { margin: -1.0, rank: 0.0 },
        ],
        pairs: ids(50..52),
        ..FoldJudgments::default()
    };
    let of = Evidence { folds: Some(&folds), ..evidence(&pool, &validation, &[0.5]) };
    // Margins 1 and 7: root mean square 5.
    let lesson = Lesson::new(vec![score(0, 1.0, 0.0), score(1, 0.0, 7.0)], &of);
    assert_eq!(lesson.margins, [0.5, 10.0, -5.0]);
    let ranking = Ranking::new(&lesson.scores, &[], false);
    let held_out = lesson.held_out(&of, &ranking, |_| PairFacts::default());
    let rows: Vec<(f64, f64)> = held_out.iter().map(|pair| (pair.margin, pair.rank)).collect();
    assert_eq!(rows, [(0.5, 1.0), (10.0, 0.75), (-5.0, 0.0)], "ranks of seed pairs are the folds'");
}

#[test]
fn an_ensemble_is_the_mean_over_model_and_folds_in_round_1() {
    let (pool, validation) = (ids(0..3), ids(100..101));
    let folds = FoldJudgments {
        pool: vec![[3.0, 0.0], [9.0, 9.0], [0.0, 6.0]],
        validation: vec![toward(PairId(100), 5.0)],
        ..FoldJudgments::default()
    };
    // Pair 1 was labeled by a person since and is not scored.
    let scores = vec![score(0, 1.0, 1.0), score(2, 4.0, 0.0)];
    for (teacher, round, expected, margin) in [
        (TeacherName::Ensemble, 1, [[2.0, 0.5], [2.0, 3.0]], 3.0),
        (TeacherName::Ensemble, 2, [[1.0, 1.0], [4.0, 0.0]], 1.0),
        (TeacherName::Model, 1, [[1.0, 1.0], [4.0, 0.0]], 1.0),
    ] {
        let of = evidence(&pool, &validation, &[1.0]);
        let of = Evidence { teacher, round, folds: Some(&folds), ..of };
        let lesson = Lesson::new(scores.clone(), &of);
        assert_eq!(rewards(&lesson), expected, "{teacher:?} {round}");
        assert_eq!(lesson.margins, [margin], "{teacher:?} {round}");
    }
}

/// Folds that know nothing of forty seed pairs, beside a view that ranks `n_right` of them right.
fn folds_beside_a_view(n_right: u32) -> FoldJudgments {
    let held_out =
        |i: u32| HeldOutPair { margin: if i.is_multiple_of(2) { 0.1 } else { -0.1 }, rank: 0.9 };
    let view = |i: u32| if i < n_right { 1.0 } else { -1.0 };
    FoldJudgments {
        held_out: (0..40).map(held_out).collect(),
        pairs: ids(50..90),
        views: vec![ViewJudgments {
            view: View::Surface,
            pool: vec![[2.0, 0.0], [0.0, 1.0]],
            validation: vec![toward(PairId(100), 1.0)],
            held_out: (0..40).map(view).collect(),
        }],
        ..FoldJudgments::default()
    }
}

#[test]
fn a_view_that_is_worth_having_moves_rewards_margins_and_ranks() {
    let (pool, validation) = (ids(0..2), ids(100..101));
    let folds = folds_beside_a_view(38);
    let of = Evidence { folds: Some(&folds), ..evidence(&pool, &validation, &[0.0]) };
    let lesson = Lesson::new(vec![score(0, 0.1, 0.0), score(1, 0.1, 0.0)], &of);
    let weight = lesson.weights.views[View::Surface as usize];
    assert!(weight > 1.0 && lesson.weights.of(View::Likelihood).is_none(), "{:?}", lesson.weights);
    let reward = lesson.weights.reward;
    let expected = [[0.1 * reward + 2.0 * weight, 0.0], [0.1 * reward, weight]];
    for (found, expected) in rewards(&lesson).iter().flatten().zip(expected.as_flattened()) {
        assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} {expected}");
    }
    assert!((lesson.margins[0] - weight).abs() < 1e-9, "the model has no opinion on pair 100");
    let ranking = Ranking::new(&lesson.scores, &[], false);
    let held_out = lesson.held_out(&of, &ranking, |_| PairFacts::default());
    assert_eq!(held_out.len(), 41);
    // The folds' rank of .9 does not hold: one of two pool pairs is surer than a seed pair now.
    assert!(held_out.iter().all(|pair| pair.rank == 0.5 || pair.rank == 1.0), "{held_out:?}");
}

#[test]
fn a_view_that_is_worth_nothing_leaves_everything_as_it_was() {
    let (pool, validation) = (ids(0..2), ids(100..101));
    let folds = folds_beside_a_view(21);
    let of = Evidence { folds: Some(&folds), ..evidence(&pool, &validation, &[0.5]) };
    let scores = vec![score(0, 1.0, 0.0), score(1, 1.0, 0.0)];
    let lesson = Lesson::new(scores.clone(), &of);
    assert_eq!((lesson.scores.clone(), lesson.weights), (scores, REWARD_ALONE));
    let ranking = Ranking::new(&lesson.scores, &[], false);
    let held_out = lesson.held_out(&of, &ranking, |_| PairFacts::default());
    assert!(held_out[1..].iter().all(|pair| pair.rank == 0.9));
}

/// A teacher before and forty validation pairs: it ranks every fourth wrong, and the student is right
/// about just these where it `adds`, else about none of them.
fn student_after_teacher(adds: bool) -> Lesson {
    let (pool, validation) = (ids(0..3), ids(100..140));
    let is_hard = |i: usize| i.is_multiple_of(4);
    let before: Vec<f64> = (0..40).map(|i| if is_hard(i) { -0.3 } else { 1.0 }).collect();
    let own: Vec<f32> =
        (0..40).map(|i| if is_hard(i) { if adds { 2.0 } else { -2.0 } } else { 0.2 }).collect();
    let teacher = Teacher { validation: before };
    let scored = |pair: u32, reward_a: f32| ScoredPair {
        score: score(pair, reward_a, 0.0),
        left_out: Some(LeftOut::BelowThreshold),
    };
    // Pair 1 was not scored in the round before.
    let pool_before = [scored(0, 8.0), scored(2, -4.0)];
    let of = Evidence {
        round: 2,
        teacher: TeacherName::Ensemble,
        teacher_before: Some(&teacher),
        pool_before: &pool_before,
        ..evidence(&pool, &validation, &own)
    };
    Lesson::new(vec![score(0, 1.0, 0.0), score(1, 1.0, 0.0), score(2, 1.0, 0.0)], &of)
}

#[test]
fn a_student_that_adds_nothing_leaves_the_teacher_as_it_was() {
    let lesson = student_after_teacher(false);
    assert_eq!(rewards(&lesson), [[8.0, 0.0], [1.0, 0.0], [-4.0, 0.0]]);
    assert_eq!(lesson.margins[..2], [-0.3, 1.0]);
}

#[test]
fn a_student_that_adds_something_joins_the_teacher() {
    let lesson = student_after_teacher(true);
    assert!(lesson.margins.iter().all(|margin| *margin > 0.0), "{:?}", lesson.margins);
    let rewards = rewards(&lesson);
    assert_ne!(rewards[0], [8.0, 0.0]);
    assert_eq!(
        rewards[1],
        [1.0, 0.0],
        "a pair that is new to the teacher has the student's reward"
    );
}
