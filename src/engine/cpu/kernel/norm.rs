//! RMS norm and layer norm over rows, forward and backward.
//!
//! With `g` the gradient of the output, `w` the weight and means over a row:
//!
//! * RMS norm `y = x r w`, `r = (mean x^2 + eps)^-1/2`:
//!   `dx = r g w - x r^3 mean(g w x)`, `dw = sum g x r`.
//! * Layer norm `y = xh w + b`, `xh = (x - mu) r`:
//!   `dx = r (g w - mean(g w) - xh mean(g w xh))`, `dw = sum g xh`, `db = sum g`.

use super::product::partial::summed;
use super::profile::{self, Kernel};
use super::rows_per_task;
use super::split::cut;
use super::team::Team;
use super::vector::math;
use super::vector::simd::kernel;

/// `y = x r w`. `weight` is `[width]`, `x` and `y` are `[rows, width]`; the scale `r` of each row is saved
/// in `scales`, `[rows]`.
pub fn rms_forward(
    team: &Team,
    x: &[f32],
    weight: &[f32],
    epsilon: f32,
    y: &mut [f32],
    scales: &mut [f32],
) {
    let _span = profile::span(Kernel::Norm, 0);
    let rows = rows_per_task(weight.len());
    let chunk = rows * weight.len();
    team.each_part((cut(y, chunk), cut(scales, rows)), |task, (y, scales)| {
        rms_forward_rows(&x[task * chunk..][..y.len()], weight, epsilon, y, scales);
    });
}

kernel! {
    fn rms_forward_rows(
        x: &[f32],
        weight: &[f32],
        epsilon: f32,
        y: &mut [f32],
        scales: &mut [f32],
    ) {
        let width = weight.len();
        for ((x, y), scale) in
            x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(scales.iter_mut())
        {
            *scale = 1.0 / (math::dot(x, x) / width as f32 + epsilon).sqrt();
            for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                *y = x * *scale * w;
            }
        }
    }
}

/// Computes `y = x r w` again from the `scales`, `[rows]`, that [`rms_forward`] saved; `weight` is
/// `[width]`, `x` and `y` are `[rows, width]`.
pub fn rms_apply(team: &Team, x: &[f32], weight: &[f32], scales: &[f32], y: &mut [f32]) {
    let _span = profile::span(Kernel::Norm, 0);
    let rows = rows_per_task(weight.len());
    let chunk = rows * weight.len();
    team.each_chunk(y, chunk, |task, y| {
        rms_apply_rows(&x[task * chunk..][..y.len()], weight, &scales[task * rows..], y);
    });
}

kernel! {
    fn rms_apply_rows(x: &[f32], weight: &[f32], scales: &[f32], y: &mut [f32]) {
        let width = weight.len();
        for ((x, y), scale) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(scales) {
            for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                *y = x * *scale * w;
            }
        }
    }
}

/// Adds the gradient of the input to `dx` and, unless the weight is frozen, that of the weight to
/// `dweight`. `dy`, `x` and `dx` are `[rows, width]`, `weight` and `dweight` `[width]`, `scales` is
/// `[rows]` as [`rms_forward`] saved it.
pub fn rms_backward(
    team: &Team,
    dy: &[f32],
    x: &[f32],
    weight: &[f32],
    scales: &[f32],
    dx: &mut [f32],
    mut dweight: Option<&mut [f32]>,
) {
    let _span = profile::span(Kernel::Norm, 0);
    let rows = rows_per_task(weight.len());
    let chunk = rows * weight.len();
    summed(dweight.as_mut_slice(), dx.len().div_ceil(chunk), |sums| {
        team.each_part((cut(dx, chunk), sums), |task, (dx, dweight)| {
            let of = task * chunk..task * chunk + dx.len();
            let scales = &scales[task * rows..];
            rms_backward_rows(&dy[of.clone()], &x[of], weight, scales, dx, dweight);
        });
    });
}

