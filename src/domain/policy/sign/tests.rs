//! When each sign is seen, and when not.

use strum::VariantArray;

use super::*;
use crate::domain::random::{Place, Purpose};

/// So many steps with a metric that goes in a straight line.
fn line(n: u32, metric: M, from: f64, to: f64) -> Vec<StepSeen> {
    let value = |step: u32| from + (to - from) * f64::from(step - 1) / f64::from((n - 1).max(1));
    let step =
        |step| StepSeen { step, metrics: Metrics::from([(metric, value(step))]), divergence: None };
    (1..=n).map(step).collect()
}

fn diverging(n: u32, kl: f64, error: f64) -> Vec<StepSeen> {
    let step = |step| StepSeen { step, divergence: Some((kl, error)), ..StepSeen::default() };
    (1..=n).map(step).collect()
}

/// An evaluation of 40 prompts whose judge's scores have this mean and a spread of 1 between prompts.
fn evaluation(step: u32, proxy: f64, gold: f64) -> EvaluationSeen {
    let place = Place::new(u64::from(step), Purpose::Mock);
    let score = |prompt: u64| gold + (prompt % 5) as f64 - 2.0 + 0.3 * place.normal(prompt);
    EvaluationSeen { step, proxy, gold: (0..40).map(score).collect() }
}

fn signs(steps: &[StepSeen], evaluations: &[EvaluationSeen]) -> Vec<Sign> {
    look(steps, evaluations, evaluations.len(), Precision::F32)
        .into_iter()
        .map(|it| it.sign)
        .collect()
}

#[test]
fn signs_of_the_steps_alone() {
    for (what, steps, want) in [
        ("some prompts are flat", line(20, M::FracRewardZeroStd, 0.5, 0.9), None),
        ("all are flat", line(20, M::FracRewardZeroStd, 0.95, 0.95), Some(Sign::NoSpread)),
        ("too few steps to say", line(4, M::FracRewardZeroStd, 1.0, 1.0), None),
        ("some are cut", line(20, M::ClippedRatio, 1.0, 0.8), None),
        ("all are cut", line(20, M::ClippedRatio, 0.2, 1.0), None),
        ("all are cut for long", line(20, M::ClippedRatio, 0.97, 1.0), Some(Sign::AllCut)),
        ("a small divergence", diverging(20, 0.2, 0.1), None),
        ("below 0 by chance", diverging(10, -0.2, 0.3), None),
        ("below 0", diverging(10, -0.5, 0.3), Some(Sign::KlNegative)),
        ("below 0 too seldom", diverging(4, -5.0, 0.1), None),
        ("far", diverging(10, 29.0, 9.0), None),
        ("too far", diverging(1, 31.0, 9.0), Some(Sign::KlRunaway)),
        ("no number", diverging(1, f64::NAN, 0.0), Some(Sign::KlRunaway)),
        ("rounding", line(1, M::FarthestRatio, 2e-5, 2e-5), None),
        ("no rounding", line(1, M::FarthestRatio, 0.02, 0.02), Some(Sign::FirstRatio)),
        ("entropy falls", line(40, M::Entropy, 2.0, 0.9), None),
        ("entropy collapses", line(40, M::Entropy, 2.0, 0.1), Some(Sign::EntropyCollapse)),
        ("of PPO", line(40, M::PolicyEntropy, 2.0, 0.1), Some(Sign::EntropyCollapse)),
        ("too few to compare", line(9, M::Entropy, 2.0, 0.0), None),
        ("nothing yet", Vec::new(), None),
    ] {
        assert_eq!(signs(&steps, &[]), want.into_iter().collect::<Vec<_>>(), "{what}");
    }
}

#[test]
fn length_that_pays_is_no_trouble_while_gold_rises() {
    let longer = line(40, M::MeanLength, 30.0, 60.0);
    let same = line(40, M::MeanLength, 30.0, 33.0);
    let [start, flat, up, cheap] = [
        evaluation(0, 1.0, 0.0),
        evaluation(40, 2.0, 0.02),
        evaluation(40, 2.0, 0.6),
        evaluation(40, 0.9, 0.02),
    ];
    for (steps, last, want) in [
        (&longer, &flat, vec![Sign::LengthUp]),
        (&longer, &up, vec![]),
        (&longer, &cheap, vec![]),
        (&same, &flat, vec![]),
    ] {
        assert_eq!(signs(steps, &[start.clone(), last.clone()]), want, "{}", last.proxy);
    }
    assert_eq!(signs(&longer, &[start]), []);
}

