//! What a forward and its backward pass have in common: which rows are read, whether activations
//! are kept, and how a block's output joins the residual stream.

use super::batch::{Batch, Queries};
use super::dropout::{Dropout, Site};
use super::gemm::{Linear, Write};
use super::math::{fit, fit_zeroed};
use super::rows::{add, gather_rows, scatter_rows};

/// Which rows of the last block are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Those that become rewards.
    Pooled,
    /// All, for next-token prediction.
    All,
}

/// What a pass needs besides parameters, batch and buffers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pass {
    /// Rows read from the last block.
    pub reading: Reading,
    /// Whether a backward pass follows.
    pub keeps: bool,
    /// The dropout of the step.
    pub dropout: Dropout,
}

impl Pass {
    /// A pass that only computes rewards.
    #[must_use]
    pub fn scoring() -> Self {
        Self { reading: Reading::Pooled, keeps: false, dropout: Dropout::off() }
    }

    /// A pass that a backward pass follows.
    #[must_use]
    pub fn training(reading: Reading, dropout: Dropout) -> Self {
        Self { reading, keeps: true, dropout }
    }

    /// The slot of a layer's buffers: its own when kept, else one of two in turn.
    #[must_use]
    pub fn slot(&self, layer: usize) -> usize {
        if self.keeps { layer } else { layer % 2 }
    }

    /// The rows that ask in a layer.
    #[must_use]
    pub fn queries<'a>(&self, batch: &'a Batch, is_last: bool) -> &'a Queries {
        if is_last && self.reading == Reading::Pooled { &batch.pooled } else { &batch.all }
    }

    /// The way of a block's output into the residual stream.
    #[must_use]
    pub fn branch<'a>(&self, layer: usize, site: Site, queries: &'a Queries) -> Branch<'a> {
        Branch { dropout: self.dropout, layer, site, numbers: &queries.numbers }
    }
}

/// The output of a block on its way into the residual stream: a linear layer, then dropout.
#[derive(Debug, Clone, Copy)]
pub struct Branch<'a> {
    dropout: Dropout,
    layer: usize,
    site: Site,
    numbers: &'a [u32],
}

impl Branch<'_> {
    /// `stream += dropout(x W^T + b)`; `b` may be empty.
    pub fn join(
        &self,
        linear: Linear,
        (weight, bias): (&[f32], &[f32]),
        x: &[f32],
        stream: &mut [f32],
        buffer: &mut Vec<f32>,
    ) {
        let (rows, width) = (self.numbers.len(), linear.output);
        if !self.dropout.is_on() {
            add_to_rows(stream, bias);
            linear.forward(rows, Write::Add, stream, x, weight);
            return;
        }
        let branch = fit(buffer, rows * width);
        linear.forward(rows, Write::Replace, branch, x, weight);
        add_to_rows(branch, bias);
        self.dropout.apply(branch, width, self.layer, self.site, self.numbers);
        add(stream, branch);
    }

    /// The gradient of the linear layer's output, from that of the stream.
    pub fn gradient<'a>(
        &self,
        dstream: &'a [f32],
        width: usize,
        buffer: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        if !self.dropout.is_on() {
            return dstream;
        }
        let masked = fit(buffer, dstream.len());
        masked.copy_from_slice(dstream);
        self.dropout.apply(masked, width, self.layer, self.site, self.numbers);
        masked
    }
}

/// Adds `bias` to every row of `x`; an empty bias adds nothing.
fn add_to_rows(x: &mut [f32], bias: &[f32]) {
    if !bias.is_empty() {
        for row in x.chunks_exact_mut(bias.len()) {
            add(row, bias);
        }
    }
}

/// The rows that ask: `all` itself, or copies in `buffer`.
pub fn asking_rows<'a>(
    all: &'a [f32],
    width: usize,
    queries: &Queries,
    buffer: &'a mut Vec<f32>,
) -> &'a [f32] {
    if queries.covers_all {
        return all;
    }
    let some = fit(buffer, queries.len() * width);
    gather_rows(all, width, &queries.rows, some);
    some
}

/// Turns a gradient of the rows that ask into one of all `n_rows` rows, zero elsewhere.
pub fn spread_rows(
    gradient: &mut Vec<f32>,
    width: usize,
    queries: &Queries,
    n_rows: usize,
    buffer: &mut Vec<f32>,
) {
    if queries.covers_all {
        return;
    }
    let spread = fit_zeroed(buffer, n_rows * width);
    scatter_rows(&gradient[..queries.len() * width], width, &queries.rows, spread);
    std::mem::swap(gradient, buffer);
}