kernel! {
    /// An empty `dweight` is left alone.
    fn rms_backward_rows(
        dy: &[f32],
        x: &[f32],
        weight: &[f32],
        scales: &[f32],
        dx: &mut [f32],
        dweight: &mut [f32],
    ) {
        let width = weight.len();
        for (((dy, x), dx), r) in dy
            .chunks_exact(width)
            .zip(x.chunks_exact(width))
            .zip(dx.chunks_exact_mut(width))
            .zip(scales)
        {
            let common = math::dot3(dy, weight, x) / width as f32 * r * r * r;
            for i in 0..width {
                dx[i] += r * dy[i] * weight[i] - x[i] * common;
            }
            for ((dweight, dy), x) in dweight.iter_mut().zip(dy).zip(x) {
                *dweight += dy * x * r;
            }
        }
    }
}

/// `y = (x - mean) r w + b`. `weight` and `bias` are `[width]`, `x` and `y` `[rows, width]`; `[mean, r]` of
/// each row is saved in `moments`, `[rows, 2]`.
pub fn layer_forward(
    team: &Team,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
    y: &mut [f32],
    moments: &mut [f32],
) {
    let _span = profile::span(Kernel::Norm, 0);
    let rows = rows_per_task(weight.len());
    let chunk = rows * weight.len();
    team.each_part((cut(y, chunk), cut(moments, 2 * rows)), |task, (y, moments)| {
        layer_forward_rows(&x[task * chunk..][..y.len()], weight, bias, epsilon, y, moments);
    });
}

kernel! {
    fn layer_forward_rows(
        x: &[f32],
        weight: &[f32],
        bias: &[f32],
        epsilon: f32,
        y: &mut [f32],
        moments: &mut [f32],
    ) {
        let width = weight.len();
        for ((x, y), moments) in x
            .chunks_exact(width)
            .zip(y.chunks_exact_mut(width))
            .zip(moments.chunks_exact_mut(2))
        {
            let mean = math::sum(x) / width as f32;
            let r = 1.0 / (math::squared_deviation(x, mean) / width as f32 + epsilon).sqrt();
            moments[0] = mean;
            moments[1] = r;
            for i in 0..width {
                y[i] = (x[i] - mean) * r * weight[i] + bias[i];
            }
        }
    }
}

/// Computes layer norm again from the `moments`, `[rows, 2]`, that [`layer_forward`] saved;
/// `weight` and `bias` are `[width]`, `x` and `y` `[rows, width]`.
pub fn layer_apply(
    team: &Team,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    moments: &[f32],
    y: &mut [f32],
) {
    let _span = profile::span(Kernel::Norm, 0);
    let rows = rows_per_task(weight.len());
    let chunk = rows * weight.len();
    team.each_chunk(y, chunk, |task, y| {
        let moments = &moments[2 * task * rows..];
        layer_apply_rows(&x[task * chunk..][..y.len()], weight, bias, moments, y);
    });
}

kernel! {
    fn layer_apply_rows(
        x: &[f32],
        weight: &[f32],
        bias: &[f32],
        moments: &[f32],
        y: &mut [f32],
    ) {
        let width = weight.len();
        for ((x, y), moments) in
            x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(moments.chunks_exact(2))
        {
            let (mean, r) = (moments[0], moments[1]);
            for i in 0..width {
                y[i] = (x[i] - mean) * r * weight[i] + bias[i];
            }
        }
    }
}

/// Turns `dy`, `[rows, width]`, into the gradient of the input in place and, unless they are frozen, adds
/// those of weight and bias to `dparameters`, each `[width]`. `x` is `[rows, width]`, `weight` `[width]`,
/// `moments` `[rows, 2]` as [`layer_forward`] saved them.
pub fn layer_backward(
    team: &Team,
    dy: &mut [f32],
    x: &[f32],
    weight: &[f32],
    moments: &[f32],
    mut dparameters: Option<[&mut [f32]; 2]>,
) {
    let _span = profile::span(Kernel::Norm, 0);
    let rows = rows_per_task(weight.len());
    let chunk = rows * weight.len();
    let totals = dparameters.as_mut().map_or(&mut [] as &mut [_], |both| both.as_mut_slice());
    summed(totals, dy.len().div_ceil(chunk), |sums| {
        team.each_part((cut(dy, chunk), sums), |task, (dy, sums)| {
            let (dweight, dbias) = sums.split_at_mut(sums.len() / 2);
            let (x, moments) = (&x[task * chunk..][..dy.len()], &moments[2 * task * rows..]);
            layer_backward_rows(dy, x, weight, moments, dweight, dbias);
        });
    });
}

