//! Models and pairs from the fixtures that `tests/fixtures/engine/make_fixtures.py` writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::preference::Side;
use crate::domain::spec::{LoraSpec, LoraTarget, Loss, Precision, Tuning};
use crate::engine::config::{DecoderConfig, ModelConfig};
use crate::engine::cpu::network::Transformer;
use crate::engine::cpu::parameters::{NoSource, Parameters, TensorSource};
use crate::engine::cpu::trainer::{Running, Trainer};
use crate::engine::files::weights::{Tensor, read_tensors};
pub use crate::engine::fixture::FAMILIES;
use crate::engine::{EncodedPair, EngineError, LabeledPair, StepSettings};

/// One pair of a fixture with PyTorch's rewards.
#[derive(Debug, Deserialize)]
pub struct Case {
    tokens_a: Vec<u32>,
    tokens_b: Vec<u32>,
    n_shared: usize,
    answer_start: [usize; 2],
    pub rewards: [f32; 2],
    pub preferred: Side,
}

/// The pairs of a fixture.
#[derive(Debug, Deserialize)]
pub struct Cases {
    pub loss: f32,
    pub pairs: Vec<Case>,
}

impl Cases {
    pub fn encoded(&self) -> Vec<EncodedPair> {
        self.pairs
            .iter()
            .map(|case| EncodedPair {
                tokens_a: case.tokens_a.clone(),
                tokens_b: case.tokens_b.clone(),
                n_shared: case.n_shared,
                answer_start: case.answer_start,
                ..EncodedPair::default()
            })
            .collect()
    }
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/engine").join(name)
}

pub fn cases(family: &str) -> Cases {
    let text = std::fs::read_to_string(fixture(family).join("cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The configuration of a family's tiny model.
pub fn config(family: &str) -> ModelConfig {
    let path = fixture(family).join("config.json");
    ModelConfig::parse(&path, &std::fs::read(&path).unwrap()).unwrap()
}

/// Whether a family's models are causal.
pub fn is_decoder(family: &str) -> bool {
    matches!(config(family), ModelConfig::Decoder(_))
}

/// Tensors of a fixture as a source.
pub struct Tensors(pub BTreeMap<String, Tensor>);

impl TensorSource for Tensors {
    fn read(&self, name: &str, to: &mut [f32]) -> Result<bool, EngineError> {
        let Some(tensor) = self.0.get(name) else { return Ok(false) };
        to.copy_from_slice(&tensor.values);
        Ok(true)
    }
}

/// The tiny model of a family, trained in full, on so many threads.
pub fn tiny(family: &str, n_threads: usize) -> Trainer {
    tuned(family, &Tuning::Full, Precision::F32, Running::exact(n_threads))
}

/// The tiny model of a family.
pub fn tuned(family: &str, tuning: &Tuning, frozen: Precision, running: Running) -> Trainer {
    let tensors = read_tensors(&fixture(family).join("model.safetensors")).unwrap();
    let (network, table) = Transformer::new(&config(family), tuning, frozen);
    let parameters = Parameters::new(table, 5, &Tensors(tensors)).unwrap();
    Trainer::new(network, parameters, running).unwrap()
}

/// The tiny model of a decoder family as a language model, on two threads.
pub fn tuned_language_model(family: &str, tuning: &Tuning, precision: Precision) -> Trainer {
    let tensors = read_tensors(&fixture(family).join("model.safetensors")).unwrap();
    let (network, table) = Transformer::language_model(&config(family), tuning, Precision::F32);
    let parameters = Parameters::new(table, 5, &Tensors(tensors)).unwrap();
    let running = Running { precision, ..Running::exact(2) };
    Trainer::new(network, parameters, running).unwrap()
}

/// A model of another shape with random weights.
pub fn random(config: &ModelConfig, running: Running) -> Trainer {
    let (network, table) = Transformer::new(config, &Tuning::Full, Precision::F32);
    let parameters = Parameters::new(table, 1, &NoSource).unwrap();
    Trainer::new(network, parameters, running).unwrap()
}

/// Adapters on every matrix.
pub fn lora(dropout: f32) -> Tuning {
    use LoraTarget::{Down, Gate, Key, Output, Query, Up, Value};
    let targets = vec![Query, Key, Value, Output, Gate, Up, Down];
    Tuning::Lora(LoraSpec { rank: 3, alpha: 12.0, dropout, targets })
}

/// Every way of tuning a model of two or three blocks.
pub fn tunings() -> Vec<Tuning> {
    let some = LoraSpec { rank: 2, alpha: 4.0, dropout: 0.1, ..LoraSpec::default() };
    vec![
        Tuning::Full,
        Tuning::Lora(some),
        lora(0.0),
        Tuning::TopLayers(0),
        Tuning::TopLayers(1),
        Tuning::TopLayers(2),
        Tuning::Head,
    ]
}

pub fn labeled<'a>(pairs: &'a [EncodedPair], cases: &Cases) -> Vec<LabeledPair<'a>> {
    pairs
        .iter()
        .zip(&cases.pairs)
        .map(|(pair, case)| LabeledPair::certain(pair, case.preferred))
        .collect()
}

/// `n` pairs of random tokens with random lengths and, for a decoder, prefixes.
pub fn random_pairs(family: &str, n: usize) -> Vec<EncodedPair> {
    use crate::domain::random::{Place, Purpose};
    let place = Place::new(3, Purpose::Display);
    (0..n as u64)
        .map(|i| {
            let draw = |k: u64, limit| place.below(i * 1000 + k, limit);
            let (n_prefix, n_a, n_b) = (draw(0, 12), 1 + draw(1, 9), 1 + draw(2, 9));
            let token = |k: usize| 1 + draw(10 + k as u64, 49) as u32;
            let prefix: Vec<u32> = (0..n_prefix).map(token).collect();
            let side = |first: usize, n: usize| {
                prefix.iter().copied().chain((first..first + n).map(token)).collect()
            };
            let is_decoder = is_decoder(family);
            EncodedPair {
                tokens_a: side(100, n_a),
                tokens_b: side(200, n_b),
                n_shared: if is_decoder { n_prefix } else { 0 },
                answer_start: if is_decoder { [0, 0] } else { [n_prefix, n_prefix] },
                ..EncodedPair::default()
            }
        })
        .collect()
}

/// Plain settings: Bradley-Terry, no decay, no clipping, no dropout.
pub fn settings(learning_rate: f32) -> StepSettings {
    StepSettings {
        loss: Loss::BradleyTerry,
        learning_rate,
        weight_decay: 0.0,
        clip_norm: 0.0,
        dropout: 0.0,
        dropout_key: 0,
    }
}

/// A decoder as large as the embedded model.
pub fn decoder_config() -> DecoderConfig {
    DecoderConfig {
        vocab_size: 2048,
        hidden_size: 128,
        intermediate_size: 344,
        n_layers: 4,
        n_heads: 4,
        n_kv_heads: 4,
        head_dim: 32,
        max_positions: 256,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tied_embeddings: true,
        bos_token_id: None,
        eos_token_id: None,
        ..DecoderConfig::default()
    }
}
