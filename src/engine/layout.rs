//! Which tensors each family has, under which names and in which shapes.

use std::collections::BTreeMap;

use super::config::{DecoderConfig, EncoderConfig, ModelConfig};

/// The tensors of a model, without the family's prefix.
pub(super) struct Layout {
    /// Must be there, with this shape.
    pub required: BTreeMap<String, Vec<usize>>,
    /// May be there, with this shape.
    pub optional: BTreeMap<String, Vec<usize>>,
    /// Buffers and heads of other tasks that are dropped without a word, by start of name …
    ignored_prefixes: &'static [&'static str],
    /// … or by end.
    ignored_suffixes: &'static [&'static str],
    /// What exports put before the names of the backbone.
    prefix: &'static str,
}

impl Layout {
    pub fn of(config: &ModelConfig) -> Self {
        match config {
            ModelConfig::Decoder(config) => llama(config),
            ModelConfig::Encoder(config) => bert(config),
        }
    }

    /// The name without the family's prefix; old exports' `gamma` and `beta` get today's names.
    pub fn normalize(&self, name: &str) -> String {
        let name = name.strip_prefix(self.prefix).unwrap_or(name);
        if let Some(stem) = name.strip_suffix("LayerNorm.gamma") {
            format!("{stem}LayerNorm.weight")
        } else if let Some(stem) = name.strip_suffix("LayerNorm.beta") {
            format!("{stem}LayerNorm.bias")
        } else {
            name.to_owned()
        }
    }

    /// Whether a (normalized) name is known and not needed.
    pub fn is_ignored(&self, name: &str) -> bool {
        self.ignored_prefixes.iter().any(|prefix| name.starts_with(prefix))
            || self.ignored_suffixes.iter().any(|suffix| name.ends_with(suffix))
    }

    /// Every missing, misshapen and unexpected tensor of a file, one sentence each.
    pub fn problems(&self, found: &BTreeMap<String, Vec<usize>>) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, shape) in &self.required {
            match found.get(name) {
                None => problems.push(format!("`{name}` is missing")),
                Some(other) if other != shape => problems.push(misshapen(name, shape, other)),
                Some(_) => {}
            }
        }
        for (name, shape) in found {
            if self.required.contains_key(name) {
                continue;
            }
            match self.optional.get(name) {
                None => problems.push(format!("`{name}` is unexpected")),
                Some(expected) if expected != shape => {
                    problems.push(misshapen(name, expected, shape));
                }
                Some(_) => {}
            }
        }
        problems
    }
}

fn misshapen(name: &str, expected: &[usize], found: &[usize]) -> String {
    format!("`{name}` has shape {found:?}, expected {expected:?}")
}

fn llama(config: &DecoderConfig) -> Layout {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let query = config.n_heads * config.head_dim;
    let key = config.n_kv_heads * config.head_dim;
    let mut required = BTreeMap::from([
        ("embed_tokens.weight".to_owned(), vec![config.vocab_size, hidden]),
        ("norm.weight".to_owned(), vec![hidden]),
    ]);
    for layer in 0..config.n_layers {
        let parts = [
            ("self_attn.q_proj", vec![query, hidden]),
            ("self_attn.k_proj", vec![key, hidden]),
            ("self_attn.v_proj", vec![key, hidden]),
            ("self_attn.o_proj", vec![hidden, query]),
            ("mlp.gate_proj", vec![inner, hidden]),
            ("mlp.up_proj", vec![inner, hidden]),
            ("mlp.down_proj", vec![hidden, inner]),
            ("input_layernorm", vec![hidden]),
            ("post_attention_layernorm", vec![hidden]),
        ];
        for (part, shape) in parts {
            required.insert(format!("layers.{layer}.{part}.weight"), shape);
        }
    }
    let mut optional = BTreeMap::from([("score.weight".to_owned(), vec![1, hidden])]);
    // A tied head is a copy of the embedding table; an untied one is a matrix of its own.
    let ignored_prefixes: &[&str] = if config.tied_embeddings {
        &["lm_head.weight"]
    } else {
        optional.insert("lm_head.weight".to_owned(), vec![config.vocab_size, hidden]);
        &[]
    };
    Layout {
        required,
        optional,
        ignored_prefixes,
        ignored_suffixes: &["rotary_emb.inv_freq"],
        prefix: "model.",
    }
}

fn bert(config: &EncoderConfig) -> Layout {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let mut required = BTreeMap::from([
        ("embeddings.word_embeddings.weight".to_owned(), vec![config.vocab_size, hidden]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![config.max_positions, hidden]),
        (
            "embeddings.token_type_embeddings.weight".to_owned(),
            vec![config.type_vocab_size, hidden],
        ),
        ("embeddings.LayerNorm.weight".to_owned(), vec![hidden]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![hidden]),
    ]);
    for layer in 0..config.n_layers {
        let parts = [
            ("attention.self.query", vec![hidden, hidden]),
            ("attention.self.key", vec![hidden, hidden]),
            ("attention.self.value", vec![hidden, hidden]),
            ("attention.output.dense", vec![hidden, hidden]),
            ("attention.output.LayerNorm", vec![hidden]),
            ("intermediate.dense", vec![inner, hidden]),
            ("output.dense", vec![hidden, inner]),
            ("output.LayerNorm", vec![hidden]),
        ];
        for (part, shape) in parts {
            let stem = format!("encoder.layer.{layer}.{part}");
            required.insert(format!("{stem}.bias"), shape[..1].to_vec());
            required.insert(format!("{stem}.weight"), shape);
        }
    }
    let optional = BTreeMap::from([
        ("pooler.dense.weight".to_owned(), vec![hidden, hidden]),
        ("pooler.dense.bias".to_owned(), vec![hidden]),
        ("classifier.weight".to_owned(), vec![1, hidden]),
        ("classifier.bias".to_owned(), vec![1]),
    ]);
    Layout {
        required,
        optional,
        // `cls.` are the heads of masked-language-model pretraining.
        ignored_prefixes: &["cls."],
        ignored_suffixes: &["embeddings.position_ids"],
        prefix: "bert.",
    }
}
