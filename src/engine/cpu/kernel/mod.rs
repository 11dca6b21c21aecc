//! The kernels: everything the engine computes on a CPU, each on all threads of a [`Team`].
//!
//! Work is cut into tasks by shapes alone, and sums over tasks are added up in a fixed order, so a
//! result has the same bits for any number of threads. The result for a row of a batch does not
//! depend on the other rows. Instructions are chosen at run time (`vector::simd`).
//!
//! This directory is the only place of the crate that holds `unsafe` code: vector intrinsics and
//! slices that several threads write to, each to its own part.

pub mod activation;
pub mod attention;
pub mod cross_entropy;
pub mod draw;
mod format;
pub mod head_norm;
pub mod linear;
pub mod mask;
pub mod norm;
pub mod optimizer;
mod packed;
mod product;
pub mod profile;
pub mod rotary;
pub mod rows;
mod split;
mod team;
pub mod vector;

use half::bf16;

use crate::domain::spec::Precision;

pub use linear::{Linear, Matrix, Write, multiply};
pub use packed::Packed;
pub use team::Team;

/// The threads that compute, and the precision of matrix products.
#[derive(Debug, Clone, Copy)]
pub struct Compute<'a> {
    pub team: &'a Team,
    /// What the operands of matrix products are rounded to; sums are always formed in `f32`.
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

/// The instructions the kernels use on this machine. Machines that differ here may round
/// differently.
#[must_use]
pub fn instructions() -> &'static str {
    match vector::simd::level() {
        vector::simd::Level::Baseline => "baseline",
        #[cfg(target_arch = "aarch64")]
        vector::simd::Level::Neon => "neon",
        #[cfg(target_arch = "x86_64")]
        vector::simd::Level::Avx2 => "avx2",
        #[cfg(target_arch = "x86_64")]
        vector::simd::Level::Avx512 => "avx512",
        #[cfg(target_arch = "x86_64")]
        vector::simd::Level::Avx512Bf16 => "avx512 bf16",
    }
}

/// Rows of `width` values that one task of an element-wise kernel works on: enough that starting
/// the task costs nothing, few enough that a small batch still feeds several threads.
fn rows_per_task(width: usize) -> usize {
    (1_usize << 13).div_ceil(width.max(1))
}
