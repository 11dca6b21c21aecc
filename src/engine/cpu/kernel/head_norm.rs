//! RMS norm of each attention head on its own, in place (the query and key norms of Qwen3).
//!
//! With `w` as wide as a head and `r` the scale of one head of one row, `y = x r w`. The backward
//! pass reads the output, so that the input need not be kept: with `xh = x r = y / w`,
//! `dx = r (g w - xh mean(g w xh))` and `dw = sum g xh`. Where a weight is exactly 0 nothing is left
//! of `xh` in the output; it counts as 0 there.

use super::product::partial::summed;
use super::profile::{self, Kernel};
use super::rows_per_task;
use super::split::cut;
use super::team::Team;
use super::vector::math;
use super::vector::simd::kernel;

/// Norms the first `n_heads` heads of every row of `x`, `[rows, stride]`, in place; a head is as wide as
/// `weight`, `[width]`, and what stands behind the heads is left alone. The scale of head `h` of row `i`
/// is saved in `scales`, `[rows, n_heads]`.
pub fn head_rms_forward(
    team: &Team,
    x: &mut [f32],
    stride: usize,
    n_heads: usize,
    weight: &[f32],
    epsilon: f32,
    scales: &mut [f32],
) {
    let _span = profile::span(Kernel::Norm, 0);
    let rows = rows_per_task(n_heads * weight.len());
    team.each_part((cut(x, rows * stride), cut(scales, rows * n_heads)), |_, (x, scales)| {
        forward_rows(x, stride, n_heads, weight, epsilon, scales);
    });
}

kernel! {
    fn forward_rows(
        x: &mut [f32],
        stride: usize,
        n_heads: usize,
        weight: &[f32],
        epsilon: f32,
        scales: &mut [f32],
    ) {
        let width = weight.len();
        for (row, scales) in x.chunks_mut(stride).zip(scales.chunks_exact_mut(n_heads)) {
            for (head, scale) in row.chunks_exact_mut(width).zip(scales) {
                *scale = 1.0 / (math::dot(head, head) / width as f32 + epsilon).sqrt();
                for (x, w) in head.iter_mut().zip(weight) {
                    *x = *x * *scale * w;
                }
            }
        }
    }
}

/// Turns the gradient of the output, in `dy_to_dx`, `[rows, stride]`, into that of the input in place;
/// `y` is the output of [`head_rms_forward`], `scales`, `[rows, n_heads]`, what it saved. Adds the
/// gradient of the weight to `dweight`, `[width]`, unless it is frozen.
#[expect(clippy::too_many_arguments, reason = "two strided matrices and what was saved of them")]
pub fn head_rms_backward(
    team: &Team,
    dy_to_dx: &mut [f32],
    y: &[f32],
    stride: usize,
    n_heads: usize,
    weight: &[f32],
    scales: &[f32],
    mut dweight: Option<&mut [f32]>,
) {
    let _span = profile::span(Kernel::Norm, 0);
    let rows = rows_per_task(n_heads * weight.len());
    let chunk = rows * stride;
    let inverse: Vec<f32> = weight.iter().map(|w| if *w == 0.0 { 0.0 } else { 1.0 / w }).collect();
    summed(dweight.as_mut_slice(), dy_to_dx.len().div_ceil(chunk), |sums| {
        team.each_part((cut(dy_to_dx, chunk), sums), |task, (dy, dweight)| {
            let y = &y[task * chunk..][..dy.len()];
            let scales = &scales[task * rows * n_heads..];
            backward_rows(dy, y, (stride, n_heads), (weight, &inverse), scales, dweight);
        });
    });
}

kernel! {
    fn backward_rows(
        dy: &mut [f32],
        y: &[f32],
        layout: (usize, usize),
        weights: (&[f32], &[f32]),
        scales: &[f32],
        dweight: &mut [f32],
    ) {
        let ((stride, n_heads), (weight, inverse)) = (layout, weights);
        let width = weight.len();
        for ((dy, y), scales) in
            dy.chunks_mut(stride).zip(y.chunks(stride)).zip(scales.chunks_exact(n_heads))
        {
            for ((dy, y), r) in dy.chunks_exact_mut(width).zip(y.chunks_exact(width)).zip(scales) {
                // g w xh = g y, since w / w = 1 (and both are 0 where w is).
                let common = math::dot(dy, y) / width as f32;
                for (((dweight, dy), y), inverse) in
                    dweight.iter_mut().zip(dy.iter()).zip(y).zip(inverse)
                {
                    *dweight += dy * y * inverse;
                }
                for i in 0..width {
                    dy[i] = r * (dy[i] * weight[i] - y[i] * inverse[i] * common);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::tests::differences::{assert_close, central_difference, noise};

    const WIDTH: usize = 19;
    const HEADS: usize = 3;
    const STRIDE: usize = HEADS * WIDTH + 5;
    const ROWS: usize = 4;

    #[test]
    fn backward_agrees_with_differences() {
        let team = Team::new(2).unwrap();
        let (x, g) = (noise(ROWS * STRIDE, 1), noise(ROWS * STRIDE, 3));
        let w: Vec<f32> = noise(WIDTH, 2).iter().map(|w| 1.0 + 0.5 * w).collect();
        let forward = |x: &[f32], w: &[f32]| {
            let (mut y, mut scales) = (x.to_vec(), vec![0.0; ROWS * HEADS]);
            head_rms_forward(&team, &mut y, STRIDE, HEADS, w, 1e-5, &mut scales);
            (y, scales)
        };
        let objective = |x: &[f32], w: &[f32]| {
            let y = forward(x, w).0;
            y.iter().zip(&g).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum::<f64>()
        };
        let (y, scales) = forward(&x, &w);
        for (x, y) in x.chunks(STRIDE).zip(y.chunks(STRIDE)) {
            assert_eq!(x[HEADS * WIDTH..], y[HEADS * WIDTH..], "columns beyond the heads stay");
        }
        let (mut dx, mut dw) = (g.clone(), vec![0.0; WIDTH]);
        head_rms_backward(&team, &mut dx, &y, STRIDE, HEADS, &w, &scales, Some(&mut dw));
        assert_close(&dx, &central_difference(&x, |x| objective(x, &w)), 2e-3);
        assert_close(&dw, &central_difference(&w, |w| objective(&x, w)), 2e-3);
        let mut frozen = g.clone();
        head_rms_backward(&team, &mut frozen, &y, STRIDE, HEADS, &w, &scales, None);
        assert_eq!(frozen, dx);
    }
}
