//! Rewards, losses and whole gradients against PyTorch.

use super::differences::relative_error;
use super::support::{Cases, FAMILIES, cases, fixture, labeled, settings, tiny};
use crate::engine::cpu::CpuModel;
use crate::engine::cpu::parameters::Parameters;
use crate::engine::cpu::trainer::Trainer;
use crate::engine::files::weights::read_tensors;
use crate::engine::fixture::shared_model;
use crate::engine::{Backbone, EncodedPair, OpenSettings};

fn assert_rewards(trainer: &mut Trainer, cases: &Cases, tolerance: f32) {
    let pairs = cases.encoded();
    let references: Vec<&EncodedPair> = pairs.iter().collect();
    let rewards = trainer.score(&references).unwrap();
    for (i, (actual, case)) in rewards.iter().zip(&cases.pairs).enumerate() {
        for (actual, expected) in actual.iter().zip(&case.rewards) {
            assert!((actual - expected).abs() <= tolerance, "pair {i}: {actual} {expected}");
        }
    }
}

#[test]
fn rewards_loss_and_gradient_match_pytorch() {
    for family in FAMILIES {
        let mut trainer = tiny(family, 1);
        let cases = cases(family);
        assert_rewards(&mut trainer, &cases, 1e-5);
        let pairs = cases.encoded();
        let totals = trainer.accumulate(&labeled(&pairs, &cases), &settings(0.0));
        let loss = (totals.loss / pairs.len() as f64) as f32;
        assert!((loss - cases.loss).abs() < 1e-5, "{family}: {loss} {}", cases.loss);

        let expected = read_tensors(&fixture(family).join("gradients.safetensors")).unwrap();
        let parameters = &trainer.parameters;
        assert_eq!(expected.len(), parameters.table.entries().len(), "{family}");
        let mut whole = (Vec::new(), Vec::new());
        for (name, actual) in parameters.by_name(&parameters.gradient) {
            let expected = &expected[name].values;
            // The key bias moves all scores of a row alike: its gradient is zero but for rounding.
            let is_flat = ["self.key.bias", "k_lin.bias", "classifier.bias", "out_proj.bias"]
                .iter()
                .any(|flat| name.ends_with(flat));
            let error = relative_error(actual, expected);
            assert!(is_flat || error < 2e-4, "{family} {name}: {error}");
            assert!(is_flat || actual.iter().any(|g| *g != 0.0), "{family} {name} has no gradient");
            whole.0.extend_from_slice(actual);
            whole.1.extend_from_slice(expected);
        }
        let error = relative_error(&whole.0, &whole.1);
        assert!(error < 1e-4, "{family}: {error}");
    }
}

#[test]
fn real_models_match_pytorch() {
    let text = std::fs::read_to_string(fixture("real.json")).unwrap();
    let real: std::collections::BTreeMap<String, Cases> = serde_json::from_str(&text).unwrap();
    for (name, cases) in real {
        let Some(dir) = shared_model(&name) else { continue };
        let settings =
            OpenSettings { n_threads: 2, ..OpenSettings::new(Backbone::Directory(dir), 256, 1) };
        let mut model = CpuModel::open(&settings).unwrap();
        let Parameters { table, values, .. } = &mut model.trainer_mut().parameters;
        for entry in table.entries() {
            let slice = entry.slot.span.of_mut(values);
            match entry.name.as_str() {
                "score.weight" | "classifier.weight" | "bert.pooler.dense.weight" => {
                    // The fixed head of `make_fixtures.py`.
                    for (i, value) in slice.iter_mut().enumerate() {
                        *value = 0.02 * (i as f32).sin();
                    }
                }
                "bert.pooler.dense.bias" | "classifier.bias" => slice.fill(0.0),
                _ => {}
            }
        }
        let trainer = model.trainer_mut();
        assert_rewards(trainer, &cases, 1e-4);
    }
}
