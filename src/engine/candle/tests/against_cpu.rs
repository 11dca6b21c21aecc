//! Two implementations that share no formula must agree: rewards, gradients under dropout, whole
//! training runs, initial values, digests and checkpoints.

use super::support::{by_name, is_flat, tiny};
use crate::domain::preference::Side;
use crate::domain::spec::{Device, Loss, Precision, Tuning};
use crate::engine::candle::CandleModel;
use crate::engine::cpu::CpuModel;
use crate::engine::cpu::tests::differences::relative_error;
use crate::engine::cpu::tests::support::{
    FAMILIES, random_pairs, settings, tiny as tiny_cpu, tuned, tunings,
};
use crate::engine::cpu::trainer::Running;
use crate::engine::fixture::{bert_dir, deberta_dir, llama_dir};
use crate::engine::{
    Backbone, Claim, EncodedPair, LabeledPair, OpenSettings, PairText, RewardModel, StepSettings,
    Trainable,
};

/// Labels of every kind: certain and probable.
fn labeled(pairs: &[EncodedPair]) -> Vec<LabeledPair<'_>> {
    let side = |i: usize| if i % 3 == 1 { Side::B } else { Side::A };
    let label = |(i, pair)| {
        let certain = LabeledPair::certain(pair, side(i));
        match i % 4 {
            1 => LabeledPair { claim: Claim::Probable(0.7), ..certain },
            _ => certain,
        }
    };
    pairs.iter().enumerate().map(label).collect()
}

fn pairs(family: &str, n: usize) -> Vec<EncodedPair> {
    let mut pairs = random_pairs(family, n);
    if family == "roberta" {
        // Its padding id takes no position in transformers; this program never feeds it.
        for token in pairs.iter_mut().flat_map(|p| p.tokens_a.iter_mut().chain(&mut p.tokens_b)) {
            *token = (*token).max(2);
        }
    }
    pairs
}

#[test]
fn rewards_and_gradients_of_every_family_and_tuning() {
    let dropout = StepSettings { dropout: 0.2, dropout_key: 77, ..settings(0.0) };
    let hinge = StepSettings { loss: Loss::Hinge { target_margin: 0.7 }, ..settings(0.0) };
    for family in FAMILIES {
        let pairs = pairs(family, 7);
        let references: Vec<&EncodedPair> = pairs.iter().collect();
        for tuning in tunings() {
            let candle = tiny(family, &tuning, 64);
            let mut cpu = tuned(family, &tuning, Precision::F32, Running::exact(1));
            // Above frozen blocks the CPU engine rounds their output to bf16.
            let is_rounded = matches!(tuning, Tuning::TopLayers(_) | Tuning::Head);
            let tolerance = if is_rounded { 2e-2 } else { 2e-5 };
            let rewards = [candle.score(&references).unwrap(), cpu.score(&references).unwrap()];
            let [actual, expected] = rewards.each_ref().map(|rewards| rewards.as_flattened());
            let error = relative_error(actual, expected);
            assert!(error < tolerance, "{family} {tuning:?}: rewards differ by {error}");
            for settings in [&dropout, &hinge] {
                let (totals, gradients) = candle.gradients(&labeled(&pairs), settings).unwrap();
                cpu.parameters.gradient.fill(0.0);
                let expected = cpu.accumulate(&labeled(&pairs), settings);
                let difference = (totals.loss - expected.loss).abs();
                assert!(difference < tolerance, "{family} {tuning:?}: {difference}");
                assert_eq!(totals.n_correct, expected.n_correct);
                let expected = cpu.parameters.by_name(&cpu.parameters.gradient);
                let actual = by_name(&candle, &gradients);
                assert!(actual.keys().map(String::as_str).eq(expected.keys().copied()));
                let whole = |of: &dyn Fn(&str) -> Vec<f32>| {
                    actual.keys().flat_map(|name| of(name)).collect::<Vec<f32>>()
                };
                let error = relative_error(
                    &whole(&|name| actual[name].clone()),
                    &whole(&|name| expected[name].to_vec()),
                );
                assert!(error < 2.0 * tolerance, "{family} {tuning:?} {settings:?}: {error}");
            }
        }
    }
}

