//! The nonlinearities: SwiGLU of decoders, GELU (with `erf`, or its approximation by `tanh`) of
//! encoders.
//!
//! * SwiGLU `a = u g s(g)`: `du = da g s`, `dg = da u (s + g s (1 - s))`.
//! * GELU `a = x Phi(x)`: `dx = da (Phi(x) + x phi(x))`.
//! * GELU by tanh `a = x s(2 u)`, `u = sqrt(2 / pi) (x + 0.044715 x^3)`, since
//!   `(1 + tanh u) / 2 = s(2 u)`: `dx = da (s + x s (1 - s) 2 u')`.

use super::profile::{self, Kernel};
use super::rows_per_task;
use super::split::cut;
use super::team::Team;
use super::vector::math;
use super::vector::simd::kernel;

/// Values that one task of a nonlinearity without rows works on.
const CHUNK: usize = 1 << 12;

/// `activated = up * gate * sigmoid(gate)`. `expanded` is `[rows, 2 * width]`, a row `[gate | up]`;
/// `activated` is `[rows, width]`.
pub fn swiglu_forward(team: &Team, expanded: &[f32], width: usize, activated: &mut [f32]) {
    let _span = profile::span(Kernel::Activation, 0);
    let chunk = rows_per_task(2 * width) * width;
    team.each_chunk(activated, chunk, |task, a| {
        swiglu_forward_values(&expanded[2 * task * chunk..][..2 * a.len()], width, a);
    });
}

/// Turns `expanded`, `[rows, 2 * width]` with rows `[gate | up]`, into its gradient in place and, in the
/// same pass, `activated`, `[rows, width]`, from the gradient of the activation into the activation
/// itself, which the weight gradient of the next layer needs.
pub fn swiglu_backward(team: &Team, expanded: &mut [f32], width: usize, activated: &mut [f32]) {
    let _span = profile::span(Kernel::Activation, 0);
    let chunk = rows_per_task(2 * width) * width;
    team.each_part((cut(expanded, 2 * chunk), cut(activated, chunk)), |_, (expanded, a)| {
        swiglu_backward_values(expanded, width, a);
    });
}

/// `activated = x Phi(x)`, value by value of two slices of one length.
pub fn gelu_forward(team: &Team, x: &[f32], activated: &mut [f32]) {
    let _span = profile::span(Kernel::Activation, 0);
    team.each_chunk(activated, CHUNK, |task, a| {
        gelu_forward_values(&x[task * CHUNK..][..a.len()], a);
    });
}

/// Turns `x` into its gradient in place, and `activated`, of the same length, from gradient into
/// activation.
pub fn gelu_backward(team: &Team, x: &mut [f32], activated: &mut [f32]) {
    let _span = profile::span(Kernel::Activation, 0);
    team.each_part((cut(x, CHUNK), cut(activated, CHUNK)), |_, (x, a)| gelu_backward_values(x, a));
}

/// GELU approximated by tanh, as `gelu_new` and `gelu_pytorch_tanh` of transformers, value by value of
/// two slices of one length.
pub fn gelu_tanh_forward(team: &Team, x: &[f32], activated: &mut [f32]) {
    let _span = profile::span(Kernel::Activation, 0);
    team.each_chunk(activated, CHUNK, |task, a| {
        gelu_tanh_forward_values(&x[task * CHUNK..][..a.len()], a);
    });
}

/// The backward pass of [`gelu_tanh_forward`]: turns `x` into its gradient in place, and
/// `activated`, of the same length, from gradient into activation.
pub fn gelu_tanh_backward(team: &Team, x: &mut [f32], activated: &mut [f32]) {
    let _span = profile::span(Kernel::Activation, 0);
    team.each_part((cut(x, CHUNK), cut(activated, CHUNK)), |_, (x, a)| {
        gelu_tanh_backward_values(x, a);
    });
}

kernel! {
    fn swiglu_forward_values(expanded: &[f32], width: usize, activated: &mut [f32]) {
        for (row, a) in expanded.chunks_exact(2 * width).zip(activated.chunks_exact_mut(width)) {
            let (gate, up) = row.split_at(width);
            for i in 0..width {
                a[i] = up[i] * gate[i] * math::sigmoid(gate[i]);
            }
        }
    }
}

kernel! {
    fn swiglu_backward_values(expanded: &mut [f32], width: usize, activated: &mut [f32]) {
        for (row, a) in expanded.chunks_exact_mut(2 * width).zip(activated.chunks_exact_mut(width)) {
            let (gate, up) = row.split_at_mut(width);
            for i in 0..width {
                let (g, u, da) = (gate[i], up[i], a[i]);
                let s = math::sigmoid(g);
                let silu = g * s;
                gate[i] = da * u * (s + silu * (1.0 - s));
                up[i] = da * silu;
                a[i] = u * silu;
            }
        }
    }
}

