//! Which tensors each family has, under which names and in which shapes.
//!
//! The names are those of transformers' sequence-classification export, prefix included
//! (`model.layers.0.self_attn.q_proj.weight`, `bert.pooler.dense.bias`, `score.weight`): the
//! canonical names of the whole engine, of checkpoints too. What a tensor does is its [`Part`], so
//! that the computations ask for `Part::Query` of block 3 and never for a name.

mod decoder;
mod encoder;
#[cfg(test)]
mod tests;

use crate::domain::spec::LoraTarget;
use crate::engine::config::ModelConfig;
use std::collections::BTreeMap;

/// What a tensor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Token embeddings, `[vocabulary, hidden]`.
    Words,
    /// Learned positions, `[positions, hidden]` (encoders).
    Positions,
    /// Token types, `[types, hidden]` (encoders that have them).
    Types,
    /// Norm of the summed embeddings (encoders).
    EmbeddingNorm,
    /// Relative positions, `[2 * span, hidden]` (DeBERTa): every block's queries and keys read them.
    Relative,
    /// Norm of the relative positions (DeBERTa).
    RelativeNorm,
    /// Norm of attention: before it in a decoder, after the sum in an encoder.
    AttentionNorm,
    /// Queries, `[query width, hidden]`.
    Query,
    /// Keys, `[key width, hidden]`.
    Key,
    /// Values, `[key width, hidden]`.
    Value,
    /// Norm of each head's queries, `[head width]` (Qwen3).
    QueryNorm,
    /// Norm of each head's keys, `[head width]` (Qwen3).
    KeyNorm,
    /// Output of attention, `[hidden, query width]`.
    Output,
    /// Norm of the feed-forward block: before it in a decoder, after the sum in an encoder.
    FeedNorm,
    /// Gate of SwiGLU, `[intermediate, hidden]` (decoders).
    Gate,
    /// The widening matrix, `[intermediate, hidden]`.
    Up,
    /// The narrowing matrix, `[hidden, intermediate]`.
    Down,
    /// Norm after the last block (decoders).
    FinalNorm,
    /// The layer between an encoder and its score, `[hidden, hidden]`: BERT's pooler (tanh),
    /// RoBERTa's `classifier.dense` (tanh), DistilBERT's `pre_classifier` (ReLU), DeBERTa's pooler
    /// (GELU).
    Pooler,
    /// The reward head, `[1, hidden]`.
    Score,
    /// The untied output of a language model, `[vocabulary, hidden]`; no reward depends on it.
    LanguageHead,
}

impl Part {
    /// The matrix a low-rank update stands beside.
    #[must_use]
    pub fn of_target(target: LoraTarget) -> Self {
        match target {
            LoraTarget::Query => Self::Query,
            LoraTarget::Key => Self::Key,
            LoraTarget::Value => Self::Value,
            LoraTarget::Output => Self::Output,
            LoraTarget::Gate => Self::Gate,
            LoraTarget::Up => Self::Up,
            LoraTarget::Down => Self::Down,
        }
    }

    /// Whether it is part of the reward head, which a base model lacks and every tuning trains.
    #[must_use]
    pub fn is_head(self) -> bool {
        matches!(self, Self::Pooler | Self::Score)
    }
}

/// What kind of numbers a tensor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A matrix of a linear layer, `[output, input]`.
    Matrix,
    /// An embedding table, `[rows, width]`.
    Embedding,
    /// The weight of a norm.
    Scale,
    /// The bias of a linear layer or a norm.
    Bias,
}

/// One tensor of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    pub name: String,
    /// Its shape in row-major order.
    pub shape: Vec<usize>,
    pub part: Part,
    /// Its block; none outside the blocks.
    pub layer: Option<usize>,
    pub kind: Kind,
}

/// The tensors of a model.
#[derive(Debug, Clone)]
pub struct Layout {
    tensors: Vec<TensorSpec>,
    by_name: BTreeMap<String, usize>,
    /// The prefix that exports of the whole model put before the names of the backbone.
    prefix: &'static str,
    /// Beginnings of names that are ignored without a warning: buffers and heads of other tasks.
    ignored_prefixes: Vec<&'static str>,
    /// … or by end.
    ignored_suffixes: &'static [&'static str],
}

impl Layout {
    /// The tensors of a configuration.
    #[must_use]
    pub fn of(config: &ModelConfig) -> Self {
        match config {
            ModelConfig::Decoder(config) => decoder::layout(config),
            ModelConfig::Encoder(config) => encoder::layout(config),
        }
    }

