//! The models of the bench, as Hugging Face directories: a real encoder; another encoder and two
//! decoders with random weights in the shapes people use (speed does not depend on the values).

use std::io::Read;
use std::path::{Path, PathBuf};

use ser::domain::random::{Place, Purpose};
use ser::engine::config::ModelConfig;
use ser::engine::files::layout::{Kind, Layout};
use ser::engine::files::weights::write_tensors;

/// A model of the bench.
pub struct BenchModel {
    pub name: &'static str,
    pub dir: PathBuf,
    /// Pairs it is trained and scored on.
    pub n_pairs: usize,
    pub is_causal: bool,
    /// Dropout of its published configuration, which TRL uses.
    pub dropout: f32,
}

/// Shape of a random Llama-family model.
struct Shape {
    vocab: usize,
    hidden: usize,
    inner: usize,
    layers: usize,
    heads: usize,
    key_heads: usize,
}

/// Writes what has to be written under `work`; models whose material is absent are left out with a
/// line that says so.
pub fn prepare(shared: &Path, work: &Path, wanted: Option<&str>) -> Vec<BenchModel> {
    let mut models = Vec::new();
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    let minilm = shared.join("models/all-MiniLM-L6-v2");
    if is_wanted("minilm-22m") {
        if minilm.is_dir() {
            models.push(BenchModel {
                name: "minilm-22m",
                dir: minilm.clone(),
                n_pairs: 96,
                is_causal: false,
                dropout: 0.1,
            });
        } else {
            println!("skipped minilm-22m: no `{}`", minilm.display());
        }
    }
    if is_wanted("deberta-33m") && minilm.is_dir() {
        let dir = work.join("deberta-33m");
        write_deberta(&dir);
        std::fs::copy(minilm.join("tokenizer.json"), dir.join("tokenizer.json")).expect("copied");
        let name = "deberta-33m";
        models.push(BenchModel { name, dir, n_pairs: 96, is_causal: false, dropout: 0.1 });
    }
    let tokenizer = shared.join("tokenizers/mistral-7b-v0.1/tokenizer.json");
    if !tokenizer.is_file() {
        println!("skipped the decoders: no `{}`", tokenizer.display());
        return models;
    }
    let shapes = [
        (
            "llama-15m",
            160,
            Shape { vocab: 32_000, hidden: 288, inner: 768, layers: 6, heads: 6, key_heads: 6 },
        ),
        (
            "smollm-135m",
            24,
            Shape { vocab: 49_152, hidden: 576, inner: 1536, layers: 30, heads: 9, key_heads: 3 },
        ),
    ];
    for (name, n_pairs, shape) in shapes {
        if is_wanted(name) {
            let dir = work.join(name);
            write_llama(&dir, &shape);
            std::fs::copy(&tokenizer, dir.join("tokenizer.json")).expect("copied");
            models.push(BenchModel { name, dir, n_pairs, is_causal: true, dropout: 0.0 });
        }
    }
    models
}

fn write_llama(dir: &Path, shape: &Shape) {
    std::fs::create_dir_all(dir).expect("writable");
    let config = serde_json::json!({
        "architectures": ["LlamaForSequenceClassification"], "model_type": "llama",
        "hidden_act": "silu", "vocab_size": shape.vocab, "hidden_size": shape.hidden,
        "intermediate_size": shape.inner, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.key_heads,
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": true,
        "num_labels": 1, "dtype": "float32"
    });
    std::fs::write(dir.join("config.json"), config.to_string()).expect("writable");
    write_random(dir, &config);
}

/// DeBERTa v3's smallest, with the vocabulary of another tokenizer.
fn write_deberta(dir: &Path) {
    std::fs::create_dir_all(dir).expect("writable");
    let config = serde_json::json!({
        "architectures": ["DebertaV2ForSequenceClassification"], "model_type": "deberta-v2",
        "hidden_act": "gelu", "vocab_size": 30_522, "hidden_size": 384, "intermediate_size": 1536,
        "num_hidden_layers": 12, "num_attention_heads": 6, "max_position_embeddings": 512,
        "type_vocab_size": 0, "layer_norm_eps": 1e-7, "relative_attention": true,
        "position_buckets": 256, "max_relative_positions": -1, "norm_rel_ebd": "layer_norm",
        "share_att_key": true, "pos_att_type": "p2c|c2p", "position_biased_input": false,
        "pooler_hidden_act": "gelu", "pooler_dropout": 0.0, "pad_token_id": 0, "num_labels": 1,
        "dtype": "float32"
    });
    write_random(dir, &config);
}

/// `config.json` and every tensor it asks for.
fn write_random(dir: &Path, config: &serde_json::Value) {
    let path = dir.join("config.json");
    let bytes = config.to_string().into_bytes();
    std::fs::write(&path, &bytes).expect("writable");
    let layout = Layout::of(&ModelConfig::parse(&path, &bytes).expect("a supported shape"));
    let place = Place::new(1, Purpose::Initialization);
    let mut next = 0_u64;
    let values = layout.tensors().iter().map(|tensor| {
        let n = tensor.shape.iter().product::<usize>();
        next += n as u64;
        match tensor.kind {
            Kind::Scale => vec![1.0; n],
            Kind::Bias => vec![0.0; n],
            Kind::Matrix | Kind::Embedding => {
                (0..n as u64).map(|i| 0.02 * place.normal(next + i) as f32).collect()
            }
        }
    });
    let values: Vec<Vec<f32>> = values.collect();
    let tensors: Vec<(String, &[usize], &[f32])> = layout
        .tensors()
        .iter()
        .zip(&values)
        .map(|(tensor, values)| (tensor.name.clone(), tensor.shape.as_slice(), values.as_slice()))
        .collect();
    write_tensors(&dir.join("model.safetensors"), &tensors).expect("writable");
}

/// `[prompt, chosen, rejected]` of the first helpful-base test dialogues, split at the last answer.
pub fn dialogues(shared: &Path) -> Option<Vec<[String; 3]>> {
    let path = shared.join("data/hh-rlhf/helpful-base/test.jsonl.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).ok()?).read_to_string(&mut text).ok()?;
    let rows = text.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).ok()?;
        let (chosen, rejected) = (row["chosen"].as_str()?, row["rejected"].as_str()?);
        let cut = chosen.rfind("\n\nAssistant:")? + "\n\nAssistant:".len();
        let rest = rejected.get(cut..).filter(|_| chosen[..cut] == rejected[..cut])?;
        Some([chosen[..cut].to_owned(), chosen[cut..].to_owned(), rest.to_owned()])
    });
    Some(rows.flatten().collect())
}
