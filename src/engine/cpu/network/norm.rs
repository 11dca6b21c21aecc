//! The two norms with their weights: RMS norm before a part, layer norm after it.

use super::context::Context;
use crate::engine::cpu::kernel::norm::{
    layer_apply, layer_backward, layer_forward, rms_apply, rms_backward, rms_forward,
};
use crate::engine::cpu::kernel::vector::math::fit;
use crate::engine::cpu::table::Slot;

/// `y = x / rms(x) w`.
#[derive(Debug, Clone, Copy)]
pub struct RmsNorm {
    /// `w`.
    pub weight: Slot,
    /// Added to the mean square.
    pub epsilon: f32,
}

impl RmsNorm {
    /// Writes `y` for every row of `x` and saves the scales.
    pub fn forward(self, cx: Context<'_>, x: &[f32], y: &mut [f32], scales: &mut Vec<f32>) {
        let weight = cx.weights.vector(self.weight);
        let scales = fit(scales, x.len() / weight.len());
        rms_forward(cx.team(), x, weight, self.epsilon, y, scales);
    }

    /// Writes `y` again from the saved scales.
    pub fn apply(self, cx: Context<'_>, x: &[f32], y: &mut [f32], scales: &[f32]) {
        let weight = cx.weights.vector(self.weight);
        rms_apply(cx.team(), x, weight, &scales[..x.len() / weight.len()], y);
    }

    /// Adds to `dx` and, when trained, to the gradient of the weight.
    pub fn backward(
        self,
        cx: Context<'_>,
        gradient: &mut [f32],
        (dy, x): (&[f32], &[f32]),
        scales: &[f32],
        dx: &mut [f32],
    ) {
        let weight = cx.weights.vector(self.weight);
        let scales = &scales[..x.len() / weight.len()];
        rms_backward(cx.team(), dy, x, weight, scales, dx, self.weight.gradient(gradient));
    }
}

/// `y = (x - mean) / deviation w + b`.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm {
    /// `w`.
    pub weight: Slot,
    /// `b`, which lies behind `w`.
    pub bias: Slot,
    /// Added to the variance.
    pub epsilon: f32,
}

impl LayerNorm {
    /// Writes `y` for every row of `x` and saves the moments.
    pub fn forward(self, cx: Context<'_>, x: &[f32], y: &mut [f32], moments: &mut Vec<f32>) {
        let (weight, bias) = (cx.weights.vector(self.weight), cx.weights.vector(self.bias));
        let moments = fit(moments, 2 * (x.len() / weight.len()));
        layer_forward(cx.team(), x, weight, bias, self.epsilon, y, moments);
    }

    /// Writes `y` again from the saved moments.
    pub fn apply(self, cx: Context<'_>, x: &[f32], y: &mut [f32], moments: &[f32]) {
        let (weight, bias) = (cx.weights.vector(self.weight), cx.weights.vector(self.bias));
        layer_apply(cx.team(), x, weight, bias, &moments[..2 * (x.len() / weight.len())], y);
    }

    /// Turns `dy` into the gradient of `x` in place; adds those of weight and bias when trained.
    pub fn backward(
        self,
        cx: Context<'_>,
        gradient: &mut [f32],
        dy: &mut [f32],
        x: &[f32],
        moments: &[f32],
    ) {
        let weight = cx.weights.vector(self.weight);
        let moments = &moments[..2 * (x.len() / weight.len())];
        let both = self.weight.through(self.bias).gradient(gradient);
        let parts = both.map(|both| both.split_at_mut(weight.len()).into());
        layer_backward(cx.team(), dy, x, weight, moments, parts);
    }
}
