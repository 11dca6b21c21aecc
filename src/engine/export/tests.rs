//! What is written opens again with the same rewards.

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::domain::preference::Side;
use crate::domain::spec::{LoraSpec, LoraTarget, Loss};
use crate::engine::files::checkpoint::write_checkpoint;
use crate::engine::fixture::{bert_dir, deberta_dir, fixture_dir, llama_dir};
use crate::engine::scoring::open_to_score;
use crate::engine::{LabeledPair, PairText, StepSettings};

const PAIRS: [PairText<'_>; 2] = [
    PairText::dialogue("the cat", " sat on the mat", " ran away"),
    PairText::dialogue("the dog ran", " away", " on the mat mat"),
];

fn settings(dir: &Path, tuning: Tuning) -> OpenSettings {
    let backbone = Backbone::Directory(dir.to_owned());
    OpenSettings { n_threads: 1, tuning, ..OpenSettings::new(backbone, 16, 3) }
}

fn lora() -> Tuning {
    let targets = vec![LoraTarget::Query, LoraTarget::Output, LoraTarget::Down];
    Tuning::Lora(LoraSpec { rank: 2, alpha: 8.0, dropout: 0.0, targets })
}

/// Trains a few steps, and gives the rewards and a checkpoint.
fn train(settings: &OpenSettings, parent: &Path) -> (Vec<[f32; 2]>, PathBuf) {
    let mut model = crate::engine::open(settings).unwrap();
    let pairs = model.encode(&PAIRS).unwrap();
    let batch: Vec<LabeledPair<'_>> =
        pairs.iter().map(|pair| LabeledPair::certain(pair, Side::B)).collect();
    let step = StepSettings {
        loss: Loss::BradleyTerry,
        learning_rate: 1e-2,
        weight_decay: 0.0,
        clip_norm: 1.0,
        dropout: 0.0,
        dropout_key: 0,
    };
    for _ in 0..5 {
        model.train_step(&batch, &step).unwrap();
    }
    write_checkpoint(parent, "c", model.as_ref(), "{}").unwrap();
    let mut model = open_to_score(settings, Some(&parent.join("c"))).unwrap();
    (model.score(&pairs.iter().collect::<Vec<_>>()).unwrap(), parent.join("c"))
}

fn rewards(dir: &Path) -> Vec<[f32; 2]> {
    assert!(ModelFiles::check(dir).unwrap().has_reward_head);
    let mut model = open_to_score(&settings(dir, Tuning::Head), None).unwrap();
    let pairs = model.encode(&PAIRS).unwrap();
    model.score(&pairs.iter().collect::<Vec<_>>()).unwrap()
}

