//! How the operands of a product are laid out for the innermost loop, and that loop.
//!
//! Both operands are read in *steps* along `k`, four bytes each: one `f32`, or two neighboring bf16
//! values. The right operand is packed in panels of [`Format::PANEL`] columns, one step of all of
//! them after the other. The left one is read a step and a row at a time wherever it lies, in place
//! or packed. A tile of the result stays in registers while `k` runs.
//!
//! Each value of the result is one chain of multiply-adds along `k`, whatever the tile's size or the
//! place of the value in it.

#![expect(unsafe_code, reason = "raw tiles")]
#![expect(clippy::needless_range_loop, reason = "iterators are not inlined into vector code")]
#![expect(clippy::inline_always, reason = "compiled with the instructions of `Lanes::run`")]

use half::bf16;

#[cfg(target_arch = "aarch64")]
use super::vector::lanes::Neon;
#[cfg(target_arch = "x86_64")]
use super::vector::lanes::{Avx2, Avx512};
use super::vector::lanes::{Lanes, Portable, Task};
use super::vector::simd::{Level, level};
use crate::domain::spec::Precision;

#[cfg(target_arch = "x86_64")]
mod pairs;

/// Values a product reads.
pub(super) trait Source: Copy + Send + Sync {
    /// Reads the first `n` as `f32`; the other lanes are 0.
    ///
    /// # Safety
    /// `min(n, L::N)` values must be readable at `from`.
    unsafe fn first<L: Lanes>(lanes: L, from: *const Self, n: usize) -> L::V;

    /// Whether the value is a bf16 number.
    fn is_bf16(self) -> bool;
}

impl Source for f32 {
    #[inline(always)]
    unsafe fn first<L: Lanes>(lanes: L, from: *const Self, n: usize) -> L::V {
        // SAFETY: the caller vouches for `min(n, L::N)` values at `from`, and no more are read.
        unsafe { lanes.load_first(from, n) }
    }

    #[inline(always)]
    fn is_bf16(self) -> bool {
        self.to_bits().trailing_zeros() >= 16
    }
}

impl Source for bf16 {
    #[inline(always)]
    unsafe fn first<L: Lanes>(lanes: L, from: *const Self, n: usize) -> L::V {
        // SAFETY: the caller vouches for `min(n, L::N)` values at `from`, and no more are read.
        unsafe { lanes.widen_first(from, n) }
    }

    #[inline(always)]
    fn is_bf16(self) -> bool {
        true
    }
}

/// Part of a product, compiled for every format.
pub(super) trait Work {
    /// Does it. Implementations are `inline(always)`.
    fn run<F: Format>(self, format: F);
}

/// One tile of the result: `C[i][j] (+)= sum over s of A[i][s] B[s][j]` for its rows `i`, its
/// columns `j` and the steps `s` along `k`. Distances are in `f32` values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// The first step of the first row of the left operand, `A`.
    pub a: *const f32,
    /// Distance between its rows.
    pub a_row: usize,
    /// Distance between its steps.
    pub a_step: usize,
    /// A panel of the right operand: step after step, each with [`Format::PANEL`] values.
    pub b: *const f32,
    /// Steps along `k`.
    pub n_steps: usize,
    pub c: *mut f32,
    /// Distance between its rows.
    pub c_row: usize,
    /// Its columns, at most a panel's.
    pub columns: usize,
    /// Whether to add to what stands there.
    pub add: bool,
}

/// One layout of operands, and the instructions that multiply it.
pub(super) trait Format: Copy + Send + Sync {
    type L: Lanes;
    /// Values in a step.
    const K: usize;
    /// Columns of a panel: two vectors.
    const PANEL: usize = 2 * <Self::L as Lanes>::N;

    fn lanes(self) -> Self::L;

    /// Runs `work` with the instructions of this format switched on.
    fn run<W: Work>(self, work: W);

