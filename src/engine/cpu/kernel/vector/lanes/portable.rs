//! Arrays that the compiler turns into the vectors every processor of the architecture has: what
//! runs where nothing better was found, and what the others are tested against.

use std::ops::Range;

use half::bf16;

use super::{Lanes, Task};

/// Needs no proof.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine::cpu::kernel) struct Portable;

const N: usize = 4;

#[inline(always)]
fn zip(a: [f32; N], b: [f32; N], f: impl Fn(f32, f32) -> f32) -> [f32; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Lanes for Portable {
    type V = [f32; N];
    const N: usize = N;
    const LOWEST: f32 = -88.0;

    #[inline(always)]
    fn run<T: Task>(self, task: T) {
        task.run();
    }

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; N] {
        [x; N]
    }

    #[inline(always)]
    fn add(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn fma(self, a: [f32; N], b: [f32; N], c: [f32; N]) -> [f32; N] {
        // NEON multiplies and adds in one instruction; SSE2 would call a library function.
        if cfg!(target_arch = "aarch64") {
            std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
        } else {
            std::array::from_fn(|i| a[i] * b[i] + c[i])
        }
    }

    #[inline(always)]
    fn max(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn keep(self, a: [f32; N], [first, second]: [Range<usize>; 2], other: [f32; N]) -> [f32; N] {
        let mut kept = other;
        for i in 0..N {
            if first.contains(&i) || second.contains(&i) {
                kept[i] = a[i];
            }
        }
        kept
    }

    #[inline(always)]
    fn round(self, a: [f32; N]) -> [f32; N] {
        /// 1.5 * 2^23: adding it leaves no room for a fraction.
        const ROUND: f32 = 12_582_912.0;
        a.map(|a| (a + ROUND) - ROUND)
    }

    #[inline(always)]
    fn scale(self, a: [f32; N], n: [f32; N]) -> [f32; N] {
        zip(a, n, |a, n| a * f32::from_bits(((n as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    fn to_bf16(self, a: [f32; N]) -> [f32; N] {
        a.map(|a| bf16::from_f32(a).to_f32())
    }

    #[inline(always)]
    fn sum(self, a: [f32; N]) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }

    #[inline(always)]
    fn highest(self, a: [f32; N]) -> f32 {
        a[0].max(a[2]).max(a[1].max(a[3]))
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; N] {
        // SAFETY: the caller vouches for `N` readable values at `from`, and an array of `f32` is
        // aligned like an `f32`.
        unsafe { from.cast::<[f32; N]>().read() }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> [f32; N] {
        // SAFETY: `i < n` and `i < N`, and the caller vouches for `min(n, N)` values at `from`.
        std::array::from_fn(|i| if i < n { unsafe { *from.add(i) } } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn widen_first(self, from: *const bf16, n: usize) -> [f32; N] {
        // SAFETY: `i < n` and `i < N`, and the caller vouches for `min(n, N)` values at `from`.
        std::array::from_fn(|i| if i < n { unsafe { *from.add(i) }.to_f32() } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, a: [f32; N]) {
        // SAFETY: the caller vouches for `N` writable values at `to`.
        unsafe { to.cast::<[f32; N]>().write(a) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize, a: [f32; N]) {
        for (i, a) in a.iter().enumerate().take(n) {
            // SAFETY: `i < n` and `i < N`, and the caller vouches for `min(n, N)` values at `to`.
            unsafe { *to.add(i) = *a }
        }
    }
}