kernel! {
    /// Empty `dweight` and `dbias` are left alone.
    fn layer_backward_rows(
        dy: &mut [f32],
        x: &[f32],
        weight: &[f32],
        moments: &[f32],
        dweight: &mut [f32],
        dbias: &mut [f32],
    ) {
        let width = weight.len();
        for ((dy, x), moments) in
            dy.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(moments.chunks_exact(2))
        {
            let (mean, r) = (moments[0], moments[1]);
            let n = width as f32;
            let mean_g = math::dot(dy, weight) / n;
            // mean(g w xh) = r (mean(g w x) - mu mean(g w))
            let mean_gx = r * (math::dot3(dy, weight, x) / n - mean * mean_g);
            for (((dweight, dbias), dy), x) in
                dweight.iter_mut().zip(dbias.iter_mut()).zip(dy.iter()).zip(x)
            {
                *dweight += dy * ((x - mean) * r);
                *dbias += dy;
            }
            for i in 0..width {
                let normed = (x[i] - mean) * r;
                dy[i] = r * (dy[i] * weight[i] - mean_g - normed * mean_gx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::tests::differences::{assert_close, central_difference, noise};

    const WIDTH: usize = 37;
    const ROWS: usize = 3;

    #[test]
    fn rms_backward_agrees_with_differences() {
        let team = Team::new(2).unwrap();
        let (x, w, g) = (noise(ROWS * WIDTH, 1), noise(WIDTH, 2), noise(ROWS * WIDTH, 3));
        let objective = |x: &[f32], w: &[f32]| {
            let (mut y, mut r) = (vec![0.0; ROWS * WIDTH], vec![0.0; ROWS]);
            rms_forward(&team, x, w, 1e-5, &mut y, &mut r);
            let mut again = vec![0.0; ROWS * WIDTH];
            rms_apply(&team, x, w, &r, &mut again);
            assert_eq!(y, again);
            y.iter().zip(&g).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum::<f64>()
        };
        let (mut y, mut r) = (vec![0.0; ROWS * WIDTH], vec![0.0; ROWS]);
        rms_forward(&team, &x, &w, 1e-5, &mut y, &mut r);
        let (mut dx, mut dw) = (vec![0.0; ROWS * WIDTH], vec![0.0; WIDTH]);
        rms_backward(&team, &g, &x, &w, &r, &mut dx, Some(&mut dw));
        assert_close(&dx, &central_difference(&x, |x| objective(x, &w)), 2e-3);
        assert_close(&dw, &central_difference(&w, |w| objective(&x, w)), 2e-3);
    }

    #[test]
    fn layer_backward_agrees_with_differences() {
        let team = Team::new(2).unwrap();
        let (x, w, b) = (noise(ROWS * WIDTH, 1), noise(WIDTH, 2), noise(WIDTH, 4));
        let g = noise(ROWS * WIDTH, 3);
        let forward = |x: &[f32], w: &[f32], b: &[f32]| {
            let (mut y, mut moments) = (vec![0.0; ROWS * WIDTH], vec![0.0; 2 * ROWS]);
            layer_forward(&team, x, w, b, 1e-5, &mut y, &mut moments);
            (y, moments)
        };
        let objective = |x: &[f32], w: &[f32], b: &[f32]| {
            let (y, _) = forward(x, w, b);
            y.iter().zip(&g).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum::<f64>()
        };
        let (_, moments) = forward(&x, &w, &b);
        let (mut dx, mut dw, mut db) = (g.clone(), vec![0.0; WIDTH], vec![0.0; WIDTH]);
        layer_backward(&team, &mut dx, &x, &w, &moments, Some([&mut dw, &mut db]));
        assert_close(&dx, &central_difference(&x, |x| objective(x, &w, &b)), 2e-3);
        assert_close(&dw, &central_difference(&w, |w| objective(&x, w, &b)), 2e-3);
        assert_close(&db, &central_difference(&b, |b| objective(&x, &w, b)), 2e-3);
    }
}