    /// Whether values in memory are steps as they are.
    fn is_stored(self) -> bool;

    /// A vector of steps from `n` values that lie side by side along `k`, zeros behind them.
    ///
    /// # Safety
    /// `min(n, K * L::N)` values must be readable at `from`.
    unsafe fn along<S: Source>(self, from: *const S, n: usize) -> <Self::L as Lanes>::V;

    /// One step of `n` columns, zeros behind them, from the [`Self::K`] rows that start at `from`
    /// and `below`; a `below` of null counts as zeros.
    ///
    /// # Safety
    /// `min(n, L::N)` values must be readable at `from`, and at `below` unless that is null.
    unsafe fn across<S: Source>(
        self,
        from: *const S,
        below: *const S,
        n: usize,
    ) -> <Self::L as Lanes>::V;

    /// Computes a tile of `rows` rows, at least one, and returns how many of them it did.
    ///
    /// # Safety
    /// For the first `rows` rows, `n_steps` steps must be readable at `a + i * a_row`, `a_step`
    /// apart; `n_steps * PANEL` values at `b`; and `columns` values must be writable, and readable
    /// if `add`, at `c + i * c_row`. `columns` is at most `PANEL`.
    unsafe fn tile(self, rows: usize, tile: &Tile) -> usize;
}

/// `f32` steps: for products of `f32`, and of bf16 where the processor cannot multiply them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain<L> {
    lanes: L,
    /// Whether operands are rounded to bf16 as they are packed.
    rounds: bool,
}

struct InFormat<F, W>(F, W);

impl<F: Format, W: Work> Task for InFormat<F, W> {
    #[inline(always)]
    fn run(self) {
        self.1.run(self.0);
    }
}

/// Implements [`Format`] for `f32` steps; the sizes are the rows a tile may have.
macro_rules! plain_format {
    ($lanes:ty, $rows:literal $(, $fewer:literal)*) => {
        impl Format for Plain<$lanes> {
            type L = $lanes;
            const K: usize = 1;

            #[inline(always)]
            fn lanes(self) -> $lanes {
                self.lanes
            }

            #[inline(always)]
            fn run<W: Work>(self, work: W) {
                self.lanes.run(InFormat(self, work));
            }

            #[inline(always)]
            fn is_stored(self) -> bool {
                !self.rounds
            }

            #[inline(always)]
            unsafe fn along<S: Source>(self, from: *const S, n: usize) -> <$lanes as Lanes>::V {
                // SAFETY: the caller vouches for `min(n, L::N)` values at `from`, and no more are
                // read.
                let values = unsafe { S::first(self.lanes, from, n) };
                if self.rounds { self.lanes.to_bf16(values) } else { values }
            }

            #[inline(always)]
            unsafe fn across<S: Source>(
                self,
                from: *const S,
                _below: *const S,
                n: usize,
            ) -> <$lanes as Lanes>::V {
                // SAFETY: the caller vouches for `min(n, L::N)` values at `from`; a step is one
                // value here, so `below` is not read.
                unsafe { self.along(from, n) }
            }

            #[inline(always)]
            unsafe fn tile(self, rows: usize, tile: &Tile) -> usize {
                // SAFETY: the chosen tile has at most `rows` rows, whose operands and result the
                // caller vouches for.
                unsafe {
                    if rows >= $rows {
                        tile_of::<$lanes, $rows>(self.lanes, tile);
                        return $rows;
                    }
                    $(
                        if rows >= $fewer {
                            tile_of::<$lanes, $fewer>(self.lanes, tile);
                            return $fewer;
                        }
                    )*
                }
                rows
            }
        }
    };
}

plain_format!(Portable, 4, 2, 1);
#[cfg(target_arch = "aarch64")]
plain_format!(Neon, 8, 4, 2, 1);
#[cfg(target_arch = "x86_64")]
plain_format!(Avx2, 6, 4, 2, 1);
#[cfg(target_arch = "x86_64")]
plain_format!(Avx512, 12, 8, 4, 2, 1);

