//! AVX-512 and AVX2 with fused multiply-add.

use std::arch::x86_64::{
    __m256, __m256i, __m512, __mmask16, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch,
    _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_andnot_si256, _mm256_blendv_ps,
    _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cvtepu16_epi32, _mm256_cvtps_epi32,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_maskload_ps, _mm256_maskstore_ps,
    _mm256_maskz_loadu_epi16, _mm256_max_ps, _mm256_mul_ps, _mm256_or_si256, _mm256_round_ps,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_slli_epi32, _mm256_srli_epi32,
    _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
    _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_cvtepu16_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_mov_ps,
    _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_mul_ps,
    _mm512_reduce_add_ps, _mm512_reduce_max_ps, _mm512_roundscale_ps, _mm512_scalef_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_shuffle_f32x4, _mm512_slli_epi32, _mm512_srli_epi32,
    _mm512_storeu_ps, _mm512_sub_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd,
    _mm512_unpacklo_ps,
};
use std::ops::Range;

use half::bf16;

use super::{Lanes, Task};

/// Proof of AVX-512 F, VL, DQ and BW.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine::cpu::kernel) struct Avx512(());

/// Proof of AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine::cpu::kernel) struct Avx2(());

impl Avx512 {
    /// # Safety
    /// The processor must have the four features.
    pub(in crate::engine::cpu::kernel) unsafe fn new() -> Self {
        Self(())
    }

    #[inline(always)]
    fn first(n: usize) -> __mmask16 {
        ((1_u32 << n.min(16)) - 1) as __mmask16
    }
}

impl Avx2 {
    /// # Safety
    /// The processor must have both features.
    pub(in crate::engine::cpu::kernel) unsafe fn new() -> Self {
        Self(())
    }

    #[inline(always)]
    fn first(n: usize) -> __m256i {
        let lane = |i: usize| if i < n { -1 } else { 0 };
        // SAFETY: `Avx2` is proof of AVX2; only registers are touched.
        unsafe {
            _mm256_setr_epi32(
                lane(0),
                lane(1),
                lane(2),
                lane(3),
                lane(4),
                lane(5),
                lane(6),
                lane(7),
            )
        }
    }
}

/// Safe methods of [`Lanes`] that are single intrinsics.
macro_rules! intrinsics {
    ($($name:ident($($argument:ident),*) -> $result:ty = $body:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($argument: Self::V),*) -> $result {
                // SAFETY: `self` is proof of AVX-512 F, VL, DQ and BW; no memory is touched.
                unsafe { $body }
            }
        )*
    };
}

impl Lanes for Avx512 {
    type V = __m512;
    const N: usize = 16;
    // Below the numbers that are not normal, which `scale` can still make.
    const LOWEST: f32 = -110.0;

