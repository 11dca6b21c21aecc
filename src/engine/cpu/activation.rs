//! The two nonlinearities: SwiGLU of the decoder and GELU (with `erf`) of the encoder.
//!
//! * SwiGLU `a = u g s(g)`: `du = da g s`, `dg = da u (s + g s (1 - s))`.
//! * GELU `a = x Phi(x)`: `dx = da (Phi(x) + x phi(x))`.

use super::math;
use super::simd::kernel;

kernel! {
    /// `activated = up * gate * sigmoid(gate)`; a row of `expanded` is `[gate | up]`, each `width`.
    pub fn swiglu_forward(expanded: &[f32], width: usize, activated: &mut [f32]) {
        for (row, a) in expanded.chunks_exact(2 * width).zip(activated.chunks_exact_mut(width)) {
            let (gate, up) = row.split_at(width);
            for i in 0..width {
                a[i] = up[i] * gate[i] * math::sigmoid(gate[i]);
            }
        }
    }
}

kernel! {
    /// Turns `[gate | up]` into its gradient in place and, in the same pass, the gradient of the
    /// activation (`activated` on entry) into the activation itself, which the weight gradient of
    /// the next layer needs.
    pub fn swiglu_backward(expanded: &mut [f32], width: usize, activated: &mut [f32]) {
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
    /// `activated = x Phi(x)`.
    pub fn gelu_forward(x: &[f32], activated: &mut [f32]) {
        for (x, a) in x.iter().zip(activated.iter_mut()) {
            *a = 0.5 * x * (1.0 + math::erf(x * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

kernel! {
    /// Turns `x` into its gradient in place, and `activated` from gradient into activation.
    pub fn gelu_backward(x: &mut [f32], activated: &mut [f32]) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::tests::differences::{assert_close, central_difference, noise};

    #[test]
    fn swiglu_backward_agrees_with_differences() {
        let width = 19;
        let (x, g) = (noise(4 * width, 5), noise(2 * width, 6));
        let objective = |x: &[f32]| {
            let mut a = vec![0.0; 2 * width];
            swiglu_forward(x, width, &mut a);
            a.iter().zip(&g).map(|(a, g)| f64::from(*a) * f64::from(*g)).sum::<f64>()
        };
        let (mut dx, mut a) = (x.clone(), g.clone());
        swiglu_backward(&mut dx, width, &mut a);
        assert_close(&dx, &central_difference(&x, objective), 2e-3);
        let mut forward = vec![0.0; 2 * width];
        swiglu_forward(&x, width, &mut forward);
        assert_close(&a, &forward, 1e-6);
    }

    #[test]
    fn gelu_backward_agrees_with_differences() {
        let x: Vec<f32> = noise(41, 7).iter().map(|x| 3.0 * x).collect();
        let g = noise(41, 8);
        let objective = |x: &[f32]| {
            let mut a = vec![0.0; 41];
            gelu_forward(x, &mut a);
            a.iter().zip(&g).map(|(a, g)| f64::from(*a) * f64::from(*g)).sum::<f64>()
        };
        let (mut dx, mut a) = (x.clone(), g.clone());
        gelu_backward(&mut dx, &mut a);
        assert_close(&dx, &central_difference(&x, objective), 2e-3);
        let mut forward = vec![0.0; 41];
        gelu_forward(&x, &mut forward);
        assert_eq!(a, forward);
    }
}
