//! Dropout masks that are a pure function of where they are used: the same as those of `cpu`.
//!
//! Whether a value is kept depends on the step's key, the layer, the site in the layer, the token's
//! number in the whole batch (a shared prefix counted once) and the column. Masks are made on the
//! host, so that a run is the same run on every device.

use candle_core::{Device, Result, Tensor};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};

pub use crate::engine::dropout_site::Site;

/// The mask of rows `[numbers, width]`: 0 with `probability`, else `1 / (1 - probability)`.
pub fn mask(
    device: &Device,
    (probability, key): (f32, u64),
    width: usize,
    (layer, site): (usize, Site),
    numbers: &[u32],
) -> Result<Tensor> {
    const ROWS: usize = 64;
    let probability = probability.clamp(0.0, 0.95);
    let stream = mix64(key ^ mix64((layer as u64) << 8 | site as u64));
    // A random draw has 24 bits, so the threshold is the probability times 2^24.
    let threshold = (f64::from(probability) * f64::from(1_u32 << 24)) as u32;
    let scale = 1.0 / (1.0 - probability);
    let mut values = vec![0.0_f32; numbers.len() * width];
    let rows = values.par_chunks_mut(ROWS * width).zip(numbers.par_chunks(ROWS));
    rows.for_each(|(values, numbers)| {
        for (row, number) in values.chunks_exact_mut(width).zip(numbers) {
            let seed = mix64(stream ^ u64::from(*number)) as u32;
            for (column, value) in row.iter_mut().enumerate() {
                let draw = mix32(seed.wrapping_add((column as u32).wrapping_mul(0x9e37_79b9)));
                *value = if draw >> 8 >= threshold { scale } else { 0.0 };
            }
        }
    });
    Tensor::from_vec(values, (numbers.len(), width), device)
}

/// The finalizer of `SplitMix64`.
fn mix64(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A 32-bit finalizer (Wellons' `lowbias32`).
fn mix32(value: u32) -> u32 {
    let x = (value ^ (value >> 16)).wrapping_mul(0x7feb_352d);
    let x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}
