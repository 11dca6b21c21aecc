//! Bidirectional encoders as data: BERT, RoBERTa, DistilBERT and DeBERTa.

use super::attention::Attention;
use super::block::{Block, Norms};
use super::builder::Builder;
use super::embeddings::Embeddings;
use super::feed_forward::{FeedForward, Nonlinearity};
use super::head::{Head, Squash};
use super::relative::RelativeTable;
use super::stage::Stage;
use super::{Packing, Transformer};
use crate::domain::spec::{Precision, Tuning};
use crate::engine::config::{Activation, EncoderConfig, EncoderFamily, ModelConfig};
use crate::engine::cpu::kernel::attention::Heads;
use crate::engine::cpu::table::Table;
use crate::engine::files::layout::{Layout, Part};

impl Transformer {
    /// The computation of an encoder and the layout of its parameters.
    #[must_use]
    pub fn encoder(config: &EncoderConfig, tuning: &Tuning, frozen: Precision) -> (Self, Table) {
        let layout = Layout::of(&ModelConfig::Encoder(config.clone()));
        let mut builder = Builder::new(layout, tuning, frozen, config.n_layers);
        let embeddings = Embeddings {
            words: builder.weight(Part::Words),
            positions: builder.optional_weight(Part::Positions),
            types: builder.optional_weight(Part::Types),
            norm: Some(builder.layer_norm(Part::EmbeddingNorm, config.layer_norm_eps)),
            width: config.hidden_size,
        };
        let relative = config.relative.map(|positions| RelativeTable {
            table: builder.weight(Part::Relative),
            norm: positions
                .has_norm
                .then(|| builder.layer_norm(Part::RelativeNorm, config.layer_norm_eps)),
            positions,
            width: config.hidden_size,
        });
        let blocks = (0..config.n_layers).map(|i| block(config, i, &mut builder)).collect();
        builder.enter(Stage::Head);
        let squash = match config.family {
            EncoderFamily::Bert | EncoderFamily::Roberta => Squash::Tanh,
            EncoderFamily::DistilBert => Squash::Rectifier,
            EncoderFamily::DebertaV2 => Squash::Gelu,
        };
        let head = Head {
            dense: Some((builder.affine(Part::Pooler), squash)),
            read_out: builder.weight(Part::Score),
            bias: builder.bias(Part::Score),
        };
        let packing = Packing::Bidirectional {
            has_types: config.has_segments(),
            first_position: config.first_position,
        };
        let network = Self {
            embeddings,
            blocks,
            final_norm: None,
            head,
            language_head: None,
            rotary: None,
            relative,
            packing,
            vocab_size: config.vocab_size,
            max_tokens: config.max_positions - config.first_position,
            lowest: Stage::lowest(tuning, config.n_layers),
            rounds_seam: tuning.freezes_layers(),
        };
        (network, builder.finish())
    }
}

fn block(config: &EncoderConfig, index: usize, builder: &mut Builder<'_>) -> Block {
    builder.enter(Stage::Block(index));
    let epsilon = config.layer_norm_eps;
    let [query, key_value] = builder.affines([&[Part::Query], &[Part::Key, Part::Value]]);
    let output = builder.affine(Part::Output);
    let attention_norm = builder.layer_norm(Part::AttentionNorm, epsilon);
    let up = builder.affine(Part::Up);
    let down = builder.affine(Part::Down);
    let feed_norm = builder.layer_norm(Part::FeedNorm, epsilon);
    let heads = Heads {
        n_queries: config.n_heads,
        n_keys: config.n_heads,
        width: config.head_dim(),
        is_causal: false,
        window: None,
    };
    let relative_key = config.relative.map(|_| key_value.first_columns(config.hidden_size));
    let nonlinearity = match config.activation {
        Activation::Gelu => Nonlinearity::Gelu,
        Activation::GeluTanh => Nonlinearity::GeluTanh,
    };
    Block {
        attention: Attention { heads, query, key_value, output, head_norms: None, relative_key },
        feed: FeedForward { up, down, nonlinearity },
        norms: Norms::After([attention_norm, feed_norm]),
    }
}