    fn new(
        prefix: &'static str,
        ignored_prefixes: Vec<&'static str>,
        ignored_suffixes: &'static [&'static str],
    ) -> Self {
        let (tensors, by_name) = (Vec::new(), BTreeMap::new());
        Self { tensors, by_name, prefix, ignored_prefixes, ignored_suffixes }
    }

    fn add(
        &mut self,
        name: String,
        shape: Vec<usize>,
        part: Part,
        layer: Option<usize>,
        kind: Kind,
    ) {
        self.by_name.insert(name.clone(), self.tensors.len());
        self.tensors.push(TensorSpec { name, shape, part, layer, kind });
    }

    /// Adds `STEM.weight` and, if it has one, `STEM.bias`.
    fn add_layer(
        &mut self,
        stem: &str,
        (part, layer): (Part, Option<usize>),
        shape: &[usize],
        kind: Kind,
        has_bias: bool,
    ) {
        self.add(format!("{stem}.weight"), shape.to_vec(), part, layer, kind);
        if has_bias {
            self.add(format!("{stem}.bias"), shape[..1].to_vec(), part, layer, Kind::Bias);
        }
    }

    /// Every tensor, embeddings first, then the blocks in order, the head last.
    #[must_use]
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// The tensor of a canonical name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&TensorSpec> {
        self.by_name.get(name).map(|&i| &self.tensors[i])
    }

    /// The matrix, table or scale of a part; `layer` is none outside the blocks.
    #[must_use]
    pub fn weight(&self, layer: Option<usize>, part: Part) -> Option<&TensorSpec> {
        self.find(layer, part, |kind| kind != Kind::Bias)
    }

    /// The bias of a part, if it has one.
    #[must_use]
    pub fn bias(&self, layer: Option<usize>, part: Part) -> Option<&TensorSpec> {
        self.find(layer, part, |kind| kind == Kind::Bias)
    }

    fn find(
        &self,
        layer: Option<usize>,
        part: Part,
        fits: impl Fn(Kind) -> bool,
    ) -> Option<&TensorSpec> {
        self.tensors.iter().find(|t| t.part == part && t.layer == layer && fits(t.kind))
    }

    /// The canonical name of a tensor of a file: the backbone's prefix is added where an export of
    /// the bare model has none; old exports' `gamma` and `beta` get today's names.
    #[must_use]
    pub fn canonical(&self, name: &str) -> String {
        let name = if let Some(stem) = name.strip_suffix("LayerNorm.gamma") {
            format!("{stem}LayerNorm.weight")
        } else if let Some(stem) = name.strip_suffix("LayerNorm.beta") {
            format!("{stem}LayerNorm.bias")
        } else {
            name.to_owned()
        };
        let prefixed = format!("{}{name}", self.prefix);
        if self.by_name.contains_key(&prefixed) { prefixed } else { name }
    }

    /// Whether a (canonical) name is known and not needed.
    #[must_use]
    pub fn is_ignored(&self, name: &str) -> bool {
        let bare = name.strip_prefix(self.prefix).unwrap_or(name);
        self.ignored_prefixes.iter().any(|prefix| bare.starts_with(prefix))
            || self.ignored_suffixes.iter().any(|suffix| name.ends_with(suffix))
    }

    /// Whether a model is complete without this tensor: a reward head can be initialized anew.
    #[must_use]
    pub fn is_optional(part: Part) -> bool {
        part.is_head() || part == Part::LanguageHead
    }

    /// A reward head with other than one output, by name and number of outputs.
    #[must_use]
    pub fn wrong_head(&self, found: &BTreeMap<String, Vec<usize>>) -> Option<(String, usize)> {
        let head = self.weight(None, Part::Score)?;
        match found.get(&head.name).map(Vec::as_slice) {
            Some(&[n_labels, width]) if n_labels != 1 && width == head.shape[1] => {
                Some((head.name.clone(), n_labels))
            }
            _ => None,
        }
    }

    /// Every missing, misshapen and unexpected tensor of a file, one sentence each.
    #[must_use]
    pub fn problems(&self, found: &BTreeMap<String, Vec<usize>>) -> Vec<String> {
        let mut problems = Vec::new();
        for TensorSpec { name, shape, part, .. } in &self.tensors {
            match found.get(name) {
                None if !Self::is_optional(*part) => {
                    problems.push(format!("`{name}` is missing"));
                }
                Some(found) if found != shape => {
                    problems.push(format!("`{name}` has shape {found:?}, expected {shape:?}"));
                }
                _ => {}
            }
        }
        let unexpected = found.keys().filter(|name| !self.by_name.contains_key(*name));
        problems.extend(unexpected.map(|name| format!("`{name}` is unexpected")));
        problems
    }
}

/// The names PEFT gives the two matrices beside `weight` (`….weight`): `[A, B]`.
#[must_use]
pub fn adapter_names(weight: &str) -> [String; 2] {
    let stem = weight.strip_suffix(".weight").unwrap_or(weight);
    ["A", "B"].map(|matrix| format!("base_model.model.{stem}.lora_{matrix}.weight"))
}

/// The name PEFT gives a tensor that is trained in full beside the low-rank updates.
#[must_use]
pub fn whole_name(name: &str) -> String {
    format!("base_model.model.{name}")
}
