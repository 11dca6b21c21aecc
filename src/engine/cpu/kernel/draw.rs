//! The weights that tokens are drawn by.

use super::vector::math;
use super::vector::simd::kernel;

kernel! {
    /// The largest value of a row.
    pub fn highest(row: &[f32]) -> f32 {
        math::max(row)
    }
}

kernel! {
    /// Writes `e^(factor (x - highest))` for each value of a row and returns their sum, in the order in
    /// which the loss of a training pass adds them.
    pub fn exponentials(row: &[f32], highest: f32, factor: f32, weights: &mut [f32]) -> f32 {
        for (weight, x) in weights.iter_mut().zip(row) {
            *weight = math::exp((x - highest) * factor);
        }
        math::sum(weights)
    }
}

kernel! {
    /// Sums of `width` neighbors each.
    pub fn block_sums(weights: &[f32], width: usize, sums: &mut [f32]) {
        for (sum, block) in sums.iter_mut().zip(weights.chunks(width)) {
            *sum = math::sum(block);
        }
    }
}

kernel! {
    /// The largest of `width` neighbors each.
    pub fn block_maxima(row: &[f32], width: usize, maxima: &mut [f32]) {
        for (highest, block) in maxima.iter_mut().zip(row.chunks(width)) {
            *highest = math::max(block);
        }
    }
}
