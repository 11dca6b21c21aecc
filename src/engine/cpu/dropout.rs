//! Dropout whose masks are a pure function of where they are used.
//!
//! Whether a value is kept depends on the step's key, the layer, the site in the layer, the token's
//! number in the whole batch and the column: not on micro-batches, threads or earlier draws. The
//! backward pass recomputes the mask instead of storing it.

use super::kernel::Team;
use super::kernel::mask::{Masks, mask_rows, mix64};
pub use crate::engine::dropout_site::Site;

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

    /// Dropout that keeps every value, for scoring.
    #[must_use]
    pub fn off() -> Self {
        Self::new(0.0, 0)
    }

    /// The same key with another probability. It stays off in a pass without a key (scoring).
    #[must_use]
    pub fn with_probability(&self, probability: f32) -> Self {
        Self::new(probability, self.key)
    }

    /// Whether any value can be dropped.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.probability > 0.0
    }

    /// Masks `x` (one row for each of `numbers`) in place; kept values are scaled by `1 / (1 - p)`.
    /// The same call masks a gradient in the backward pass.
    pub fn apply(
        &self,
        team: &Team,
        x: &mut [f32],
        width: usize,
        (layer, site): (usize, Site),
        numbers: &[u32],
    ) {
        if !self.is_on() {
            return;
        }
        let stream = mix64(self.key ^ mix64((layer as u64) << 8 | site as u64));
        let masks = Masks {
            stream,
            threshold: (f64::from(self.probability) * f64::from(1_u32 << 24)) as u32,
            scale: 1.0 / (1.0 - self.probability),
        };
        mask_rows(team, x, width, numbers, masks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_depends_on_the_place_alone_and_keeps_the_mean() {
        let (dropout, team) = (Dropout::new(0.3, 99), Team::new(2).unwrap());
        let numbers: Vec<u32> = (0..400).collect();
        let mut whole = vec![1.0; 400 * 50];
        dropout.apply(&team, &mut whole, 50, (2, Site::Attention), &numbers);
        let mut part = vec![1.0; 10 * 50];
        dropout.apply(&team, &mut part, 50, (2, Site::Attention), &numbers[120..130]);
        assert_eq!(part, whole[120 * 50..130 * 50]);
        let mean: f32 = whole.iter().sum::<f32>() / whole.len() as f32;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        let mut other = vec![1.0; 400 * 50];
        dropout.apply(&team, &mut other, 50, (2, Site::FeedForward), &numbers);
        let equal = other.iter().zip(&whole).filter(|(a, b)| a == b).count() as f32;
        // Independent masks agree at 0.3^2 + 0.7^2 = 0.58 of the places.
        assert!((equal / whole.len() as f32 - 0.58).abs() < 0.02);
    }

    #[test]
    fn probability_zero_changes_nothing() {
        let mut x = vec![0.7; 12];
        let team = Team::new(1).unwrap();
        Dropout::off().apply(&team, &mut x, 4, (0, Site::Embedding), &[0, 1, 2]);
        assert_eq!(x, vec![0.7; 12]);
    }
}
