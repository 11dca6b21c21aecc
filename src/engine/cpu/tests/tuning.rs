//! The ways of tuning: each trains what it should and nothing else, its gradient is right, and it
//! continues exactly from its files.

use super::behavior::{assert_gradient, first_preferred};
use super::differences::relative_error;
use super::support::{
    FAMILIES, Tensors, cases, config, fixture, labeled, lora, random_pairs, settings, tiny, tuned,
    tunings,
};
use crate::domain::spec::{LoraTarget, Precision, Tuning};
use crate::engine::cpu::network::Transformer;
use crate::engine::cpu::parameters::Parameters;
use crate::engine::cpu::persistence;
use crate::engine::cpu::trainer::{Running, Trainer};
use crate::engine::files::layout::{Layout, whole_name};
use crate::engine::files::weights::read_tensors;
use crate::engine::{EncodedPair, EngineError, StepSettings};

/// Every family is one of these wirings.
const WIRINGS: [&str; 3] = ["qwen3", "bert", "deberta"];

fn bf16(n_threads: usize) -> Running {
    Running { precision: Precision::Bf16, ..Running::exact(n_threads) }
}

fn exact(family: &str, tuning: &Tuning) -> Trainer {
    tuned(family, tuning, Precision::F32, Running::exact(1))
}

/// Moves every trained value, so that adapters do something.
fn shake(trainer: &mut Trainer) {
    for (i, value) in trainer.parameters.values.iter_mut().enumerate() {
        *value += 0.05 * (i as f32 * 1.7 + 1.0).sin();
    }
}

fn rewards(trainer: &mut Trainer, pairs: &[EncodedPair]) -> Vec<f32> {
    trainer.score(&pairs.iter().collect::<Vec<_>>()).unwrap().into_flattened()
}

#[test]
fn adapters_match_peft() {
    for (name, base) in
        [("lora_llama", "llama3"), ("lora_bert", "bert"), ("lora_deberta", "deberta")]
    {
        let mut tensors = read_tensors(&fixture(base).join("model.safetensors")).unwrap();
        let adapter = read_tensors(&fixture(name).join("adapter_model.safetensors")).unwrap();
        let n_adapted = adapter.len();
        let whole: Vec<String> = tensors.keys().cloned().collect();
        for (key, tensor) in adapter {
            let own = whole.iter().find(|it| whole_name(it) == key).cloned();
            tensors.insert(own.unwrap_or(key), tensor);
        }
        let (network, table) = Transformer::new(&config(base), &lora(0.0), Precision::F32);
        let parameters = Parameters::new(table, 5, &Tensors(tensors)).unwrap();
        assert_eq!(parameters.trained().count(), n_adapted, "{name}");
        let mut trainer = Trainer::new(network, parameters, Running::exact(2)).unwrap();
        let cases = cases(name);
        let pairs = cases.encoded();
        for (actual, case) in rewards(&mut trainer, &pairs).chunks(2).zip(&cases.pairs) {
            for (actual, expected) in actual.iter().zip(case.rewards) {
                assert!((actual - expected).abs() < 1e-5, "{name}: {actual} {expected}");
            }
        }
        trainer.accumulate(&labeled(&pairs, &cases), &settings(0.0));
        let expected = read_tensors(&fixture(name).join("gradients.safetensors")).unwrap();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for (name, gradient) in trainer.parameters.by_name(&trainer.parameters.gradient) {
            let key = if name.contains(".lora_") { name.to_owned() } else { whole_name(name) };
            ours.extend_from_slice(gradient);
            theirs.extend_from_slice(&expected[&key].values);
        }
        let error = relative_error(&ours, &theirs);
        assert!(error < 1e-4, "{name}: {error}");
    }
}

