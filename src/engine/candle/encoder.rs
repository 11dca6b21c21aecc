//! BERT, RoBERTa, DistilBERT and DeBERTa: learned or relative positions, bidirectional attention,
//! norms after the sums.
//!
//! A block is `y = LN(x + O attention(x))`, `x' = LN(y + W2 gelu(W1 y))`; the reward is read at the
//! first token through a pooler: `w . tanh(W h + b) + c`, with `relu` for DistilBERT and `gelu` for
//! DeBERTa.

use candle_core::{Result, Tensor};

use super::dropout::Site;
use super::linear::{Linear, Norm};
use super::operations::{attend, gelu, gelu_tanh, join_heads, look_up, split_heads};
use super::parameters::Parameters;
use super::pass::Pass;
use super::relative::{Relative, RelativeTable};
use crate::domain::spec::Tuning;
use crate::engine::EngineError;
use crate::engine::config::{Activation, EncoderConfig, EncoderFamily, RelativePositions};
use crate::engine::files::layout::{Layout, Part};

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

/// The blocks of a bidirectional encoder, as candle tensors.
#[derive(Debug)]
pub struct Encoder {
    config: EncoderConfig,
    words: Tensor,
    positions: Option<Tensor>,
    types: Option<Tensor>,
    norm: Norm,
    relative: Option<RelativeTable>,
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
        let table = |is_there: bool, part| is_there.then(|| weight(None, part)).transpose();
        let relative = |positions: RelativePositions| {
            let norm = positions.has_norm.then(|| norm(None, Part::RelativeNorm)).transpose()?;
            Ok::<_, EngineError>(RelativeTable {
                table: weight(None, Part::Relative)?,
                norm,
                positions,
            })
        };
        Ok(Self {
            config: config.clone(),
            words: weight(None, Part::Words)?,
            positions: table(config.has_position_table, Part::Positions)?,
            types: table(config.type_vocab_size > 0, Part::Types)?,
            norm: norm(None, Part::EmbeddingNorm)?,
            relative: config.relative.map(relative).transpose()?,
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
        let epsilon = self.config.layer_norm_eps;
        let relative =
            self.relative.as_ref().map(|table| table.enter(pass, epsilon)).transpose()?;
        for (layer, block) in self.blocks.iter().enumerate() {
            let attended = self.attention(pass, block, &stream, (relative.as_ref(), &mask))?;
            let attended = pass.drop_output(&attended, (layer, Site::Attention))?;
            stream = self.norm(pass, &(stream + attended)?, &block.attention_norm)?;
            let fed = self.feed_forward(pass, block, &stream)?;
            let fed = pass.drop_output(&fed, (layer, Site::FeedForward))?;
            stream = self.norm(pass, &(stream + fed)?, &block.feed_norm)?;
        }
        let pooled = self.pooler.forward(pass, &pass.rows(&stream, &pass.batch.pooled)?)?;
        let pooled = match self.config.family {
            EncoderFamily::DistilBert => pooled.relu()?,
            EncoderFamily::Bert | EncoderFamily::Roberta => pooled.tanh()?,
            EncoderFamily::DebertaV2 => gelu(&pooled)?,
        };
        self.score.forward(pass, &pooled)?.flatten_all()
    }

    fn norm(&self, pass: &Pass<'_>, x: &Tensor, norm: &Norm) -> Result<Tensor> {
        let (weight, bias) = (pass.value(&norm.weight), pass.value(&norm.bias));
        pass.form().layer_norm(x, &weight, &bias, self.config.layer_norm_eps)
    }

    fn embed(&self, pass: &Pass<'_>) -> Result<Tensor> {
        let batch = pass.batch;
        let rows = |table: &Tensor, ids: &[u32]| {
            look_up(&pass.value(table), &super::batch::ids(ids, pass.device)?)
        };
        let mut sum = rows(&self.words, &batch.tokens)?;
        if let Some(table) = &self.positions {
            // The positions of padding may lie beyond the table; they are clamped, and no row
            // attends to padding.
            let last = (self.config.max_positions - 1) as u32;
            let mut positions = batch.positions(self.config.first_position);
            for position in &mut positions {
                *position = (*position).min(last);
            }
            sum = (sum + rows(table, &positions)?)?;
        }
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
        (relative, mask): (Option<&Relative>, &Tensor),
    ) -> Result<Tensor> {
        let heads = |layer: &Linear| {
            let rows = layer.forward(pass, stream)?;
            split_heads(&rows, pass.batch.n_sequences, self.config.n_heads)
        };
        let (queries, keys, values) =
            (heads(&block.query)?, heads(&block.key)?, heads(&block.value)?);
        let layers = (&block.query, &block.key);
        let relative = relative.map(|it| it.scores(pass, layers, (&queries, &keys))).transpose()?;
        let attended = attend(
            (pass.arithmetic, pass.form()),
            [&queries, &keys, &values],
            relative.as_ref(),
            mask,
        )?;
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
