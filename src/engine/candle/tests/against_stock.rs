//! The oracle against itself where the answer is known, and against figures of another framework.

use std::collections::BTreeMap;

use super::oracle::Oracle;
use crate::engine::config::ModelConfig;
use crate::engine::cpu::CpuModel;
use crate::engine::files::weights::{ModelFiles, Tensor, read_tensors};
use crate::engine::fixture::{bert_dir, llama_dir, shared_model};
use crate::engine::{Backbone, OpenSettings, PairText, RewardModel, Trainable};

fn head(names: &[(&str, Vec<usize>)]) -> BTreeMap<String, Tensor> {
    // Fixed numbers any framework can reproduce: sin(i) / 4.
    let tensor = |shape: &Vec<usize>| {
        let n: usize = shape.iter().product();
        let values = (0..n).map(|i| ((i as f64).sin() / 4.0) as f32).collect();
        Tensor { shape: shape.clone(), values }
    };
    names.iter().map(|(name, shape)| ((*name).to_owned(), tensor(shape))).collect()
}

fn oracle(dir: &std::path::Path) -> Oracle {
    let files = ModelFiles::open(&Backbone::Directory(dir.to_owned()), 16).unwrap();
    let mut tensors = files.weights.read_all().unwrap();
    let width = files.config.hidden_size();
    let synthetic = match files.config {
        ModelConfig::Decoder(_) => head(&[("score.weight", vec![1, width])]),
        ModelConfig::Encoder(_) => head(&[
            ("bert.pooler.dense.weight", vec![width, width]),
            ("bert.pooler.dense.bias", vec![width]),
            ("classifier.weight", vec![1, width]),
            ("classifier.bias", vec![1]),
        ]),
    };
    for (name, tensor) in synthetic {
        tensors.entry(name).or_insert(tensor);
    }
    Oracle::new(&files.config, &tensors).unwrap()
}

#[test]
fn a_decoder_reads_its_last_token_and_an_encoder_its_segments() {
    let decoder = oracle(llama_dir().path());
    let reward = decoder.reward(&[1, 3, 4, 2], 0).unwrap();
    assert!(reward.is_finite() && reward != 0.0);
    assert_ne!(reward, decoder.reward(&[1, 4, 3, 2], 0).unwrap());
    let encoder = oracle(bert_dir().path());
    let reward = encoder.reward(&[2, 4, 3, 5, 3], 3).unwrap();
    assert!(reward.is_finite() && reward != 0.0);
    assert_ne!(reward, encoder.reward(&[2, 4, 3, 5, 3], 2).unwrap(), "token types matter");
}

#[test]
fn a_missing_head_is_named() {
    let dir = llama_dir();
    let files = ModelFiles::open(&Backbone::Directory(dir.path().to_owned()), 16).unwrap();
    let error = Oracle::new(&files.config, &files.weights.read_all().unwrap()).err().unwrap();
    assert_eq!(error.to_string(), "candle: `score.weight` is missing");
}

/// `PyTorch` 2.15 with transformers 5.23 in f32, eager attention, the same synthetic heads (the
/// encoder's pooler is the checkpoint's own).
#[test]
fn real_models_give_the_rewards_of_pytorch() {
    if let Some(dir) = shared_model("stories260K/hf") {
        let reward = oracle(&dir).reward(&[1, 403, 407, 261, 378, 100, 200, 300, 2], 0).unwrap();
        assert!((reward + 3.121_988).abs() < 1e-4, "{reward}");
    }
    if let Some(dir) = shared_model("all-MiniLM-L6-v2") {
        let tokens = [101, 2073, 2003, 1996, 7668, 102, 2009, 2003, 2006, 1996, 3420, 1012, 102];
        let reward = oracle(&dir).reward(&tokens, 6).unwrap();
        assert!((reward - 0.074_967).abs() < 1e-4, "{reward}");
    }
}

