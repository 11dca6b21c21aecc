//! One transformer for all families, described by data and without its parameters.
//!
//! It computes in two parts. The *trunk* is everything below the lowest trained tensor: it saves
//! nothing for a backward pass and uses no dropout. Its result, the *seam*, enters the *top*, which
//! saves what the backward pass needs; the gradient goes no farther than the seam. When whole
//! layers are frozen, the seam is rounded to bf16 once, so that a pass that reads it from a cache
//! has the same bits as one that computes it.

use half::bf16;

use self::attention::Where;
use self::block::Block;
use self::context::Context;
use self::embeddings::Embeddings;
use self::head::Head;
use self::norm::RmsNorm;
use self::relative::{RelativeRows, RelativeTable};
use self::stage::Stage;
use self::workspace::Workspace;
use super::batch::Batch;
use super::kernel::Write;
use super::kernel::rotary::RotaryTable;
use super::kernel::vector::math::{fit, fit_zeroed};
use super::table::{Slot, Table};
use crate::domain::spec::{Precision, Tuning};
use crate::engine::EncodedPair;
use crate::engine::config::ModelConfig;

pub mod adapter;
pub mod affine;
pub mod attention;
pub mod block;
pub mod branch;
mod builder;
mod cached;
pub mod context;
mod decoder;
pub mod embeddings;
mod encoder;
pub mod feed_forward;
pub mod head;
pub mod memory;
pub mod norm;
pub mod relative;
pub mod scratch;
mod stage;
pub mod workspace;

/// How sequences are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    /// Both answers of a pair read a shared prefix once; the reward is read at the last token.
    Causal,
    /// Each side is read whole; the reward is read at the first token.
    Bidirectional { has_types: bool, first_position: usize },
}

/// The computation of a model: where its parameters lie and in which order they are used.
#[derive(Debug, Clone)]
pub struct Transformer {
    embeddings: Embeddings,
    blocks: Vec<Block>,
    final_norm: Option<RmsNorm>,
    head: Head,
    /// The output head of a language model; none where it is the embedding table.
    language_head: Option<Slot>,
    rotary: Option<RotaryTable>,
    relative: Option<RelativeTable>,
    packing: Packing,
    vocab_size: usize,
    /// Longest sequence it can read.
    max_tokens: usize,
    /// The lowest stage in which something is trained.
    lowest: Stage,
    /// Whether whole layers are frozen, so that the seam is rounded.
    rounds_seam: bool,
}

impl Transformer {
    /// The computation of a configuration and the layout of its parameters: which tensors `tuning`
    /// trains, and in which precision the others are kept.
    #[must_use]
    pub fn new(config: &ModelConfig, tuning: &Tuning, frozen: Precision) -> (Self, Table) {
        match config {
            ModelConfig::Decoder(config) => Self::decoder(config, tuning, frozen),
            ModelConfig::Encoder(config) => Self::encoder(config, tuning, frozen),
        }
    }

    /// As [`Transformer::new`], for a language model: an output head of its own is part of it.
    #[must_use]
    pub fn language_model(
        config: &ModelConfig,
        tuning: &Tuning,
        frozen: Precision,
    ) -> (Self, Table) {
        match config {
            ModelConfig::Decoder(config) => Self::language_decoder(config, tuning, frozen),
            ModelConfig::Encoder(config) => Self::encoder(config, tuning, frozen),
        }
    }

    /// The matrix that turns hidden states into logits, `[vocabulary, width]`.
    #[must_use]
    pub fn output_head(&self) -> Slot {
        self.language_head.unwrap_or(self.embeddings.words)
    }

    /// Width of the residual stream.
    #[must_use]
    pub fn width(&self) -> usize {
        self.embeddings.width
    }

    /// Rows of the word embeddings.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Prepares positions below `n`.
    pub fn reserve_positions(&mut self, n: usize) {
        if let Some(rotary) = &mut self.rotary {
            rotary.reserve(n);
        }
    }

    /// Packs pairs; `first_number` is the number of the first token in the whole batch.
    #[must_use]
    pub fn pack(&self, pairs: &[&EncodedPair], first_number: u32) -> Batch {
        match self.packing {
            Packing::Causal => Batch::causal(pairs, first_number),
            Packing::Bidirectional { has_types, first_position } => {
                Batch::bidirectional(pairs, first_number, has_types, first_position)
            }
        }
    }

    /// The reason why this network cannot read a pair, as a sentence; `None` where it can.
    #[must_use]
    pub fn problem(&self, pair: &EncodedPair) -> Option<String> {
        for tokens in [&pair.tokens_a, &pair.tokens_b] {
            if let Some(problem) = self.sequence_problem(tokens) {
                return Some(problem);
            }
        }
        let n_shared = pair.n_shared.min(pair.tokens_a.len()).min(pair.tokens_b.len());
        let is_shared = pair.tokens_a[..n_shared] == pair.tokens_b[..n_shared];
        (!is_shared).then(|| "a shared prefix that differs".to_owned())
    }

