//! The feed-forward part: widen, nonlinearity, narrow. It adds to the residual stream.

use super::adapter::LowRank;
use super::affine::Affine;
use super::branch::Branch;
use super::context::Context;
use crate::engine::cpu::kernel::activation::{
    gelu_backward, gelu_forward, gelu_tanh_backward, gelu_tanh_forward, swiglu_backward,
    swiglu_forward,
};
use crate::engine::cpu::kernel::vector::math::fit;
use crate::engine::cpu::kernel::{Team, Write};

/// The function between the two matrices of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonlinearity {
    /// `up * gate * sigmoid(gate)` of `[gate | up]`.
    SwiGlu,
    /// `x Phi(x)` by the error function.
    Gelu,
    /// Its approximation by a hyperbolic tangent.
    GeluTanh,
}

/// The feed-forward part of a block.
#[derive(Debug, Clone)]
pub struct FeedForward {
    /// `up`, or `[gate | up]` as one matrix.
    pub up: Affine,
    /// Back to the width of the stream.
    pub down: Affine,
    pub nonlinearity: Nonlinearity,
}

/// What the forward pass saves.
#[derive(Debug, Default)]
pub struct FeedForwardTape {
    /// Output of `up`; its gradient after [`FeedForward::backward`].
    pub expanded: Vec<f32>,
}

impl FeedForward {
    /// Adds the part's output to `stream`.
    pub fn forward(
        &self,
        cx: Context<'_>,
        branching: Branch<'_>,
        (input, stream): (&[f32], &mut [f32]),
        tape: &mut FeedForwardTape,
        (activated, branch, low_rank): (&mut Vec<f32>, &mut Vec<f32>, &mut LowRank),
    ) {
        let m = branching.numbers.len();
        let expanded = fit(&mut tape.expanded, m * self.up.shape.output);
        self.up.forward(cx, branching.numbers, Write::Replace, expanded, input, low_rank);
        let activated = fit(activated, m * self.down.shape.input);
        self.nonlinearity.forward(cx.team(), expanded, self.down.shape.input, activated);
        branching.join(cx, &self.down, activated, stream, branch, low_rank);
    }

    /// From the gradient of the part's output to that of `up`'s output, which replaces
    /// `tape.expanded`; adds the gradients of `down`.
    pub fn backward(
        &self,
        cx: Context<'_>,
        numbers: &[u32],
        gradient: &mut [f32],
        doutput: &[f32],
        tape: &mut FeedForwardTape,
        (activated, low_rank): (&mut Vec<f32>, &mut LowRank),
    ) {
        let (m, inner) = (numbers.len(), self.down.shape.input);
        let expanded = &mut tape.expanded[..m * self.up.shape.output];
        let activated = fit(activated, m * inner);
        self.down.input_gradient(cx, numbers, Write::Replace, activated, doutput, low_rank);
        self.nonlinearity.backward(cx.team(), expanded, inner, activated);
        self.down.add_gradients(cx, numbers, gradient, doutput, activated, low_rank);
    }
}

impl Nonlinearity {
    fn forward(self, team: &Team, x: &[f32], width: usize, activated: &mut [f32]) {
        match self {
            Self::SwiGlu => swiglu_forward(team, x, width, activated),
            Self::Gelu => gelu_forward(team, x, activated),
            Self::GeluTanh => gelu_tanh_forward(team, x, activated),
        }
    }

    /// Turns `x` into its gradient and `activated` from gradient into activation, in place.
    fn backward(self, team: &Team, x: &mut [f32], width: usize, activated: &mut [f32]) {
        match self {
            Self::SwiGlu => swiglu_backward(team, x, width, activated),
            Self::Gelu => gelu_backward(team, x, activated),
            Self::GeluTanh => gelu_tanh_backward(team, x, activated),
        }
    }
}