#[test]
fn a_training_run_takes_the_same_way() {
    let settings =
        StepSettings { weight_decay: 0.1, clip_norm: 0.5, dropout: 0.1, ..settings(1e-2) };
    for family in ["qwen3", "bert", "deberta"] {
        let pairs = pairs(family, 6);
        let mut candle = tiny(family, &Tuning::Full, 64);
        let mut cpu = tiny_cpu(family, 1);
        for step in 0..4 {
            let settings = StepSettings { dropout_key: step, ..settings };
            let actual = candle.train_step(&labeled(&pairs), &settings).unwrap();
            let expected = cpu.train_step(&labeled(&pairs), &settings).unwrap();
            assert!((actual.loss - expected.loss).abs() < 1e-4, "{actual:?} {expected:?}");
            assert!((actual.gradient_norm / expected.gradient_norm - 1.0).abs() < 1e-3);
            assert_eq!(actual.n_tokens, expected.n_tokens);
        }
        let expected = cpu.parameters.by_name(&cpu.parameters.values);
        for trained in candle.parameters.trained.iter().filter(|it| !is_flat(&it.name)) {
            let actual: Vec<f32> = trained.values.flatten_all().unwrap().to_vec1().unwrap();
            let error = relative_error(&actual, expected[trained.name.as_str()]);
            assert!(error < 2e-3, "{family} {}: {error}", trained.name);
        }
    }
}

#[test]
fn bf16_operands_round_alike() {
    for family in ["mistral", "roberta", "deberta"] {
        let pairs = pairs(family, 6);
        let references: Vec<&EncodedPair> = pairs.iter().collect();
        let mut candle = tiny(family, &Tuning::Full, 64);
        let exact = candle.score(&references).unwrap();
        candle.arithmetic.precision = Precision::Bf16;
        let running = Running { precision: Precision::Bf16, ..Running::exact(1) };
        let mut cpu = tuned(family, &Tuning::Full, Precision::F32, running);
        let (actual, expected) =
            (candle.score(&references).unwrap(), cpu.score(&references).unwrap());
        let error = relative_error(actual.as_flattened(), expected.as_flattened());
        let rounding = relative_error(actual.as_flattened(), exact.as_flattened());
        assert!(rounding > 0.0 && rounding < 5e-2, "{family}: {rounding}");
        assert!(error < 2.0 * rounding, "{family}: {error} {rounding}");
    }
}

/// Digests cover names, which tensors are trained, their initial values and the frozen ones; a
/// checkpoint then goes from one device to the other.
#[test]
fn a_run_may_move_between_implementations() {
    let settings = StepSettings { weight_decay: 0.1, ..settings(1e-2) };
    for dir in [llama_dir(), bert_dir(), deberta_dir()] {
        for tuning in tunings() {
            for frozen_precision in [Precision::F32, Precision::Bf16] {
                let backbone = Backbone::Directory(dir.path().to_owned());
                let open = OpenSettings {
                    tuning: tuning.clone(),
                    frozen_precision,
                    ..OpenSettings::new(backbone, 16, 9)
                };
                let mut cpu = CpuModel::open(&open).unwrap();
                let candle = OpenSettings { device: Device::CandleCpu, ..open };
                let mut candle = CandleModel::open(&candle).unwrap();
                assert_eq!(cpu.weights_digest(), candle.weights_digest(), "{tuning:?}");
                assert_eq!(cpu.info().n_parameters, candle.info().n_parameters);
                let text = PairText::dialogue("the cat", " sat", " ran on");
                let pairs = cpu.encode(&[text]).unwrap();
                assert_eq!(pairs, candle.encode(&[text]).unwrap());
                let saved = tempfile::tempdir().unwrap();
                candle.save(saved.path()).unwrap();
                cpu.load(saved.path()).unwrap();
                candle.train_step(&labeled(&pairs), &settings).unwrap();
                assert_ne!(cpu.weights_digest(), candle.weights_digest());
                candle.save(saved.path()).unwrap();
                cpu.load(saved.path()).unwrap();
                assert_eq!(cpu.weights_digest(), candle.weights_digest());
                cpu.train_step(&labeled(&pairs), &settings).unwrap();
                cpu.save(saved.path()).unwrap();
                candle.load(saved.path()).unwrap();
                assert_eq!(cpu.weights_digest(), candle.weights_digest());
                assert_eq!(candle.trainer().parameters.n_steps, 2);
            }
        }
    }
}