    /// The reason why this network cannot read a sequence, as a sentence; `None` where it can.
    #[must_use]
    pub fn sequence_problem(&self, tokens: &[u32]) -> Option<String> {
        let (vocabulary, limit) = (self.vocab_size, self.max_tokens);
        if tokens.is_empty() {
            return Some("a side without tokens".to_owned());
        }
        if tokens.len() > limit {
            return Some(format!("{} tokens, more than {limit} positions", tokens.len()));
        }
        let token = tokens.iter().find(|token| **token as usize >= vocabulary)?;
        Some(format!("token `{token}`, but the vocabulary has {vocabulary}"))
    }

    /// Rows a pair takes in a packed batch.
    #[must_use]
    pub fn n_rows(&self, pair: &EncodedPair) -> usize {
        match self.packing {
            Packing::Causal => pair.n_packed_tokens(),
            Packing::Bidirectional { .. } => pair.n_tokens(),
        }
    }

    /// Whether both answers of a pair read their common prompt once.
    #[must_use]
    pub fn shares_prompts(&self) -> bool {
        matches!(self.packing, Packing::Causal)
    }

    /// Number of the first block of the top.
    fn first_top_block(&self) -> usize {
        self.lowest.first_block(self.blocks.len())
    }

    /// The buffer that holds the input of a block (or, for the number after the last, the output):
    /// one of its own when it is kept, else one of two used in turn. The seam is always in the
    /// first.
    fn stream_slot(&self, cx: Context<'_>, block: usize) -> usize {
        let first = self.first_top_block();
        match block.checked_sub(first) {
            Some(above) if cx.pass.keeps => above,
            Some(above) => above % 2,
            None => (first - block) % 2,
        }
    }

    fn tape_slot(&self, cx: Context<'_>, block: usize) -> usize {
        if cx.pass.keeps { block.saturating_sub(self.first_top_block()) } else { 0 }
    }

    /// Everything below the lowest trained tensor.
    pub fn trunk(&self, cx: Context<'_>, work: &mut Workspace) {
        let first = self.first_top_block();
        work.reserve(if cx.pass.keeps { self.blocks.len() - first } else { 1 });
        self.enter_relative(cx, work);
        let cx = cx.undropped();
        if self.lowest > Stage::Embedding {
            self.embeddings.forward(cx, self.stream_slot(cx, 0), work);
        }
        for block in 0..first {
            self.block_forward(cx, block, work);
        }
        if self.lowest == Stage::Head {
            self.finish(cx, work);
        }
        if self.rounds_seam {
            for value in self.seam_mut(cx, work) {
                *value = bf16::from_f32(*value).to_f32();
            }
        }
    }

    /// The activations that enter the lowest trained layer, after [`Transformer::trunk`]: one row
    /// of [`Transformer::width`] for each row of the batch, or for each reward when the layer lies
    /// behind the last block. Empty when the embeddings are trained.
    pub fn seam_mut<'a>(&self, cx: Context<'_>, work: &'a mut Workspace) -> &'a mut [f32] {
        let width = self.width();
        let first = self.first_top_block();
        let asking = cx.queries(true).len() * width;
        match self.lowest {
            Stage::Embedding => &mut [],
            Stage::Head => &mut work.hidden[..asking],
            Stage::Block(_) | Stage::FinalNorm => {
                let n = if first < self.blocks.len() { cx.batch.n_rows() * width } else { asking };
                &mut work.streams[self.stream_slot(cx, first)][..n]
            }
        }
    }

    /// Computes the hidden states in `work.hidden` from the seam.
    pub fn top(&self, cx: Context<'_>, work: &mut Workspace) {
        if self.lowest == Stage::Embedding {
            self.embeddings.forward(cx, self.stream_slot(cx, 0), work);
        }
        for block in self.first_top_block()..self.blocks.len() {
            self.block_forward(cx, block, work);
        }
        if self.lowest != Stage::Head {
            self.finish(cx, work);
        }
    }

    /// Computes the rewards of a batch, into `work.rewards`.
    pub fn reward(&self, cx: Context<'_>, work: &mut Workspace) {
        self.trunk(cx, work);
        self.reward_from_seam(cx, work);
    }

    /// The part of [`Transformer::reward`] behind the trunk.
    pub fn reward_from_seam(&self, cx: Context<'_>, work: &mut Workspace) {
        self.top(cx, work);
        self.head.forward(cx, work);
    }

    /// The lowest stage in which something is trained.
    #[must_use]
    pub fn lowest(&self) -> Stage {
        self.lowest
    }

    /// Whether whole layers lie frozen below everything that is trained.
    #[must_use]
    pub fn has_cacheable_trunk(&self) -> bool {
        self.rounds_seam
    }

    /// Leaves the seam unrounded, as it is computed without a cache.
    pub fn keep_seam_exact(&mut self) {
        self.rounds_seam = false;
    }

    /// Values of the seam that belong to a pair.
    #[must_use]
    pub fn n_seam_values(&self, pair: &EncodedPair) -> usize {
        let is_inside = self.first_top_block() < self.blocks.len();
        self.width() * if is_inside { self.n_rows(pair) } else { 2 }
    }

