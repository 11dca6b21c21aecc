//! Rotary positions (Su et al. 2021) in the half-split layout of the Llama checkpoints.
//!
//! Components `i` and `i + d/2` of a head of width `d` turn by the angle `position * base^(-2i/d)`.
//! The backward pass turns by the negative angle.

use super::simd::kernel;

/// Cosines and sines of every position up to a limit.
#[derive(Debug, Clone, Default)]
pub struct RotaryTable {
    half: usize,
    base: f32,
    /// Row `position`: `[cosines | sines]`, each `half` long.
    turns: Vec<f32>,
}

impl RotaryTable {
    /// An empty table for heads of width `head_dim`.
    #[must_use]
    pub fn new(head_dim: usize, base: f32) -> Self {
        Self { half: head_dim / 2, base, turns: Vec::new() }
    }

    /// Makes the table cover positions below `n`. The angles are computed in `f32`, as PyTorch does.
    pub fn reserve(&mut self, n: usize) {
        let width = 2 * self.half;
        for position in self.turns.len() / width.max(1)..n {
            let angles = (0..self.half).map(|i| {
                let exponent = (2 * i) as f32 / width as f32;
                position as f32 * (1.0 / self.base.powf(exponent))
            });
            let angles: Vec<f32> = angles.collect();
            self.turns.extend(angles.iter().map(|angle| angle.cos()));
            self.turns.extend(angles.iter().map(|angle| angle.sin()));
        }
    }

    /// Turns the first `n_heads` heads of every row of `x` (rows `stride` apart) by its position.
    pub fn turn(&self, x: &mut [f32], stride: usize, n_heads: usize, positions: &[u32]) {
        turn_rows(x, stride, n_heads, positions, &self.turns, self.half, 1.0);
    }

    /// The transpose of [`RotaryTable::turn`]: turns a gradient back.
    pub fn turn_back(&self, x: &mut [f32], stride: usize, n_heads: usize, positions: &[u32]) {
        turn_rows(x, stride, n_heads, positions, &self.turns, self.half, -1.0);
    }
}

kernel! {
    fn turn_rows(
        x: &mut [f32],
        stride: usize,
        n_heads: usize,
        positions: &[u32],
        turns: &[f32],
        half: usize,
        direction: f32,
    ) {
        for (row, position) in x.chunks_exact_mut(stride).zip(positions) {
            let start = *position as usize * 2 * half;
            let (cosines, sines) = turns[start..start + 2 * half].split_at(half);
            for head in row[..n_heads * 2 * half].chunks_exact_mut(2 * half) {
                let (low, high) = head.split_at_mut(half);
                for i in 0..half {
                    let (a, b, sine) = (low[i], high[i], sines[i] * direction);
                    low[i] = a * cosines[i] - b * sine;
                    high[i] = b * cosines[i] + a * sine;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::tests::differences::{assert_close, noise};

    #[test]
    fn turning_back_undoes_turning_and_position_zero_is_still() {
        let mut table = RotaryTable::new(8, 10_000.0);
        table.reserve(50);
        let x = noise(3 * 20, 1);
        let mut y = x.clone();
        table.turn(&mut y, 20, 2, &[0, 7, 49]);
        assert_eq!(x[..20], y[..20]);
        assert_ne!(x[20..36], y[20..36]);
        assert_eq!(x[36..40], y[36..40], "columns beyond the heads stay");
        // The turn of component 0 by position 7 is exactly 7 radians.
        let expected = x[20] * 7.0_f32.cos() - x[24] * 7.0_f32.sin();
        assert!((y[20] - expected).abs() < 1e-6);
        table.turn_back(&mut y, 20, 2, &[0, 7, 49]);
        assert_close(&y, &x, 1e-6);
    }
}
