//! Passes that keep keys and values for later: a prompt is read at once, and then one row of each
//! sequence at a time.

use half::bf16;

use super::Transformer;
use super::attention::AttendRows;
use super::block::{Block, Norms, Tape};
use super::branch::Branch;
use super::context::Context;
use super::scratch::Scratch;
use super::stage::Stage;
use super::workspace::Workspace;
use crate::engine::cpu::dropout::Site;
use crate::engine::cpu::kernel::Linear;
use crate::engine::cpu::kernel::attention::Heads;
use crate::engine::cpu::kernel::rotary::RotaryTable;
use crate::engine::cpu::kernel::vector::math::fit;
use crate::engine::cpu::table::Slot;

/// What a row sees: from its queries, and its own keys and values, to what it takes from all of them.
pub type Attend<'a> = dyn FnMut(usize, &[f32], &[f32], &mut [f32]) + 'a;

impl Transformer {
    /// How many blocks there are.
    #[must_use]
    pub fn n_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The heads of a block.
    #[must_use]
    pub fn heads(&self, block: usize) -> Heads {
        self.blocks[block].attention.heads
    }

    /// Every matrix that a pass over a few rows multiplies with, and its shape.
    #[must_use]
    pub fn matrices(&self) -> Vec<(Slot, Linear)> {
        let mut found = Vec::new();
        for Block { attention, feed, .. } in &self.blocks {
            for affine in
                [&attention.query, &attention.key_value, &attention.output, &feed.up, &feed.down]
            {
                found.push((affine.weight, affine.shape));
            }
        }
        let head = Linear { input: self.width(), output: self.vocab_size };
        found.push((self.output_head(), head));
        found
    }

    /// Computes the hidden states of the pooled rows, in `work.hidden`, and hands the keys and values of
    /// every row, `[rows, keys and values]`, of one block after the other to `keep`.
    pub fn read(&self, cx: Context<'_>, work: &mut Workspace, keep: &mut dyn FnMut(usize, &[f32])) {
        work.reserve(1);
        self.embeddings.forward(cx, self.stream_slot(cx, 0), work);
        for block in 0..self.blocks.len() {
            let n = cx.batch.n_rows() * self.width();
            self.round_seam(
                Stage::Block(block),
                &mut work.streams[self.stream_slot(cx, block)][..n],
            );
            self.block_forward(cx, block, work);
            let n = cx.batch.n_rows() * self.heads(block).key_value_width();
            keep(block, &work.tapes[self.tape_slot(cx, block)].attention.keys_values()[..n]);
        }
        let n = cx.queries(true).len() * self.width();
        let last = self.stream_slot(cx, self.blocks.len());
        self.round_seam(Stage::FinalNorm, &mut work.streams[last][..n]);
        self.finish(cx, work);
        self.round_seam(Stage::Head, &mut work.hidden[..n]);
    }

    /// Computes the hidden states, in `work.hidden`, of one row of each sequence; `attend` knows what
    /// stands before them.
    pub fn step(&self, cx: Context<'_>, work: &mut Workspace, attend: &mut Attend<'_>) {
        work.reserve(1);
        self.embeddings.forward(cx, 0, work);
        let n = cx.batch.n_rows() * self.width();
        for (layer, block) in self.blocks.iter().enumerate() {
            let stream = &mut work.streams[0][..n];
            self.round_seam(Stage::Block(layer), stream);
            let tape = &mut work.tapes[0];
            let mut attend = |q: &[f32], kv: &[f32], out: &mut [f32]| attend(layer, q, kv, out);
            block.step(cx, self.rotary.as_ref(), stream, (tape, &mut work.scratch), &mut attend);
        }
        let stream = &mut work.streams[0][..n];
        self.round_seam(Stage::FinalNorm, stream);
        let hidden = fit(&mut work.hidden, n);
        match self.final_norm {
            Some(norm) => norm.forward(cx, stream, hidden, &mut work.final_scales),
            None => hidden.copy_from_slice(stream),
        }
        self.round_seam(Stage::Head, hidden);
    }

    /// Rounds the activations that enter `stage` where a training pass would.
    fn round_seam(&self, stage: Stage, values: &mut [f32]) {
        if self.rounds_seam && self.lowest == stage {
            for value in values {
                *value = bf16::from_f32(*value).to_f32();
            }
        }
    }
}

impl Block {
    /// Turns `stream`, one row of each sequence, from the block's input into its output. Decoders norm
    /// before their parts, so nothing else is computed here.
    fn step(
        &self,
        cx: Context<'_>,
        rotary: Option<&RotaryTable>,
        stream: &mut [f32],
        (tape, scratch): (&mut Tape, &mut Scratch),
        attend: &mut AttendRows<'_>,
    ) {
        let Norms::Before([attention_norm, feed_norm]) = self.norms else { return };
        let Scratch { normed, branch, activated, low_rank, .. } = scratch;
        let [first, second] = &mut tape.moments;
        let input = fit(normed, stream.len());
        attention_norm.forward(cx, stream, input, first);
        let buffers = (&mut *branch, &mut *low_rank);
        self.attention.step(cx, rotary, (input, stream), &mut tape.attention, buffers, attend);
        feed_norm.forward(cx, stream, input, second);
        let numbers = &cx.batch.all.numbers;
        let branching = Branch { site: (0, Site::FeedForward), numbers };
        self.feed.forward(
            cx,
            branching,
            (input, stream),
            &mut tape.feed,
            (activated, branch, low_rank),
        );
    }
}
