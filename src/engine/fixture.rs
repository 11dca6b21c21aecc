//! Tiny model directories for tests, and the way to the real ones.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::PairText;
use super::config::ModelConfig;
use super::files::layout::Layout;
use super::files::weights::write_tensors;
use crate::domain::random::{Place, Purpose};
use crate::domain::text::conversation::TextForm;

/// The families with fixtures.
pub const FAMILIES: [&str; 10] = [
    "llama",
    "llama3",
    "mistral",
    "qwen2",
    "qwen3",
    "bert",
    "roberta",
    "distilbert",
    "deberta",
    "deberta_plain",
];

/// Words both tiny tokenizers know; the ids follow the special tokens in this order.
pub const WORDS: [&str; 8] = ["the", "cat", "dog", "sat", "ran", "on", "mat", "away"];

/// A directory of `tests/fixtures/engine`.
pub fn fixture_dir(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/engine")).join(name)
}

/// A real model directory, or `None` (with the reason printed) when the machine has none.
pub fn shared_model(name: &str) -> Option<PathBuf> {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/models")).join(name);
    if dir.join("config.json").is_file() {
        return Some(dir);
    }
    let reason = format!("skipped: `{}` is not on this machine", dir.display());
    writeln!(std::io::stderr(), "{reason}").unwrap();
    None
}

/// `config.json` of the tiny decoder.
pub fn llama_config() -> Value {
    json!({
        "model_type": "llama", "hidden_act": "silu", "vocab_size": 11, "hidden_size": 8,
        "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "max_position_embeddings": 32, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2
    })
}

/// `config.json` of the tiny encoder.
pub fn bert_config() -> Value {
    json!({
        "model_type": "bert", "hidden_act": "gelu", "vocab_size": 12, "hidden_size": 8,
        "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 24, "type_vocab_size": 2, "layer_norm_eps": 1e-12
    })
}

/// `config.json` of the tiny encoder with relative positions, which reads the tokens of the other.
pub fn deberta_config() -> Value {
    json!({
        "model_type": "deberta-v2", "hidden_act": "gelu", "vocab_size": 12, "hidden_size": 8,
        "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 24, "type_vocab_size": 0, "layer_norm_eps": 1e-7,
        "relative_attention": true, "share_att_key": true, "pos_att_type": "p2c|c2p",
        "position_buckets": 4, "norm_rel_ebd": "layer_norm", "position_biased_input": false
    })
}

/// `tokenizer.json` of the tiny decoder: whole words; its post-processor adds `<s>` (1).
pub fn llama_tokenizer() -> Value {
    let template = |sequence: &str| json!({"Sequence": {"id": sequence, "type_id": 0}});
    let bos = json!({"SpecialToken": {"id": "<s>", "type_id": 0}});
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added_tokens(&["<unk>", "<s>", "</s>"]),
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, template("A")],
            "pair": [bos, template("A"), template("B")],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}
        },
        "decoder": null, "model": {
            "type": "WordLevel", "vocab": vocabulary(&["<unk>", "<s>", "</s>"]),
            "unk_token": "<unk>"
        }
    })
}

/// `tokenizer.json` of the tiny encoder, with truncation and padding settings to be ignored.
pub fn bert_tokenizer() -> Value {
    let special = |id: &str, kind: u32| json!({"SpecialToken": {"id": id, "type_id": kind}});
    let text = |id: &str, kind: u32| json!({"Sequence": {"id": id, "type_id": kind}});
    let named = |id: &str, token: u32| json!({"id": id, "ids": [token], "tokens": [id]});
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": null,
                    "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": added_tokens(&["[PAD]", "[UNK]", "[CLS]", "[SEP]"]),
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]", 0), text("A", 0), special("[SEP]", 0)],
            "pair": [special("[CLS]", 0), text("A", 0), special("[SEP]", 0), text("B", 1),
                     special("[SEP]", 1)],
            "special_tokens": {"[CLS]": named("[CLS]", 2), "[SEP]": named("[SEP]", 3)}
        },
        "decoder": null,
        "model": {
            "type": "WordPiece", "vocab": vocabulary(&["[PAD]", "[UNK]", "[CLS]", "[SEP]"]),
            "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100
        }
    })
}

fn added_tokens(special: &[&str]) -> Vec<Value> {
    let token = |(id, content): (usize, &&str)| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false, "special": true})
    };
    special.iter().enumerate().map(token).collect()
}

fn vocabulary<'a>(special: &[&'a str]) -> BTreeMap<&'a str, usize> {
    let words = special.iter().chain(&WORDS).enumerate();
    words.map(|(id, word)| (*word, id)).collect()
}

/// Every tensor the configuration requires, filled with small random numbers.
pub fn random_tensors(config: &Value, prefix: &str) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let bytes = config.to_string();
    let config = ModelConfig::parse(Path::new("config.json"), bytes.as_bytes()).unwrap();
    let layout = Layout::of(&config);
    let required = layout.tensors().iter().filter(|t| !Layout::is_optional(t.part));
    required
        .enumerate()
        .map(|(i, tensor)| {
            let (name, shape) = (&tensor.name, tensor.shape.clone());
            let prefixes = ["model.", "bert.", "deberta."];
            let bare = prefixes.iter().find_map(|it| name.strip_prefix(it)).unwrap_or(name);
            let place = Place::new(i as u64, Purpose::Initialization);
            let n: usize = shape.iter().product();
            let values = (0..n).map(|j| 0.3 * place.normal(j as u64) as f32).collect();
            (format!("{prefix}{bare}"), shape, values)
        })
        .collect()
}

/// Writes a whole model directory.
pub fn write_model(dir: &Path, config: &Value, tokenizer: &Value, prefix: &str) {
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    std::fs::write(dir.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    if config["model_type"] == "deberta-v2" {
        // Its own class reads SentencePiece alone.
        let class = r#"{"tokenizer_class": "BertTokenizer"}"#;
        std::fs::write(dir.join("tokenizer_config.json"), class).unwrap();
    }
    write_weights(dir, &random_tensors(config, prefix));
}

/// Writes `model.safetensors`.
pub fn write_weights(dir: &Path, tensors: &[(String, Vec<usize>, Vec<f32>)]) {
    let tensors: Vec<_> =
        tensors.iter().map(|(n, s, v)| (n.clone(), s.as_slice(), v.as_slice())).collect();
    write_tensors(&dir.join("model.safetensors"), &tensors).unwrap();
}

/// A temporary directory with the tiny decoder, tensors named `model.…`.
pub fn llama_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), &llama_config(), &llama_tokenizer(), "model.");
    dir
}

/// A temporary directory with the tiny encoder, tensors named `bert.…`.
pub fn bert_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), &bert_config(), &bert_tokenizer(), "bert.");
    dir
}

/// A temporary directory with the tiny encoder of relative positions, tensors named `deberta.…`.
pub fn deberta_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), &deberta_config(), &bert_tokenizer(), "deberta.");
    dir
}

impl<'a> PairText<'a> {
    /// A flat dialogue, or texts for a model without a chat template.
    #[must_use]
    pub(crate) const fn dialogue(
        prompt: &'a str,
        response_a: &'a str,
        response_b: &'a str,
    ) -> Self {
        Self { form: &TextForm::Dialogue, prompt, response_a, response_b }
    }
}
