//! Low-rank adapters (Hu et al. 2022) as PEFT computes them: `y += s drop(x) A^T B^T` with
//! `s = alpha / rank`.
//!
//! With `u = s drop(x) A^T` and `v = s dy B`: `dB += dy^T u`, `dA += v^T drop(x)`,
//! `dx += drop(v A)`, the last with the mask of the forward pass. The thin `u` and `v` are computed
//! again where they are needed.

use std::ops::Range;

use super::context::Context;
use crate::engine::cpu::dropout::{Dropout, Site};
use crate::engine::cpu::kernel::vector::math::fit;
use crate::engine::cpu::kernel::{Linear, Matrix, Write, multiply, rows};
use crate::engine::cpu::table::Slot;

/// A low-rank update of a frozen matrix (`LoRA`, Hu et al. 2022).
#[derive(Debug, Clone)]
pub struct Adapter {
    /// The matrix `A`, `[rank, input]`.
    pub down: Slot,
    /// The matrix `B`, `[columns, rank]`.
    pub up: Slot,
    /// Width between `A` and `B`.
    pub rank: usize,
    /// `alpha / rank`.
    pub scale: f32,
    /// Dropout probability on the input.
    pub dropout: f32,
    /// Key of the masks.
    pub place: (usize, Site),
    /// The columns of the layer's output it adds to.
    pub columns: Range<usize>,
}

/// Buffers that a thread reuses from one adapter to the next.
#[derive(Debug, Default)]
pub struct LowRank {
    /// The input after dropout, or its gradient before it.
    dropped: Vec<f32>,
    /// `u` or `v`.
    thin: Vec<f32>,
}

#[cfg(test)]
impl LowRank {
    /// Bytes that its buffers hold.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        4 * (self.dropped.capacity() + self.thin.capacity())
    }
}

impl Adapter {
    /// The dropout masks of this pass; a pass without a backward pass drops nothing.
    fn masks(&self, cx: Context<'_>) -> Dropout {
        if cx.pass.keeps { cx.pass.dropout.with_probability(self.dropout) } else { Dropout::off() }
    }

    fn dropped<'a>(
        &self,
        cx: Context<'_>,
        numbers: &[u32],
        x: &'a [f32],
        buffer: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        let masks = self.masks(cx);
        if !masks.is_on() {
            return x;
        }
        let width = x.len() / numbers.len().max(1);
        let dropped = fit(buffer, x.len());
        dropped.copy_from_slice(x);
        masks.apply(cx.team(), dropped, width, self.place, numbers);
        dropped
    }

    /// `u = s drop(x) A^T`, from `drop(x)`.
    fn lowered(&self, cx: Context<'_>, n: usize, input: usize, x: &[f32], u: &mut [f32]) {
        let a = Matrix::rows(cx.weights.vector(self.down), input);
        let x = Matrix::rows(x, input);
        multiply(cx.on, [n, self.rank, input], Write::Replace, u, self.rank, x, a.transposed());
        scale(u, self.scale);
    }

    /// `v = s dy B`.
    fn lowered_gradient(
        &self,
        cx: Context<'_>,
        n: usize,
        shape: Linear,
        dy: &[f32],
        v: &mut [f32],
    ) {
        let wide = self.columns.len();
        let dy = Matrix::rows(&dy[self.columns.start..], shape.output);
        let b = Matrix::rows(cx.weights.vector(self.up), self.rank);
        multiply(cx.on, [n, self.rank, wide], Write::Replace, v, self.rank, dy, b);
        scale(v, self.scale);
    }

    /// Adds to its columns of `y`.
    pub fn forward(
        &self,
        cx: Context<'_>,
        numbers: &[u32],
        shape: Linear,
        y: &mut [f32],
        x: &[f32],
        buffers: &mut LowRank,
    ) {
        let (n, rank) = (numbers.len(), self.rank);
        let LowRank { dropped, thin } = buffers;
        let x = self.dropped(cx, numbers, &x[..n * shape.input], dropped);
        let u = fit(thin, n * rank);
        self.lowered(cx, n, shape.input, x, u);
        let b = Matrix::rows(cx.weights.vector(self.up), rank).transposed();
        let y = &mut y[self.columns.start..];
        let size = [n, self.columns.len(), rank];
        multiply(cx.on, size, Write::Add, y, shape.output, Matrix::rows(u, rank), b);
    }

    /// Adds the gradients of both matrices.
    pub fn add_gradients(
        &self,
        cx: Context<'_>,
        numbers: &[u32],
        gradient: &mut [f32],
        (shape, dy, x): (Linear, &[f32], &[f32]),
        buffers: &mut LowRank,
    ) {
        let (n, rank, input) = (numbers.len(), self.rank, shape.input);
        let LowRank { dropped, thin } = buffers;
        let x = self.dropped(cx, numbers, &x[..n * input], dropped);
        let thin = fit(thin, n * rank);
        if let Some(db) = self.up.gradient(gradient) {
            self.lowered(cx, n, input, x, thin);
            let dy = Matrix::rows(&dy[self.columns.start..], shape.output).transposed();
            let u = Matrix::rows(thin, rank);
            multiply(cx.on, [self.columns.len(), rank, n], Write::Add, db, rank, dy, u);
        }
        if let Some(da) = self.down.gradient(gradient) {
            self.lowered_gradient(cx, n, shape, dy, thin);
            let v = Matrix::rows(thin, rank).transposed();
            multiply(cx.on, [rank, input, n], Write::Add, da, input, v, Matrix::rows(x, input));
        }
    }

    /// Adds the gradient of the input.
    pub fn add_input_gradient(
        &self,
        cx: Context<'_>,
        numbers: &[u32],
        (shape, dx, dy): (Linear, &mut [f32], &[f32]),
        buffers: &mut LowRank,
    ) {
        let (n, rank, input) = (numbers.len(), self.rank, shape.input);
        let LowRank { dropped, thin } = buffers;
        let v = fit(thin, n * rank);
        self.lowered_gradient(cx, n, shape, dy, v);
        let (v, a) = (Matrix::rows(v, rank), Matrix::rows(cx.weights.vector(self.down), input));
        let masks = self.masks(cx);
        if !masks.is_on() {
            multiply(cx.on, [n, input, rank], Write::Add, dx, input, v, a);
            return;
        }
        let dropped = fit(dropped, n * input);
        multiply(cx.on, [n, input, rank], Write::Replace, dropped, input, v, a);
        masks.apply(cx.team(), dropped, input, self.place, numbers);
        rows::add(cx.team(), &mut dx[..n * input], dropped);
    }
}

/// Scales `x` by `factor` on this thread; the thin matrices are too small to be worth sharing among
/// threads.
fn scale(x: &mut [f32], factor: f32) {
    for x in x {
        *x *= factor;
    }
}
