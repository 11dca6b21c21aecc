//! Causal decoders as data: Llama, Mistral, Qwen2 and Qwen3.

use super::attention::{Attention, HeadNorm};
use super::block::{Block, Norms};
use super::builder::Builder;
use super::embeddings::Embeddings;
use super::feed_forward::{FeedForward, Nonlinearity};
use super::head::Head;
use super::stage::Stage;
use super::{Packing, Transformer};
use crate::domain::spec::{Precision, Tuning};
use crate::engine::config::{DecoderConfig, ModelConfig};
use crate::engine::cpu::kernel::attention::Heads;
use crate::engine::cpu::kernel::rotary::RotaryTable;
use crate::engine::cpu::table::Table;
use crate::engine::files::layout::{Layout, Part};

impl Transformer {
    /// The computation of a decoder and the layout of its parameters.
    #[must_use]
    pub fn decoder(config: &DecoderConfig, tuning: &Tuning, frozen: Precision) -> (Self, Table) {
        let (network, builder) = decoder(config, tuning, frozen);
        (network, builder.finish())
    }

    /// As [`Transformer::decoder`], with the output head of a language model where it is not the
    /// embedding table. It stands last in the table, so that all other tensors start as they do
    /// without it; it is trained where the embeddings are.
    #[must_use]
    pub fn language_decoder(
        config: &DecoderConfig,
        tuning: &Tuning,
        frozen: Precision,
    ) -> (Self, Table) {
        let (mut network, mut builder) = decoder(config, tuning, frozen);
        builder.enter(Stage::Embedding);
        network.language_head = builder.optional_weight(Part::LanguageHead);
        (network, builder.finish())
    }
}

fn decoder<'a>(
    config: &DecoderConfig,
    tuning: &'a Tuning,
    frozen: Precision,
) -> (Transformer, Builder<'a>) {
    let layout = Layout::of(&ModelConfig::Decoder(config.clone()));
    let mut builder = Builder::new(layout, tuning, frozen, config.n_layers);
    let embeddings = Embeddings {
        words: builder.weight(Part::Words),
        positions: None,
        types: None,
        norm: None,
        width: config.hidden_size,
    };
    let blocks = (0..config.n_layers).map(|i| block(config, i, &mut builder)).collect();
    builder.enter(Stage::FinalNorm);
    let final_norm = builder.rms_norm(Part::FinalNorm, config.rms_norm_eps);
    builder.enter(Stage::Head);
    let read_out = builder.weight(Part::Score);
    let frequencies = config.rope_frequencies().into_iter().map(|it| it as f32).collect();
    let network = Transformer {
        embeddings,
        blocks,
        final_norm: Some(final_norm),
        head: Head { dense: None, read_out, bias: None },
        language_head: None,
        rotary: Some(RotaryTable::new(frequencies)),
        relative: None,
        packing: Packing::Causal,
        vocab_size: config.vocab_size,
        max_tokens: usize::MAX,
        lowest: Stage::lowest(tuning, config.n_layers),
        rounds_seam: tuning.freezes_layers(),
    };
    (network, builder)
}

fn block(config: &DecoderConfig, index: usize, builder: &mut Builder<'_>) -> Block {
    builder.enter(Stage::Block(index));
    let epsilon = config.rms_norm_eps;
    let attention_norm = builder.rms_norm(Part::AttentionNorm, epsilon);
    let [query, key_value] = builder.affines([&[Part::Query], &[Part::Key, Part::Value]]);
    let output = builder.affine(Part::Output);
    let feed_norm = builder.rms_norm(Part::FeedNorm, epsilon);
    let [up] = builder.affines([&[Part::Gate, Part::Up]]);
    let down = builder.affine(Part::Down);
    let mut head_norm = |part| Some(HeadNorm { weight: builder.optional_weight(part)?, epsilon });
    let head_norms = head_norm(Part::QueryNorm).zip(head_norm(Part::KeyNorm));
    let heads = Heads {
        n_queries: config.n_heads,
        n_keys: config.n_kv_heads,
        width: config.head_dim,
        is_causal: true,
        window: config.window(index),
    };
    Block {
        attention: Attention { heads, query, key_value, output, head_norms, relative_key: None },
        feed: FeedForward { up, down, nonlinearity: Nonlinearity::SwiGlu },
        norms: Norms::Before([attention_norm, feed_norm]),
    }
}
