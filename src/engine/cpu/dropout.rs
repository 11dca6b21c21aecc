//! Dropout whose masks are a pure function of where they are used.
//!
//! Whether a value is kept depends on the step's key, the layer, the site in the layer, the token's
//! number in the whole batch and the column: not on sharding, threads or earlier draws. The
//! backward pass recomputes the mask instead of storing it.

use super::simd::kernel;

/// Where in a model a mask is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Site {
    /// The output of the embeddings.
    Embedding = 1,
    /// The output of an attention block, before the residual sum.
    Attention = 2,
    /// The output of a feed-forward block, before the residual sum.
    FeedForward = 3,
}

/// The dropout of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    probability: f32,
    key: u64,
}

impl Dropout {
    /// Values are dropped with `probability`; 0 turns dropout off.
    #[must_use]
    pub fn new(probability: f32, key: u64) -> Self {
        Self { probability: probability.clamp(0.0, 0.95), key }
    }

    /// No dropout.
    #[must_use]
    pub fn off() -> Self {
        Self::new(0.0, 0)
    }

    /// Whether any value can be dropped.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.probability > 0.0
    }

    /// Masks `x` (one row for each of `numbers`) in place; kept values are scaled by `1 / (1 - p)`.
    /// The same call masks a gradient in the backward pass.
    pub fn apply(&self, x: &mut [f32], width: usize, layer: usize, site: Site, numbers: &[u32]) {
        if !self.is_on() {
            return;
        }
        let stream = mix64(self.key ^ mix64((layer as u64) << 8 | site as u64));
        // A draw is 24 bits; comparing integers keeps the loop free of conversions.
        let threshold = (f64::from(self.probability) * f64::from(1_u32 << 24)) as u32;
        mask_rows(x, width, numbers, stream, threshold, 1.0 / (1.0 - self.probability));
    }
}

kernel! {
    fn mask_rows(
        x: &mut [f32],
        width: usize,
        numbers: &[u32],
        stream: u64,
        threshold: u32,
        scale: f32,
    ) {
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
fn mix64(value: u64) -> u64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_depends_on_the_place_alone_and_keeps_the_mean() {
        let dropout = Dropout::new(0.3, 99);
        let numbers: Vec<u32> = (0..400).collect();
        let mut whole = vec![1.0; 400 * 50];
        dropout.apply(&mut whole, 50, 2, Site::Attention, &numbers);
        let mut part = vec![1.0; 10 * 50];
        dropout.apply(&mut part, 50, 2, Site::Attention, &numbers[120..130]);
        assert_eq!(part, whole[120 * 50..130 * 50]);
        let mean: f32 = whole.iter().sum::<f32>() / whole.len() as f32;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        let mut other = vec![1.0; 400 * 50];
        dropout.apply(&mut other, 50, 2, Site::FeedForward, &numbers);
        let equal = other.iter().zip(&whole).filter(|(a, b)| a == b).count() as f32;
        // Independent masks agree at 0.3^2 + 0.7^2 = 0.58 of the places.
        assert!((equal / whole.len() as f32 - 0.58).abs() < 0.02);
    }

    #[test]
    fn probability_zero_changes_nothing() {
        let mut x = vec![0.7; 12];
        Dropout::off().apply(&mut x, 4, 0, Site::Embedding, &[0, 1, 2]);
        assert_eq!(x, vec![0.7; 12]);
    }
}
