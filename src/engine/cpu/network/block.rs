//! A block of a transformer: attention, then feed-forward, each with a residual sum and a norm.
//!
//! Norms before the parts: `h = x + attention(norm(x))`, `x' = h + feed(norm(h))`. Norms after the
//! sums: `h = norm(x + attention(x))`, `x' = norm(h + feed(h))`. The last block computes keys and
//! values for all rows but everything else only for the rows that are read.

use super::attention::{Attention, AttentionTape, Where};
use super::branch::Branch;
use super::context::Context;
use super::feed_forward::{FeedForward, FeedForwardTape};
use super::norm::{LayerNorm, RmsNorm};
use super::scratch::Scratch;
use crate::engine::cpu::batch::Queries;
use crate::engine::cpu::dropout::Site;
use crate::engine::cpu::kernel::vector::math::{fit, fit_zeroed};
use crate::engine::cpu::kernel::{Weight, Write, rows};

/// The norms of a block: that of attention, that of the feed-forward part.
#[derive(Debug, Clone, Copy)]
pub enum Norms {
    /// Each part reads a normed stream.
    Before([RmsNorm; 2]),
    /// The stream is normed after each sum.
    After([LayerNorm; 2]),
}

/// One transformer block: attention, then feed-forward, each with its norm.
#[derive(Debug, Clone)]
pub struct Block {
    pub attention: Attention,
    pub feed: FeedForward,
    pub norms: Norms,
}

/// What the forward pass of a block saves for its backward pass.
#[derive(Debug, Default)]
pub struct Tape {
    /// Of the attention part.
    pub attention: AttentionTape,
    /// Of the feed-forward part.
    pub feed: FeedForwardTape,
    /// The stream after attention (norms after: before its norm).
    pub middle: Vec<f32>,
    /// Norms after only: the stream after the feed-forward part, before its norm.
    pub outer: Vec<f32>,
    /// Scales or moments of the two norms.
    pub moments: [Vec<f32>; 2],
}

#[cfg(test)]
impl Tape {
    /// Bytes that its buffers hold.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let [first, second] = &self.moments;
        let own = [&self.feed.expanded, &self.middle, &self.outer, first, second];
        4 * own.into_iter().chain(self.attention.buffers()).map(Vec::capacity).sum::<usize>()
    }
}

impl Block {
    /// Whether training changes anything in the attention part or its norm.
    fn trains_attention(&self) -> bool {
        let norm = match &self.norms {
            Norms::Before([norm, _]) => norm.weight,
            Norms::After([norm, _]) => norm.weight,
        };
        norm.is_trained() || self.attention.is_trained()
    }

    /// Computes `out` (the rows that send queries) from `x` (all rows).
    pub fn forward(
        &self,
        cx: Context<'_>,
        at: Where<'_>,
        (x, out): (&[f32], &mut [f32]),
        tape: &mut Tape,
        scratch: &mut Scratch,
    ) {
        let (queries, n) = (at.queries, out.len());
        let width = n / queries.len().max(1);
        let Scratch { normed, branch, activated, low_rank, attention, .. } = scratch;
        let [first, second] = &mut tape.moments;

        let middle = fit(&mut tape.middle, n);
        rows::gather_rows(cx.team(), Weight::F32(x), width, &queries.rows, middle);
        let input = match self.norms {
            Norms::Before([norm, _]) => {
                let normed = fit(normed, x.len());
                norm.forward(cx, x, normed, first);
                normed
            }
            Norms::After(_) => x,
        };
        let buffers = (attention, &mut *branch, &mut *low_rank);
        self.attention.forward(cx, at, (input, middle), &mut tape.attention, buffers);

        let normed = fit(normed, n);
        let branching = Branch { site: (at.layer, Site::FeedForward), numbers: &queries.numbers };
        let buffers = (activated, branch, low_rank);
        match self.norms {
            Norms::Before([_, norm]) => {
                norm.forward(cx, middle, normed, second);
                out.copy_from_slice(middle);
                self.feed.forward(cx, branching, (normed, out), &mut tape.feed, buffers);
            }
            Norms::After([norm, last]) => {
                norm.forward(cx, middle, normed, first);
                let outer = fit(&mut tape.outer, n);
                outer.copy_from_slice(normed);
                self.feed.forward(cx, branching, (normed, outer), &mut tape.feed, buffers);
                last.forward(cx, outer, out, second);
            }
        }
    }

    /// Turns `scratch.dstream` from the gradient of the block's output into that of its input `x`.
    /// In the lowest trained block the latter is computed only if something below needs it.
    pub fn backward(
        &self,
        cx: Context<'_>,
        at: Where<'_>,
        gradient: &mut [f32],
        (x, is_lowest): (&[f32], bool),
        tape: &mut Tape,
        scratch: &mut Scratch,
    ) {
        self.feed_backward(cx, at, gradient, x.len() / cx.batch.n_rows(), tape, scratch);
        if !is_lowest || self.trains_attention() {
            self.attention_backward(cx, at, gradient, (x, is_lowest), tape, scratch);
        }
    }

