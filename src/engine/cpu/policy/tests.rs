//! The policy's scores and gradients against each other, against differences and against sampling.

use std::ops::Range;

use super::*;
use crate::domain::spec::{Precision, Tuning};
use crate::engine::cpu::tests::support::{is_decoder, lora, settings, tuned_language_model};
use crate::engine::fixture::FAMILIES;
use crate::engine::policy::AnswerSlopes;

fn decoders() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().copied().filter(|family| is_decoder(family))
}

fn policy(family: &str, tuning: &Tuning) -> CpuPolicy {
    policy_in(family, tuning, Precision::F32)
}

fn policy_in(family: &str, tuning: &Tuning, precision: Precision) -> CpuPolicy {
    let mut trainer = tuned_language_model(family, tuning, precision);
    // Adapters that have not been trained add nothing and pass no gradient on.
    for (i, value) in trainer.parameters.values.iter_mut().enumerate() {
        *value += 0.05 * (i as f32 * 0.7).sin();
    }
    CpuPolicy::of_trainer(trainer)
}

/// Two prompts with answers of several lengths, one of them empty and two alike.
fn tokens() -> [(Vec<u32>, Vec<Vec<u32>>); 2] {
    [
        (vec![1, 5, 9, 2], vec![vec![3, 4, 8], vec![], vec![7], vec![3, 4, 8], vec![6, 6]]),
        (vec![4], vec![vec![2, 9, 9, 1, 5]]),
    ]
}

fn prompts(tokens: &[(Vec<u32>, Vec<Vec<u32>>)]) -> Vec<AnswersTo<'_>> {
    let mut prompts = Vec::new();
    for (prompt, answers) in tokens {
        let answers = answers.iter().map(Vec::as_slice).collect();
        prompts.push(AnswersTo { prompt, answers });
    }
    prompts
}

#[test]
fn answers_that_share_a_prompt_score_like_answers_alone() {
    for family in decoders() {
        let mut policy = policy(family, &Tuning::Full);
        let tokens = tokens();
        let together = policy.scores(&prompts(&tokens), Speaker::Policy).unwrap();
        let mut alone = Vec::new();
        for (prompt, answers) in &tokens {
            for answer in answers {
                let one = [AnswersTo { prompt, answers: vec![answer] }];
                alone.extend(policy.scores(&one, Speaker::Policy).unwrap());
            }
        }
        assert_eq!(together.len(), 6);
        for (together, alone) in together.iter().zip(&alone) {
            let of = |it: &AnswerScores| {
                [it.log_probs.clone(), it.entropies.clone(), it.values.clone()].concat()
            };
            let (together, alone) = (of(together), of(alone));
            assert_eq!(together.len(), alone.len());
            for (a, b) in together.iter().zip(&alone) {
                assert!((a - b).abs() < 2e-5, "{family}: {a} {b}");
            }
        }
        assert_eq!(together[0].log_probs, together[3].log_probs, "the same answer");
        assert!(together[0].entropies.iter().all(|it| *it > 0.0));
    }
}

/// A loss in which log-probabilities and values are mixed.
fn slopes(_: Range<usize>, scores: &[AnswerScores]) -> (f64, Vec<AnswerSlopes>) {
    let of = |(i, score): (usize, &AnswerScores)| {
        let weight = 0.3 + i as f32;
        let log_probs = score.log_probs.iter().map(|x| 2.0 * weight * x).collect();
        AnswerSlopes { log_probs, values: vec![0.7 * weight; score.values.len()] }
    };
    (loss_of(scores), scores.iter().enumerate().map(of).collect())
}

fn loss_of(scores: &[AnswerScores]) -> f64 {
    let of = |(i, score): (usize, &AnswerScores)| {
        let weight = f64::from(0.3 + i as f32);
        let squares: f64 = score.log_probs.iter().map(|x| f64::from(*x).powi(2)).sum();
        let values: f64 = score.values.iter().map(|v| 0.7 * f64::from(*v)).sum();
        weight * (squares + values)
    };
    scores.iter().enumerate().map(of).sum()
}