    /// Puts cached activations where [`Transformer::trunk`] would have left them.
    pub fn enter_seam(&self, cx: Context<'_>, seam: &[bf16], work: &mut Workspace) {
        let first = self.first_top_block();
        work.reserve(if cx.pass.keeps { self.blocks.len() - first } else { 1 });
        let stream = if self.lowest == Stage::Head {
            &mut work.hidden
        } else {
            &mut work.streams[self.stream_slot(cx, first)]
        };
        for (to, value) in fit(stream, seam.len()).iter_mut().zip(seam) {
            *to = value.to_f32();
        }
        self.enter_relative(cx, work);
    }

    /// The rows of relative positions that the blocks read.
    fn enter_relative(&self, cx: Context<'_>, work: &mut Workspace) {
        if let Some(relative) = self.relative {
            relative.forward(cx, &mut work.relative);
        }
    }

    fn at<'a>(&'a self, cx: Context<'a>, block: usize, rows: &'a RelativeRows) -> Where<'a> {
        let queries = cx.queries(block + 1 == self.blocks.len());
        let relative = self.relative.map(|_| rows);
        Where { layer: block, queries, rotary: self.rotary.as_ref(), relative }
    }

    fn block_forward(&self, cx: Context<'_>, block: usize, work: &mut Workspace) {
        let (width, at) = (self.width(), self.at(cx, block, &work.relative));
        let mut output = std::mem::take(&mut work.streams[self.stream_slot(cx, block + 1)]);
        let x = &work.streams[self.stream_slot(cx, block)][..cx.batch.n_rows() * width];
        let out = fit(&mut output, at.queries.len() * width);
        let tape = &mut work.tapes[self.tape_slot(cx, block)];
        self.blocks[block].forward(cx, at, (x, out), tape, &mut work.scratch);
        work.streams[self.stream_slot(cx, block + 1)] = output;
    }

    /// Computes the hidden states from the last block's output: through the final norm, where there
    /// is one.
    fn finish(&self, cx: Context<'_>, work: &mut Workspace) {
        let n = cx.queries(true).len() * self.width();
        let stream = &work.streams[self.stream_slot(cx, self.blocks.len())][..n];
        let hidden = fit(&mut work.hidden, n);
        match self.final_norm {
            Some(norm) => norm.forward(cx, stream, hidden, &mut work.final_scales),
            None => hidden.copy_from_slice(stream),
        }
    }

    /// Adds the gradient of the value head, and that of the hidden states to `work.dhidden`, from
    /// `work.drewards`.
    pub fn value_backward(&self, cx: Context<'_>, gradient: &mut [f32], work: &mut Workspace) {
        self.head.backward(cx, gradient, Some(Write::Add), work);
    }

    /// Adds the gradients of everything trained, from `work.drewards`.
    pub fn reward_backward(&self, cx: Context<'_>, gradient: &mut [f32], work: &mut Workspace) {
        let is_lowest = self.lowest == Stage::Head;
        let write = (!is_lowest).then_some(Write::Replace);
        self.head.backward(cx, gradient, write, work);
        if !is_lowest {
            self.hidden_backward(cx, gradient, work);
        }
    }

    /// Adds the gradients of everything trained but the head, from `work.dhidden`.
    pub fn hidden_backward(&self, cx: Context<'_>, gradient: &mut [f32], work: &mut Workspace) {
        let (width, n_blocks) = (self.width(), self.blocks.len());
        let n = cx.queries(true).len() * width;
        let (dhidden, dstream) = (&work.dhidden[..n], &mut work.scratch.dstream);
        match self.final_norm {
            Some(norm) => {
                let stream = &work.streams[self.stream_slot(cx, n_blocks)][..n];
                let dstream = fit_zeroed(dstream, n);
                norm.backward(cx, gradient, (dhidden, stream), &work.final_scales, dstream);
            }
            None => fit(dstream, n).copy_from_slice(dhidden),
        }
        let relative = self.relative.filter(|_| self.lowest == Stage::Embedding);
        let n_relative = work.relative.numbers.len() * width;
        if relative.is_some() {
            fit_zeroed(&mut work.scratch.attention.drelative_rows, n_relative);
        }
        for block in (self.first_top_block()..n_blocks).rev() {
            let is_lowest = self.lowest == Stage::Block(block);
            let x = &work.streams[self.stream_slot(cx, block)][..cx.batch.n_rows() * width];
            let tape = &mut work.tapes[self.tape_slot(cx, block)];
            let (at, scratch) = (self.at(cx, block, &work.relative), &mut work.scratch);
            self.blocks[block].backward(cx, at, gradient, (x, is_lowest), tape, scratch);
        }
        if let Some(relative) = relative {
            let drows = &mut work.scratch.attention.drelative_rows[..n_relative];
            relative.backward(cx, gradient, drows, &work.relative);
        }
        if self.lowest == Stage::Embedding {
            self.embeddings.backward(cx, gradient, work);
        }
    }
}
