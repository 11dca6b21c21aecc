//! Vectors of `f32` for every instruction set, behind one trait.
//!
//! A value of a type that implements [`Lanes`] is the proof that the processor has the instructions
//! its methods compile to: it is made only after they were detected ([`super::simd::level`]). Code
//! that is generic over `Lanes` must be inlined into [`Lanes::run`], which switches the instructions
//! on; hence `inline(always)` on everything here, and plain loops: the closures that iterators take
//! would be compiled without those instructions.

#![expect(unsafe_code, reason = "vector intrinsics")]
#![expect(clippy::needless_range_loop, reason = "iterators are not inlined into vector code")]
#![expect(clippy::inline_always, reason = "compiled with the instructions of `Lanes::run`")]

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use half::bf16;
use std::ops::Range;

#[cfg(target_arch = "aarch64")]
pub(in crate::engine::cpu::kernel) use neon::Neon;
pub(in crate::engine::cpu::kernel) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(in crate::engine::cpu::kernel) use x86::{Avx2, Avx512};

/// Work that is compiled once for every instruction set.
pub(in crate::engine::cpu::kernel) trait Task {
    /// Does it. Implementations are `inline(always)`.
    fn run(self);
}

/// One instruction set's vector of `f32`.
pub(in crate::engine::cpu::kernel) trait Lanes:
    Copy + Send + Sync
{
    type V: Copy;
    /// Values in a vector.
    const N: usize;
    /// Where [`Lanes::exp`] is 0.
    const LOWEST: f32;

    /// Runs `task` with these instructions switched on.
    fn run<T: Task>(self, task: T);

    /// The same value in every lane.
    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b + c`, rounded once where the processor can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of each two lanes.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` in the lanes of either run, `other` elsewhere.
    fn keep(self, a: Self::V, runs: [Range<usize>; 2], other: Self::V) -> Self::V;
    /// The nearest integer of each lane.
    fn round(self, a: Self::V) -> Self::V;
    /// `a 2^n` for integers `n` from -127, for which it may be 0, to 127.
    fn scale(self, a: Self::V, n: Self::V) -> Self::V;
    /// Each lane rounded to bf16 (to nearest, ties to even).
    fn to_bf16(self, a: Self::V) -> Self::V;
    /// The sum of the lanes, in one order.
    fn sum(self, a: Self::V) -> f32;
    fn highest(self, a: Self::V) -> f32;

    /// Reads [`Self::N`] values.
    ///
    /// # Safety
    /// [`Self::N`] values must be readable at `from`; no alignment is needed.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// Reads the first `n` values, at most [`Self::N`]; the other lanes are 0.
    ///
    /// # Safety
    /// `min(n, Self::N)` values must be readable at `from`.
    unsafe fn load_first(self, from: *const f32, n: usize) -> Self::V;
    /// Reads the first `n` values, at most [`Self::N`], and widens them to `f32`; the other lanes are 0.
    ///
    /// # Safety
    /// `min(n, Self::N)` values must be readable at `from`.
    unsafe fn widen_first(self, from: *const bf16, n: usize) -> Self::V;
    /// Writes [`Self::N`] values.
    ///
    /// # Safety
    /// [`Self::N`] values must be writable at `to`; no alignment is needed.
    unsafe fn store(self, to: *mut f32, a: Self::V);
    /// Writes the first `n` lanes, at most [`Self::N`].
    ///
    /// # Safety
    /// `min(n, Self::N)` values must be writable at `to`.
    unsafe fn store_first(self, to: *mut f32, n: usize, a: Self::V);

    /// Reads [`Self::N`] pairs of bf16 and widens them to `f32`: the low halves, then the high ones.
    ///
    /// # Safety
    /// [`Self::N`] values must be readable at `from`.
    #[inline(always)]
    unsafe fn split_pairs(self, from: *const f32) -> [Self::V; 2] {
        let mut halves = [[0.0_f32; 16]; 2];
        for i in 0..Self::N {
            // SAFETY: `i < N`, and the caller vouches for `N` values at `from`.
            let bits = unsafe { from.cast::<u32>().add(i).read_unaligned() };
            halves[0][i] = f32::from_bits(bits << 16);
            halves[1][i] = f32::from_bits(bits & 0xffff_0000);
        }
        // SAFETY: a vector has `N <= 16` lanes, and each array has 16.
        unsafe { [self.load(halves[0].as_ptr()), self.load(halves[1].as_ptr())] }
    }

    /// Starts to fetch what lies at `from`, which need not be readable.
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        let _ = from;
    }

    /// Writes the transpose of the first [`Self::N`] of `vectors`: lane `j` of vector `i` goes to
    /// `to[j * step + i]`, for `j` below `k`.
    ///
    /// # Safety
    /// `N` values must be writable at `to + j * step` for every `j` below `min(k, N)`.
    #[inline(always)]
    unsafe fn store_transposed(self, vectors: &[Self::V; 16], to: *mut f32, step: usize, k: usize) {
        let mut row = [0.0_f32; 16];
        for i in 0..Self::N {
            // SAFETY: a vector has `N <= 16` lanes, and the row has 16.
            unsafe { self.store(row.as_mut_ptr(), vectors[i]) };
            for j in 0..k.min(Self::N) {
                // SAFETY: `i < N` and `j < k`, so the value is one of the `N` at `to + j * step` that the
                // caller vouches for.
                unsafe { *to.add(j * step + i) = row[j] };
            }
        }
    }

    /// `e^x` for `x` below 88, with a relative error below 2e-7 (the polynomial of Cephes' `expf`);
    /// exactly 0 from [`Self::LOWEST`] down.
    #[inline(always)]
    fn exp(self, x: Self::V) -> Self::V {
        let x = self.max(x, self.splat(Self::LOWEST));
        let n = self.round(self.mul(x, self.splat(std::f32::consts::LOG2_E)));
        let r = self.fma(n, self.splat(-0.693_359_4), x);
        let r = self.fma(n, self.splat(2.121_944_4e-4), r);
        let p = self.splat(1.987_569_1e-4);
        let p = self.fma(p, r, self.splat(1.398_2e-3));
        let p = self.fma(p, r, self.splat(8.333_452e-3));
        let p = self.fma(p, r, self.splat(4.166_579_6e-2));
        let p = self.fma(p, r, self.splat(1.666_666_5e-1));
        let p = self.fma(p, r, self.splat(0.5));
        let value = self.add(self.fma(p, self.mul(r, r), r), self.splat(1.0));
        self.scale(value, n)
    }
}
