//! BERT, RoBERTa and DistilBERT: learned positions, bidirectional attention, norms after the sums.
//!
//! A block is `y = LN(x + O attention(x))`, `x' = LN(y + W2 gelu(W1 y))`; the reward is read at the
//! first token through a pooler: `w . tanh(W h + b) + c`, or with `relu` for DistilBERT.

use candle_core::{DType, Result, Tensor};

use super::dropout::Site;
use super::linear::Linear;
use super::network::Pass;
use super::operations::{attend, gelu, gelu_tanh, join_heads, layer_norm, split_heads};
use super::parameters::Parameters;
use crate::engine::config::{Activation, EncoderConfig, EncoderFamily};
use crate::engine::layout::{Layout, Part};
use crate::engine::{EngineError, Tuning};

/// Weight and bias of a layer norm.
#[derive(Debug)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

/// The tensors of a block.
#[derive(Debug)]
struct Block {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    feed_norm: Norm,
}

/// A bidirectional encoder.
#[derive(Debug)]
pub struct Encoder {
    config: EncoderConfig,
    words: Tensor,
    positions: Tensor,
    types: Option<Tensor>,
    norm: Norm,
    blocks: Vec<Block>,
    pooler: Linear,
    score: Linear,
}

impl Encoder {
    /// Binds the computation to its parameters.
    ///
    /// # Errors
    /// When a tensor is missing.
    pub fn new(
        config: &EncoderConfig,
        layout: &Layout,
        parameters: &Parameters,
        tuning: &Tuning,
    ) -> std::result::Result<Self, EngineError> {
        let weight = |layer, part| parameters.weight(layout, layer, part);
        let norm = |layer, part| {
            let missing = || EngineError::Candle { detail: format!("{part:?} has no bias") };
            let bias = parameters.bias(layout, layer, part)?.ok_or_else(missing)?;
            Ok::<_, EngineError>(Norm { weight: weight(layer, part)?, bias })
        };
        let linear = |layer, part| parameters.linear(layout, layer, part, tuning);
        let block = |layer| {
            let layer = Some(layer);
            Ok(Block {
                query: linear(layer, Part::Query)?,
                key: linear(layer, Part::Key)?,
                value: linear(layer, Part::Value)?,
                output: linear(layer, Part::Output)?,
                attention_norm: norm(layer, Part::AttentionNorm)?,
                up: linear(layer, Part::Up)?,
                down: linear(layer, Part::Down)?,
                feed_norm: norm(layer, Part::FeedNorm)?,
            })
        };
        let has_types = config.type_vocab_size > 0;
        Ok(Self {
            config: config.clone(),
            words: weight(None, Part::Words)?,
            positions: weight(None, Part::Positions)?,
            types: has_types.then(|| weight(None, Part::Types)).transpose()?,
            norm: norm(None, Part::EmbeddingNorm)?,
            blocks: (0..config.n_layers)
                .map(block)
                .collect::<std::result::Result<_, EngineError>>()?,
            pooler: linear(None, Part::Pooler)?,
            score: linear(None, Part::Score)?,
        })
    }

    /// The reward of each sequence, `[sequences]`.
    pub fn rewards(&self, pass: &Pass<'_>) -> Result<Tensor> {
        let mut stream = self.embed(pass)?;
        let mask = pass.batch.padding_mask(pass.device)?;
        for (layer, block) in self.blocks.iter().enumerate() {
            let attended = self.attention(pass, block, &stream, &mask)?;
            let attended = pass.drop_output(&attended, (layer, Site::Attention))?;
            stream = self.norm(pass, &(stream + attended)?, &block.attention_norm)?;
            let fed = self.feed_forward(pass, block, &stream)?;
            let fed = pass.drop_output(&fed, (layer, Site::FeedForward))?;
            stream = self.norm(pass, &(stream + fed)?, &block.feed_norm)?;
        }
        let pooled = self.pooler.forward(pass, &pass.pooled(&stream)?)?;
        let pooled = match self.config.family {
            EncoderFamily::DistilBert => pooled.relu()?,
            EncoderFamily::Bert | EncoderFamily::Roberta => pooled.tanh()?,
        };
        self.score.forward(pass, &pooled)?.flatten_all()
    }

    fn norm(&self, pass: &Pass<'_>, x: &Tensor, norm: &Norm) -> Result<Tensor> {
        let (weight, bias) = (pass.value(&norm.weight), pass.value(&norm.bias));
        layer_norm(x, &weight, &bias, self.config.layer_norm_eps)
    }

    fn embed(&self, pass: &Pass<'_>) -> Result<Tensor> {
        let batch = pass.batch;
        let rows = |table: &Tensor, ids: &[u32]| {
            let ids = batch.ids(ids, pass.device)?;
            pass.value(table).index_select(&ids, 0)?.to_dtype(DType::F32)
        };
        // Padding may lie beyond the table; no row sees it.
        let last = (self.config.max_positions - 1) as u32;
        let mut positions = batch.positions(self.config.first_position);
        for position in &mut positions {
            *position = (*position).min(last);
        }
        let mut sum = (rows(&self.words, &batch.tokens)? + rows(&self.positions, &positions)?)?;
        if let Some(types) = &self.types {
            sum = (sum + rows(types, &batch.types)?)?;
        }
        let normed = self.norm(pass, &sum, &self.norm)?;
        pass.drop_output(&normed, (0, Site::Embedding))
    }

    fn attention(
        &self,
        pass: &Pass<'_>,
        block: &Block,
        stream: &Tensor,
        mask: &Tensor,
    ) -> Result<Tensor> {
        let heads = |layer: &Linear| {
            let rows = layer.forward(pass, stream)?;
            split_heads(&rows, pass.batch.n_sequences, self.config.n_heads)
        };
        let (queries, keys, values) =
            (heads(&block.query)?, heads(&block.key)?, heads(&block.value)?);
        let attended = attend(pass.arithmetic, [&queries, &keys, &values], mask)?;
        block.output.forward(pass, &join_heads(&attended)?)
    }

    fn feed_forward(&self, pass: &Pass<'_>, block: &Block, stream: &Tensor) -> Result<Tensor> {
        let wide = block.up.forward(pass, stream)?;
        let activated = match self.config.activation {
            Activation::Gelu => gelu(&wide)?,
            Activation::GeluTanh => gelu_tanh(&wide)?,
        };
        block.down.forward(pass, &activated)
    }
}