/// The independent forward pass against the trained one, on real texts: rewards of both sides of
/// pairs, shared prefixes and truncation included.
#[test]
fn the_cpu_engine_gives_the_rewards_of_the_oracle() {
    let texts = [
        ["\n\nHuman: Where is the café?\n\nAssistant:", " On the corner.", " I do not know."],
        ["Once upon a time", " there was a little girl named Lily.", " there was"],
        ["", "a", ""],
        ["Tell me a story, please. ".repeat(9).leak(), " No.", " Once there was a dog. He ran."],
    ];
    let pairs = texts
        .map(|[prompt, response_a, response_b]| PairText::dialogue(prompt, response_a, response_b));
    for name in ["stories260K/hf", "all-MiniLM-L6-v2"] {
        let Some(dir) = shared_model(name) else { continue };
        let settings = OpenSettings {
            n_threads: 2,
            ..OpenSettings::new(Backbone::Directory(dir.clone()), 64, 3)
        };
        let mut model = CpuModel::open(&settings).unwrap();
        let encoded = model.encode(&pairs).unwrap();
        assert!(encoded[3].is_truncated());
        let rewards = model.score(&encoded.iter().collect::<Vec<_>>()).unwrap();
        let saved = tempfile::tempdir().unwrap();
        model.save(saved.path()).unwrap();
        let weights = read_tensors(&saved.path().join("weights.safetensors")).unwrap();
        let config = ModelFiles::open(&settings.backbone, 64).unwrap().config;
        let oracle = Oracle::new(&config, &weights).unwrap();
        for (pair, rewards) in encoded.iter().zip(rewards) {
            let sides = [&pair.tokens_a, &pair.tokens_b];
            for ((tokens, start), reward) in sides.into_iter().zip(pair.answer_start).zip(rewards) {
                let expected = oracle.reward(tokens, start).unwrap();
                assert!((reward - expected).abs() < 1e-4, "{name}: {reward} {expected}");
                assert!(expected != 0.0);
            }
        }
    }
}

/// The stock models of every family against the candle path, where they mean the same.
#[test]
fn the_families_give_the_rewards_of_the_stock_models() {
    use super::support::trainer;
    use crate::domain::spec::{Precision, Tuning};
    use crate::engine::EncodedPair;
    use crate::engine::cpu::tests::support::{FAMILIES, cases, config, fixture};
    use crate::engine::files::weights::StoredTensors;

    let mut n_checked = 0;
    for family in FAMILIES {
        let path = fixture(family).join("model.safetensors");
        let weights = read_tensors(&path).unwrap();
        let mut config = config(family);
        if let ModelConfig::Decoder(config) = &mut config {
            if config.sliding_window.is_some() || config.rope_scaling.is_some() {
                let original = ModelConfig::Decoder(config.clone());
                let error = Oracle::new(&original, &weights).err().unwrap();
                assert!(error.to_string().contains("the stock model knows no"), "{error}");
                (config.sliding_window, config.rope_scaling) = (None, None);
            }
            if config.mlp_bias {
                continue;
            }
        }
        let oracle = Oracle::new(&config, &weights).unwrap();
        let mut source = StoredTensors::default();
        source.add_file(&path, |name| Some(name.to_owned())).unwrap();
        let precision = (Precision::F32, Precision::F32);
        let trainer = trainer(config, &source, &Tuning::Full, precision, 64);
        let pairs = cases(family).encoded();
        let rewards = trainer.score(&pairs.iter().collect::<Vec<&EncodedPair>>()).unwrap();
        for (pair, rewards) in pairs.iter().zip(rewards) {
            let sides = [&pair.tokens_a, &pair.tokens_b];
            for ((tokens, start), reward) in sides.into_iter().zip(pair.answer_start).zip(rewards) {
                let expected = oracle.reward(tokens, start).unwrap();
                assert!((reward - expected).abs() < 2e-5, "{family}: {reward} {expected}");
                n_checked += 1;
            }
        }
    }
    assert!(n_checked >= 9 * 6);
}
