//! NEON, which every processor of the architecture has.

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vaddq_s32, vaddq_u32, vandq_u32, vbslq_f32, vcvtq_s32_f32, vdupq_n_f32,
    vdupq_n_s32, vdupq_n_u32, vfmaq_f32, vld1_u16, vld1q_f32, vld1q_u32, vmaxq_f32, vmovl_u16,
    vmulq_f32, vreinterpretq_f32_s32, vreinterpretq_f32_u32, vreinterpretq_u32_f32, vrndnq_f32,
    vshlq_n_s32, vshlq_n_u32, vshrq_n_u32, vst1q_f32, vsubq_f32,
};
use std::ops::Range;

use half::bf16;

use super::{Lanes, Task};

/// Needs no proof.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine::cpu::kernel) struct Neon;

const N: usize = 4;

/// The lanes one by one.
#[inline(always)]
fn lanes(a: float32x4_t) -> [f32; N] {
    let mut lanes = [0.0; N];
    // SAFETY: the array has four values, as many as the vector has lanes, and NEON is part of the
    // architecture.
    unsafe { vst1q_f32(lanes.as_mut_ptr(), a) };
    lanes
}

/// Methods of [`Lanes`] that are a few intrinsics.
macro_rules! intrinsics {
    ($($name:ident($($argument:ident),*) = $body:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($argument: float32x4_t),*) -> float32x4_t {
                // SAFETY: NEON is part of the architecture; no memory is touched.
                unsafe { $body }
            }
        )*
    };
}

impl Lanes for Neon {
    type V = float32x4_t;
    const N: usize = N;
    const LOWEST: f32 = -88.0;

    #[inline(always)]
    fn run<T: Task>(self, task: T) {
        task.run();
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: NEON is part of the architecture; no memory is touched.
        unsafe { vdupq_n_f32(x) }
    }

    intrinsics! {
        add(a, b) = vaddq_f32(a, b);
        sub(a, b) = vsubq_f32(a, b);
        mul(a, b) = vmulq_f32(a, b);
        fma(a, b, c) = vfmaq_f32(c, a, b);
        max(a, b) = vmaxq_f32(a, b);
        round(a) = vrndnq_f32(a);
        scale(a, n) = {
            let exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
            vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
        };
        to_bf16(a) = {
            let bits = vreinterpretq_u32_f32(a);
            let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
            let up = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
            vreinterpretq_f32_u32(vandq_u32(up, vdupq_n_u32(0xffff_0000)))
        };
    }

    #[inline(always)]
    fn keep(
        self,
        a: float32x4_t,
        [first, second]: [Range<usize>; 2],
        other: float32x4_t,
    ) -> float32x4_t {
        let mut kept = [0_u32; N];
        for i in 0..N {
            if first.contains(&i) || second.contains(&i) {
                kept[i] = u32::MAX;
            }
        }
        // SAFETY: the array has the four masks that are read, and NEON is part of the architecture.
        unsafe { vbslq_f32(vld1q_u32(kept.as_ptr()), a, other) }
    }

    #[inline(always)]
    fn sum(self, a: float32x4_t) -> f32 {
        let [a, b, c, d] = lanes(a);
        (a + c) + (b + d)
    }

    #[inline(always)]
    fn highest(self, a: float32x4_t) -> f32 {
        let [a, b, c, d] = lanes(a);
        a.max(c).max(b.max(d))
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: the caller vouches for 4 readable values at `from`.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> float32x4_t {
        let mut values = [0.0_f32; N];
        // SAFETY: value `i` is read only if `i < n`, and the caller vouches for `min(n, 4)` values
        // at `from`.
        unsafe {
            if n >= N {
                return vld1q_f32(from);
            }
            for i in 0..n {
                values[i] = *from.add(i);
            }
            vld1q_f32(values.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn widen_first(self, from: *const bf16, n: usize) -> float32x4_t {
        let mut halves = [0_u16; N];
        // SAFETY: value `i` is read only if `i < n`, and the caller vouches for `min(n, 4)` values
        // at `from`.
        unsafe {
            for i in 0..n.min(N) {
                halves[i] = (*from.add(i)).to_bits();
            }
            let wide = vmovl_u16(vld1_u16(halves.as_ptr()));
            vreinterpretq_f32_u32(vshlq_n_u32::<16>(wide))
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, a: float32x4_t) {
        // SAFETY: the caller vouches for 4 writable values at `to`.
        unsafe { vst1q_f32(to, a) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize, a: float32x4_t) {
        // SAFETY: lane `i` is written only if `i < n`, and the caller vouches for `min(n, 4)`
        // values at `to`.
        unsafe {
            if n >= N {
                return vst1q_f32(to, a);
            }
            let values = lanes(a);
            for i in 0..n {
                *to.add(i) = values[i];
            }
        }
    }
}
