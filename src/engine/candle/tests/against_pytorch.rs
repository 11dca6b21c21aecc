//! Rewards, losses and whole gradients of every family, and of PEFT's adapters, against PyTorch.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::support::{by_name, is_flat, tiny};
use crate::domain::spec::{Device, Tuning};
use crate::engine::candle::CandleModel;
use crate::engine::candle::trainer::Trainer;
use crate::engine::cpu::tests::differences::relative_error;
use crate::engine::cpu::tests::support::{
    Cases, FAMILIES, cases, fixture, labeled, lora, settings,
};
use crate::engine::files::layout::whole_name;
use crate::engine::files::weights::read_tensors;
use crate::engine::fixture::shared_model;
use crate::engine::{Backbone, EncodedPair, OpenSettings, RewardModel};

fn assert_matches(trainer: &Trainer, name: &str, file_name: impl Fn(&str) -> String) {
    let cases: Cases = cases(name);
    let pairs = cases.encoded();
    let rewards = trainer.score(&pairs.iter().collect::<Vec<&EncodedPair>>()).unwrap();
    for (actual, case) in
        rewards.as_flattened().iter().zip(cases.pairs.iter().flat_map(|c| c.rewards))
    {
        assert!((actual - case).abs() < 1e-5, "{name}: {actual} {case}");
    }
    let (totals, gradients) = trainer.gradients(&labeled(&pairs, &cases), &settings(0.0)).unwrap();
    let loss = (totals.loss / pairs.len() as f64) as f32;
    assert!((loss - cases.loss).abs() < 1e-5, "{name}: {loss} {}", cases.loss);

    let expected = read_tensors(&fixture(name).join("gradients.safetensors")).unwrap();
    let actual = by_name(trainer, &gradients);
    assert_eq!(expected.len(), actual.len(), "{name}");
    let mut whole = (Vec::new(), Vec::new());
    for (tensor, actual) in actual {
        let expected = &expected[&file_name(&tensor)].values;
        let error = relative_error(&actual, expected);
        assert!(is_flat(&tensor) || error < 2e-4, "{name} {tensor}: {error}");
        assert!(is_flat(&tensor) || actual.iter().any(|g| *g != 0.0), "{name} {tensor} is zero");
        whole.0.extend(actual);
        whole.1.extend_from_slice(expected);
    }
    let error = relative_error(&whole.0, &whole.1);
    assert!(error < 5e-5, "{name}: {error}");
}

#[test]
fn every_family_alone_and_padded() {
    for family in FAMILIES {
        // Each pair alone, two or three together, all together.
        for budget in [1, 100, 10_000] {
            assert_matches(&tiny(family, &Tuning::Full, budget), family, str::to_owned);
        }
    }
}

/// Real weights, as `cpu` is held to them.
#[test]
fn real_models() {
    let text = std::fs::read_to_string(fixture("real.json")).unwrap();
    let real: BTreeMap<String, Cases> = serde_json::from_str(&text).unwrap();
    for (name, cases) in real {
        let Some(dir) = shared_model(&name) else { continue };
        let settings = OpenSettings {
            device: Device::CandleCpu,
            ..OpenSettings::new(Backbone::Directory(dir), 256, 1)
        };
        let mut model = CandleModel::open(&settings).unwrap();
        let trainer = model.trainer();
        for trained in &trainer.parameters.trained {
            let shape = trained.values.dims();
            let values: Vec<f32> = match trained.name.as_str() {
                // The fixed head of `make_fixtures.py`.
                "score.weight" | "classifier.weight" | "bert.pooler.dense.weight" => {
                    (0..shape.iter().product()).map(|i: usize| 0.02 * (i as f32).sin()).collect()
                }
                "bert.pooler.dense.bias" | "classifier.bias" => vec![0.0; shape[0]],
                _ => continue,
            };
            let values = Tensor::from_vec(values, shape, &trainer.device).unwrap();
            trained.values.set(&values).unwrap();
        }
        let pairs = cases.encoded();
        let rewards = model.score(&pairs.iter().collect::<Vec<&EncodedPair>>()).unwrap();
        for (rewards, case) in rewards.iter().zip(&cases.pairs) {
            for (actual, expected) in rewards.iter().zip(case.rewards) {
                assert!((actual - expected).abs() < 1e-4, "{name}: {actual} {expected}");
            }
        }
    }
}

#[test]
fn the_adapters_of_peft() {
    for (name, base) in
        [("lora_llama", "llama3"), ("lora_bert", "bert"), ("lora_deberta", "deberta")]
    {
        let trainer = tiny(base, &lora(0.0), 10_000);
        let file_name = |tensor: &str| {
            if tensor.starts_with("base_model.") { tensor.to_owned() } else { whole_name(tensor) }
        };
        let adapter = read_tensors(&fixture(name).join("adapter_model.safetensors")).unwrap();
        assert_eq!(adapter.len(), trainer.parameters.trained.len());
        for trained in &trainer.parameters.trained {
            let tensor = &adapter[&file_name(&trained.name)];
            let shape = tensor.shape.as_slice();
            let values = Tensor::from_slice(&tensor.values, shape, &trainer.device);
            trained.values.set(&values.unwrap()).unwrap();
        }
        assert_matches(&trainer, name, file_name);
    }
}
