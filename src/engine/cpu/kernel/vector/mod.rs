//! What the kernels are written in: the instruction sets of the machine ([`simd`], [`lanes`]), scalar
//! functions that become vector code ([`math`]), and scratch memory ([`buffer`]).

pub(super) mod buffer;
pub(super) mod lanes;
pub mod math;
pub(super) mod simd;