fn assert_close(found: &[[f32; 2]], expected: &[[f32; 2]]) {
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_tuning_of_every_wiring_comes_back_whole() {
    for base in [llama_dir(), bert_dir(), deberta_dir()] {
        for tuning in [Tuning::Full, Tuning::Head, Tuning::TopLayers(1), lora()] {
            let place = tempfile::tempdir().unwrap();
            let settings = settings(base.path(), tuning);
            let (expected, checkpoint) = train(&settings, place.path());
            let out = place.path().join("out");
            std::fs::create_dir(&out).unwrap();
            let model = TrainedModel::open(&settings, &checkpoint).unwrap();
            let exported = model.write_model(&out).unwrap();
            assert_close(&rewards(&out), &expected);
            let config = json(&out.join("config.json"));
            assert_eq!(config["id2label"], serde_json::json!({"0": "LABEL_0"}));
            assert_eq!(config["architectures"][0], exported.class);
            assert_eq!(json(&out.join("tokenizer_config.json"))["model_max_length"], 16);
        }
    }
}

/// What candle has trained is written by the same lines as what the processor's kernels have.
#[test]
fn a_model_on_another_device_is_written_alike() {
    let base = llama_dir();
    for tuning in [Tuning::Full, lora()] {
        let place = tempfile::tempdir().unwrap();
        let settings = settings(base.path(), tuning);
        let (_, checkpoint) = train(&settings, place.path());
        let other = OpenSettings { device: Device::CandleCpu, ..settings.clone() };
        let there = open_to_score(&other, Some(&checkpoint)).unwrap();
        let models = [
            TrainedModel::open(&settings, &checkpoint).unwrap(),
            TrainedModel::of(there, &other).unwrap(),
        ];
        let files = ["here", "there"].map(|name| place.path().join(name));
        for (model, dir) in models.iter().zip(&files) {
            std::fs::create_dir(dir).unwrap();
            model.write_model(dir).unwrap();
        }
        let [here, there] = files.map(|dir| std::fs::read(dir.join(WEIGHTS)).unwrap());
        assert_eq!(here, there);
    }
}

#[test]
fn batches_are_not_padded_with_the_end_token() {
    let (base, place) = (llama_dir(), tempfile::tempdir().unwrap());
    let special = r#"{"eos_token": {"content": "</s>"}, "pad_token": "</s>"}"#;
    std::fs::write(base.path().join("tokenizer_config.json"), special).unwrap();
    let settings = settings(base.path(), Tuning::Full);
    let (_, checkpoint) = train(&settings, place.path());
    let exported = TrainedModel::open(&settings, &checkpoint).unwrap().write_model(place.path());
    let exported = exported.unwrap();
    assert_eq!(exported.padding.as_deref(), Some("<unk>"));
    assert_eq!(exported.text, InputForm::Whole { end: Some("</s>".into()) });
    assert_eq!(json(&place.path().join("config.json"))["pad_token_id"], 0);
    for file in ["tokenizer_config.json", "special_tokens_map.json"] {
        assert_eq!(json(&place.path().join(file))["pad_token"], "<unk>");
    }
}

/// As of GPT-2: others would fill in the end token, and read one token too early.
#[test]
fn a_vocabulary_without_a_token_to_spare_gets_one() {
    let (base, place) = (llama_dir(), tempfile::tempdir().unwrap());
    let path = base.path().join("tokenizer.json");
    let mut tokenizer = json(&path);
    tokenizer["added_tokens"].as_array_mut().unwrap().retain(|token| token["content"] == "</s>");
    tokenizer["post_processor"] = Value::Null;
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    let special = r#"{"eos_token": "</s>", "bos_token": "</s>", "pad_token": null}"#;
    std::fs::write(base.path().join("tokenizer_config.json"), special).unwrap();
    let settings = settings(base.path(), Tuning::Full);
    let (expected, checkpoint) = train(&settings, place.path());
    let out = place.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let model = TrainedModel::open(&settings, &checkpoint).unwrap();
    assert_eq!(model.write_model(&out).unwrap().padding.as_deref(), Some("<|pad|>"));
    assert_close(&rewards(&out), &expected);
    let config = json(&out.join("config.json"));
    assert_eq!((&config["pad_token_id"], &config["vocab_size"]), (&11.into(), &12.into()));
    assert_eq!(json(&out.join("tokenizer_config.json"))["pad_token"], "<|pad|>");
    let tokenizer = ModelFiles::open(&Backbone::Directory(out), 16).unwrap().tokenizer;
    assert_eq!(tokenizer.id("<|pad|>"), Some(11));
}

#[test]
fn an_adapter_comes_back_over_its_base() {
    for (base, prefix) in [(llama_dir(), ""), (bert_dir(), "bert"), (deberta_dir(), "deberta")] {
        let place = tempfile::tempdir().unwrap();
        let settings = settings(base.path(), lora());
        let (expected, checkpoint) = train(&settings, place.path());
        let out = place.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let model = TrainedModel::open(&settings, &checkpoint).unwrap();
        model.write_adapter(&out, &out).unwrap();
        assert_close(&rewards(&out), &expected);
        let config = json(&out.join("adapter_config.json"));
        let names =
            |key: &str| -> Vec<String> { serde_json::from_value(config[key].clone()).unwrap() };
        if names("modules_to_save") == ["score"] {
            assert_eq!(names("target_modules"), ["down_proj", "o_proj", "q_proj"]);
        } else {
            // `dense` is also the pooler's name.
            let whole = ["0.attention.output.dense", "0.output.dense", "1.attention.output.dense"];
            let targets = names("target_modules");
            assert_eq!(names("modules_to_save"), ["classifier", "pooler"]);
            let name = |layer: &&str| format!("{prefix}.encoder.layer.{layer}");
            assert!(whole.iter().all(|layer| targets.contains(&name(layer))));
            let query = if prefix == "bert" { "query" } else { "query_proj" };
            assert_eq!((targets.len(), targets[4].as_str()), (5, query));
        }
    }
}

#[test]
fn what_is_no_adapter_is_refused() {
    let (base, place) = (llama_dir(), tempfile::tempdir().unwrap());
    let settings = settings(base.path(), Tuning::Full);
    let (_, checkpoint) = train(&settings, place.path());
    let model = TrainedModel::open(&settings, &checkpoint).unwrap();
    let error = model.write_adapter(place.path(), place.path()).unwrap_err();
    assert!(matches!(error, EngineError::NoAdapter), "{error}");
    let mock = OpenSettings::new(Backbone::Mock, 8, 1);
    let error = TrainedModel::open(&mock, &checkpoint).err().unwrap();
    assert!(matches!(error, EngineError::NothingToExport), "{error}");
}

#[test]
fn a_run_on_an_adapter_comes_back_whole_and_as_one_adapter() {
    for name in ["patterns", "grown", "table", "whole-layers"] {
        let base = fixture_dir("adapters").join(name);
        for tuning in [lora(), Tuning::Full] {
            let place = tempfile::tempdir().unwrap();
            let settings = settings(&base, tuning.clone());
            let (expected, checkpoint) = train(&settings, place.path());
            let model = TrainedModel::open(&settings, &checkpoint).unwrap();
            let close = |found: Vec<[f32; 2]>| {
                for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                    assert!((found - expected).abs() < 1e-5, "{name}: {found} {expected}");
                }
            };
            let [whole, adapter] = ["whole", "adapter"].map(|it| place.path().join(it));
            std::fs::create_dir(&whole).unwrap();
            std::fs::create_dir(&adapter).unwrap();
            model.write_model(&whole).unwrap();
            close(rewards(&whole));
            let n_rows = if name == "grown" { 22 } else { 20 };
            assert_eq!(json(&whole.join("config.json"))["vocab_size"], n_rows);
            // The tokenizer is the one that the run has read with.
            let of = |dir: &Path| std::fs::read(dir.join("tokenizer.json")).unwrap();
            let own = if name == "grown" { base.clone() } else { fixture_dir("adapters/base") };
            assert_eq!(of(&whole), of(&own));
            if tuning == Tuning::Full {
                assert!(model.write_adapter(&adapter, &adapter).is_err());
                continue;
            }
            model.write_adapter(&adapter, &adapter).unwrap();
            close(rewards(&adapter));
            let keys = json(&adapter.join("adapter_config.json"));
            let named = keys["base_model_name_or_path"].as_str().unwrap();
            assert!(named.ends_with("base") && Path::new(named).is_absolute(), "{named}");
            assert_eq!(of(&adapter), of(&own));
        }
    }
}
