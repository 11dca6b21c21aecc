//! Llama, Mistral, Qwen2 and Qwen3: RMS norm, rotary attention with grouped queries, SwiGLU.
//!
//! A block is `h = x + O attention(norm(x))`, `x' = h + D swiglu(norm(h))`; the reward is a product
//! of the normed state at the last token.

use candle_core::{Device, Result, Tensor};

use super::dropout::Site;
use super::linear::Linear;
use super::operations::{attend, join_heads, look_up, repeat_heads, split_heads};
use super::parameters::Parameters;
use super::pass::Pass;
use crate::domain::spec::Tuning;
use crate::engine::EngineError;
use crate::engine::config::DecoderConfig;
use crate::engine::files::layout::{Layout, Part};

/// The tensors of a block.
#[derive(Debug)]
struct Block {
    attention_norm: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    head_norms: Option<[Tensor; 2]>,
    output: Linear,
    feed_norm: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
}

/// The blocks of a causal decoder, as candle tensors.
#[derive(Debug)]
pub struct Decoder {
    config: DecoderConfig,
    words: Tensor,
    blocks: Vec<Block>,
    final_norm: Tensor,
    score: Linear,
    /// The output head of a language model; none where it is the embedding table.
    language_head: Option<Tensor>,
}

impl Decoder {
    /// Binds the computation to its parameters.
    ///
    /// # Errors
    /// When a tensor is missing.
    pub fn new(
        config: &DecoderConfig,
        layout: &Layout,
        parameters: &Parameters,
        tuning: &Tuning,
    ) -> std::result::Result<Self, EngineError> {
        let weight = |layer, part| parameters.weight(layout, layer, part);
        let block = |layer| {
            let layer = Some(layer);
            let linear = |part| parameters.linear(layout, layer, part, tuning);
            let head_norms = if config.query_key_norm {
                Some([weight(layer, Part::QueryNorm)?, weight(layer, Part::KeyNorm)?])
            } else {
                None
            };
            Ok(Block {
                attention_norm: weight(layer, Part::AttentionNorm)?,
                query: linear(Part::Query)?,
                key: linear(Part::Key)?,
                value: linear(Part::Value)?,
                head_norms,
                output: linear(Part::Output)?,
                feed_norm: weight(layer, Part::FeedNorm)?,
                gate: linear(Part::Gate)?,
                up: linear(Part::Up)?,
                down: linear(Part::Down)?,
            })
        };
        Ok(Self {
            config: config.clone(),
            words: weight(None, Part::Words)?,
            blocks: (0..config.n_layers)
                .map(block)
                .collect::<std::result::Result<_, EngineError>>()?,
            final_norm: weight(None, Part::FinalNorm)?,
            score: parameters.linear(layout, None, Part::Score, tuning)?,
            language_head: None,
        })
    }

    /// As [`Decoder::new`], with the output head where it is not the embedding table.
    ///
    /// # Errors
    /// As [`Decoder::new`].
    pub fn language_model(
        config: &DecoderConfig,
        layout: &Layout,
        parameters: &Parameters,
        tuning: &Tuning,
    ) -> std::result::Result<Self, EngineError> {
        let decoder = Self::new(config, layout, parameters, tuning)?;
        let has_head = layout.weight(None, Part::LanguageHead).is_some();
        let head = has_head.then(|| parameters.weight(layout, None, Part::LanguageHead));
        Ok(Self { language_head: head.transpose()?, ..decoder })
    }

    /// The reward of each sequence, `[sequences]`.
    pub fn rewards(&self, pass: &Pass<'_>) -> Result<Tensor> {
        let last = self.normed(pass, &pass.batch.pooled)?;
        self.score.forward(pass, &last)?.flatten_all()
    }

    /// The logits of the token after each of these rows, `[rows, vocabulary]`.
    pub fn logits(&self, pass: &Pass<'_>, rows: &[u32]) -> Result<Tensor> {
        let hidden = self.normed(pass, rows)?;
        let head = self.language_head.as_ref().unwrap_or(&self.words);
        pass.arithmetic.project(&hidden, &pass.value(head))
    }

    /// The last block's output at some rows, after the final norm, `[rows, width]`.
    fn normed(&self, pass: &Pass<'_>, rows: &[u32]) -> Result<Tensor> {
        let ids = super::batch::ids(&pass.batch.tokens, pass.device)?;
        let words = look_up(&pass.value(&self.words), &ids)?;
        let mut stream = pass.drop_output(&words, (0, Site::Embedding))?;
        let angles = self.angles(pass.batch.width, pass.device)?;
        for (layer, block) in self.blocks.iter().enumerate() {
            let attended = self.attention(pass, layer, block, &stream, &angles)?;
            stream = (stream + pass.drop_output(&attended, (layer, Site::Attention))?)?;
            let fed = self.feed_forward(pass, block, &stream)?;
            stream = (stream + pass.drop_output(&fed, (layer, Site::FeedForward))?)?;
        }
        self.norm(pass, &pass.rows(&stream, rows)?, &self.final_norm)
    }

    fn norm(&self, pass: &Pass<'_>, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        pass.form().rms_norm(x, &pass.value(weight), self.config.rms_norm_eps)
    }

    /// Cosines and sines of the positions, each `[positions, head width / 2]`.
    fn angles(&self, n_positions: usize, device: &Device) -> Result<[Tensor; 2]> {
        let frequencies = self.config.rope_frequencies();
        let angles: Vec<f64> = (0..n_positions)
            .flat_map(|position| frequencies.iter().map(move |f| f * position as f64))
            .collect();
        let tensor = |of: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|angle| of(*angle) as f32).collect();
            Tensor::from_vec(values, (n_positions, frequencies.len()), device)
        };
        Ok([tensor(f64::cos)?, tensor(f64::sin)?])
    }

    fn attention(
        &self,
        pass: &Pass<'_>,
        layer: usize,
        block: &Block,
        stream: &Tensor,
        [cosines, sines]: &[Tensor; 2],
    ) -> Result<Tensor> {
        let config = &self.config;
        let n = pass.batch.n_sequences;
        let x = self.norm(pass, stream, &block.attention_norm)?;
        let mut queries = split_heads(&block.query.forward(pass, &x)?, n, config.n_heads)?;
        let mut keys = split_heads(&block.key.forward(pass, &x)?, n, config.n_kv_heads)?;
        let values = split_heads(&block.value.forward(pass, &x)?, n, config.n_kv_heads)?;
        if let Some([query_norm, key_norm]) = &block.head_norms {
            queries = self.norm(pass, &queries, query_norm)?;
            keys = self.norm(pass, &keys, key_norm)?;
        }
        let form = pass.form();
        let queries = form.rotate(&queries, cosines, sines)?;
        let group = config.n_heads / config.n_kv_heads;
        let keys = repeat_heads(&form.rotate(&keys, cosines, sines)?, group)?;
        let values = repeat_heads(&values, group)?;
        let mask = pass.causal_mask(config.window(layer))?;
        let attended = attend((pass.arithmetic, form), [&queries, &keys, &values], None, &mask)?;
        block.output.forward(pass, &join_heads(&attended)?)
    }

    fn feed_forward(&self, pass: &Pass<'_>, block: &Block, stream: &Tensor) -> Result<Tensor> {
        let x = self.norm(pass, stream, &block.feed_norm)?;
        let gate = block.gate.forward(pass, &x)?.silu()?;
        block.down.forward(pass, &(gate * block.up.forward(pass, &x)?)?)
    }
}