#[test]
fn each_mode_trains_what_it_should() {
    for family in WIRINGS {
        let layout = Layout::of(&config(family));
        let n_blocks = layout.tensors().iter().filter_map(|spec| spec.layer).max().unwrap() + 1;
        for tuning in tunings() {
            let trainer = exact(family, &tuning);
            let trained: Vec<&str> =
                trainer.parameters.trained().map(|entry| entry.name.as_str()).collect();
            let expected = layout.tensors().iter().filter(|spec| match (&tuning, spec.layer) {
                _ if spec.part.is_head() => true,
                (Tuning::Full, _) => true,
                (Tuning::TopLayers(n), Some(layer)) => layer + n >= n_blocks,
                (Tuning::TopLayers(_), None) => spec.name == "model.norm.weight",
                (Tuning::Lora(_) | Tuning::Head, _) => false,
            });
            let expected = expected.filter(|spec| spec.name != "lm_head.weight");
            let mut expected: Vec<String> = expected.map(|spec| spec.name.clone()).collect();
            if let Tuning::Lora(lora) = &tuning {
                let n_adapted = trained.iter().filter(|name| name.contains(".lora_A.")).count();
                let is_adapted = |name: &&&str| name.contains(".lora_");
                assert_eq!(trained.iter().filter(is_adapted).count(), 2 * n_adapted);
                // An encoder has no gate.
                let lacks_gate = family != "qwen3" && lora.targets.contains(&LoraTarget::Gate);
                let per_block = lora.targets.len() - usize::from(lacks_gate);
                assert_eq!(n_adapted, n_blocks * per_block, "{family} {tuning:?}");
                expected.extend(trained.iter().filter(is_adapted).map(|it| (*it).to_owned()));
            }
            let mut trained: Vec<String> = trained.into_iter().map(str::to_owned).collect();
            trained.sort();
            expected.sort();
            assert_eq!(trained, expected, "{family} {tuning:?}");
            let n_values = trainer.parameters.values.len();
            assert_eq!(trainer.parameters.gradient.len(), n_values);
            assert_eq!(trainer.parameters.first_moments.len(), n_values);
        }
    }
}

#[test]
fn gradients_of_every_mode_agree_with_differences_and_none_is_missing() {
    for family in FAMILIES {
        for tuning in tunings() {
            let mut trainer = exact(family, &tuning);
            shake(&mut trainer);
            let pairs = random_pairs(family, 6);
            for dropout in [0.0, 0.2] {
                let settings = StepSettings { dropout, dropout_key: 77, ..settings(0.0) };
                assert_gradient(&mut trainer, &pairs, &settings, &format!("{family} {tuning:?}"));
            }
            trainer.accumulate(&first_preferred(&pairs), &settings(0.0));
            for (name, gradient) in trainer.parameters.by_name(&trainer.parameters.gradient) {
                // A shift of both rewards changes no margin.
                let is_flat = name == "classifier.bias" || name == "classifier.out_proj.bias";
                let is_there = gradient.iter().any(|g| *g != 0.0);
                assert!(is_flat || is_there, "{family} {tuning:?}: {name} has no gradient");
            }
        }
    }
}

#[test]
fn fresh_adapters_change_no_bit_of_a_reward() {
    for family in FAMILIES {
        let pairs = random_pairs(family, 9);
        let base = rewards(&mut tiny(family, 1), &pairs);
        assert_eq!(base, rewards(&mut exact(family, &lora(0.3)), &pairs), "{family}");
    }
}

#[test]
fn frozen_layers_give_the_rewards_of_the_whole_model_up_to_the_rounded_seam() {
    for family in FAMILIES {
        let pairs = random_pairs(family, 9);
        let base = rewards(&mut tiny(family, 1), &pairs);
        for tuning in tunings() {
            let error = relative_error(&rewards(&mut exact(family, &tuning), &pairs), &base);
            assert!(error < 1e-2, "{family} {tuning:?}: {error}");
            let mut small = tuned(family, &tuning, Precision::Bf16, bf16(1));
            let error = relative_error(&rewards(&mut small, &pairs), &base);
            assert!(error > 0.0 && error < 5e-2, "{family} {tuning:?} in bf16: {error}");
        }
    }
}