#[test]
fn the_gradient_agrees_with_a_difference_along_it() {
    for family in decoders() {
        for tuning in [Tuning::Full, lora(0.0), Tuning::TopLayers(1)] {
            let mut policy = policy(family, &tuning);
            let tokens = tokens();
            let prompts = prompts(&tokens);
            let training = Pass::training(Reading::Pooled, Dropout::off());
            let (_, loss) = policy.pass(&prompts, training, Some(&mut slopes));
            let slope = policy.model.trainer.parameters.gradient.clone();
            policy.model.trainer.parameters.gradient.fill(0.0);
            let start = policy.model.trainer.parameters.values.clone();
            let square: f64 = slope.iter().map(|g| f64::from(*g).powi(2)).sum();
            let step = 2e-3 / square.sqrt();
            let mut at = |sign: f64| {
                let values = &mut policy.model.trainer.parameters.values;
                for ((value, start), slope) in values.iter_mut().zip(&start).zip(&slope) {
                    *value = (f64::from(*start) + sign * step * f64::from(*slope)) as f32;
                }
                loss_of(&policy.scores(&prompts, Speaker::Policy).unwrap())
            };
            let rise = at(1.0) - at(-1.0);
            let error = (rise / (2.0 * step) / square - 1.0).abs();
            assert!(error < 5e-3, "{family} {tuning:?}: {error}");
            assert!((at(0.0) / loss - 1.0).abs() < 1e-5, "{family}");
        }
    }
}

/// Scores and gradient do not depend on whether logits are kept, for one prompt or for all, or computed
/// again: 256 more rows than are in memory at a time.
#[test]
fn logits_that_are_computed_again_give_the_same_gradient() {
    for tuning in [Tuning::Full, lora(0.0)] {
        let mut policy = policy("llama", &tuning);
        let answers: Vec<Vec<u32>> =
            (0..40).map(|i| (0..10).map(|j| (i * 7 + j * 3) % 11 + 1).collect()).collect();
        let tokens = [(vec![1, 5], answers), (vec![4], vec![vec![2, 9, 9, 1, 5]])];
        let prompts = prompts(&tokens);
        let row_bytes = 4 * policy.model.trainer.network.vocab_size();
        let mut found = Vec::new();
        for kept_bytes in [KEPT_BYTES, 362 * row_bytes, 0] {
            policy.kept_bytes = kept_bytes;
            policy.model.trainer.parameters.gradient.fill(0.0);
            let training = Pass::training(Reading::Pooled, Dropout::off());
            let (scores, loss) = policy.pass(&prompts, training, Some(&mut weighted));
            found.push((scores, loss, policy.model.trainer.parameters.gradient.clone()));
        }
        let (scores, loss, gradient) = &found[0];
        let size = gradient.iter().map(|it| it.abs()).fold(0.0, f32::max);
        assert!(size > 0.0);
        for (others, other_loss, other) in &found[1..] {
            assert_eq!(scores, others);
            assert!((loss / other_loss - 1.0).abs() < 1e-12);
            let distance = gradient.iter().zip(other).map(|(a, b)| (a - b).abs());
            assert!(distance.fold(0.0, f32::max) < 1e-5 * size);
        }
    }
}

/// A loss that does not depend on which answers come together.
fn weighted(_: Range<usize>, scores: &[AnswerScores]) -> (f64, Vec<AnswerSlopes>) {
    let of = |score: &AnswerScores| AnswerSlopes {
        log_probs: score.log_probs.iter().map(|x| 2.0 * x).collect(),
        values: vec![0.7; score.values.len()],
    };
    let squares = |it: &AnswerScores| it.log_probs.iter().map(|x| f64::from(*x).powi(2)).sum();
    let loss = |it: &AnswerScores| -> f64 {
        let squares: f64 = squares(it);
        squares + it.values.iter().map(|v| 0.7 * f64::from(*v)).sum::<f64>()
    };
    (scores.iter().map(loss).sum(), scores.iter().map(of).collect())
}

/// The ratio of a first step is 1: what was said of a token when it was drawn is what a training
/// pass says of it, also after the weights have changed.
#[test]
fn sampled_log_probabilities_are_those_of_the_training_pass() {
    for family in decoders() {
        for tuning in [Tuning::Full, lora(0.0)] {
            let farthest = farthest_ratio(&mut policy(family, &tuning));
            assert!(farthest < 1e-5, "{family} {tuning:?}: {farthest}");
        }
    }
}

/// In bf16, too: a sum that differs in its last bit may round to another operand of the next product,
/// which is far less than what rounding costs.
#[test]
fn sampled_log_probabilities_are_those_of_the_training_pass_in_bf16() {
    for family in decoders() {
        let farthest = farthest_ratio(&mut policy_in(family, &lora(0.0), Precision::Bf16));
        assert!(farthest < 1e-2, "{family}: {farthest}");
    }
}

