//! The output of a part on its way into the residual stream: through a linear layer, then dropout.

use super::adapter::LowRank;
use super::affine::Affine;
use super::context::Context;
use crate::engine::cpu::dropout::Site;
use crate::engine::cpu::kernel::vector::math::fit;
use crate::engine::cpu::kernel::{Write, rows};

/// Where the output of a part joins the stream.
#[derive(Debug, Clone, Copy)]
pub struct Branch<'a> {
    /// Key of the masks.
    pub site: (usize, Site),
    /// Numbers of the rows.
    pub numbers: &'a [u32],
}

impl Branch<'_> {
    /// `stream += drop(x W^T + b)`.
    pub fn join(
        self,
        cx: Context<'_>,
        affine: &Affine,
        x: &[f32],
        stream: &mut [f32],
        buffer: &mut Vec<f32>,
        low_rank: &mut LowRank,
    ) {
        let (width, numbers) = (affine.shape.output, self.numbers);
        if !cx.pass.dropout.is_on() {
            affine.forward(cx, numbers, Write::Add, stream, x, low_rank);
            return;
        }
        let branch = fit(buffer, numbers.len() * width);
        affine.forward(cx, numbers, Write::Replace, branch, x, low_rank);
        cx.pass.dropout.apply(cx.team(), branch, width, self.site, numbers);
        rows::add(cx.team(), stream, branch);
    }

    /// Computes the gradient of the linear layer's output from that of the stream.
    pub fn gradient<'a>(
        self,
        cx: Context<'_>,
        dstream: &'a [f32],
        buffer: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        if !cx.pass.dropout.is_on() {
            return dstream;
        }
        let masked = fit(buffer, dstream.len());
        masked.copy_from_slice(dstream);
        let width = dstream.len() / self.numbers.len().max(1);
        cx.pass.dropout.apply(cx.team(), masked, width, self.site, self.numbers);
        masked
    }
}
