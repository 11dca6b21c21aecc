//! Adapters that PEFT 0.21.2 saved, with its rewards (`tests/fixtures/engine/make_adapters.py`).

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::domain::spec::Tuning;
use crate::engine::files::weights::{ModelFiles, write_tensors};
use crate::engine::fixture::{
    bert_config, bert_dir, bert_tokenizer, deberta_dir, fixture_dir, llama_dir, random_tensors,
    write_weights,
};
use crate::engine::scoring::open_to_score;
use crate::engine::{EncodedPair, OpenSettings};

#[derive(Deserialize)]
struct Rewards {
    ids: Vec<u32>,
    grown_ids: Vec<u32>,
    adapters: std::collections::BTreeMap<String, Option<f32>>,
    /// A key, its value as JSON text (the order of its names counts), and the reward.
    keys: Vec<(String, String, Option<f32>)>,
}

fn rewards() -> Rewards {
    let path = fixture_dir("adapters/rewards.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn backbone(dir: &Path) -> Backbone {
    Backbone::Directory(dir.to_owned())
}

fn reward(dir: &Path, ids: &[u32]) -> Result<f32, EngineError> {
    assert!(ModelFiles::check(dir)?.has_reward_head);
    let settings = OpenSettings {
        n_threads: 1,
        tuning: Tuning::Head,
        ..OpenSettings::new(backbone(dir), 16, 1)
    };
    let mut model = open_to_score(&settings, None)?;
    let (tokens_a, tokens_b) = (ids.to_vec(), ids.to_vec());
    let pair = EncodedPair { tokens_a, tokens_b, ..EncodedPair::default() };
    Ok(model.score(&[&pair])?[0][0])
}

/// A copy of a fixture, its base model named in full.
fn copy(name: &str) -> tempfile::TempDir {
    let (from, to) = (fixture_dir("adapters").join(name), tempfile::tempdir().unwrap());
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    set(to.path(), "base_model_name_or_path", json!(fixture_dir("adapters/base")));
    to
}

fn set(dir: &Path, key: &str, value: Value) {
    let path = dir.join(ADAPTER_CONFIG);
    let mut keys: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    keys[key] = value;
    std::fs::write(path, keys.to_string()).unwrap();
}

fn refusal(dir: &Path) -> (String, String) {
    let check = ModelFiles::check(dir).unwrap_err();
    let open = ModelFiles::open(&backbone(dir), 8).unwrap_err();
    assert_eq!(open.to_string(), check.to_string());
    (open.to_string(), open.hint().unwrap())
}

#[test]
fn rewards_are_those_of_peft() {
    let rewards = rewards();
    for (name, expected) in &rewards.adapters {
        let Some(expected) = expected else { continue };
        let ids = if name.starts_with("grown") { &rewards.grown_ids } else { &rewards.ids };
        let found = reward(&fixture_dir("adapters").join(name), ids).unwrap();
        assert!((found - expected).abs() < 1e-4, "{name}: {found} {expected}");
    }
    assert!(rewards.adapters.len() >= 10);
}

#[test]
fn a_key_is_read_as_peft_reads_it_or_refused_by_name() {
    let Rewards { ids, keys, .. } = rewards();
    let mut refused = Vec::new();
    for (key, value, expected) in &keys {
        let dir = copy("control");
        set(dir.path(), key, json!("@"));
        let path = dir.path().join(ADAPTER_CONFIG);
        let text = std::fs::read_to_string(&path).unwrap().replace("\"@\"", value);
        std::fs::write(&path, text).unwrap();
        match reward(dir.path(), &ids) {
            Ok(found) => {
                let expected = expected.unwrap_or(f32::NAN);
                assert!((found - expected).abs() < 1e-4, "{key} {value}: {found} {expected}");
            }
            Err(error) => {
                let message = error.to_string();
                let names = [key.as_str(), "target_modules", "at rank"];
                assert!(names.iter().any(|it| message.contains(it)), "{key} {value}: {message}");
                assert!(error.hint().is_some());
                refused.push(format!("{key} {value}"));
            }
        }
    }
    assert_eq!((keys.len(), refused.len()), (56, 20), "{refused:#?}");
}

#[test]
fn what_no_merged_model_can_be_is_refused_with_its_own_way_out() {
    for (key, value, problem, hint) in [
        ("peft_type", json!("IA3"), "only `LORA` is merged", "merge_and_unload"),
        ("peft_type", json!("PREFIX_TUNING"), "no change of weights", "the whole model"),
        ("task_type", json!("TOKEN_CLS"), "gives no reward", "SEQ_CLS"),
        ("task_type", json!("QUESTION_ANS"), "gives no reward", "SEQ_CLS"),
        (
            "init_lora_weights",
            json!("pissa_niter_16"),
            "changed at its start",
            "path_initial_model",
        ),
        ("init_lora_weights", json!("lora_ga"), "changed at its start", "path_initial_model"),
        ("init_lora_weights", json!("loftq"), "LoftQ", "where it was trained"),
        ("bias", json!("lora_only"), "biases", "merge_and_unload"),
        ("megatron_config", json!({"a": 1}), "Megatron", "transformers"),
        ("target_parameters", json!(["experts.gate"]), "no layers", "merge_and_unload"),
        ("key_of_tomorrow", json!({"a": 1}), "not known", "merge_and_unload"),
        ("key_of_tomorrow", json!(16), "not known", "merge_and_unload"),
        ("r", json!(2.5), "whole number", "correct"),
        ("lora_alpha", json!("4"), "a number", "correct"),
        ("use_rslora", json!("true"), "`true` or `false`", "correct"),
        ("alpha_pattern", json!({"q_proj": "4"}), "with numbers", "correct"),
    ] {
        let dir = copy("control");
        set(dir.path(), key, value.clone());
        let (message, way_out) = refusal(dir.path());
        let value = value.to_string();
        let named = format!("`{key}` `{}`", value.trim_matches('"'));
        assert!(message.contains(&named) && message.contains(problem), "{message}");
        assert!(way_out.contains(hint), "{key}: {way_out}");
    }
    for unset in [Value::Null, json!(false), json!(""), json!([]), json!({}), json!(0)] {
        let dir = copy("control");
        set(dir.path(), "key_of_tomorrow", unset);
        assert!(ModelFiles::check(dir.path()).is_ok());
    }
}

/// An adapter over a base with these tensors, as PEFT names them.
fn made(base: &Path, keys: &Value, tensors: &[(&str, &[usize])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut all = json!({
        "peft_type": "LORA", "task_type": "SEQ_CLS", "r": 1, "lora_alpha": 2,
        "base_model_name_or_path": base,
    });
    for (key, value) in keys.as_object().unwrap() {
        all[key] = value.clone();
    }
    std::fs::write(dir.path().join(ADAPTER_CONFIG), all.to_string()).unwrap();
    let values = vec![0.5; 1 << 12];
    let tensors: Vec<_> = tensors
        .iter()
        .map(|(name, shape)| {
            let n = shape.iter().product::<usize>();
            (format!("base_model.model.{name}"), *shape, &values[..n])
        })
        .collect();
    write_tensors(&dir.path().join(ADAPTER), &tensors).unwrap();
    dir
}

#[test]
fn tensors_that_do_not_merge_are_named() {
    let base = llama_dir();
    for (name, shape, problem) in [
        ("model.embed_tokens.lora_embedding_A", [1, 11].as_slice(), "update of a table"),
        ("model.layers.0.self_attn.q_proj.lora_magnitude_vector", &[8], "DoRA"),
        ("model.layers.0.self_attn.q_proj.lora_B.bias", &[8], "a bias"),
        ("model.embed_tokens.token_adapter.trainable_tokens_delta", &[2, 8], "single tokens"),
        (
            "model.layers.7.mlp.up_proj.lora_A.weight",
            &[1, 8],
            "no `model.layers.7.mlp.up_proj.weight`",
        ),
        ("model.layers.0.mlp.up_proj.lora_A.weight", &[1, 8], "one of the two matrices"),
        ("model.norm.weight", &[4], "has shape [4], expected [8]"),
        ("model.nothing.weight", &[4], "no part of the base model"),
    ] {
        let dir = made(base.path(), &json!({}), &[(name, shape)]);
        let (message, hint) = refusal(dir.path());
        assert!(message.contains(problem), "{message}");
        assert!(hint.contains("merge_and_unload"), "{hint}");
    }
    let dir = made(base.path(), &json!({}), &[("score.weight", &[2, 8])]);
    let (message, hint) = refusal(dir.path());
    assert!(message.ends_with("for 2 labels; a reward model has one"), "{message}");
    assert!(hint.contains("num_labels=1"));
    // DeepSpeed leaves such tensors when it saves without gathering them.
    let [a, b] = ["A", "B"].map(|it| format!("model.layers.0.mlp.up_proj.lora_{it}.weight"));
    let dir = made(base.path(), &json!({}), &[(&a, &[0]), (&b, &[0])]);
    assert!(refusal(dir.path()).0.contains("have shapes [0] and [0]"));
    // The score of the base is not there to be updated.
    let names = ["score.lora_A.weight", "score.lora_B.weight"];
    let dir = made(base.path(), &json!({}), &[(names[0], &[1, 8]), (names[1], &[1, 1])]);
    assert!(refusal(dir.path()).0.contains("the base model has no `score.weight` to update"));
    // PEFT would draw what is not there.
    let keys = json!({"init_lora_weights": false, "target_modules": ["up_proj"]});
    let dir = made(base.path(), &keys, &[(&a, &[1, 8]), (&b, &[12, 1])]);
    let message = refusal(dir.path()).0;
    assert!(message.contains("`model.layers.1.mlp.up_proj` has no update"), "{message}");
}

#[test]
fn an_encoder_without_the_layer_before_its_score_is_refused() {
    let score: [(&str, &[usize]); 2] = [("classifier.weight", &[1, 8]), ("classifier.bias", &[1])];
    for (base, missing) in
        [(bert_dir(), "bert.pooler.dense.weight"), (deberta_dir(), "pooler.dense.weight")]
    {
        let dir = made(base.path(), &json!({}), &score);
        let (message, hint) = refusal(dir.path());
        let named = format!("`{missing}` is neither in it nor in the base model");
        assert!(message.contains(&named), "{message}");
        assert!(hint.contains("modules_to_save"), "{hint}");
    }
    // A base that has one.
    let base = tempfile::tempdir().unwrap();
    crate::engine::fixture::write_model(base.path(), &bert_config(), &bert_tokenizer(), "bert.");
    let mut tensors = random_tensors(&bert_config(), "bert.");
    tensors.push(("bert.pooler.dense.weight".into(), vec![8, 8], vec![0.1; 64]));
    tensors.push(("bert.pooler.dense.bias".into(), vec![8], vec![0.1; 8]));
    write_weights(base.path(), &tensors);
    let dir = made(base.path(), &json!({}), &score);
    assert!(ModelFiles::check(dir.path()).unwrap().has_reward_head);
}

#[test]
fn the_tokenizer_and_its_template_are_the_adapters_where_it_has_one() {
    let template = |name: &str| {
        let files = ModelFiles::open(&backbone(&fixture_dir("adapters").join(name)), 8).unwrap();
        let settings = OpenSettings::new(backbone(&fixture_dir("adapters").join(name)), 8, 1);
        let alone = crate::engine::text::tokenize::chat_template(&settings).unwrap().unwrap();
        let template = files.tokenizer.portable_template().unwrap().clone();
        assert_eq!(alone.record(), files.tokenizer.chat_template().unwrap().record());
        (template.contains('['), files.tokenizer.id("new1"), files.config.vocab_size())
    };
    assert_eq!(template("control"), (false, None, 20));
    assert_eq!(template("grown"), (true, Some(20), 22));
    assert!(ModelFiles::check(&fixture_dir("adapters/grown")).unwrap().has_chat_template);

    // All of them or none, as transformers reads a folder.
    let dir = copy("grown");
    std::fs::remove_file(dir.path().join("chat_template.jinja")).unwrap();
    assert!(!ModelFiles::check(dir.path()).unwrap().has_chat_template);
    std::fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    let (message, hint) = refusal(dir.path());
    assert!(message.contains("has `tokenizer_config.json` but no `tokenizer.json`"), "{message}");
    assert!(hint.contains("save_pretrained"));

    // New tokens whose vectors nobody saved.
    let dir = copy("control");
    let grown = fixture_dir("adapters/grown/tokenizer.json");
    std::fs::copy(grown, dir.path().join("tokenizer.json")).unwrap();
    let (message, hint) = refusal(dir.path());
    assert!(message.contains("largest token id is 21"), "{message}");
    assert!(hint.contains("save_embedding_layers"), "{hint}");
}

#[test]
fn a_text_model_has_no_reward_head_and_its_own_output_is_noticed() {
    let open = |name: &str| {
        let files = ModelFiles::open(&backbone(&fixture_dir("adapters").join(name)), 8).unwrap();
        assert!(!files.summary().has_reward_head);
        files
    };
    let grown = open("text-grown");
    assert_eq!(grown.config.vocab_size(), 22);
    assert!(grown.check_language_head().is_ok());
    let error = open("text-output").check_language_head().unwrap_err();
    assert!(error.hint().unwrap().contains("merge_and_unload"), "{error}");
}

#[test]
fn folders_that_are_no_adapter_alone_are_refused() {
    let dir = copy("control");
    std::fs::write(dir.path().join("model.safetensors"), "").unwrap();
    assert!(refusal(dir.path()).0.contains("holds a whole model beside an adapter"));

    let dir = copy("control");
    std::fs::rename(dir.path().join(ADAPTER), dir.path().join("adapter_model.bin")).unwrap();
    let (message, hint) = refusal(dir.path());
    assert!(message.ends_with("has no `adapter_model.safetensors`"), "{message}");
    assert!(hint.contains("pickled"));

    let dir = copy("control");
    set(dir.path(), "base_model_name_or_path", json!(copy("patterns").keep()));
    assert!(refusal(dir.path()).0.contains("which is an adapter itself"));
    assert_eq!(missing_base(dir.path()), None);

    set(dir.path(), "base_model_name_or_path", json!("no-one/has-this"));
    let (message, hint) = refusal(dir.path());
    assert!(message.contains("names the base model `no-one/has-this`"), "{message}");
    assert!(hint.contains("ser model import hf:no-one/has-this`"), "{hint}");
    assert_eq!(missing_base(dir.path()).as_deref(), Some("hf:no-one/has-this"));
    set(dir.path(), "revision", json!("v2"));
    assert_eq!(missing_base(dir.path()).as_deref(), Some("hf:no-one/has-this@v2"));

    set(dir.path(), "base_model_name_or_path", json!("/no/such"));
    let (_, hint) = refusal(dir.path());
    assert_eq!(hint, "write the base model's folder into `base_model_name_or_path`");
    assert_eq!(missing_base(dir.path()), None);
    set(dir.path(), "base_model_name_or_path", Value::Null);
    assert!(refusal(dir.path()).0.contains("it names no base model"));
}