    #[inline(always)]
    fn run<T: Task>(self, task: T) {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        fn inner<T: Task>(task: T) {
            task.run();
        }
        // SAFETY: `self` is proof of AVX-512 F, VL, DQ and BW, all that `inner` requires.
        unsafe { inner(task) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: `self` is proof of AVX-512 F, VL, DQ and BW; no memory is touched.
        unsafe { _mm512_set1_ps(x) }
    }

    intrinsics! {
        add(a, b) -> __m512 = _mm512_add_ps(a, b);
        sub(a, b) -> __m512 = _mm512_sub_ps(a, b);
        mul(a, b) -> __m512 = _mm512_mul_ps(a, b);
        fma(a, b, c) -> __m512 = _mm512_fmadd_ps(a, b, c);
        max(a, b) -> __m512 = _mm512_max_ps(a, b);
        round(a) -> __m512 = _mm512_roundscale_ps::<8>(a);
        scale(a, n) -> __m512 = _mm512_scalef_ps(a, n);
        sum(a) -> f32 = _mm512_reduce_add_ps(a);
        highest(a) -> f32 = _mm512_reduce_max_ps(a);
    }

    #[inline(always)]
    fn keep(self, a: __m512, [first, second]: [Range<usize>; 2], other: __m512) -> __m512 {
        let run = |run: Range<usize>| Self::first(run.end) & !Self::first(run.start);
        // SAFETY: `self` is proof of AVX-512 F, VL, DQ and BW; no memory is touched.
        unsafe { _mm512_mask_mov_ps(other, run(first) | run(second), a) }
    }

    #[inline(always)]
    fn to_bf16(self, a: __m512) -> __m512 {
        // SAFETY: `self` is proof of AVX-512 F, VL, DQ and BW; no memory is touched.
        unsafe {
            let bits = _mm512_castps_si512(a);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
            let cut = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            _mm512_castsi512_ps(_mm512_and_si512(_mm512_add_epi32(bits, up), cut))
        }
    }

    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) };
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for 16 readable values at `from`.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> __m512 {
        // SAFETY: lane `i` is read only if `i < n`, and the caller vouches for `min(n, 16)` values
        // at `from`.
        unsafe { _mm512_maskz_loadu_ps(Self::first(n), from) }
    }

    #[inline(always)]
    unsafe fn widen_first(self, from: *const bf16, n: usize) -> __m512 {
        // SAFETY: lane `i` is read only if `i < n`, and the caller vouches for `min(n, 16)` values
        // at `from`.
        unsafe {
            let halves = _mm256_maskz_loadu_epi16(Self::first(n), from.cast());
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, a: __m512) {
        // SAFETY: the caller vouches for 16 writable values at `to`.
        unsafe { _mm512_storeu_ps(to, a) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize, a: __m512) {
        // SAFETY: lane `i` is written only if `i < n`, and the caller vouches for `min(n, 16)`
        // values at `to`.
        unsafe { _mm512_mask_storeu_ps(to, Self::first(n), a) }
    }

    #[inline(always)]
    unsafe fn split_pairs(self, from: *const f32) -> [__m512; 2] {
        // SAFETY: the caller vouches for 16 readable values at `from`.
        unsafe {
            let bits = _mm512_castps_si512(_mm512_loadu_ps(from));
            let high = _mm512_and_si512(bits, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            [_mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits)), _mm512_castsi512_ps(high)]
        }
    }

    #[inline(always)]
    unsafe fn store_transposed(self, vectors: &[__m512; 16], to: *mut f32, step: usize, k: usize) {
        let mut rows = *vectors;
        // SAFETY: `self` is proof of AVX-512 F, VL, DQ and BW; no memory is touched.
        unsafe { transpose_16(&mut rows) };
        for j in 0..k.min(16) {
            // SAFETY: `j < k`, and the caller vouches for 16 values at `to + j * step`.
            unsafe { _mm512_storeu_ps(to.add(j * step), rows[j]) };
        }
    }
}

