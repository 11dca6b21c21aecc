//! Causal decoders as data: Llama, Mistral, Qwen2 and Qwen3.

use super::attention::{Attention, HeadNorm};
use super::block::{Block, Norms};
use super::embeddings::Embeddings;
use super::feed_forward::{FeedForward, Nonlinearity};
use super::head::Head;
use super::layout::{Layout, Named};
use super::stage::Stage;
use super::{Packing, Transformer};
use crate::domain::model_spec::LoraTarget;
use crate::engine::config::DecoderConfig;
use crate::engine::cpu::kernel::Linear;
use crate::engine::cpu::kernel::attention::Heads;
use crate::engine::cpu::kernel::rotary::RotaryTable;
use crate::engine::cpu::table::{Role, Table};
use crate::engine::{Precision, Tuning};

impl Transformer {
    /// The computation of a decoder and the layout of its parameters.
    #[must_use]
    pub fn decoder(config: &DecoderConfig, tuning: &Tuning, frozen: Precision) -> (Self, Table) {
        let width = config.hidden_size;
        let mut layout = Layout::new(tuning, frozen, config.n_layers);
        let shape = [config.vocab_size, width];
        let words = layout.tensor("model.embed_tokens.weight", &shape, Role::Embedding);
        let blocks = (0..config.n_layers).map(|i| block(config, i, &mut layout)).collect();
        layout.enter(Stage::FinalNorm);
        let final_norm = layout.rms_norm("model.norm", width, config.rms_norm_eps);
        layout.enter(Stage::Head);
        let read_out = layout.tensor("score.weight", &[1, width], Role::Matrix);
        let frequencies = config.rope_frequencies().into_iter().map(|it| it as f32).collect();
        let network = Self {
            embeddings: Embeddings { words, positions: None, types: None, norm: None, width },
            blocks,
            final_norm: Some(final_norm),
            head: Head { dense: None, read_out, bias: None },
            rotary: Some(RotaryTable::new(frequencies)),
            packing: Packing::Causal,
            vocab_size: config.vocab_size,
            max_tokens: usize::MAX,
            lowest: Stage::lowest(tuning, config.n_layers),
            rounds_seam: matches!(tuning, Tuning::TopLayers(_) | Tuning::Head),
        };
        (network, layout.finish())
    }
}

fn block(config: &DecoderConfig, index: usize, layout: &mut Layout<'_>) -> Block {
    layout.enter(Stage::Block(index));
    let (hidden, inner, epsilon) =
        (config.hidden_size, config.intermediate_size, config.rms_norm_eps);
    let (wide, key) = (config.query_width(), config.key_width());
    let stem = |name: &str| format!("model.layers.{index}.{name}");
    let named = |name: &str, rows, target| Named { stem: stem(name), rows, target: Some(target) };
    let attention_norm = layout.rms_norm(&stem("input_layernorm"), hidden, epsilon);
    let queries = [named("self_attn.q_proj", wide, LoraTarget::Query)];
    let keys_values = [
        named("self_attn.k_proj", key, LoraTarget::Key),
        named("self_attn.v_proj", key, LoraTarget::Value),
    ];
    let [query, key_value] = layout.affines(hidden, config.qkv_bias, [&queries, &keys_values]);
    let shape = Linear { input: wide, output: hidden };
    let target = Some(LoraTarget::Output);
    let output = layout.affine(stem("self_attn.o_proj"), shape, config.output_bias, target);
    let mut head_norm = |name: &str| {
        let name = stem(&format!("self_attn.{name}.weight"));
        HeadNorm { weight: layout.tensor(name, &[config.head_dim], Role::Scale), epsilon }
    };
    let head_norms = config.query_key_norm.then(|| [head_norm("q_norm"), head_norm("k_norm")]);
    let feed_norm = layout.rms_norm(&stem("post_attention_layernorm"), hidden, epsilon);
    let gate_up = [
        named("mlp.gate_proj", inner, LoraTarget::Gate),
        named("mlp.up_proj", inner, LoraTarget::Up),
    ];
    let [up] = layout.affines(hidden, config.mlp_bias, [&gate_up]);
    let shape = Linear { input: inner, output: hidden };
    let target = Some(LoraTarget::Down);
    let down = layout.affine(stem("mlp.down_proj"), shape, config.mlp_bias, target);
    let heads = Heads {
        n_queries: config.n_heads,
        n_keys: config.n_kv_heads,
        width: config.head_dim,
        is_causal: true,
        window: config.window(index),
    };
    Block {
        attention: Attention { heads, query, key_value, output, head_norms },
        feed: FeedForward { up, down, nonlinearity: Nonlinearity::SwiGlu },
        norms: Norms::Before([attention_norm, feed_norm]),
    }
}
