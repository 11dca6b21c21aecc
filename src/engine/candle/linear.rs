//! A linear layer: trained, frozen, or frozen with a low-rank update beside it; and a norm's tensors.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, Layout, MetalStorage, Result, Shape, Tensor,
};

use super::dropout::Site;
use super::operations::Arithmetic;
use super::pass::Pass;

/// `y = x W^T + b`, and `+ scale drop(x) A^T B^T` (Hu et al. 2022).
#[derive(Debug)]
pub struct Linear {
    /// Of shape `[output, input]`.
    pub weight: Tensor,
    /// `[output]`
    pub bias: Option<Tensor>,
    /// Whether the weight is trained.
    pub is_trained: bool,
    pub adapter: Option<Adapter>,
}

/// Weight and bias of a layer norm.
#[derive(Debug)]
pub struct Norm {
    /// `[width]`
    pub weight: Tensor,
    /// `[width]`
    pub bias: Tensor,
}

/// A low-rank update of a frozen matrix (`LoRA`, Hu et al. 2022).
#[derive(Debug)]
pub struct Adapter {
    /// The matrix `A`, `[rank, input]`.
    pub down: Tensor,
    /// The matrix `B`, `[output, rank]`.
    pub up: Tensor,
    /// `alpha / rank`
    pub scale: f64,
    /// Dropout probability on the input.
    pub dropout: f32,
    /// The block and the matrix, which key the dropout masks.
    pub place: (usize, Site),
}

impl Linear {
    /// Applies the layer to the rows of a batch, `[n, input]`; the result is `[n, output]`.
    pub fn forward(&self, pass: &Pass<'_>, x: &Tensor) -> Result<Tensor> {
        self.forward_rows(pass, x, &pass.batch.numbers)
    }

    /// Applies the layer to any rows, `[n, input]`; `numbers` key their dropout masks.
    pub fn forward_rows(&self, pass: &Pass<'_>, x: &Tensor, numbers: &[u32]) -> Result<Tensor> {
        let arithmetic = pass.arithmetic;
        let mut y = if self.is_trained {
            arithmetic.project(x, &pass.value(&self.weight))?
        } else {
            frozen_product(arithmetic, x, &self.weight)?
        };
        if let Some(bias) = &self.bias {
            y = y.broadcast_add(&pass.value(bias))?;
        }
        let Some(adapter) = &self.adapter else { return Ok(y) };
        let x = pass.drop(x, adapter.dropout, adapter.place, numbers)?;
        let thin = arithmetic.project(&x, &pass.value(&adapter.down))?;
        let wide = arithmetic.project(&thin, &pass.value(&adapter.up))?;
        y + (wide * adapter.scale)?
    }
}

/// `x W^T` whose backward pass computes only the gradient of `x`. Candle's own product would also
/// compute and keep the gradient of the frozen `W`, which takes as much memory as the model.
fn frozen_product(arithmetic: Arithmetic, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let product = arithmetic.project(&x.detach(), weight)?.contiguous()?;
    if !x.track_op() {
        // Below all trained tensors, and when scoring, no gradient is needed.
        return Ok(product);
    }
    x.apply_op2(&product, FrozenProduct { arithmetic, weight: weight.clone() })
}

/// An operation that returns its second argument, and whose backward pass treats it as a product
/// with the first.
struct FrozenProduct {
    arithmetic: Arithmetic,
    weight: Tensor,
}

impl CustomOp2 for FrozenProduct {
    fn name(&self) -> &'static str {
        "frozen-product"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        product: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((product.try_clone(layout)?, layout.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        product: &CudaStorage,
        layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        Ok((product.try_clone(layout)?, layout.shape().clone()))
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        product: &MetalStorage,
        layout: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        Ok((product.try_clone(layout)?, layout.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        Ok((Some(self.arithmetic.multiply(&gradient, &self.weight)?), None))
    }
}
