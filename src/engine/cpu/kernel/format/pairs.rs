//! Pairs of bf16 values, multiplied and added to `f32` by one instruction (`vdpbf16ps`).
//!
//! The hardware rounds to nearest, ties to even, as [`half::bf16::from_f32`]; it takes numbers below
//! `f32`'s normal range (1e-38) for 0.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_add_epi32, _mm512_castsi512_ps, _mm512_cvtne2ps_pbh,
    _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_or_si512, _mm512_permutexvar_epi16,
    _mm512_set_epi32, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_slli_epi32,
};

use super::{Format, Source, Tile, Work, store};
use crate::engine::cpu::kernel::vector::lanes::{Avx512, Lanes};

/// Proof of AVX-512 F, VL, DQ, BW and BF16.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pairs {
    lanes: Avx512,
}

impl Pairs {
    /// # Safety
    /// The processor must have the five features.
    pub(super) unsafe fn new() -> Self {
        // SAFETY: the caller vouches for AVX-512 with BF16, which has the plain instructions, too.
        Self { lanes: unsafe { Avx512::new() } }
    }

    #[inline(always)]
    unsafe fn tile_of<const R: usize>(self, tile: &Tile) {
        // SAFETY: the caller vouches for `R` rows of `tile.columns <= 32` columns, and a panel is
        // two vectors of 16.
        unsafe {
            if tile.columns > 16 {
                self.tile_in_registers::<R, 2>(tile);
            } else {
                self.tile_in_registers::<R, 1>(tile);
            }
        }
    }

    #[inline(always)]
    unsafe fn tile_in_registers<const R: usize, const C: usize>(self, tile: &Tile) {
        let mut sums = [[self.lanes.splat(0.0); C]; R];
        let (mut a, mut b) = (tile.a, tile.b);
        for _ in 0..tile.n_steps {
            // SAFETY: fewer than `n_steps` steps lie before `a` and `b`, so the caller vouches for
            // `R` values `a_row` apart at `a`, and for the two vectors of a panel at `b`.
            unsafe {
                let mut columns = [_mm512_setzero_si512(); C];
                for j in 0..C {
                    columns[j] = _mm512_loadu_si512(b.add(j * 16).cast());
                }
                for i in 0..R {
                    let value = a.add(i * tile.a_row).cast::<i32>().read();
                    let value = pairs(_mm512_set1_epi32(value));
                    for j in 0..C {
                        sums[i][j] = _mm512_dpbf16_ps(sums[i][j], value, pairs(columns[j]));
                    }
                }
                (a, b) = (a.wrapping_add(tile.a_step), b.add(32));
            }
        }
        // SAFETY: rows are below `R`, and of each only `columns` values are read and written, which
        // the caller vouches for.
        unsafe { store(self.lanes, &sums, tile) };
    }
}

/// Rounds 32 values, the first ones `low`.
///
/// # Safety
/// The processor must have AVX-512 F and BF16.
#[inline(always)]
unsafe fn round(low: __m512, high: __m512) -> __m512i {
    // SAFETY: the caller vouches for AVX-512 F and BF16, and both types are 64 bytes of which any
    // pattern is valid.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
}

/// The same bits as pairs.
#[inline(always)]
fn pairs(bits: __m512i) -> __m512bh {
    // SAFETY: both types are 64 bytes of which any pattern is valid.
    unsafe { std::mem::transmute(bits) }
}

impl Format for Pairs {
    type L = Avx512;
    const K: usize = 2;

    #[inline(always)]
    fn lanes(self) -> Avx512 {
        self.lanes
    }

    #[inline(always)]
    fn run<W: Work>(self, work: W) {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx2,fma")]
        fn inner<W: Work>(format: Pairs, work: W) {
            work.run(format);
        }
        // SAFETY: `self` is proof of AVX-512 F, VL, DQ, BW and BF16, all that `inner` requires.
        unsafe { inner(self, work) }
    }

    #[inline(always)]
    fn is_stored(self) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn along<S: Source>(self, from: *const S, n: usize) -> __m512 {
        // SAFETY: the caller vouches for `min(n, 32)` values at `from`; of the second half only the
        // values below `n` are read, none if `n <= 16`.
        unsafe {
            let low = S::first(self.lanes, from, n);
            let high = S::first(self.lanes, from.wrapping_add(16), n.saturating_sub(16));
            _mm512_castsi512_ps(round(low, high))
        }
    }

    #[inline(always)]
    unsafe fn across<S: Source>(self, from: *const S, below: *const S, n: usize) -> __m512 {
        // SAFETY: the caller vouches for `min(n, 16)` values at `from`, and at `below` unless that
        // is null; then none are read there.
        unsafe {
            let first = S::first(self.lanes, from, n);
            let second = S::first(self.lanes, below, if below.is_null() { 0 } else { n });
            let bits = round(first, second);
            // Lane `j` gets halves `j` and `16 + j`.
            let low = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
            let high = _mm512_slli_epi32::<16>(_mm512_add_epi32(low, _mm512_set1_epi32(16)));
            let order = _mm512_or_si512(low, high);
            _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, bits))
        }
    }

    #[inline(always)]
    unsafe fn tile(self, rows: usize, tile: &Tile) -> usize {
        // SAFETY: the chosen tile has at most `rows` rows, whose operands and result the caller
        // vouches for.
        unsafe {
            match rows {
                0 => return 0,
                1 => self.tile_of::<1>(tile),
                2 | 3 => self.tile_of::<2>(tile),
                4..=7 => self.tile_of::<4>(tile),
                8..=11 => self.tile_of::<8>(tile),
                _ => self.tile_of::<12>(tile),
            }
        }
        match rows {
            1 => 1,
            2 | 3 => 2,
            4..=7 => 4,
            8..=11 => 8,
            _ => 12,
        }
    }
}
