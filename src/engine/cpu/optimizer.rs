//! AdamW (Loshchilov and Hutter 2019) in one pass over the flat vectors, as `torch.optim.AdamW`.
//!
//! `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
//! `p = p (1 - lr wd) - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)`.
//! The clip factor is multiplied into `g` as it is read, and `g` is zeroed in the same pass.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::math;
use super::parameters::{Parameters, Span};
use super::simd::kernel;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// Values a task updates at a time, and a partial sum of the norm covers.
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

/// The Euclidean norm of a gradient, added up in a fixed order.
#[must_use]
pub fn norm(gradient: &[f32]) -> f64 {
    gradient.chunks(CHUNK).map(|chunk| f64::from(sum_of_squares(chunk))).sum::<f64>().sqrt()
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

/// Applies one step to all parameters and zeroes the gradient. Values are independent of each
/// other, so the threads of `pool` cannot change the result.
pub fn step(
    parameters: &mut Parameters,
    pool: &rayon::ThreadPool,
    learning_rate: f32,
    weight_decay: f32,
    clip: f32,
) {
    parameters.n_steps += 1;
    let t = parameters.n_steps.min(i32::MAX as u64) as i32;
    let rate = (f64::from(learning_rate) / (1.0 - BETA_1.powi(t))) as f32;
    let inverse_root = (1.0 / (1.0 - BETA_2.powi(t)).sqrt()) as f32;
    for (span, decays) in parameters.table.decay_ranges() {
        let keep = if decays { 1.0 - learning_rate * weight_decay } else { 1.0 };
        let constants = Constants { clip, rate, inverse_root, keep };
        pool.install(|| update_range(parameters, span, constants));
    }
}

fn update_range(parameters: &mut Parameters, span: Span, constants: Constants) {
    let values = span.of_mut(&mut parameters.values).par_chunks_mut(CHUNK);
    let gradient = span.of_mut(&mut parameters.gradient).par_chunks_mut(CHUNK);
    let first = span.of_mut(&mut parameters.first_moments).par_chunks_mut(CHUNK);
    let second = span.of_mut(&mut parameters.second_moments).par_chunks_mut(CHUNK);
    values.zip(gradient).zip(first).zip(second).for_each(
        |(((values, gradient), first), second)| {
            update(values, gradient, first, second, constants);
        },
    );
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
    use crate::engine::cpu::parameters::{Role, Table};

    #[test]
    fn three_steps_match_torch() {
        // torch.optim.AdamW(lr=0.1, weight_decay=0.01) in float64; see make_fixtures.py.
        let text = include_str!("../../../tests/fixtures/engine/adamw.json");
        let expected: Vec<Vec<f64>> = serde_json::from_str(text).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let mut table = Table::default();
        table.add("matrix", &[4], Role::Matrix);
        table.add("bias", &[4], Role::Bias);
        let start = [0.5_f32, -1.0, 2.0, 0.0, 0.5, -1.0, 2.0, 0.0];
        let mut parameters = Parameters::new(table, 0, |_| None).unwrap();
        parameters.values.copy_from_slice(&start);
        for (t, expected) in expected.iter().enumerate() {
            for (i, g) in parameters.gradient.iter_mut().enumerate() {
                *g = 2.0 * (((t * 4 + i % 4) as f32) * 1.3).sin();
            }
            step(&mut parameters, &pool, 0.1, 0.01, 0.5);
            for (value, expected) in parameters.values.iter().zip(expected) {
                assert!((f64::from(*value) - expected).abs() < 1e-6, "{value} {expected}");
            }
            assert!(parameters.gradient.iter().all(|g| *g == 0.0));
        }
    }

    #[test]
    fn clipping_scales_long_gradients_only() {
        assert_eq!(clip_factor(0.5, 1.0), 1.0);
        assert!((clip_factor(4.0, 1.0) - 0.25).abs() < 1e-6);
        assert_eq!(clip_factor(1e9, 0.0), 1.0);
        assert!((norm(&[3.0, 4.0]) - 5.0).abs() < 1e-12);
    }
}
