//! Opening model directories, right and wrong ones.

use super::*;
use crate::engine::fixture::{
    bert_dir, bert_tokenizer, deberta_config, deberta_dir, llama_config, llama_dir,
    llama_tokenizer, random_tensors, shared_model, write_model, write_weights,
};
use crate::engine::text::tokenize::files::TOKENIZER;

fn open(dir: &Path) -> Result<ModelFiles, EngineError> {
    ModelFiles::open(&Backbone::Directory(dir.to_owned()), 16)
}

fn all(dir: &Path) -> BTreeMap<String, Tensor> {
    open(dir).unwrap().weights.read_all().unwrap()
}

/// Both ways in must refuse with the same words.
fn refusal(dir: &Path) -> EngineError {
    let (open, check) = (open(dir).unwrap_err(), ModelFiles::check(dir).unwrap_err());
    assert_eq!(open.to_string(), check.to_string());
    assert!(open.to_string().contains(&*dir.to_string_lossy()), "{open}");
    assert!(open.hint().is_some());
    open
}

#[test]
fn every_wiring_opens_with_and_without_prefix() {
    let prefixes = ["model.", "bert.", "deberta."];
    for dir in [llama_dir(), bert_dir(), deberta_dir()] {
        let files = open(dir.path()).unwrap();
        let summary = ModelFiles::check(dir.path()).unwrap();
        assert_eq!(files.summary(), summary);
        let tensors = files.weights.read_all().unwrap();
        let n_values: usize = tensors.values().map(|tensor| tensor.values.len()).sum();
        assert_eq!(summary.n_parameters, n_values as u64);
        assert!(!summary.has_reward_head);
        assert!(tensors.keys().all(|name| prefixes.iter().any(|it| name.starts_with(it))));
    }
    let bare = tempfile::tempdir().unwrap();
    write_model(bare.path(), &llama_config(), &llama_tokenizer(), "");
    assert_eq!(all(bare.path()), all(llama_dir().path()));
    write_model(bare.path(), &deberta_config(), &bert_tokenizer(), "");
    assert_eq!(all(bare.path()), all(deberta_dir().path()));
}

#[test]
fn heads_are_kept_and_buffers_dropped() {
    let dir = llama_dir();
    let mut tensors = random_tensors(&llama_config(), "model.");
    tensors.push(("score.weight".into(), vec![1, 8], vec![0.5; 8]));
    tensors.push(("lm_head.weight".into(), vec![11, 8], vec![0.0; 88]));
    tensors.push(("model.layers.0.self_attn.rotary_emb.inv_freq".into(), vec![2], vec![0.0; 2]));
    write_weights(dir.path(), &tensors);
    let files = open(dir.path()).unwrap();
    assert_eq!(files.weights.tensor("score.weight").unwrap().values, [0.5; 8]);
    assert!(files.summary().has_reward_head);
    assert!(!files.weights.contains("lm_head.weight"), "tied: a copy of the embedding");
    assert!(!files.weights.names().any(|name| name.contains("inv_freq")));

    let mut config = llama_config();
    config["tie_word_embeddings"] = false.into();
    std::fs::write(dir.path().join(CONFIG), config.to_string()).unwrap();
    assert!(open(dir.path()).unwrap().weights.contains("lm_head.weight"));
}

