//! The tensors of an encoder: one computation, four sets of names.

use super::{Kind, Layout, Part};
use crate::engine::config::{EncoderConfig, EncoderFamily};

/// How a family names its tensors.
struct Names {
    /// Of the backbone, with its dot.
    prefix: &'static str,
    blocks: &'static str,
    /// Query, key, value, output, norm of attention, up, down, norm of the feed-forward block.
    block: [&'static str; 8],
    pooler: &'static str,
    score: &'static str,
    /// Heads of other tasks.
    ignored: &'static [&'static str],
}

const BERT_BLOCK: [&str; 8] = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
];

/// Names of BERT. What begins with `cls.` are the heads of masked-language-model pretraining.
const BERT: Names = Names {
    prefix: "bert.",
    blocks: "bert.encoder.layer",
    block: BERT_BLOCK,
    pooler: "bert.pooler.dense",
    score: "classifier",
    ignored: &["cls."],
};

/// Names of RoBERTa. The pooler of a bare RoBERTa is not the layer that its classifier uses.
const ROBERTA: Names = Names {
    prefix: "roberta.",
    blocks: "roberta.encoder.layer",
    block: BERT_BLOCK,
    pooler: "classifier.dense",
    score: "classifier.out_proj",
    ignored: &["lm_head.", "pooler."],
};

const DISTILBERT: Names = Names {
    prefix: "distilbert.",
    blocks: "distilbert.transformer.layer",
    block: [
        "attention.q_lin",
        "attention.k_lin",
        "attention.v_lin",
        "attention.out_lin",
        "sa_layer_norm",
        "ffn.lin1",
        "ffn.lin2",
        "output_layer_norm",
    ],
    pooler: "pre_classifier",
    score: "classifier",
    ignored: &["vocab_transform.", "vocab_layer_norm.", "vocab_projector."],
};

/// Names of DeBERTa. The pooler belongs to the classifier, outside the backbone; the ignored names
/// are the heads of pretraining.
const DEBERTA: Names = Names {
    prefix: "deberta.",
    blocks: "deberta.encoder.layer",
    block: [
        "attention.self.query_proj",
        "attention.self.key_proj",
        "attention.self.value_proj",
        "attention.output.dense",
        "attention.output.LayerNorm",
        "intermediate.dense",
        "output.dense",
        "output.LayerNorm",
    ],
    pooler: "pooler.dense",
    score: "classifier",
    ignored: &["cls.", "lm_predictions.", "mask_predictions."],
};

const BLOCK: [Part; 8] = [
    Part::Query,
    Part::Key,
    Part::Value,
    Part::Output,
    Part::AttentionNorm,
    Part::Up,
    Part::Down,
    Part::FeedNorm,
];

pub(super) fn layout(config: &EncoderConfig) -> Layout {
    let names = match config.family {
        EncoderFamily::Bert => BERT,
        EncoderFamily::Roberta => ROBERTA,
        EncoderFamily::DistilBert => DISTILBERT,
        EncoderFamily::DebertaV2 => DEBERTA,
    };
    let mut ignored = names.ignored.to_vec();
    if !config.has_position_table {
        // Some exports contain the table although they do not read it.
        ignored.push("embeddings.position_embeddings.");
    }
    let mut layout = Layout::new(
        names.prefix,
        ignored,
        &["embeddings.position_ids", "embeddings.token_type_ids"],
    );
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let outside = |part| (part, None);
    let n_positions = if config.has_position_table { config.max_positions } else { 0 };
    let tables = [
        (Part::Words, "word", config.vocab_size),
        (Part::Positions, "position", n_positions),
        (Part::Types, "token_type", config.type_vocab_size),
    ];
    for (part, name, rows) in tables.into_iter().filter(|(.., rows)| *rows > 0) {
        let stem = format!("{}embeddings.{name}_embeddings", names.prefix);
        layout.add_layer(&stem, outside(part), &[rows, hidden], Kind::Embedding, false);
    }
    let norm = format!("{}embeddings.LayerNorm", names.prefix);
    layout.add_layer(&norm, outside(Part::EmbeddingNorm), &[hidden], Kind::Scale, true);
    if let Some(relative) = config.relative {
        let (stem, shape) = (format!("{}encoder", names.prefix), [relative.n_rows(), hidden]);
        let table = format!("{stem}.rel_embeddings");
        layout.add_layer(&table, outside(Part::Relative), &shape, Kind::Embedding, false);
        if relative.has_norm {
            let norm = format!("{stem}.LayerNorm");
            layout.add_layer(&norm, outside(Part::RelativeNorm), &[hidden], Kind::Scale, true);
        }
    }
    for layer in 0..config.n_layers {
        for (part, name) in BLOCK.into_iter().zip(names.block) {
            let stem = format!("{}.{layer}.{name}", names.blocks);
            let (shape, kind) = match part {
                Part::AttentionNorm | Part::FeedNorm => (vec![hidden], Kind::Scale),
                Part::Up => (vec![inner, hidden], Kind::Matrix),
                Part::Down => (vec![hidden, inner], Kind::Matrix),
                _ => (vec![hidden, hidden], Kind::Matrix),
            };
            layout.add_layer(&stem, (part, Some(layer)), &shape, kind, true);
        }
    }
    let square = [hidden, hidden];
    layout.add_layer(names.pooler, outside(Part::Pooler), &square, Kind::Matrix, true);
    layout.add_layer(names.score, outside(Part::Score), &[1, hidden], Kind::Matrix, true);
    layout
}