#[test]
fn every_mode_continues_exactly_on_any_number_of_threads() {
    for family in WIRINGS {
        let pairs = random_pairs(family, 12);
        let batch = first_preferred(&pairs);
        for (i, tuning) in tunings().into_iter().enumerate() {
            for precision in [Precision::F32, Precision::Bf16] {
                let settings = StepSettings {
                    weight_decay: 0.1,
                    dropout: 0.1,
                    dropout_key: i as u64,
                    ..settings(1e-3)
                };
                let open = |n_threads| {
                    let running = Running { precision, ..Running::exact(n_threads) };
                    tuned(family, &tuning, precision, running)
                };
                let mut straight = open(2);
                let start = straight.parameters.digest();
                for _ in 0..2 {
                    straight.train_step(&batch, &settings).unwrap();
                }
                assert_ne!(straight.parameters.digest(), start);
                let dir = tempfile::tempdir().unwrap();
                persistence::save(&straight.parameters, dir.path()).unwrap();
                let mut resumed = open(1);
                persistence::load(&mut resumed.parameters, dir.path()).unwrap();
                for _ in 0..2 {
                    let a = straight.train_step(&batch, &settings).unwrap();
                    let b = resumed.train_step(&batch, &settings).unwrap();
                    assert_eq!(a, b, "{family} {tuning:?} {precision:?}");
                }
                let digest = resumed.parameters.digest();
                assert_eq!(straight.parameters.digest(), digest, "{family} {tuning:?}");
                let (a, b) = (rewards(&mut straight, &pairs), rewards(&mut resumed, &pairs));
                assert_eq!(a, b, "{family} {tuning:?} {precision:?}");
            }
        }
    }
}

#[test]
fn a_step_that_is_not_finite_changes_nothing_in_any_mode() {
    for family in WIRINGS {
        for tuning in tunings() {
            let mut trainer = exact(family, &tuning);
            let pairs = random_pairs(family, 5);
            trainer.train_step(&first_preferred(&pairs), &settings(1e-3)).unwrap();
            let last = trainer.parameters.values.len() - 1;
            trainer.parameters.values[last - 2] = f32::INFINITY;
            let before = trainer.parameters.clone();
            let result = trainer.train_step(&first_preferred(&pairs), &settings(1e-3));
            assert!(matches!(result, Err(EngineError::NonFinite { .. })), "{result:?}");
            let after = &trainer.parameters;
            assert_eq!(before.values, after.values);
            assert_eq!(before.first_moments, after.first_moments);
            assert_eq!(before.second_moments, after.second_moments);
            assert_eq!(before.n_steps, after.n_steps);
            assert!(after.gradient.iter().all(|g| *g == 0.0));
        }
    }
}

#[test]
fn files_of_another_base_or_another_mode_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    persistence::save(&exact("llama", &Tuning::Head).parameters, dir.path()).unwrap();
    let load = |trainer: &mut Trainer| {
        let before = trainer.parameters.digest();
        let error = persistence::load(&mut trainer.parameters, dir.path()).unwrap_err();
        assert_eq!(trainer.parameters.digest(), before);
        error.to_string()
    };
    let message = load(&mut tuned("llama", &Tuning::Head, Precision::Bf16, Running::exact(1)));
    assert!(message.contains("other frozen weights"), "{message}");
    let message = load(&mut exact("llama", &lora(0.0)));
    assert!(message.contains("is missing"), "{message}");
    let message = load(&mut tiny("llama", 1));
    assert!(message.contains("other frozen weights"), "{message}");
    persistence::load(&mut exact("llama", &Tuning::Head).parameters, dir.path()).unwrap();
}

#[test]
fn bf16_products_stay_close_to_exact_ones() {
    for family in FAMILIES {
        let pairs = random_pairs(family, 9);
        let gradient = |running| {
            let mut trainer = tuned(family, &Tuning::Full, Precision::F32, running);
            trainer.accumulate(&first_preferred(&pairs), &settings(0.0));
            trainer.parameters.gradient
        };
        let error = relative_error(&gradient(bf16(2)), &gradient(Running::exact(2)));
        assert!(error > 1e-6 && error < 0.1, "{family}: {error}");
    }
}
