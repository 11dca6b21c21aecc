//! Dropout masks drawn from counters.

use super::profile::{self, Kernel};
use super::rows_per_task;
use super::team::Team;
use super::vector::simd::kernel;

/// The masks of one site of one layer in one step.
#[derive(Debug, Clone, Copy)]
pub struct Masks {
    /// Key of the site.
    pub stream: u64,
    /// Values whose draw of 24 bits is below are dropped; comparing integers keeps the loop free of
    /// conversions.
    pub threshold: u32,
    /// Multiplied into the others.
    pub scale: f32,
}

/// Masks `x`, `[numbers.len(), width]`, in place; `numbers` are those of the tokens in the whole batch,
/// the keys of their draws.
pub fn mask_rows(team: &Team, x: &mut [f32], width: usize, numbers: &[u32], masks: Masks) {
    let _span = profile::span(Kernel::Rows, 0);
    let rows = rows_per_task(width);
    team.each_chunk(&mut x[..numbers.len() * width], rows * width, |task, x| {
        mask_values(x, width, &numbers[task * rows..], masks);
    });
}

kernel! {
    fn mask_values(x: &mut [f32], width: usize, numbers: &[u32], masks: Masks) {
        let Masks { stream, threshold, scale } = masks;
        for (row, number) in x.chunks_exact_mut(width).zip(numbers) {
            let seed = mix64(stream ^ u64::from(*number)) as u32;
            for (column, x) in row.iter_mut().enumerate() {
                let kept = mix32(seed.wrapping_add((column as u32).wrapping_mul(0x9e37_79b9))) >> 8;
                *x *= if kept >= threshold { scale } else { 0.0 };
            }
        }
    }
}

/// The finalizer of `SplitMix64`.
#[must_use]
pub fn mix64(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A 32-bit finalizer (Wellons' `lowbias32`).
#[expect(clippy::inline_always, reason = "part of a kernel compiled for wider vectors")]
#[inline(always)]
fn mix32(value: u32) -> u32 {
    let x = (value ^ (value >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}
