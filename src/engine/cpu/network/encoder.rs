//! Bidirectional encoders as data: BERT, RoBERTa and DistilBERT.

use super::attention::Attention;
use super::block::{Block, Norms};
use super::embeddings::Embeddings;
use super::feed_forward::{FeedForward, Nonlinearity};
use super::head::{Head, Squash};
use super::layout::{Layout, Named};
use super::stage::Stage;
use super::{Packing, Transformer};
use crate::domain::model_spec::LoraTarget;
use crate::engine::config::{Activation, EncoderConfig, EncoderFamily};
use crate::engine::cpu::kernel::Linear;
use crate::engine::cpu::kernel::attention::Heads;
use crate::engine::cpu::table::{Role, Table};
use crate::engine::{Precision, Tuning};

/// The names of a family's tensors: behind the number of a block, or whole.
struct Names {
    prefix: &'static str,
    blocks: &'static str,
    query: &'static str,
    key: &'static str,
    value: &'static str,
    output: &'static str,
    attention_norm: &'static str,
    up: &'static str,
    down: &'static str,
    feed_norm: &'static str,
    dense: &'static str,
    read_out: &'static str,
}

const BERT: Names = Names {
    prefix: "bert",
    blocks: "encoder.layer",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    feed_norm: "output.LayerNorm",
    dense: "bert.pooler.dense",
    read_out: "classifier",
};

const ROBERTA: Names =
    Names { prefix: "roberta", dense: "classifier.dense", read_out: "classifier.out_proj", ..BERT };

const DISTILBERT: Names = Names {
    prefix: "distilbert",
    blocks: "transformer.layer",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    feed_norm: "output_layer_norm",
    dense: "pre_classifier",
    read_out: "classifier",
};

impl Transformer {
    /// The computation of an encoder and the layout of its parameters.
    #[must_use]
    pub fn encoder(config: &EncoderConfig, tuning: &Tuning, frozen: Precision) -> (Self, Table) {
        let width = config.hidden_size;
        let (names, squash) = match config.family {
            EncoderFamily::Bert => (BERT, Squash::Tanh),
            EncoderFamily::Roberta => (ROBERTA, Squash::Tanh),
            EncoderFamily::DistilBert => (DISTILBERT, Squash::Rectifier),
        };
        let mut layout = Layout::new(tuning, frozen, config.n_layers);
        let embeddings = embeddings(config, &names, &mut layout);
        let blocks = (0..config.n_layers).map(|i| block(config, &names, i, &mut layout)).collect();
        layout.enter(Stage::Head);
        let square = Linear { input: width, output: width };
        let dense = layout.affine(names.dense, square, true, None);
        let weight = format!("{}.weight", names.read_out);
        let read_out = layout.tensor(weight, &[1, width], Role::Matrix);
        let bias = layout.tensor(format!("{}.bias", names.read_out), &[1], Role::Bias);
        let packing = Packing::Bidirectional {
            has_types: config.has_segments(),
            first_position: config.first_position,
        };
        let network = Self {
            embeddings,
            blocks,
            final_norm: None,
            head: Head { dense: Some((dense, squash)), read_out, bias: Some(bias) },
            rotary: None,
            packing,
            vocab_size: config.vocab_size,
            max_tokens: config.max_positions - config.first_position,
            lowest: Stage::lowest(tuning, config.n_layers),
            rounds_seam: matches!(tuning, Tuning::TopLayers(_) | Tuning::Head),
        };
        (network, layout.finish())
    }
}

fn embeddings(config: &EncoderConfig, names: &Names, layout: &mut Layout<'_>) -> Embeddings {
    let width = config.hidden_size;
    let stem = format!("{}.embeddings", names.prefix);
    let mut table = |name: &str, rows| {
        let name = format!("{stem}.{name}_embeddings.weight");
        layout.tensor(name, &[rows, width], Role::Embedding)
    };
    let words = table("word", config.vocab_size);
    let positions = Some(table("position", config.max_positions));
    let types = (config.type_vocab_size > 0).then(|| table("token_type", config.type_vocab_size));
    let norm = layout.layer_norm(&format!("{stem}.LayerNorm"), width, config.layer_norm_eps);
    Embeddings { words, positions, types, norm: Some(norm), width }
}

fn block(config: &EncoderConfig, names: &Names, index: usize, layout: &mut Layout<'_>) -> Block {
    layout.enter(Stage::Block(index));
    let (hidden, inner, epsilon) =
        (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
    let stem = |name: &str| format!("{}.{}.{index}.{name}", names.prefix, names.blocks);
    let named = |name: &str, target| Named { stem: stem(name), rows: hidden, target: Some(target) };
    let queries = [named(names.query, LoraTarget::Query)];
    let keys_values = [named(names.key, LoraTarget::Key), named(names.value, LoraTarget::Value)];
    let [query, key_value] = layout.affines(hidden, true, [&queries, &keys_values]);
    let shape = |input, output| Linear { input, output };
    let target = Some(LoraTarget::Output);
    let output = layout.affine(stem(names.output), shape(hidden, hidden), true, target);
    let attention_norm = layout.layer_norm(&stem(names.attention_norm), hidden, epsilon);
    let target = Some(LoraTarget::Up);
    let up = layout.affine(stem(names.up), shape(hidden, inner), true, target);
    let target = Some(LoraTarget::Down);
    let down = layout.affine(stem(names.down), shape(inner, hidden), true, target);
    let feed_norm = layout.layer_norm(&stem(names.feed_norm), hidden, epsilon);
    let heads = Heads {
        n_queries: config.n_heads,
        n_keys: config.n_heads,
        width: config.head_dim(),
        is_causal: false,
        window: None,
    };
    let nonlinearity = match config.activation {
        Activation::Gelu => Nonlinearity::Gelu,
        Activation::GeluTanh => Nonlinearity::GeluTanh,
    };
    Block {
        attention: Attention { heads, query, key_value, output, head_norms: None },
        feed: FeedForward { up, down, nonlinearity },
        norms: Norms::After([attention_norm, feed_norm]),
    }
}
