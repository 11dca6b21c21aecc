//! Rotary positions (Su et al. 2021) in the half-split layout of the Llama checkpoints.
//!
//! Components `i` and `i + d/2` of a head of width `d` turn by the angle `position * f_i`, where
//! `f_i = base^(-2i/d)` unless the context was stretched ([`linear_frequencies`],
//! [`llama3_frequencies`]). The backward pass turns by the negative angle.

use std::f32::consts::PI;

use super::profile::{self, Kernel};
use super::rows_per_task;
use super::simd::kernel;
use super::team::Team;

/// `base^(-2i/d)` for `i` in `0..d/2`, computed in `f32` as PyTorch does.
#[must_use]
pub fn inverse_frequencies(head_dim: usize, base: f32) -> Vec<f32> {
    let exponent = |i: usize| (2 * i) as f32 / head_dim as f32;
    (0..head_dim / 2).map(|i| 1.0 / base.powf(exponent(i))).collect()
}

/// Positions pressed together by `factor` (`rope_type` `linear`).
#[must_use]
pub fn linear_frequencies(frequencies: &[f32], factor: f32) -> Vec<f32> {
    frequencies.iter().map(|frequency| frequency / factor).collect()
}

/// Settings of `rope_type` `llama3`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Llama3Scaling {
    /// How much longer the context became.
    pub factor: f32,
    /// Waves that fit the old context less often than this are stretched in full.
    pub low_freq_factor: f32,
    /// Waves that fit it more often than this stay.
    pub high_freq_factor: f32,
    /// Length of the old context.
    pub original_max_positions: usize,
}

/// Long waves stretched by `factor`, short ones kept and those between interpolated, as
/// `_compute_llama3_parameters` of transformers.
#[must_use]
pub fn llama3_frequencies(frequencies: &[f32], scaling: Llama3Scaling) -> Vec<f32> {
    let Llama3Scaling { factor, low_freq_factor: low, high_freq_factor: high, .. } = scaling;
    let old_context = scaling.original_max_positions as f32;
    let scale = |frequency: &f32| {
        let length = 2.0 * PI / frequency;
        if length < old_context / high {
            *frequency
        } else if length > old_context / low {
            frequency / factor
        } else {
            let smooth = (old_context / length - low) / (high - low);
            (1.0 - smooth) * (frequency / factor) + smooth * frequency
        }
    };
    frequencies.iter().map(scale).collect()
}

/// Cosines and sines of every position up to a limit.
#[derive(Debug, Clone, Default)]
pub struct RotaryTable {
    frequencies: Vec<f32>,
    /// Row `position`: `[cosines | sines]`, each as long as `frequencies`.
    turns: Vec<f32>,
}

impl RotaryTable {
    /// An empty table for heads twice as wide as `frequencies`.
    #[must_use]
    pub fn new(frequencies: Vec<f32>) -> Self {
        Self { frequencies, turns: Vec::new() }
    }

    /// Makes the table cover positions below `n`. The angles are computed in `f32`, as PyTorch does.
    pub fn reserve(&mut self, n: usize) {
        let width = 2 * self.frequencies.len();
        for position in self.turns.len() / width.max(1)..n {
            let angles = || self.frequencies.iter().map(|frequency| position as f32 * frequency);
            self.turns.extend(angles().map(f32::cos));
            self.turns.extend(angles().map(f32::sin));
        }
    }

    /// Turns the first `n_heads` heads of every row of `x` (rows `stride` apart) by its position.
    pub fn turn(
        &self,
        team: &Team,
        x: &mut [f32],
        stride: usize,
        n_heads: usize,
        positions: &[u32],
    ) {
        self.turn_by(team, x, (stride, n_heads), positions, 1.0);
    }

    /// The transpose of [`RotaryTable::turn`]: turns a gradient back.
    pub fn turn_back(
        &self,
        team: &Team,
        x: &mut [f32],
        stride: usize,
        n_heads: usize,
        positions: &[u32],
    ) {
        self.turn_by(team, x, (stride, n_heads), positions, -1.0);
    }

    fn turn_by(
        &self,
        team: &Team,
        x: &mut [f32],
        (stride, n_heads): (usize, usize),
        positions: &[u32],
        direction: f32,
    ) {
        let _span = profile::span(Kernel::Rotary, 0);
        let half = self.frequencies.len();
        let rows = rows_per_task(n_heads * 2 * half);
        team.each_chunk(x, rows * stride, |task, x| {
            let positions = &positions[task * rows..];
            turn_rows(x, stride, n_heads, positions, &self.turns, half, direction);
        });
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
        let team = Team::new(2).unwrap();
        let mut table = RotaryTable::new(inverse_frequencies(8, 10_000.0));
        table.reserve(50);
        let x = noise(3 * 20, 1);
        let mut y = x.clone();
        table.turn(&team, &mut y, 20, 2, &[0, 7, 49]);
        assert_eq!(x[..20], y[..20]);
        assert_ne!(x[20..36], y[20..36]);
        assert_eq!(x[36..40], y[36..40], "columns beyond the heads stay");
        // The turn of component 0 by position 7 is exactly 7 radians.
        let expected = x[20] * 7.0_f32.cos() - x[24] * 7.0_f32.sin();
        assert!((y[20] - expected).abs() < 1e-6);
        table.turn_back(&team, &mut y, 20, 2, &[0, 7, 49]);
        assert_close(&y, &x, 1e-6);
    }

    #[test]
    fn frequencies_follow_the_formulas() {
        let plain = inverse_frequencies(8, 10_000.0);
        assert_close(&plain, &[1.0, 0.1, 0.01, 0.001], 1e-6);
        assert_close(&linear_frequencies(&plain, 4.0), &[0.25, 0.025, 0.0025, 0.000_25], 1e-6);
        // Wave lengths are 6.28, 62.8, 628 and 6283 positions; the borders are 25 and 100.
        let scaling = Llama3Scaling {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_positions: 100,
        };
        // The second lies between: smooth = (100 / 62.83 - 1) / 3 = 0.197183.
        let middle = (1.0 - 0.197_183) * 0.0125 + 0.197_183 * 0.1;
        let expected = [1.0, middle, 0.001_25, 0.000_125];
        assert_close(&llama3_frequencies(&plain, scaling), &expected, 1e-6);
    }
}
