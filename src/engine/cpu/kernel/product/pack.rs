//! Copies operands into the layouts of [`crate::engine::cpu::kernel::format`], converting on the way.

#![expect(unsafe_code, reason = "raw operands")]
#![expect(clippy::inline_always, reason = "compiled with the instructions of `Lanes::run`")]

use crate::engine::cpu::kernel::format::{Format, Source};
use crate::engine::cpu::kernel::vector::lanes::Lanes;

/// Rows fetched ahead where they lie too far apart for the processor to foresee them.
const AHEAD: usize = 16;

/// A matrix in memory, of which a product reads a part.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine::cpu::kernel) struct Grid<S> {
    /// Element `(0, 0)`.
    pub start: *const S,
    /// Distance between neighbors across `k` (rows of the left operand, columns of the right one).
    pub outer: usize,
    /// Distance between neighbors along `k`.
    pub k: usize,
}

// SAFETY: a grid is only read, inside slices that its user borrows for longer than it lives.
unsafe impl<S: Sync> Sync for Grid<S> {}
// SAFETY: a grid is two distances and a pointer that is only read through.
unsafe impl<S: Sync> Send for Grid<S> {}

impl<S: Source> Grid<S> {
    /// The part that starts at `outer` and `k`.
    #[inline(always)]
    pub(in crate::engine::cpu::kernel) fn from(self, outer: usize, k: usize) -> Self {
        Self { start: self.start.wrapping_add(outer * self.outer + k * self.k), ..self }
    }

    /// Rows of steps: row `i` starts at `to + i * stride`, and `stride` is at least the steps of `k`
    /// values rounded up to a vector.
    ///
    /// # Safety
    /// `n` by `k` values must be readable, and at `to` `n` rows of the steps of `k` values, rounded
    /// up to whole vectors, writable. Values along `k` must be contiguous (`self.k == 1`).
    #[inline(always)]
    pub(in crate::engine::cpu::kernel) unsafe fn rows<F: Format>(
        self,
        format: F,
        to: *mut f32,
        stride: usize,
        n: usize,
        k: usize,
    ) {
        let wide = F::K * F::L::N;
        for i in 0..n {
            for j in (0..k).step_by(wide) {
                // SAFETY: `i < n` and `j < k`; `along` reads `k - j` values at most. A row of `stride` steps
                // has room for whole vectors.
                unsafe {
                    let values = self.start.add(i * self.outer + j);
                    let steps = format.along(values, k - j);
                    format.lanes().store(to.add(i * stride + j / F::K), steps);
                }
            }
        }
    }

    /// Steps of `n` columns, zeros up to `width` (whole vectors): step `s` starts at `to + s * width`.
    ///
    /// # Safety
    /// `n` by `k` values must be readable, and at `to` the steps of `k` values, `width` values
    /// each, writable.
    #[inline(always)]
    pub(in crate::engine::cpu::kernel) unsafe fn steps<F: Format>(
        self,
        format: F,
        to: *mut f32,
        width: usize,
        n: usize,
        k: usize,
    ) {
        // SAFETY: each of the three reads `n` by `k` values and writes `k` steps of `width`, as the caller
        // vouches for, and is chosen by which neighbors touch.
        unsafe {
            if self.outer == 1 {
                self.steps_across(format, to, width, n, k);
            } else if self.k == 1 {
                self.steps_along(format, to, width, n, k);
            } else {
                self.steps_one_by_one(format, to, width, n, k);
            }
        }
    }

    /// Copies steps where the values of a step are contiguous: a step is one run of `n` values, or
    /// two for bf16.
    #[inline(always)]
    unsafe fn steps_across<F: Format>(
        self,
        format: F,
        to: *mut f32,
        width: usize,
        n: usize,
        k: usize,
    ) {
        for t in (0..k).step_by(F::K) {
            for j in (0..width).step_by(F::L::N) {
                let from = self.start.wrapping_add(t * self.k + j);
                for ahead in AHEAD..AHEAD + F::K {
                    format.lanes().prefetch(from.wrapping_add(ahead * self.k).cast());
                }
                let has_below = F::K > 1 && t + 1 < k;
                let below = if has_below { from.wrapping_add(self.k) } else { std::ptr::null() };
                // SAFETY: `t < k`, and the row below is read only where `t + 1 < k`; of a row only columns
                // below `n` are read. `j` and a vector are within `width`.
                unsafe {
                    let step = format.across(from, below, n.saturating_sub(j));
                    format.lanes().store(to.add(t / F::K * width + j), step);
                }
            }
        }
    }

    /// Copies steps where values along `k` are contiguous, by transposing one square of vectors
    /// after the other.
    #[inline(always)]
    unsafe fn steps_along<F: Format>(
        self,
        format: F,
        to: *mut f32,
        width: usize,
        n: usize,
        k: usize,
    ) {
        let wide = F::K * F::L::N;
        for t in (0..k).step_by(wide) {
            let n_steps = (k - t).div_ceil(F::K).min(F::L::N);
            for j in (0..width).step_by(F::L::N) {
                let mut vectors = [format.lanes().splat(0.0); 16];
                for (i, vector) in
                    vectors.iter_mut().enumerate().take(F::L::N.min(n.saturating_sub(j)))
                {
                    let from = self.start.wrapping_add((j + i) * self.outer + t);
                    // SAFETY: `j + i < n` and `t < k`; `along` reads `k - t` values at most.
                    *vector = unsafe { format.along(from, k - t) };
                }
                // SAFETY: `n_steps` steps from `t / K` on are below `k / K` rounded up, and `j` and a vector
                // are within `width`.
                unsafe {
                    let to = to.add(t / F::K * width + j);
                    format.lanes().store_transposed(&vectors, to, width, n_steps);
                }
            }
        }
    }

    /// Copies value by value where neither rows nor columns are contiguous; no product of the
    /// engine needs this to be fast.
    #[inline(always)]
    unsafe fn steps_one_by_one<F: Format>(
        self,
        format: F,
        to: *mut f32,
        width: usize,
        n: usize,
        k: usize,
    ) {
        for t in (0..k).step_by(F::K) {
            for j in 0..width {
                let from = self.start.wrapping_add(j * self.outer + t * self.k);
                let has_below = F::K > 1 && t + 1 < k;
                let below = if has_below { from.wrapping_add(self.k) } else { std::ptr::null() };
                // SAFETY: nothing is read unless `j < n`; `t < k`, and the row below is read only where
                // `t + 1 < k`. One lane is written, at `j < width`.
                unsafe {
                    let step = format.across(from, below, usize::from(j < n));
                    format.lanes().store_first(to.add(t / F::K * width + j), 1, step);
                }
            }
        }
    }
}
