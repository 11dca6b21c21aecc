//! The tensors of a decoder: one set of names for Llama, Mistral, Qwen2 and Qwen3.

use super::{Kind, Layout, Part};
use crate::engine::config::DecoderConfig;

pub(super) fn layout(config: &DecoderConfig) -> Layout {
    // With tied embeddings, a stored head is a copy of the embedding table; otherwise it is a
    // matrix of its own.
    let ignored = if config.tied_embeddings { vec!["lm_head."] } else { Vec::new() };
    let mut layout = Layout::new("model.", ignored, &["rotary_emb.inv_freq"]);
    let (vocabulary, hidden) = (config.vocab_size, config.hidden_size);
    let table = [vocabulary, hidden];
    let outside = |part| (part, None);
    layout.add_layer("model.embed_tokens", outside(Part::Words), &table, Kind::Embedding, false);
    for layer in 0..config.n_layers {
        for (part, name, shape, has_bias) in block(config) {
            let kind = if shape.len() == 1 { Kind::Scale } else { Kind::Matrix };
            let stem = format!("model.layers.{layer}.{name}");
            layout.add_layer(&stem, (part, Some(layer)), &shape, kind, has_bias);
        }
    }
    layout.add_layer("model.norm", outside(Part::FinalNorm), &[hidden], Kind::Scale, false);
    layout.add_layer("score", outside(Part::Score), &[1, hidden], Kind::Matrix, false);
    if !config.tied_embeddings {
        layout.add_layer("lm_head", outside(Part::LanguageHead), &table, Kind::Matrix, false);
    }
    layout
}

/// Part, name, shape and bias of each layer of a block.
fn block(config: &DecoderConfig) -> Vec<(Part, &'static str, Vec<usize>, bool)> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let (query, key) = (config.query_width(), config.key_width());
    let (qkv, mlp) = (config.qkv_bias, config.mlp_bias);
    let mut parts = vec![
        (Part::AttentionNorm, "input_layernorm", vec![hidden], false),
        (Part::Query, "self_attn.q_proj", vec![query, hidden], qkv),
        (Part::Key, "self_attn.k_proj", vec![key, hidden], qkv),
        (Part::Value, "self_attn.v_proj", vec![key, hidden], qkv),
        (Part::Output, "self_attn.o_proj", vec![hidden, query], config.output_bias),
        (Part::FeedNorm, "post_attention_layernorm", vec![hidden], false),
        (Part::Gate, "mlp.gate_proj", vec![inner, hidden], mlp),
        (Part::Up, "mlp.up_proj", vec![inner, hidden], mlp),
        (Part::Down, "mlp.down_proj", vec![hidden, inner], mlp),
    ];
    if config.query_key_norm {
        parts.push((Part::QueryNorm, "self_attn.q_norm", vec![config.head_dim], false));
        parts.push((Part::KeyNorm, "self_attn.k_norm", vec![config.head_dim], false));
    }
    parts
}
