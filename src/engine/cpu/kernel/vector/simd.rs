//! Picks the widest vector instructions at run time.
//!
//! A release build targets the x86-64 baseline (SSE2), so a plain loop would use a quarter of the
//! machine. [`kernel!`](kernel) compiles a function's body once for the baseline, once for AVX2 and
//! once for AVX-512 and calls the best one the processor has. The bodies never ask for fused
//! multiply-add and fix the order of their sums, so all three give the same bits.

/// What the processor offers; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine::cpu::kernel) enum Level {
    /// What every processor of the architecture has.
    #[cfg_attr(
        all(target_arch = "aarch64", not(test)),
        expect(dead_code, reason = "NEON is the least there; tests go below it")
    )]
    Baseline,
    /// NEON, by its own instructions.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// AVX2 and fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, VL, DQ and BW.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 BF16.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
}

impl Level {
    /// All levels of the architecture.
    #[cfg(test)]
    pub(in crate::engine::cpu::kernel) const ALL: &[Self] = &[
        Self::Baseline,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512Bf16,
    ];
}

/// The best level of this processor. The detection caches its answer in an atomic.
#[inline]
pub(in crate::engine::cpu::kernel) fn level() -> Level {
    #[cfg(test)]
    if let Some(limit) = LIMIT.get() {
        return detected().min(limit);
    }
    detected()
}

#[inline]
fn detected() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
        {
            let has_bf16 = is_x86_feature_detected!("avx512bf16");
            return if has_bf16 { Level::Avx512Bf16 } else { Level::Avx512 };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Level::Avx2;
        }
    }
    LEAST
}

/// What needs no detection: NEON is part of its architecture.
#[cfg(target_arch = "aarch64")]
const LEAST: Level = Level::Neon;
#[cfg(not(target_arch = "aarch64"))]
const LEAST: Level = Level::Baseline;

#[cfg(test)]
thread_local! {
    static LIMIT: std::cell::Cell<Option<Level>> = const { std::cell::Cell::new(None) };
}

/// Runs `f` once for each level this processor has, as if it had no better one. Kernels under test
/// must stay on this thread (a team of one).
#[cfg(test)]
pub(in crate::engine::cpu::kernel) fn at_every_level(f: impl Fn(Level)) {
    for level in Level::ALL.iter().filter(|level| **level <= detected()) {
        LIMIT.set(Some(*level));
        f(*level);
    }
    LIMIT.set(None);
}

/// Defines a function whose body is compiled for every [`Level`].
macro_rules! kernel {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?)
        $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        #[cfg_attr(
            target_arch = "x86_64",
            expect(unsafe_code, reason = "calls a function that needs a feature just detected")
        )]
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            // Always inlined, so that it is compiled with the features of each caller.
            #[inline(always)]
            fn baseline($($argument: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) $(-> $result)? {
                baseline($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
            fn avx512($($argument: $type),*) $(-> $result)? {
                baseline($($argument),*)
            }
            match $crate::engine::cpu::kernel::vector::simd::level() {
                $crate::engine::cpu::kernel::vector::simd::Level::Baseline => baseline($($argument),*),
                // The compiler turns plain loops into NEON by itself.
                #[cfg(target_arch = "aarch64")]
                $crate::engine::cpu::kernel::vector::simd::Level::Neon => baseline($($argument),*),
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `level` returns `Avx2` only after detecting that feature.
                $crate::engine::cpu::kernel::vector::simd::Level::Avx2 => unsafe { avx2($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `level` returns these only after detecting all four features.
                $crate::engine::cpu::kernel::vector::simd::Level::Avx512
                | $crate::engine::cpu::kernel::vector::simd::Level::Avx512Bf16 => unsafe {
                    avx512($($argument),*)
                },
            }
        }
    };
}
pub(in crate::engine::cpu::kernel) use kernel;

#[cfg(test)]
mod tests {

    kernel! {
        fn polynomial(x: &[f32], y: &mut [f32]) -> f32 {
            let mut lanes = [0.0_f32; 16];
            for (x, y) in x.chunks_exact(16).zip(y.chunks_exact_mut(16)) {
                for i in 0..16 {
                    y[i] = (x[i] * 0.3 + 1.7) * x[i] - 0.25;
                    lanes[i] += y[i];
                }
            }
            lanes.iter().sum()
        }
    }

    #[test]
    fn every_level_gives_the_bits_of_the_plain_loop() {
        super::at_every_level(|level| {
            let x: Vec<f32> = (0..160_u16).map(|i| f32::from(i).sin() * 3.0).collect();
            let mut y = vec![0.0; 160];
            let sum = polynomial(&x, &mut y);
            let mut lanes = [0.0_f32; 16];
            for (i, (x, y)) in x.iter().zip(&y).enumerate() {
                let expected = (x * 0.3 + 1.7) * x - 0.25;
                assert_eq!(expected.to_bits(), y.to_bits(), "{level:?}");
                lanes[i % 16] += expected;
            }
            assert_eq!(sum.to_bits(), lanes.iter().sum::<f32>().to_bits());
        });
    }
}