#[test]
fn one_error_lists_every_tensor_that_does_not_fit() {
    let dir = llama_dir();
    let mut tensors = random_tensors(&llama_config(), "model.");
    tensors.retain(|(name, ..)| !name.ends_with("0.mlp.up_proj.weight"));
    for (name, shape, values) in &mut tensors {
        if name == "model.norm.weight" {
            (*shape, *values) = (vec![4], vec![1.0; 4]);
        }
    }
    tensors.push(("model.layers.2.mlp.up_proj.weight".into(), vec![1], vec![0.0]));
    write_weights(dir.path(), &tensors);
    let message = refusal(dir.path()).to_string();
    for part in [
        "`model.layers.0.mlp.up_proj.weight` is missing",
        "`model.norm.weight` has shape [4], expected [8]",
        "`model.layers.2.mlp.up_proj.weight` is unexpected",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn missing_files_are_named() {
    for file in [CONFIG, WEIGHTS, TOKENIZER] {
        let dir = bert_dir();
        std::fs::remove_file(dir.path().join(file)).unwrap();
        let error = refusal(dir.path());
        assert!(error.to_string().contains(&format!("has no `{file}`")), "{error}");
    }
    let dir = llama_dir();
    std::fs::rename(dir.path().join(WEIGHTS), dir.path().join("pytorch_model.bin")).unwrap();
    assert!(refusal(dir.path()).hint().unwrap().contains("safetensors"));
    let dir = deberta_dir();
    std::fs::rename(dir.path().join(TOKENIZER), dir.path().join("spm.model")).unwrap();
    assert!(refusal(dir.path()).hint().unwrap().contains("AutoTokenizer"));
    let nowhere = dir.path().join("nowhere");
    let error = refusal(&nowhere);
    assert!(matches!(error, EngineError::Io { action: "read", .. }), "{error}");
}

#[test]
fn a_cut_weights_file_is_named_with_both_lengths() {
    let dir = llama_dir();
    let path = dir.path().join(WEIGHTS);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    let message = refusal(dir.path()).to_string();
    let lengths = format!("cut short: expected {} bytes, found {}", bytes.len(), bytes.len() - 100);
    assert!(message.contains(&lengths), "{message}");
}

#[test]
fn a_damaged_tokenizer_or_configuration_is_refused() {
    let dir = llama_dir();
    std::fs::write(dir.path().join(TOKENIZER), "{\"version\": ").unwrap();
    assert!(matches!(refusal(dir.path()), EngineError::BrokenTokenizer { .. }));
    std::fs::write(dir.path().join(CONFIG), "{\n  nope").unwrap();
    assert!(matches!(refusal(dir.path()), EngineError::BrokenJson { line: 2, .. }));
}

#[test]
fn a_head_of_two_labels_is_refused_with_a_way_out() {
    let dir = llama_dir();
    let mut tensors = random_tensors(&llama_config(), "model.");
    tensors.push(("score.weight".into(), vec![2, 8], vec![0.5; 16]));
    write_weights(dir.path(), &tensors);
    let error = refusal(dir.path());
    let message = error.to_string();
    assert!(message.ends_with("has `score.weight` for 2 labels; a reward model has one"));
    assert!(error.hint().unwrap().contains("num_labels=1"));
}

#[test]
fn more_tokens_than_positions_are_refused_with_the_limit() {
    let dir = bert_dir();
    let backbone = Backbone::Directory(dir.path().to_owned());
    let error = ModelFiles::open(&backbone, 25).unwrap_err();
    assert!(error.to_string().contains("`model.max_tokens` is 25"), "{error}");
    assert_eq!(error.hint().unwrap(), "set `model.max_tokens` to 24 or less");
    assert!(ModelFiles::open(&backbone, 24).is_ok());
    let error = ModelFiles::open(&backbone, 3).unwrap_err();
    assert_eq!(error.hint().unwrap(), "set `model.max_tokens` to 4 or more");
}

#[test]
fn shards_are_put_together_and_stay_in_their_directory() {
    let whole = llama_dir();
    let expected = all(whole.path());
    let dir = llama_dir();
    std::fs::remove_file(dir.path().join(WEIGHTS)).unwrap();
    let tensors = random_tensors(&llama_config(), "model.");
    let mut map = serde_json::Map::new();
    for (i, part) in tensors.chunks(9).enumerate() {
        let name = format!("model-{i}.safetensors");
        write_weights(dir.path(), part);
        std::fs::rename(dir.path().join(WEIGHTS), dir.path().join(&name)).unwrap();
        for (tensor, ..) in part {
            map.insert(tensor.clone(), name.clone().into());
        }
    }
    let write_index = |map: &serde_json::Map<String, serde_json::Value>| {
        let index = serde_json::json!({"weight_map": map});
        std::fs::write(dir.path().join(INDEX), index.to_string()).unwrap();
    };
    write_index(&map);
    assert_eq!(all(dir.path()), expected);
    assert!(ModelFiles::check(dir.path()).is_ok());
    map.insert("x".into(), "../elsewhere.safetensors".into());
    write_index(&map);
    assert!(refusal(dir.path()).to_string().contains("../elsewhere.safetensors"));
}

#[test]
fn real_models_open() {
    for (name, n_parameters) in [("stories260K/hf", 260_032), ("all-MiniLM-L6-v2", 22_713_216)] {
        let Some(dir) = shared_model(name) else { continue };
        let summary = ModelFiles::check(&dir).unwrap();
        assert_eq!(summary.n_parameters, n_parameters, "{name}");
        let files = ModelFiles::open(&Backbone::Directory(dir), 512).unwrap();
        assert_eq!(files.summary(), summary);
    }
}

#[test]
fn the_embedded_model_opens_or_says_that_it_is_not_there() {
    match ModelFiles::open(&Backbone::Embedded, 64) {
        Ok(files) => assert!(files.summary().n_parameters > 0),
        Err(error) => assert!(matches!(error, EngineError::NoEmbeddedModel), "{error}"),
    }
}

#[test]
fn heads_and_tokens_that_would_be_passed_over_are_refused() {
    let dir = llama_dir();
    std::fs::write(dir.path().join("value_head.safetensors"), b"").unwrap();
    assert!(refusal(dir.path()).to_string().contains("`value_head.safetensors`"));
    std::fs::remove_file(dir.path().join("value_head.safetensors")).unwrap();
    let added = dir.path().join("added_tokens.json");
    std::fs::write(&added, r#"{"<|new|>": 10}"#).unwrap();
    assert!(refusal(dir.path()).to_string().contains("`<|new|>`"));
    std::fs::write(&added, r#"{"cat": 4}"#).unwrap();
    assert!(open(dir.path()).is_ok());
}