#[inline(always)]
unsafe fn tile_of<L: Lanes, const R: usize>(lanes: L, tile: &Tile) {
    // SAFETY: the caller vouches for `R` rows of `tile.columns <= PANEL` columns, and a panel is
    // two vectors.
    unsafe {
        if tile.columns > L::N {
            tile_in_registers::<L, R, 2>(lanes, tile);
        } else {
            tile_in_registers::<L, R, 1>(lanes, tile);
        }
    }
}

#[inline(always)]
unsafe fn tile_in_registers<L: Lanes, const R: usize, const C: usize>(lanes: L, tile: &Tile) {
    let zero = lanes.splat(0.0);
    let mut sums = [[zero; C]; R];
    let (mut a, mut b) = (tile.a, tile.b);
    for _ in 0..tile.n_steps {
        // SAFETY: fewer than `n_steps` steps lie before `a` and `b`, so the caller vouches for `R`
        // values `a_row` apart at `a`, and for the two vectors of a panel at `b`.
        unsafe {
            let mut columns = [zero; C];
            for j in 0..C {
                columns[j] = lanes.load(b.add(j * L::N));
            }
            for i in 0..R {
                let value = lanes.splat(*a.add(i * tile.a_row));
                for j in 0..C {
                    sums[i][j] = lanes.fma(value, columns[j], sums[i][j]);
                }
            }
            (a, b) = (a.wrapping_add(tile.a_step), b.add(2 * L::N));
        }
    }
    // SAFETY: rows are below `R`, and of each only `columns` values are read and written, which the
    // caller vouches for.
    unsafe { store(lanes, &sums, tile) };
}

/// Writes a finished tile.
///
/// # Safety
/// Of the `R` rows of the tile, `columns` values must be writable, and readable if it adds.
#[inline(always)]
pub(super) unsafe fn store<L: Lanes, const R: usize, const C: usize>(
    lanes: L,
    sums: &[[L::V; C]; R],
    tile: &Tile,
) {
    for i in 0..R {
        for j in 0..C {
            let sum = sums[i][j];
            let n = tile.columns - j * L::N;
            // SAFETY: rows are below `R`, and of each only `columns` values are read and written,
            // which the caller vouches for.
            unsafe {
                let c = tile.c.add(i * tile.c_row + j * L::N);
                if n >= L::N {
                    let sum = if tile.add { lanes.add(lanes.load(c), sum) } else { sum };
                    lanes.store(c, sum);
                } else {
                    let sum = if tile.add { lanes.add(lanes.load_first(c, n), sum) } else { sum };
                    lanes.store_first(c, n, sum);
                }
            }
        }
    }
}

/// Runs `work` in the best format of this processor for `precision`.
pub(super) fn dispatch<W: Work>(precision: Precision, work: W) {
    let rounds = precision == Precision::Bf16;
    // SAFETY (all three): `level` returns a level only after detecting its features.
    match level() {
        Level::Baseline => Plain { lanes: Portable, rounds }.run(work),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => Plain { lanes: Neon, rounds }.run(work),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => Plain { lanes: unsafe { Avx2::new() }, rounds }.run(work),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512Bf16 if rounds => unsafe { pairs::Pairs::new() }.run(work),
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Avx512Bf16 => {
            Plain { lanes: unsafe { Avx512::new() }, rounds }.run(work);
        }
    }
}

/// Columns of a panel in the format that [`dispatch`] chooses.
pub(super) fn panel() -> usize {
    match level() {
        Level::Baseline => Plain::<Portable>::PANEL,
        #[cfg(target_arch = "aarch64")]
        Level::Neon => Plain::<Neon>::PANEL,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => Plain::<Avx2>::PANEL,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Avx512Bf16 => Plain::<Avx512>::PANEL,
    }
}
