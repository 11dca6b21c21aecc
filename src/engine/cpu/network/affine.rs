//! The linear layer `y = x W^T + b` with an optional bias and low-rank adapters on parts of `y`.
//!
//! `dx = dy W`, `dW += dy^T x`, `db += sum dy`; see [`super::adapter`] for the adapters.

use super::adapter::{Adapter, LowRank};
use super::context::Context;
use crate::engine::cpu::kernel::{Linear, Write, rows};
use crate::engine::cpu::table::{Slot, Span};

/// A linear layer, or several that read the same rows, as one matrix.
#[derive(Debug, Clone)]
pub struct Affine {
    pub shape: Linear,
    /// Of shape `[output, input]`.
    pub weight: Slot,
    /// `[output]`.
    pub bias: Option<Slot>,
    pub adapters: Vec<Adapter>,
}

impl Affine {
    /// The layer of the first `n` columns of the output: the same parameters, not copies of them.
    #[must_use]
    pub fn first_columns(&self, n: usize) -> Self {
        let start_of = |slot: Slot, len: usize| {
            let start = slot.span.start;
            Slot { span: Span { start, end: start + len }, ..slot }
        };
        let is_inside = |adapter: &&Adapter| adapter.columns.end <= n;
        Self {
            shape: Linear { output: n, ..self.shape },
            weight: start_of(self.weight, n * self.shape.input),
            bias: self.bias.map(|bias| start_of(bias, n)),
            adapters: self.adapters.iter().filter(is_inside).cloned().collect(),
        }
    }

    /// Whether training changes anything here, so that a backward pass needs the input.
    #[must_use]
    pub fn is_trained(&self) -> bool {
        self.weight.is_trained() || !self.adapters.is_empty()
    }

    /// `y (+)= x W^T + b` for one row for each of `numbers`.
    pub fn forward(
        &self,
        cx: Context<'_>,
        numbers: &[u32],
        write: Write,
        y: &mut [f32],
        x: &[f32],
        low_rank: &mut LowRank,
    ) {
        let n = numbers.len();
        match cx.weights.packed(self.weight) {
            Some(packed) => packed.forward(cx.on, n, write, y, x),
            None => self.shape.forward(cx.on, n, write, y, x, cx.weights.matrix(self.weight)),
        }
        if let Some(bias) = self.bias {
            rows::add_to_rows(cx.team(), y, cx.weights.vector(bias));
        }
        for adapter in &self.adapters {
            adapter.forward(cx, numbers, self.shape, y, x, low_rank);
        }
    }

    /// Adds the gradients of what is trained; nothing is read when nothing is.
    pub fn add_gradients(
        &self,
        cx: Context<'_>,
        numbers: &[u32],
        gradient: &mut [f32],
        dy: &[f32],
        x: &[f32],
        low_rank: &mut LowRank,
    ) {
        if let Some(dweight) = self.weight.gradient(gradient) {
            self.shape.weight_gradient(cx.on, numbers.len(), dweight, dy, x);
        }
        if let Some(dbias) = self.bias.and_then(|bias| bias.gradient(gradient)) {
            rows::add_column_sums(cx.team(), dy, dbias);
        }
        for adapter in &self.adapters {
            adapter.add_gradients(cx, numbers, gradient, (self.shape, dy, x), low_rank);
        }
    }

    /// `dx (+)= dy W`.
    pub fn input_gradient(
        &self,
        cx: Context<'_>,
        numbers: &[u32],
        write: Write,
        dx: &mut [f32],
        dy: &[f32],
        low_rank: &mut LowRank,
    ) {
        let weight = cx.weights.matrix(self.weight);
        self.shape.input_gradient(cx.on, numbers.len(), write, dx, dy, weight);
        for adapter in &self.adapters {
            adapter.add_input_gradient(cx, numbers, (self.shape, dx, dy), low_rank);
        }
    }
}