kernel! {
    fn gelu_forward_values(x: &[f32], activated: &mut [f32]) {
        for (x, a) in x.iter().zip(activated.iter_mut()) {
            *a = 0.5 * x * (1.0 + math::erf(x * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

kernel! {
    fn gelu_backward_values(x: &mut [f32], activated: &mut [f32]) {
        /// `1 / sqrt(2 pi)`
        const DENSITY: f32 = 0.398_942_3;
        for (x, a) in x.iter_mut().zip(activated.iter_mut()) {
            let (value, da) = (*x, *a);
            let phi = 0.5 * (1.0 + math::erf(value * std::f32::consts::FRAC_1_SQRT_2));
            *a = value * phi;
            *x = da * (phi + value * DENSITY * math::exp(-0.5 * value * value));
        }
    }
}

/// `2 sqrt(2 / pi)`
const SLOPE: f32 = 1.595_769;
/// The factor of `x^3` in the approximation of GELU by tanh (Hendrycks and Gimpel 2016).
const CUBIC: f32 = 0.044_715;

kernel! {
    fn gelu_tanh_forward_values(x: &[f32], activated: &mut [f32]) {
        for (x, a) in x.iter().zip(activated.iter_mut()) {
            *a = x * math::sigmoid(SLOPE * (x + CUBIC * (x * x) * x));
        }
    }
}

kernel! {
    fn gelu_tanh_backward_values(x: &mut [f32], activated: &mut [f32]) {
        for (x, a) in x.iter_mut().zip(activated.iter_mut()) {
            let (value, da) = (*x, *a);
            let square = value * value;
            let s = math::sigmoid(SLOPE * (value + CUBIC * square * value));
            *a = value * s;
            *x = da * (s + value * s * (1.0 - s) * SLOPE * (1.0 + 3.0 * CUBIC * square));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::tests::differences::{assert_close, central_difference, noise};

    #[test]
    fn swiglu_backward_agrees_with_differences() {
        let team = Team::new(2).unwrap();
        let width = 19;
        let (x, g) = (noise(4 * width, 5), noise(2 * width, 6));
        let objective = |x: &[f32]| {
            let mut a = vec![0.0; 2 * width];
            swiglu_forward(&team, x, width, &mut a);
            a.iter().zip(&g).map(|(a, g)| f64::from(*a) * f64::from(*g)).sum::<f64>()
        };
        let (mut dx, mut a) = (x.clone(), g.clone());
        swiglu_backward(&team, &mut dx, width, &mut a);
        assert_close(&dx, &central_difference(&x, objective), 2e-3);
        let mut forward = vec![0.0; 2 * width];
        swiglu_forward(&team, &x, width, &mut forward);
        assert_close(&a, &forward, 1e-6);
    }

    type Forward = fn(&Team, &[f32], &mut [f32]);
    type Backward = fn(&Team, &mut [f32], &mut [f32]);

    #[test]
    fn gelu_backward_agrees_with_differences() {
        let team = Team::new(2).unwrap();
        let both: [(Forward, Backward); 2] =
            [(gelu_forward, gelu_backward), (gelu_tanh_forward, gelu_tanh_backward)];
        for (forward, backward) in both {
            let x: Vec<f32> = noise(41, 7).iter().map(|x| 3.0 * x).collect();
            let g = noise(41, 8);
            let run = |x: &[f32]| {
                let mut a = vec![0.0; 41];
                forward(&team, x, &mut a);
                a
            };
            let objective = |x: &[f32]| {
                run(x).iter().zip(&g).map(|(a, g)| f64::from(*a) * f64::from(*g)).sum::<f64>()
            };
            let (mut dx, mut a) = (x.clone(), g.clone());
            backward(&team, &mut dx, &mut a);
            assert_close(&dx, &central_difference(&x, objective), 2e-3);
            assert_eq!(a, run(&x));
        }
    }

    #[test]
    fn gelu_by_tanh_matches_torch() {
        // torch.nn.functional.gelu(x, approximate="tanh")
        let mut a = [0.0; 4];
        gelu_tanh_forward(&Team::new(1).unwrap(), &[-2.0, -0.5, 0.5, 3.0], &mut a);
        let expected = [-0.045_402_3, -0.154_286, 0.345_714, 2.996_362_7];
        assert!(a.iter().zip(expected).all(|(a, e)| (a - e).abs() < 1e-6), "{a:?}");
    }
}
