//! Rotary positions (Su et al. 2021) in the half-split layout of the Llama checkpoints.
//!
//! Components `i` and `i + d/2` of a head of width `d` turn by the angle `position * f_i`, where
//! `f_i = base^(-2i/d)` unless the context was stretched (`config::rope` has the frequencies). The
//! backward pass turns by the negative angle.

use super::profile::{self, Kernel};
use super::rows_per_task;
use super::team::Team;
use super::vector::simd::kernel;

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

    /// Turns the first `n_heads` heads of every row of `x`, `[rows, stride]`, by `positions`, `[rows]`, in
    /// place; a head is twice as wide as the frequencies are many.
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

    /// The transpose of [`RotaryTable::turn`]: turns a gradient, `[rows, stride]`, back in place.
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
        let mut table = RotaryTable::new(vec![1.0, 0.1, 0.01, 0.001]);
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
}