#[test]
fn a_fall_of_gold_stops_and_goes_back_to_the_best() {
    let all = [(0, 0.0, 0.0), (10, 1.0, 0.5), (20, 2.0, 0.55), (30, 3.0, 0.2)]
        .map(|(step, proxy, gold)| evaluation(step, proxy, gold));
    assert_eq!(best(&all).map(|it| it.step), Some(20));
    for n in 1..=3 {
        assert_eq!(look(&[], &all[..n], 4, Precision::F32), [], "{n} evaluations");
    }
    let seen = look(&[], &all, 4, Precision::F32);
    assert_eq!((seen[0].sign, seen[0].back_to, seen.len()), (Sign::GoldDown, Some(20), 1));
    assert!(seen[0].sign.stops());
    // Without a judge nothing can fall.
    let blind = all.map(|it| EvaluationSeen { gold: Vec::new(), ..it });
    assert_eq!((look(&[], &blind, 4, Precision::F32), best(&blind)), (vec![], None));
}

#[test]
fn a_run_that_stays_the_same_is_seldom_stopped() {
    // 20 evaluations of the same policy: 40 prompts whose scores differ by chance alone.
    let n_stopped = (0..200)
        .filter(|run| {
            let noise = |step: u64| Place::new(*run, Purpose::Mock).at(step as u32, 7);
            let all: Vec<EvaluationSeen> = (0..20_u64)
                .map(|step| EvaluationSeen {
                    step: step as u32,
                    proxy: 0.0,
                    gold: (0..40).map(|prompt| noise(step).normal(prompt)).collect(),
                })
                .collect();
            (1..=20)
                .any(|n| look(&[], &all[..n], 20, Precision::F32).iter().any(|it| it.sign.stops()))
        })
        .count();
    assert!(n_stopped <= 16, "{n_stopped} of 200");
}

#[test]
fn each_sign_is_told_in_a_sentence_with_its_numbers() {
    let said = |steps: &[StepSeen], evaluations: &[EvaluationSeen]| {
        look(steps, evaluations, 2, Precision::F32).remove(0).message
    };
    let evaluations = [evaluation(0, 1.0, 1.0), evaluation(40, 2.5, 0.0)];
    for (message, parts) in [
        (
            said(&line(20, M::FracRewardZeroStd, 1.0, 1.0), &[]),
            &["for 100.0 % of the prompts of the last 10 steps", "hint: sample hotter"][..],
        ),
        (
            said(&line(6, M::ClippedRatio, 1.0, 1.0), &[]),
            &["100.0 % of the answers of the last 6 steps"],
        ),
        (
            said(&diverging(10, -1.0, 0.3), &[]),
            &["is -1.00 ± 0.09 nats an answer over the last 10 steps"],
        ),
        (
            said(&diverging(7, 44.4, 1.0), &[]),
            &["at step 7 an answer is 44 nats", "farther than 30"],
        ),
        (
            said(&line(1, M::FarthestRatio, 0.02, 0.02), &[]),
            &["step 1 a token's ratio is off 1 by 2.0e-2", "less than 1e-3"],
        ),
        (said(&line(40, M::Entropy, 2.0, 0.0), &[]), &["fell from 1.77 to 0.23 nats"]),
        (
            said(&line(40, M::MeanLength, 30.0, 60.0), &evaluations),
            &[
                "answers grew from 33 to 57 tokens",
                "the reward from 1.00 to 2.50",
                "from step 0 to 40",
            ],
        ),
        (
            said(&[], &evaluations),
            &[
                "the judge's score fell from",
                "at step 40 (40 prompts, p = ",
                "the policy goes back to step 0",
            ],
        ),
    ] {
        for part in parts {
            assert!(message.contains(part), "{message}");
        }
        assert!(
            message.chars().next().unwrap().is_lowercase() || message.starts_with(char::is_numeric)
        );
    }
}

#[test]
fn words_for_people_have_no_underscore_and_names_agree() {
    for sign in Sign::VARIANTS {
        assert!(!sign.told().contains('_'));
        assert_eq!(serde_json::to_value(sign).unwrap(), sign.name());
        assert_eq!(sign.name().parse::<Sign>().ok(), Some(*sign));
    }
}

#[test]
fn a_ratio_is_farther_from_1_in_bf16() {
    let step = |off| StepSeen { metrics: [(M::FarthestRatio, off)].into(), ..StepSeen::default() };
    for (off, in_f32, in_bf16) in [(1e-4, 0, 0), (0.2, 1, 0), (0.9, 1, 1)] {
        let n = |precision| look(&[step(off)], &[], 0, precision).len();
        assert_eq!((n(Precision::F32), n(Precision::Bf16)), (in_f32, in_bf16), "{off}");
    }
}
