//! The formulas of the models in candle's stock layers, or written out where those round their
//! constants.

use candle_core::{D, DType, Device, Module, Result, Tensor};
use candle_nn::{Embedding, LayerNorm, Linear, RmsNorm, ops, rotary_emb};

use crate::domain::spec::Precision;

/// How matrix products are computed.
#[derive(Debug, Clone, Copy)]
pub struct Arithmetic {
    /// The format that operands are rounded to; sums and results are `f32`.
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
        self.operand(a)?.matmul(&self.operand(b)?)?.to_dtype(DType::F32)
    }

    /// `x W^T` for rows `x`, `[n, input]`, and a weight of `[output, input]`, in `f32`.
    pub fn project(self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let layer = Linear::new(self.operand(weight)?, None);
        layer.forward(&self.operand(x)?)?.to_dtype(DType::F32)
    }

    fn operand(self, x: &Tensor) -> Result<Tensor> {
        match self.precision {
            Precision::F32 => x.to_dtype(DType::F32),
            Precision::Bf16 if self.multiplies_bf16 => x.to_dtype(DType::BF16),
            Precision::Bf16 => x.to_dtype(DType::BF16)?.to_dtype(DType::F32),
        }
    }
}

/// Which of candle's two versions of a formula a pass uses. The fused ones are several times as
/// fast but detach silently: nothing below them would get a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Written in operations that differentiate, for training.
    Differentiable,
    /// One operation, for scoring.
    Fused,
}

impl Form {
    /// `x w / sqrt(mean x^2 + epsilon)` over the last axis (Zhang and Sennrich 2019).
    pub fn rms_norm(self, x: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor> {
        match self {
            Self::Differentiable => ops::rms_norm_slow(x, weight, epsilon),
            Self::Fused => RmsNorm::new(weight.clone(), f64::from(epsilon)).forward(x),
        }
    }

    /// `(x - mean) w / sqrt(variance + epsilon) + b` over the last axis (Ba et al. 2016).
    pub fn layer_norm(
        self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        epsilon: f32,
    ) -> Result<Tensor> {
        match self {
            Self::Differentiable => ops::layer_norm_slow(x, weight, bias, epsilon),
            Self::Fused => {
                let layer = LayerNorm::new(weight.clone(), bias.clone(), f64::from(epsilon));
                layer.forward(&x.contiguous()?)
            }
        }
    }

    /// Softmax over the last axis.
    fn softmax(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Differentiable => ops::softmax(x, D::Minus1),
            Self::Fused => ops::softmax_last_dim(&x.contiguous()?),
        }
    }

    /// Rotates the two halves of the last axis: `x` is `[sequences, heads, positions, width]`,
    /// `cosines` and `sines` are `[positions, width / 2]`.
    pub fn rotate(self, x: &Tensor, cosines: &Tensor, sines: &Tensor) -> Result<Tensor> {
        match self {
            Self::Differentiable => rotary_emb::rope_slow(x, cosines, sines),
            Self::Fused => rotary_emb::rope(&x.contiguous()?, cosines, sines),
        }
    }
}

/// The rows of a table that ids select, `[ids, width]`, in `f32`.
pub fn look_up(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    let width = table.dim(D::Minus1)?;
    Embedding::new(table.clone(), width).forward(ids)?.to_dtype(DType::F32)
}

/// `x Phi(x)` (Hendrycks and Gimpel 2016).
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    let twice = ((x / std::f64::consts::SQRT_2)?.erf()? + 1.0)?;
    (x * (twice / 2.0)?)?.contiguous()
}

/// GELU approximated by a hyperbolic tangent.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    let inner = (x + ((x * x.sqr()?)? * 0.044_715)?)?;
    let twice = ((inner * (2.0 / std::f64::consts::PI).sqrt())?.tanh()? + 1.0)?;
    x * (twice / 2.0)?
}

/// Scaled dot-product attention of `[sequences, heads, positions, width]`. `mask` is added to the
/// scaled scores; the two terms of relative positions, where there are any, are added before
/// scaling.
pub fn attend(
    (arithmetic, form): (Arithmetic, Form),
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
    arithmetic.multiply(&form.softmax(&scores.broadcast_add(mask)?)?, values)
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

/// Repeats every key head once for each query head that shares it.
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
