//! The reward head: a linear read-out of a hidden state, after a dense layer where the family has
//! one. Always computed in `f32`.
//!
//! Decoders: `reward = w . h` at the last token. BERT and RoBERTa: `reward = w . tanh(W h + b) + c`
//! at the first token; DistilBERT the same with the rectifier, DeBERTa with GELU.

use super::adapter::LowRank;
use super::affine::Affine;
use super::context::Context;
use super::workspace::Workspace;
use crate::engine::cpu::kernel::Write;
use crate::engine::cpu::kernel::vector::math::{dot, erf, fit};
use crate::engine::cpu::table::Slot;

/// The nonlinearity of the dense layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Squash {
    /// `tanh x`.
    Tanh,
    /// `max(x, 0)`.
    Rectifier,
    /// `x Phi(x)`.
    Gelu,
}

/// What turns the activation of one token into a reward.
#[derive(Debug, Clone)]
pub struct Head {
    /// Before the read-out.
    pub dense: Option<(Affine, Squash)>,
    /// `w`, `[1, width]`.
    pub read_out: Slot,
    /// `c`.
    pub bias: Option<Slot>,
}

impl Head {
    /// Rewards of `work.hidden` into `work.rewards`.
    pub fn forward(&self, cx: Context<'_>, work: &mut Workspace) {
        let cx = cx.exact();
        let weight = cx.weights.vector(self.read_out);
        let numbers = &cx.batch.pooled.numbers;
        let (m, width) = (numbers.len(), weight.len());
        let mut read = &work.hidden[..m * width];
        if let Some((dense, squash)) = &self.dense {
            let [raw, pooled, _] = &mut work.pooled;
            let (raw, pooled) = (fit(raw, m * width), fit(pooled, m * width));
            dense.forward(cx, numbers, Write::Replace, raw, read, &mut LowRank::default());
            for (pooled, raw) in pooled.iter_mut().zip(raw) {
                *pooled = squash.value(*raw);
            }
            read = pooled;
        }
        let bias = self.bias.map_or(0.0, |bias| cx.weights.vector(bias)[0]);
        let rewards = fit(&mut work.rewards, m);
        for (row, reward) in read.chunks_exact(width).zip(rewards) {
            *reward = dot(row, weight) + bias;
        }
    }

    /// Adds the gradients of the head, from `work.drewards`. That of the hidden states goes to
    /// `work.dhidden` as `write` says; without it everything below is frozen.
    pub fn backward(
        &self,
        cx: Context<'_>,
        gradient: &mut [f32],
        write: Option<Write>,
        work: &mut Workspace,
    ) {
        let cx = cx.exact();
        let numbers = &cx.batch.pooled.numbers;
        let weight = cx.weights.vector(self.read_out);
        let (m, width) = (numbers.len(), weight.len());
        let Workspace { hidden, dhidden, pooled: [raw, pooled, dpooled], drewards, .. } = work;
        let (hidden, dhidden) = (&hidden[..m * width], fit(dhidden, m * width));
        let dweight = self.read_out.gradient(gradient);
        let drewards = &drewards[..m];
        if self.dense.is_some() {
            let (pooled, dpooled) = (&pooled[..m * width], fit(dpooled, m * width));
            read_out_backward(drewards, pooled, weight, (Write::Replace, dpooled), dweight);
        } else {
            let write = write.unwrap_or(Write::Replace);
            read_out_backward(drewards, hidden, weight, (write, dhidden), dweight);
        }
        if let Some(dbias) = self.bias.and_then(|bias| bias.gradient(gradient)) {
            dbias[0] += drewards.iter().sum::<f32>();
        }
        let Some((dense, squash)) = &self.dense else { return };
        let dpooled = &mut dpooled[..m * width];
        for ((d, raw), value) in dpooled.iter_mut().zip(raw.iter()).zip(pooled.iter()) {
            *d *= squash.slope(*raw, *value);
        }
        let low_rank = &mut LowRank::default();
        dense.add_gradients(cx, numbers, gradient, dpooled, hidden, low_rank);
        if let Some(write) = write {
            dense.input_gradient(cx, numbers, write, dhidden, dpooled, low_rank);
        }
    }
}

/// Writes the gradient of the rows that were read and adds that of the weight.
fn read_out_backward(
    drewards: &[f32],
    read: &[f32],
    weight: &[f32],
    (write, dread): (Write, &mut [f32]),
    mut dweight: Option<&mut [f32]>,
) {
    let width = weight.len();
    let rows = read.chunks_exact(width).zip(dread.chunks_exact_mut(width));
    for ((row, drow), d) in rows.zip(drewards) {
        for (drow, weight) in drow.iter_mut().zip(weight) {
            match write {
                Write::Replace => *drow = d * weight,
                Write::Add => *drow += d * weight,
            }
        }
        for (dweight, value) in dweight.iter_mut().flat_map(|it| it.iter_mut()).zip(row) {
            *dweight += d * value;
        }
    }
}

impl Squash {
    fn value(self, x: f32) -> f32 {
        match self {
            Self::Tanh => x.tanh(),
            Self::Rectifier => x.max(0.0),
            Self::Gelu => x * phi(x),
        }
    }

    /// The derivative at `x`, where the value is `y`.
    fn slope(self, x: f32, y: f32) -> f32 {
        /// `1 / sqrt(2 pi)`
        const DENSITY: f32 = 0.398_942_3;
        match self {
            Self::Tanh => 1.0 - y * y,
            Self::Rectifier => f32::from(u8::from(y > 0.0)),
            Self::Gelu => phi(x) + x * DENSITY * (-0.5 * x * x).exp(),
        }
    }
}

/// The normal distribution function.
fn phi(x: f32) -> f32 {
    0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}
