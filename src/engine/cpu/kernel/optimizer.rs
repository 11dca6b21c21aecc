//! AdamW (Loshchilov and Hutter 2019) in one pass over the flat vectors, as `torch.optim.AdamW`.
//!
//! `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
//! `p = p (1 - lr wd) - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)`.
//! The clip factor is multiplied into `g` as it is read, and `g` is zeroed in the same pass.

use std::ops::Range;

use super::profile::{self, Kernel};
use super::split::cut;
use super::team::Team;
use super::vector::math;
use super::vector::simd::kernel;

/// Decay of the first moment, the default of `torch.optim.AdamW`.
const BETA_1: f64 = 0.9;
/// Decay of the second moment, the default of `torch.optim.AdamW`.
const BETA_2: f64 = 0.999;
/// Added to the root of the second moment, the default of `torch.optim.AdamW`.
const EPSILON: f32 = 1e-8;

/// Values that a task updates, and that one partial sum of the norm covers. Changing it changes the
/// order of that sum and so the last bits of a run.
const CHUNK: usize = 1 << 14;

/// The constants of one step.
#[derive(Debug, Clone, Copy)]
struct Constants {
    /// Multiplied into the gradient.
    clip: f32,
    /// `lr / (1 - b1^t)`
    rate: f32,
    /// `1 / sqrt(1 - b2^t)`
    inverse_root: f32,
    /// `1 - lr wd`
    keep: f32,
}

/// The Euclidean norm of a gradient of any length, in the unit of the gradient, added up in a fixed
/// order.
#[must_use]
pub fn norm(team: &Team, gradient: &[f32]) -> f64 {
    let _span = profile::span(Kernel::Optimizer, 0);
    let mut squares = vec![0.0_f64; gradient.len().div_ceil(CHUNK)];
    team.each_chunk(&mut squares, 1, |task, square| {
        let end = gradient.len().min((task + 1) * CHUNK);
        square[0] = f64::from(sum_of_squares(&gradient[task * CHUNK..end]));
    });
    squares.iter().sum::<f64>().sqrt()
}

kernel! {
    fn sum_of_squares(x: &[f32]) -> f32 {
        math::dot(x, x)
    }
}

/// The factor that brings a gradient of norm `norm` down to `clip_norm` (0 turns clipping off), as
/// `torch.nn.utils.clip_grad_norm_`.
#[must_use]
pub fn clip_factor(norm: f64, clip_norm: f32) -> f32 {
    if clip_norm > 0.0 { (f64::from(clip_norm) / (norm + 1e-6)).min(1.0) as f32 } else { 1.0 }
}

/// The four vectors of the parameters that are trained, of one length.
#[derive(Debug)]
pub struct Vectors<'a> {
    pub values: &'a mut [f32],
    pub gradient: &'a mut [f32],
    pub first_moments: &'a mut [f32],
    pub second_moments: &'a mut [f32],
}

/// The settings of one step.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The number of this step, from 1.
    pub number: u64,
    /// `lr`
    pub learning_rate: f32,
    /// `wd`
    pub weight_decay: f32,
    /// Multiplied into the gradient, see [`clip_factor`].
    pub clip: f32,
}

/// Applies one step to all parameters and zeroes the gradient. `decays` lists, in order and without
/// gaps, the ranges of the vectors and whether weight decay applies to them. Values are independent
/// of each other, so threads cannot change the result.
pub fn step(team: &Team, vectors: Vectors<'_>, decays: &[(Range<usize>, bool)], step: Step) {
    let _span = profile::span(Kernel::Optimizer, 0);
    let t = step.number.min(i32::MAX as u64) as i32;
    let constants = Constants {
        clip: step.clip,
        rate: (f64::from(step.learning_rate) / (1.0 - BETA_1.powi(t))) as f32,
        inverse_root: (1.0 / (1.0 - BETA_2.powi(t)).sqrt()) as f32,
        keep: 1.0,
    };
    let decayed = Constants { keep: 1.0 - step.learning_rate * step.weight_decay, ..constants };
    let Vectors { values, gradient, first_moments, second_moments } = vectors;
    let slices = (
        cut(values, CHUNK),
        cut(gradient, CHUNK),
        cut(first_moments, CHUNK),
        cut(second_moments, CHUNK),
    );
    team.each_part(slices, |task, (values, gradient, first, second)| {
        let (start, end) = (task * CHUNK, task * CHUNK + values.len());
        let reached = decays.partition_point(|(range, _)| range.end <= start);
        for (range, decays) in decays[reached..].iter().take_while(|(range, _)| range.start < end) {
            let of = range.start.max(start) - start..range.end.min(end) - start;
            update(
                &mut values[of.clone()],
                &mut gradient[of.clone()],
                &mut first[of.clone()],
                &mut second[of],
                if *decays { decayed } else { constants },
            );
        }
    });
}

kernel! {
    fn update(
        values: &mut [f32],
        gradient: &mut [f32],
        first: &mut [f32],
        second: &mut [f32],
        constants: Constants,
    ) {
        let Constants { clip, rate, inverse_root, keep } = constants;
        let (b1, b2) = (BETA_1 as f32, BETA_2 as f32);
        // Not `1.0 - b2`: rounding b2 first would cost three digits of the complement.
        let (rest_1, rest_2) = ((1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32);
        let n = values.len();
        let (gradient, first, second) = (&mut gradient[..n], &mut first[..n], &mut second[..n]);
        for i in 0..n {
            let g = gradient[i] * clip;
            let m = b1 * first[i] + rest_1 * g;
            let v = b2 * second[i] + rest_2 * g * g;
            first[i] = m;
            second[i] = v;
            gradient[i] = 0.0;
            values[i] = values[i] * keep - rate * m / (v.sqrt() * inverse_root + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_steps_match_torch() {
        // torch.optim.AdamW(lr=0.1, weight_decay=0.01) in float64; see make_fixtures.py.
        let text = include_str!("../../../../tests/fixtures/engine/adamw.json");
        let expected: Vec<Vec<f64>> = serde_json::from_str(text).unwrap();
        let team = Team::new(2).unwrap();
        let mut values = vec![0.5_f32, -1.0, 2.0, 0.0, 0.5, -1.0, 2.0, 0.0];
        let (mut gradient, mut first, mut second) = (vec![0.0; 8], vec![0.0; 8], vec![0.0; 8]);
        for (t, expected) in expected.iter().enumerate() {
            for (i, g) in gradient.iter_mut().enumerate() {
                *g = 2.0 * (((t * 4 + i % 4) as f32) * 1.3).sin();
            }
            let vectors = Vectors {
                values: &mut values,
                gradient: &mut gradient,
                first_moments: &mut first,
                second_moments: &mut second,
            };
            let number = t as u64 + 1;
            let settings = Step { number, learning_rate: 0.1, weight_decay: 0.01, clip: 0.5 };
            step(&team, vectors, &[(0..4, true), (4..8, false)], settings);
            for (value, expected) in values.iter().zip(expected) {
                assert!((f64::from(*value) - expected).abs() < 1e-6, "{value} {expected}");
            }
            assert!(gradient.iter().all(|g| *g == 0.0));
        }
    }

    #[test]
    fn clipping_scales_long_gradients_only() {
        assert_eq!(clip_factor(0.5, 1.0), 1.0);
        assert!((clip_factor(4.0, 1.0) - 0.25).abs() < 1e-6);
        assert_eq!(clip_factor(1e9, 0.0), 1.0);
        assert!((norm(&Team::new(1).unwrap(), &[3.0, 4.0]) - 5.0).abs() < 1e-12);
    }
}
