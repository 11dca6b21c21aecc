//! The linear layer `y = x W^T + b` with an optional bias and low-rank adapters on parts of `y`.
//!
//! `dx = dy W`, `dW += dy^T x`, `db += sum dy`; see [`super::adapter`] for the adapters.

use super::adapter::{Adapter, LowRank};
use super::context::Context;
use crate::engine::cpu::kernel::{Linear, Write, rows};
use crate::engine::cpu::table::Slot;

/// A linear layer, or several that read the same rows, as one matrix.
#[derive(Debug, Clone)]
pub struct Affine {
    /// Widths.
    pub shape: Linear,
    /// `[output, input]`.
    pub weight: Slot,
    /// `[output]`.
    pub bias: Option<Slot>,
    /// Low-rank updates.
    pub adapters: Vec<Adapter>,
}

impl Affine {
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
        let (n, weight) = (numbers.len(), cx.weights.matrix(self.weight));
        self.shape.forward(cx.on, n, write, y, x, weight);
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