    /// Computes the gradient of the stream after attention from that of the block's output.
    fn feed_backward(
        &self,
        cx: Context<'_>,
        at: Where<'_>,
        gradient: &mut [f32],
        width: usize,
        tape: &mut Tape,
        scratch: &mut Scratch,
    ) {
        let numbers = &at.queries.numbers;
        let n = numbers.len() * width;
        let Scratch { dstream, normed, dnormed, branch, activated, low_rank, .. } = scratch;
        let dstream = &mut dstream[..n];
        let middle = &tape.middle[..n];
        if let Norms::After([_, norm]) = self.norms {
            norm.backward(cx, gradient, dstream, &tape.outer[..n], &tape.moments[1]);
        }
        let branching = Branch { site: (at.layer, Site::FeedForward), numbers };
        let dbranch = branching.gradient(cx, dstream, branch);
        let buffers = (activated, &mut *low_rank);
        self.feed.backward(cx, numbers, gradient, dbranch, &mut tape.feed, buffers);
        let up = &self.feed.up;
        let dexpanded = &tape.feed.expanded[..numbers.len() * up.shape.output];
        if up.is_trained() {
            let normed = fit(normed, n);
            match self.norms {
                Norms::Before([_, norm]) => norm.apply(cx, middle, normed, &tape.moments[1]),
                Norms::After([norm, _]) => norm.apply(cx, middle, normed, &tape.moments[0]),
            }
            up.add_gradients(cx, numbers, gradient, dexpanded, normed, low_rank);
        }
        match self.norms {
            Norms::Before([_, norm]) => {
                let dnormed = fit(dnormed, n);
                up.input_gradient(cx, numbers, Write::Replace, dnormed, dexpanded, low_rank);
                norm.backward(cx, gradient, (dnormed, middle), &tape.moments[1], dstream);
            }
            Norms::After([norm, _]) => {
                up.input_gradient(cx, numbers, Write::Add, dstream, dexpanded, low_rank);
                norm.backward(cx, gradient, dstream, middle, &tape.moments[0]);
            }
        }
    }

    /// Computes the gradient of the block's input from that of the sum after attention.
    fn attention_backward(
        &self,
        cx: Context<'_>,
        at: Where<'_>,
        gradient: &mut [f32],
        (x, is_lowest): (&[f32], bool),
        tape: &Tape,
        scratch: &mut Scratch,
    ) {
        let (part, n_rows) = (&self.attention, cx.batch.n_rows());
        let width = x.len() / n_rows;
        let Scratch { dstream, normed, dnormed, branch, low_rank, attention, .. } = scratch;
        let numbers = &at.queries.numbers;
        let branching = Branch { site: (at.layer, Site::Attention), numbers };
        let dbranch = branching.gradient(cx, &dstream[..numbers.len() * width], branch);
        let buffers = (&mut *attention, &mut *low_rank);
        part.backward(cx, at, gradient, dbranch, &tape.attention, buffers);
        if part.reads_input_in_backward() {
            let input = match self.norms {
                Norms::Before([norm, _]) => {
                    let normed = fit(normed, x.len());
                    norm.apply(cx, x, normed, &tape.moments[0]);
                    normed
                }
                Norms::After(_) => x,
            };
            let buffers = (&mut *attention, &mut *low_rank);
            part.add_input_weight_gradients(cx, at, gradient, input, buffers);
        }
        match self.norms {
            Norms::Before([norm, _]) if !is_lowest || norm.weight.is_trained() => {
                let dnormed = fit(dnormed, x.len());
                let buffers = (attention, low_rank);
                part.input_gradient(cx, at, Write::Replace, dnormed, buffers);
                spread_rows(cx, dstream, width, at.queries, branch);
                let dstream = &mut dstream[..x.len()];
                norm.backward(cx, gradient, (dnormed, x), &tape.moments[0], dstream);
            }
            Norms::After(_) if !is_lowest => {
                spread_rows(cx, dstream, width, at.queries, branch);
                let dstream = &mut dstream[..x.len()];
                part.input_gradient(cx, at, Write::Add, dstream, (attention, low_rank));
            }
            Norms::Before(_) | Norms::After(_) => {}
        }
    }
}

/// Spreads a gradient of the rows that send queries over all rows, with zeros elsewhere.
fn spread_rows(
    cx: Context<'_>,
    gradient: &mut Vec<f32>,
    width: usize,
    queries: &Queries,
    buffer: &mut Vec<f32>,
) {
    if queries.covers_all {
        return;
    }
    let spread = fit_zeroed(buffer, cx.batch.n_rows() * width);
    let asking = &gradient[..queries.len() * width];
    rows::scatter_rows(cx.team(), asking, width, &queries.rows, spread);
    std::mem::swap(gradient, buffer);
}