/// Transposes 16 vectors of 16 lanes: pairs, quads, then 128-bit blocks twice.
///
/// # Safety
/// The processor must have AVX-512 F.
#[inline(always)]
unsafe fn transpose_16(rows: &mut [__m512; 16]) {
    // SAFETY: the caller vouches for AVX-512 F; only registers are touched.
    unsafe {
        let mut t = *rows;
        for i in 0..8 {
            t[2 * i] = _mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
            t[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
        }
        // Column `j` of the 4x4 block in each 128-bit part of rows 4 i .. 4 i + 4.
        let mut quads = t;
        for i in 0..4 {
            let (a, b) = (_mm512_castps_pd(t[4 * i]), _mm512_castps_pd(t[4 * i + 1]));
            let (c, d) = (_mm512_castps_pd(t[4 * i + 2]), _mm512_castps_pd(t[4 * i + 3]));
            quads[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
            quads[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
            quads[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
            quads[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
        }
        for j in 0..4 {
            let [a, b, c, d] = [quads[j], quads[4 + j], quads[8 + j], quads[12 + j]];
            let ab_low = _mm512_shuffle_f32x4::<0x88>(a, b);
            let ab_high = _mm512_shuffle_f32x4::<0xdd>(a, b);
            let cd_low = _mm512_shuffle_f32x4::<0x88>(c, d);
            let cd_high = _mm512_shuffle_f32x4::<0xdd>(c, d);
            rows[j] = _mm512_shuffle_f32x4::<0x88>(ab_low, cd_low);
            rows[4 + j] = _mm512_shuffle_f32x4::<0x88>(ab_high, cd_high);
            rows[8 + j] = _mm512_shuffle_f32x4::<0xdd>(ab_low, cd_low);
            rows[12 + j] = _mm512_shuffle_f32x4::<0xdd>(ab_high, cd_high);
        }
    }
}

impl Lanes for Avx2 {
    type V = __m256;
    const N: usize = 8;
    const LOWEST: f32 = -88.0;

    #[inline(always)]
    fn run<T: Task>(self, task: T) {
        #[target_feature(enable = "avx2,fma")]
        fn inner<T: Task>(task: T) {
            task.run();
        }
        // SAFETY: `self` is proof of AVX2 and FMA, all that `inner` requires.
        unsafe { inner(task) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: `self` is proof of AVX2 and FMA; no memory is touched.
        unsafe { _mm256_set1_ps(x) }
    }

    intrinsics! {
        add(a, b) -> __m256 = _mm256_add_ps(a, b);
        sub(a, b) -> __m256 = _mm256_sub_ps(a, b);
        mul(a, b) -> __m256 = _mm256_mul_ps(a, b);
        fma(a, b, c) -> __m256 = _mm256_fmadd_ps(a, b, c);
        max(a, b) -> __m256 = _mm256_max_ps(a, b);
        round(a) -> __m256 = _mm256_round_ps::<8>(a);
    }

    #[inline(always)]
    fn scale(self, a: __m256, n: __m256) -> __m256 {
        // SAFETY: `self` is proof of AVX2 and FMA; no memory is touched.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }

    #[inline(always)]
    fn keep(self, a: __m256, [first, second]: [Range<usize>; 2], other: __m256) -> __m256 {
        // SAFETY: `self` is proof of AVX2 and FMA; no memory is touched.
        unsafe {
            let run = |run: Range<usize>| {
                _mm256_andnot_si256(Self::first(run.start), Self::first(run.end))
            };
            let kept = _mm256_or_si256(run(first), run(second));
            _mm256_blendv_ps(other, a, _mm256_castsi256_ps(kept))
        }
    }

    #[inline(always)]
    fn to_bf16(self, a: __m256) -> __m256 {
        // SAFETY: `self` is proof of AVX2 and FMA; no memory is touched.
        unsafe {
            let bits = _mm256_castps_si256(a);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let cut = _mm256_set1_epi32(0xffff_0000_u32 as i32);
            _mm256_castsi256_ps(_mm256_and_si256(_mm256_add_epi32(bits, up), cut))
        }
    }

    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        let mut lanes = [0.0; 8];
        // SAFETY: the array has 8 values, as many as the vector has lanes.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), a) };
        let [a, b, c, d, e, f, g, h] = lanes;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    #[inline(always)]
    fn highest(self, a: __m256) -> f32 {
        let mut lanes = [0.0; 8];
        // SAFETY: the array has 8 values, as many as the vector has lanes.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), a) };
        lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) };
    }

    #[inline(always)]
    unsafe fn split_pairs(self, from: *const f32) -> [__m256; 2] {
        // SAFETY: the caller vouches for 8 readable values at `from`.
        unsafe {
            let bits = _mm256_castps_si256(_mm256_loadu_ps(from));
            let high = _mm256_and_si256(bits, _mm256_set1_epi32(0xffff_0000_u32 as i32));
            [_mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits)), _mm256_castsi256_ps(high)]
        }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: the caller vouches for 8 readable values at `from`.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> __m256 {
        // SAFETY: lane `i` is read only if `i < n`, and the caller vouches for `min(n, 8)` values
        // at `from`.
        unsafe { _mm256_maskload_ps(from, Self::first(n)) }
    }

    #[inline(always)]
    unsafe fn widen_first(self, from: *const bf16, n: usize) -> __m256 {
        let mut halves = [0_u16; 8];
        for (i, half) in halves.iter_mut().enumerate().take(n) {
            // SAFETY: `i < n`, and the caller vouches for `min(n, 8)` values at `from`.
            *half = unsafe { *from.add(i) }.to_bits();
        }
        // SAFETY: `self` is proof of AVX2, and the array has the 8 halves that are read.
        unsafe {
            let halves = _mm_loadu_si128(halves.as_ptr().cast());
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, a: __m256) {
        // SAFETY: the caller vouches for 8 writable values at `to`.
        unsafe { _mm256_storeu_ps(to, a) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize, a: __m256) {
        // SAFETY: lane `i` is written only if `i < n`, and the caller vouches for `min(n, 8)`
        // values at `to`.
        unsafe { _mm256_maskstore_ps(to, Self::first(n), a) }
    }
}
