//! The kernels: everything the engine computes on a CPU, each on all threads of a [`Team`].
//!
//! Work is cut into tasks by shapes alone and sums over tasks are formed in a fixed order, so a
//! result has the same bits for any number of threads. What a row of a batch becomes does not
//! depend on the rows beside it. Instructions are chosen at run time (`simd`).
//!
//! This directory is the only place of the crate that holds `unsafe` code: vector intrinsics and
//! slices that several threads write to, each to its own part.

pub mod activation;
pub mod attention;
mod buffer;
pub mod cross_entropy;
mod format;
pub mod head_norm;
mod lanes;
pub mod linear;
pub mod mask;
pub mod math;
pub mod norm;
pub mod optimizer;
mod product;
pub mod profile;
pub mod rotary;
pub mod rows;
mod simd;
mod split;
mod team;

use half::bf16;

/// Operands of matrix products are rounded to it; sums are always formed in `f32`.
pub use crate::domain::spec::model::Precision;
#[cfg(test)]
mod measure;

pub use linear::{Linear, Matrix, Write, multiply};
pub use team::Team;

/// Who computes, and how precisely.
#[derive(Debug, Clone, Copy)]
pub struct Compute<'a> {
    /// The threads.
    pub team: &'a Team,
    /// Operands of matrix products.
    pub precision: Precision,
}

/// A stored matrix. Only frozen ones are stored in bf16.
#[derive(Debug, Clone, Copy)]
pub enum Weight<'a> {
    /// As trained.
    F32(&'a [f32]),
    /// Half the memory.
    Bf16(&'a [bf16]),
}

impl Weight<'_> {
    /// How many values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The instructions the kernels use on this machine. Machines that differ here may round
/// differently.
#[must_use]
pub fn instructions() -> &'static str {
    match simd::level() {
        simd::Level::Baseline => "baseline",
        #[cfg(target_arch = "aarch64")]
        simd::Level::Neon => "neon",
        #[cfg(target_arch = "x86_64")]
        simd::Level::Avx2 => "avx2",
        #[cfg(target_arch = "x86_64")]
        simd::Level::Avx512 => "avx512",
        #[cfg(target_arch = "x86_64")]
        simd::Level::Avx512Bf16 => "avx512 bf16",
    }
}

/// Rows of `width` values that one task of an element-wise kernel works on: enough that starting
/// the task costs nothing, few enough that a small batch still feeds several threads.
fn rows_per_task(width: usize) -> usize {
    (1_usize << 13).div_ceil(width.max(1))
}
