//! Candle trainers over the fixtures.

use std::collections::BTreeMap;

use candle_core::Device;

use crate::domain::spec::{Precision, Tuning};
use crate::engine::candle::network::Network;
use crate::engine::candle::operations::Arithmetic;
use crate::engine::candle::parameters::{Gradients, Origin, Parameters};
use crate::engine::candle::pass::Training;
use crate::engine::candle::trainer::Trainer;
use crate::engine::config::ModelConfig;
use crate::engine::cpu::tests::support::config;
use crate::engine::files::layout::Layout;
use crate::engine::files::weights::StoredTensors;
use crate::engine::fixture::fixture_dir;

/// The tiny model of a family; micro-batches of so many padded tokens.
pub fn tiny(family: &str, tuning: &Tuning, budget: usize) -> Trainer {
    let mut source = StoredTensors::default();
    let path = fixture_dir(family).join("model.safetensors");
    source.add_file(&path, |name| Some(name.to_owned())).unwrap();
    trainer(config(family), &source, tuning, (Precision::F32, Precision::F32), budget)
}

/// A model; precisions of products and of frozen tensors.
pub fn trainer(
    config: ModelConfig,
    source: &StoredTensors,
    tuning: &Tuning,
    (precision, frozen): (Precision, Precision),
    budget: usize,
) -> Trainer {
    let (device, layout) = (Device::Cpu, Layout::of(&config));
    let n_layers = config.n_layers();
    let origin = Origin { source, rng_seed: 5, tuning, frozen, device: &device, n_layers };
    let parameters = Parameters::new(&layout, &origin).unwrap();
    let network = Network::new(&config, &layout, &parameters, tuning).unwrap();
    let arithmetic = Arithmetic::new(precision, &device);
    let trunk = Training::trunk(tuning, n_layers);
    Trainer { config, network, parameters, trunk, arithmetic, device, budget }
}

/// Gradients by name; every trained tensor must have one.
pub fn by_name(trainer: &Trainer, gradients: &Gradients) -> BTreeMap<String, Vec<f32>> {
    trainer
        .parameters
        .trained
        .iter()
        .zip(gradients)
        .map(|(trained, gradient)| {
            let name = trained.name.clone();
            let gradient = gradient.as_ref().unwrap_or_else(|| panic!("{name} has no gradient"));
            (name, gradient.flatten_all().unwrap().to_vec1().unwrap())
        })
        .collect()
}

/// Whether the gradient of a tensor is zero but for rounding: a bias of the keys moves all scores
/// of a row alike, one of the head both rewards of a pair.
pub fn is_flat(name: &str) -> bool {
    ["self.key.bias", "k_lin.bias", "classifier.bias", "out_proj.bias"]
        .iter()
        .any(|end| name.ends_with(end))
}
