//! Reward heads: a linear read-out of a hidden state, for encoders after a pooler.
//!
//! Decoder: `reward = w . h` at the last token. Encoder, as `BertForSequenceClassification` with one
//! label: `reward = w . tanh(W h + b) + c` at the first token.

use super::gemm::{Linear, Write};
use super::math;
use super::parameters::Span;
use super::rows::{add_column_sums, fill_rows};
use super::simd::kernel;

kernel! {
    /// `rewards = hidden w`, one a row.
    pub fn read_out(hidden: &[f32], weight: &[f32], bias: f32, rewards: &mut [f32]) {
        for (row, reward) in hidden.chunks_exact(weight.len()).zip(rewards.iter_mut()) {
            *reward = math::dot(row, weight) + bias;
        }
    }
}

kernel! {
    /// Writes the gradient of the hidden states and adds that of the weight.
    pub fn read_out_backward(
        drewards: &[f32],
        hidden: &[f32],
        weight: &[f32],
        dhidden: &mut [f32],
        dweight: &mut [f32],
    ) {
        let width = weight.len();
        for ((d, hidden), dhidden) in
            drewards.iter().zip(hidden.chunks_exact(width)).zip(dhidden.chunks_exact_mut(width))
        {
            for i in 0..width {
                dhidden[i] = d * weight[i];
                dweight[i] += d * hidden[i];
            }
        }
    }
}

/// Where the tensors of an encoder's head lie.
#[derive(Debug, Clone, Copy)]
pub struct PoolerHead {
    /// `pooler.dense.weight`, `[hidden, hidden]`.
    pub pooler: Span,
    /// `pooler.dense.bias`.
    pub pooler_bias: Span,
    /// `classifier.weight`, `[1, hidden]`.
    pub classifier: Span,
    /// `classifier.bias`.
    pub classifier_bias: Span,
}

impl PoolerHead {
    fn layer(self) -> Linear {
        let width = self.classifier.len();
        Linear { input: width, output: width }
    }

    /// Writes the pooled states and the rewards.
    pub fn forward(self, values: &[f32], hidden: &[f32], pooled: &mut [f32], rewards: &mut [f32]) {
        fill_rows(pooled, self.pooler_bias.of(values));
        self.layer().forward(rewards.len(), Write::Add, pooled, hidden, self.pooler.of(values));
        for value in pooled.iter_mut() {
            *value = value.tanh();
        }
        let bias = self.classifier_bias.of(values)[0];
        read_out(pooled, self.classifier.of(values), bias, rewards);
    }

    /// Writes the gradient of the hidden states and adds those of the head. `pooled` is used up.
    pub fn backward(
        self,
        values: &[f32],
        gradient: &mut [f32],
        (drewards, hidden): (&[f32], &[f32]),
        pooled: &mut [f32],
        (dpooled, dhidden): (&mut [f32], &mut [f32]),
    ) {
        let classifier = self.classifier.of(values);
        read_out_backward(drewards, pooled, classifier, dpooled, self.classifier.of_mut(gradient));
        self.classifier_bias.of_mut(gradient)[0] += drewards.iter().sum::<f32>();
        for (d, tanh) in dpooled.iter_mut().zip(pooled.iter()) {
            *d *= 1.0 - tanh * tanh;
        }
        add_column_sums(dpooled, self.pooler_bias.of_mut(gradient));
        let layer = self.layer();
        let rows = drewards.len();
        layer.weight_gradient(rows, self.pooler.of_mut(gradient), dpooled, hidden);
        layer.input_gradient(rows, Write::Replace, dhidden, dpooled, self.pooler.of(values));
    }
}