/// How far from 1 the ratio of a token's probabilities is, now and when it was drawn, after a step.
fn farthest_ratio(policy: &mut CpuPolicy) -> f32 {
    let tokens = tokens();
    policy.train_step(&prompts(&tokens), &mut slopes, &settings(1e-3)).unwrap();
    let asked: Vec<&[u32]> = tokens.iter().map(|(prompt, _)| prompt.as_slice()).collect();
    let mut settings = GenerationSettings::new(7, 16, 3);
    settings.n_answers = 3;
    let mut answers = Vec::new();
    policy.generate(&asked, &settings, &mut answers).unwrap();
    answers.sort_by_key(|it| it.place);
    assert_eq!(answers.len(), 6);
    let groups: Vec<AnswersTo<'_>> = asked
        .iter()
        .zip(answers.chunks(3))
        .map(|(prompt, answers)| AnswersTo {
            prompt,
            answers: answers.iter().map(|it| it.tokens.as_slice()).collect(),
        })
        .collect();
    let scores = policy.scores(&groups, Speaker::Policy).unwrap();
    let sampled = answers.iter().flat_map(|it| &it.log_probabilities);
    let now = scores.iter().flat_map(|it| &it.log_probs);
    let distances = sampled.zip(now).map(|(sampled, now)| ((now - sampled).exp() - 1.0).abs());
    distances.fold(0.0, f32::max)
}

#[test]
fn the_reference_stays_where_it_was_and_is_restored() {
    let tokens = tokens();
    let prompts = prompts(&tokens);
    let mut policy = policy("llama", &lora(0.0));
    let before = policy.scores(&prompts, Speaker::Policy).unwrap();
    let settings = settings(1e-2);
    policy.train_step(&prompts, &mut slopes, &settings).unwrap();
    let after = policy.scores(&prompts, Speaker::Policy).unwrap();
    assert_ne!(before, after);
    assert_eq!(policy.scores(&prompts, Speaker::Reference).unwrap(), before);
    policy.set_reference();
    policy.train_step(&prompts, &mut slopes, &settings).unwrap();
    let dir = tempfile::tempdir().unwrap();
    policy.save(dir.path()).unwrap();
    let mut other = self::policy("llama", &lora(0.0));
    other.load(dir.path()).unwrap();
    assert_eq!(other.weights_digest(), policy.weights_digest());
    for policy in [&mut policy, &mut other] {
        assert_eq!(policy.scores(&prompts, Speaker::Reference).unwrap(), after);
        // The optimizer's moments go on, too.
        policy.train_step(&prompts, &mut slopes, &settings).unwrap();
    }
    assert_eq!(other.weights_digest(), policy.weights_digest());
}

#[test]
fn what_cannot_be_read_is_refused_and_changes_nothing() {
    let mut policy = policy("llama", &Tuning::Full);
    let far = [policy.model.trainer.network.vocab_size() as u32];
    for (prompt, answer, said) in
        [([].as_slice(), [3].as_slice(), "an empty prompt"), (&[1], &far, "but the vocabulary has")]
    {
        let good = AnswersTo { prompt: &[1], answers: vec![&[2]] };
        let bad = [good, AnswersTo { prompt, answers: vec![answer] }];
        let digest = policy.weights_digest();
        let error = policy.train_step(&bad, &mut slopes, &settings(1.0)).unwrap_err();
        assert!(matches!(error, EngineError::BadAnswers { position: 1, .. }));
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(policy.weights_digest(), digest);
    }
}

#[test]
fn the_likelihood_of_answers_rises_when_it_is_trained() {
    let tokens = tokens();
    let prompts = prompts(&tokens);
    let mut policy = policy("llama", &Tuning::Full);
    let sum = |scores: &[AnswerScores]| -> f64 {
        scores.iter().flat_map(|it| &it.log_probs).map(|it| f64::from(*it)).sum()
    };
    let before = sum(&policy.scores(&prompts, Speaker::Policy).unwrap());
    let mut fine_tune = |_: Range<usize>, scores: &[AnswerScores]| {
        let slopes = |it: &AnswerScores| AnswerSlopes {
            log_probs: vec![-1.0 / 14.0; it.log_probs.len()],
            values: Vec::new(),
        };
        (-sum(scores) / 14.0, scores.iter().map(slopes).collect())
    };
    for _ in 0..30 {
        policy.train_step(&prompts, &mut fine_tune, &settings(5e-3)).unwrap();
    }
    let after = sum(&policy.scores(&prompts, Speaker::Policy).unwrap());
    assert!(after > 0.5 * before, "{before} {after}");
}
