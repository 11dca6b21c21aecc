//! Formulas that differentiate: candle's own versions of these detach or round their constants.

use candle_core::{D, DType, Device, Result, Tensor};

use crate::engine::Precision;

/// How matrix products are computed.
#[derive(Debug, Clone, Copy)]
pub struct Arithmetic {
    /// Of the operands; sums and results are `f32`.
    pub precision: Precision,
    /// Whether the device multiplies `bf16` itself. Candle's CPU does not: there the operands are
    /// rounded to `bf16` and multiplied as `f32`, which is the same up to the order of sums.
    pub multiplies_bf16: bool,
}

impl Arithmetic {
    /// What a device can do.
    #[must_use]
    pub fn new(precision: Precision, device: &Device) -> Self {
        Self { precision, multiplies_bf16: !device.is_cpu() }
    }

    /// `a b` over the last two axes, in `f32`.
    pub fn multiply(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        match self.precision {
            Precision::F32 => a.to_dtype(DType::F32)?.matmul(&b.to_dtype(DType::F32)?),
            Precision::Bf16 => {
                let (a, b) = (a.to_dtype(DType::BF16)?, b.to_dtype(DType::BF16)?);
                if self.multiplies_bf16 {
                    a.matmul(&b)?.to_dtype(DType::F32)
                } else {
                    a.to_dtype(DType::F32)?.matmul(&b.to_dtype(DType::F32)?)
                }
            }
        }
    }
}

/// `x w / sqrt(mean x^2 + epsilon)` over the last axis (Zhang and Sennrich 2019).
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor> {
    let mean = (x.sqr()?.sum_keepdim(D::Minus1)? / x.dim(D::Minus1)? as f64)?;
    x.broadcast_div(&(mean + f64::from(epsilon))?.sqrt()?)?.broadcast_mul(weight)
}

/// `(x - mean) w / sqrt(variance + epsilon) + b` over the last axis (Ba et al. 2016).
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    let width = x.dim(D::Minus1)? as f64;
    let centered = x.broadcast_sub(&(x.sum_keepdim(D::Minus1)? / width)?)?;
    let variance = (centered.sqr()?.sum_keepdim(D::Minus1)? / width)?;
    let scaled = centered.broadcast_div(&(variance + f64::from(epsilon))?.sqrt()?)?;
    scaled.broadcast_mul(weight)?.broadcast_add(bias)
}

/// Softmax over the last axis. The maximum is a constant here: its gradient would cancel.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let powers = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)
}

/// Turns the halves of the last axis against each other: `x` is `[…, positions, width]`, `cosines`
/// and `sines` are `[positions, width / 2]`.
pub fn rotate(x: &Tensor, cosines: &Tensor, sines: &Tensor) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (first, second) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let turned = [
        (first.broadcast_mul(cosines)? - second.broadcast_mul(sines)?)?,
        (second.broadcast_mul(cosines)? + first.broadcast_mul(sines)?)?,
    ];
    Tensor::cat(&turned, D::Minus1)
}

/// `x Phi(x)` (Hendrycks and Gimpel 2016).
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    let twice = ((x / std::f64::consts::SQRT_2)?.erf()? + 1.0)?;
    (x * (twice / 2.0)?)?.contiguous()
}

/// Its approximation by a hyperbolic tangent.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    let inner = (x + ((x * x.sqr()?)? * 0.044_715)?)?;
    let twice = ((inner * (2.0 / std::f64::consts::PI).sqrt())?.tanh()? + 1.0)?;
    x * (twice / 2.0)?
}

/// Scaled dot-product attention of `[sequences, heads, positions, width]`; `mask` is added to the
/// scores, and before their scale the two terms of relative positions.
pub fn attend(
    arithmetic: Arithmetic,
    [queries, keys, values]: [&Tensor; 3],
    relative: Option<&Tensor>,
    mask: &Tensor,
) -> Result<Tensor> {
    let mut scores = arithmetic.multiply(queries, &keys.t()?)?;
    let mut n_terms = 1;
    if let Some(relative) = relative {
        scores = (scores + relative)?;
        n_terms = 3;
    }
    let scores = (scores * (1.0 / ((n_terms * queries.dim(D::Minus1)?) as f64).sqrt()))?;
    arithmetic.multiply(&softmax(&scores.broadcast_add(mask)?)?, values)
}

/// `[rows, heads * width]` as `[sequences, heads, positions, width]`.
pub fn split_heads(x: &Tensor, n_sequences: usize, n_heads: usize) -> Result<Tensor> {
    let (n_rows, width) = x.dims2()?;
    let shape = (n_sequences, n_rows / n_sequences, n_heads, width / n_heads);
    x.reshape(shape)?.transpose(1, 2)?.contiguous()
}

/// The inverse of [`split_heads`].
pub fn join_heads(x: &Tensor) -> Result<Tensor> {
    let (n_sequences, n_heads, n_positions, width) = x.dims4()?;
    x.transpose(1, 2)?.contiguous()?.reshape((n_sequences * n_positions, n_heads * width))
}

/// Every key head as often as query heads share it.
pub fn repeat_heads(x: &Tensor, n_times: usize) -> Result<Tensor> {
    if n_times == 1 {
        return Ok(x.clone());
    }
    let (n_sequences, n_heads, n_positions, width) = x.dims4()?;
    x.unsqueeze(2)?
        .expand((n_sequences, n_heads, n_times, n_positions, width))?
        .contiguous()?
        .reshape((n_sequences, n_heads * n_times, n_positions, width))
}
