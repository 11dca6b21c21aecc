//! The layouts against the files that transformers and PEFT wrote.

use super::*;
use crate::engine::files::weights::read_tensors;
use crate::engine::fixture::{FAMILIES, fixture_dir};

fn config(name: &str) -> ModelConfig {
    let path = fixture_dir(name).join("config.json");
    ModelConfig::parse(&path, &std::fs::read(&path).unwrap()).unwrap()
}

fn shapes(name: &str, file: &str) -> BTreeMap<String, Vec<usize>> {
    let tensors = read_tensors(&fixture_dir(name).join(file)).unwrap();
    tensors.into_iter().map(|(name, tensor)| (name, tensor.shape)).collect()
}

#[test]
fn every_family_has_the_tensors_that_transformers_saves() {
    for family in FAMILIES {
        let layout = Layout::of(&config(family));
        let found = shapes(family, "model.safetensors");
        assert_eq!(layout.problems(&found), [""; 0], "{family}");
        let expected: BTreeMap<_, _> = layout
            .tensors()
            .iter()
            .filter(|tensor| tensor.part != Part::LanguageHead)
            .map(|tensor| (tensor.name.clone(), tensor.shape.clone()))
            .collect();
        assert_eq!(expected, found, "{family}");
    }
}

#[test]
fn names_of_bare_and_old_exports_become_canonical() {
    for family in FAMILIES {
        let layout = Layout::of(&config(family));
        for tensor in layout.tensors() {
            assert_eq!(layout.canonical(&tensor.name), tensor.name);
            if let Some(bare) = tensor.name.strip_prefix(layout.prefix) {
                assert_eq!(layout.canonical(bare), tensor.name);
            }
        }
    }
    let bert = Layout::of(&config("bert"));
    assert_eq!(bert.canonical("embeddings.LayerNorm.gamma"), "bert.embeddings.LayerNorm.weight");
    assert!(bert.is_ignored("cls.predictions.bias"));
    assert!(bert.is_ignored("bert.embeddings.position_ids"));
    let roberta = Layout::of(&config("roberta"));
    assert!(
        ["pooler.dense.weight", "roberta.pooler.dense.bias", "lm_head.bias"]
            .iter()
            .all(|name| roberta.is_ignored(&roberta.canonical(name)))
    );
    assert!(!roberta.is_ignored("classifier.dense.weight"));
    assert!(Layout::of(&config("distilbert")).is_ignored("vocab_projector.bias"));
    assert!(Layout::of(&config("llama")).is_ignored("lm_head.weight"), "tied");
    let deberta = Layout::of(&config("deberta"));
    assert!(
        [
            "deberta.embeddings.position_embeddings.weight",
            "lm_predictions.lm_head.bias",
            "mask_predictions.dense.weight",
        ]
        .iter()
        .all(|name| deberta.is_ignored(&deberta.canonical(name)))
    );
    let name = "embeddings.position_embeddings.weight";
    let plain = Layout::of(&config("deberta_plain"));
    assert!(!plain.is_ignored(&plain.canonical(name)), "it reads its positions");
    let untied = Layout::of(&config("llama3"));
    assert_eq!(untied.get("lm_head.weight").unwrap().part, Part::LanguageHead);
}

#[test]
fn parts_are_found_by_block() {
    let layout = Layout::of(&config("qwen2"));
    let query = layout.weight(Some(1), Part::Query).unwrap();
    assert_eq!(query.name, "model.layers.1.self_attn.q_proj.weight");
    assert_eq!((query.shape.as_slice(), query.kind), ([24, 24].as_slice(), Kind::Matrix));
    let bias = layout.bias(Some(1), Part::Query).unwrap();
    assert_eq!(
        (bias.name.as_str(), bias.kind),
        ("model.layers.1.self_attn.q_proj.bias", Kind::Bias)
    );
    assert_eq!(layout.bias(Some(1), Part::Output), None);
    assert_eq!(layout.weight(Some(2), Part::Query), None);
    let roberta = Layout::of(&config("roberta"));
    assert_eq!(roberta.weight(None, Part::Score).unwrap().name, "classifier.out_proj.weight");
    assert_eq!(roberta.bias(None, Part::Pooler).unwrap().name, "classifier.dense.bias");
    assert_eq!(roberta.weight(Some(0), Part::Gate), None);
}

#[test]
fn adapters_have_the_names_of_peft() {
    for (name, base) in
        [("lora_llama", "llama3"), ("lora_bert", "bert"), ("lora_deberta", "deberta")]
    {
        let layout = Layout::of(&config(base));
        let targets = [
            LoraTarget::Query,
            LoraTarget::Key,
            LoraTarget::Value,
            LoraTarget::Output,
            LoraTarget::Gate,
            LoraTarget::Up,
            LoraTarget::Down,
        ];
        let mut expected = BTreeMap::new();
        for tensor in layout.tensors() {
            let is_target = targets.iter().any(|target| Part::of_target(*target) == tensor.part);
            if tensor.part.is_head() {
                expected.insert(whole_name(&tensor.name), tensor.shape.clone());
            } else if is_target && tensor.kind == Kind::Matrix {
                let [a, b] = adapter_names(&tensor.name);
                expected.insert(a, vec![3, tensor.shape[1]]);
                expected.insert(b, vec![tensor.shape[0], 3]);
            }
        }
        assert_eq!(expected, shapes(name, "adapter_model.safetensors"), "{name}");
    }
}

#[test]
fn a_head_of_two_labels_is_told_from_another_shape() {
    let layout = Layout::of(&config("bert"));
    let found =
        |shape: [usize; 2]| BTreeMap::from([("classifier.weight".to_owned(), shape.into())]);
    assert_eq!(layout.wrong_head(&found([2, 24])), Some(("classifier.weight".to_owned(), 2)));
    assert_eq!(layout.wrong_head(&found([1, 24])), None);
    assert_eq!(layout.wrong_head(&found([2, 7])), None);
}
