//! Likelihoods and next-token training against PyTorch and against the processor's kernels, and answers
//! against the latter.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::Deserialize;

use crate::domain::spec::Device;
use crate::engine::candle::language_model::LanguageModel;
use crate::engine::config::{DecoderConfig, ModelConfig};
use crate::engine::cpu::LanguageModel as CpuLanguageModel;
use crate::engine::cpu::tests::differences::relative_error;
use crate::engine::cpu::tests::support::{cases, config, fixture, settings};
use crate::engine::files::weights::read_tensors;
use crate::engine::fixture::bert_dir;
use crate::engine::generation::sampling::{Filters, Sampling};
use crate::engine::generation::{Generated, GenerationSettings};
use crate::engine::open::open_language_model;
use crate::engine::{
    Backbone, CausalLm, EncodedPair, NoLikelihood, OpenSettings, PairText, StepSettings, open,
};

/// What transformers says of a family (`make_likelihoods.py`).
#[derive(Deserialize)]
struct Expected {
    pairs: Vec<[f32; 2]>,
    loss: f32,
    gradient_norm: f32,
}

#[derive(Deserialize)]
struct Fixture {
    families: BTreeMap<String, Expected>,
}

fn expected() -> Fixture {
    let text = std::fs::read_to_string(fixture("likelihoods.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn decoder(family: &str) -> DecoderConfig {
    let ModelConfig::Decoder(config) = config(family) else { panic!("`{family}` is a decoder") };
    config
}

/// Both implementations with the weights of a family, candle's in micro-batches of so many tokens.
fn both(family: &str, budget: usize) -> [Box<dyn CausalLm>; 2] {
    let mut candle = LanguageModel::random(&decoder(family), 1, budget).unwrap();
    let mut cpu = CpuLanguageModel::random(&decoder(family), 1, 1).unwrap();
    for (name, tensor) in read_tensors(&fixture(family).join("model.safetensors")).unwrap() {
        candle.set(&name, &tensor.values);
        cpu.set(&name, &tensor.values);
    }
    let config = decoder(family);
    if !config.tied_embeddings {
        let head = untied(config.vocab_size, config.hidden_size);
        candle.set("lm_head.weight", &head);
        cpu.set("lm_head.weight", &head);
    }
    [Box::new(candle), Box::new(cpu)]
}

/// The output head of the fixtures, as `untied` in `make_likelihoods.py` has it.
fn untied(rows: usize, columns: usize) -> Vec<f32> {
    let value = |(i, j): (usize, usize)| (0.3 * (0.7 * i as f64 + 1.3 * j as f64).sin()) as f32;
    (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(value).collect()
}

#[test]
fn likelihoods_and_a_step_are_those_of_pytorch() {
    for (family, expected) in expected().families {
        let pairs = cases(&family).encoded();
        let references: Vec<&EncodedPair> = pairs.iter().collect();
        let sequences: Vec<Vec<u32>> = pairs.iter().map(|pair| pair.tokens_a.clone()).collect();
        for mut model in both(&family, 64) {
            let found = model.answer_log_likelihoods(&references).unwrap();
            for (found, expected) in found.iter().flatten().zip(expected.pairs.iter().flatten()) {
                assert!((found - expected).abs() < 1e-4, "{family}: {found} {expected}");
            }
            let report = model.next_token_step(&sequences, &settings(0.0)).unwrap();
            assert!((report.loss - expected.loss).abs() < 1e-4, "{family}: {report:?}");
            let share = report.gradient_norm / expected.gradient_norm;
            assert!((share - 1.0).abs() < 1e-4, "{family}: {report:?}");
        }
    }
}

#[test]
fn training_takes_the_way_of_the_cpu() {
    for family in ["llama", "qwen2", "qwen3"] {
        let sequences: Vec<Vec<u32>> =
            cases(family).encoded().into_iter().map(|pair| pair.tokens_b).collect();
        let [mut candle, mut cpu] = both(family, 40);
        for step in 0..4 {
            let settings = StepSettings {
                weight_decay: 0.1,
                clip_norm: 0.5,
                dropout: 0.1,
                dropout_key: step,
                ..settings(1e-3)
            };
            let actual = candle.next_token_step(&sequences, &settings).unwrap();
            let expected = cpu.next_token_step(&sequences, &settings).unwrap();
            assert!((actual.loss - expected.loss).abs() < 1e-4, "{actual:?} {expected:?}");
            assert!((actual.gradient_norm / expected.gradient_norm - 1.0).abs() < 1e-3);
            assert_eq!(actual.n_tokens, expected.n_tokens);
            assert_eq!(actual.n_correct, expected.n_correct);
        }
        let expected = cpu.tensors().unwrap();
        let actual = candle.tensors().unwrap();
        assert_eq!(actual.len(), expected.len());
        for actual in actual.iter().filter(|it| !it.name.ends_with("k_proj.bias")) {
            let expected = expected.iter().find(|it| it.name == actual.name).unwrap();
            let error = relative_error(&actual.values.to_f32(), &expected.values.to_f32());
            assert!(error < 2e-3, "{family} {}: {error}", actual.name);
        }
    }
}

#[test]
fn a_backbone_on_another_device_says_the_same_of_real_texts() {
    let settings = OpenSettings { n_threads: 1, ..OpenSettings::new(Backbone::Embedded, 64, 1) };
    let there = OpenSettings { device: Device::CandleCpu, ..settings.clone() };
    let texts = [
        ["\n\nHuman: Name a fruit.\n\nAssistant:", " An apple.", " apple An an."],
        ["", "a", ""],
        ["Tell me a story, please. ".repeat(9).leak(), " No.", " Once there was a dog."],
    ];
    let pairs = texts.map(|[prompt, a, b]| PairText::dialogue(prompt, a, b));
    let encoded = open(&settings).unwrap().encode(&pairs).unwrap();
    let references: Vec<&EncodedPair> = encoded.iter().collect();
    let [here, there] = [settings, there].map(|settings| {
        let mut model = open_language_model(&settings).unwrap().unwrap();
        model.answer_log_likelihoods(&references).unwrap()
    });
    for (here, there) in here.iter().flatten().zip(there.iter().flatten()) {
        assert!((here - there).abs() < 1e-4, "{here} {there}");
    }
    let encoder = bert_dir();
    let backbone = Backbone::Directory(encoder.path().to_owned());
    let encoder = OpenSettings { device: Device::CandleCpu, ..OpenSettings::new(backbone, 16, 1) };
    assert_eq!(open_language_model(&encoder).unwrap().err(), Some(NoLikelihood::Encoder));
}

#[test]
fn other_devices_answer_as_the_processor_does() {
    for family in ["llama", "mistral", "qwen3"] {
        let prompts: [&[u32]; 2] = [&[1, 5, 9, 30, 2, 7, 8, 4, 4, 11, 6], &[3]];
        let mut settings =
            GenerationSettings { n_answers: 2, ..GenerationSettings::new(12, 40, 5) };
        settings.sampling =
            Sampling::Drawn(Filters { temperature: 0.8, top_k: 30, top_p: 0.95, min_p: 0.01 });
        let [there, here] = both(family, 64).map(|mut model| {
            let mut answers: Vec<Generated> = Vec::new();
            model.generate(&prompts, &settings, &mut answers).unwrap();
            answers.sort_by_key(|answer| answer.place);
            answers
        });
        assert_eq!((there.len(), here.len()), (4, 4));
        for (there, here) in there.iter().zip(&here) {
            assert_eq!((there.place, &there.tokens), (here.place, &here.tokens), "{family}");
            for (a, b) in there.log_probabilities.iter().zip(&here.log_probabilities) {
                assert!((a - b).abs() < 1e-4, "{family}: {a} {b}");
            }
        }
    }
}

impl LanguageModel {
    /// Gives a tensor other values.
    fn set(&mut self, name: &str, values: &[f32]) {
        let place = self.parameters().trained_place(name).unwrap();
        let variable = &self.parameters().trained[place].values;
        let values = Tensor::from_slice(values, variable.shape(), variable.device()).unwrap();
        variable.set(&values).unwrap();
    }
}
