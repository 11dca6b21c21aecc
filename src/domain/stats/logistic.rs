//! Logistic regression on a few numbers a pair: no intercept, a ridge, and an exact minimum.

use super::bradley_terry::{log_sigmoid, sigmoid};

/// Newton's method doubles its digits; this many rounds are far more than needed.
const N_ROUNDS: usize = 50;
/// Most halvings of a Newton step that does not lower the loss.
const N_HALVINGS: i32 = 30;

/// The weights `w` that minimize the [`loss`] on `rows`, each read toward its label, so that every
/// label is "right". Weights that are not `free` are 0.
///
/// The loss is convex; Newton's method with halved steps finds its minimum.
#[must_use]
pub fn fit<const N: usize>(rows: &[[f64; N]], ridge: f64, free: [bool; N]) -> [f64; N] {
    let mut at = [0.0; N];
    let mut here = loss(rows, at, ridge);
    for _ in 0..N_ROUNDS {
        let step = newton_step(rows, at, ridge, free);
        let moved = |share: f64| std::array::from_fn(|i| at[i] - share * step[i]);
        let shares = (0..N_HALVINGS).map(|halvings| 0.5_f64.powi(halvings));
        let mut tried = shares.map(|share| (moved(share), loss(rows, moved(share), ridge)));
        let Some((next, lower)) = tried.find(|(_, there)| *there < here) else { break };
        (at, here) = (next, lower);
    }
    at
}

/// `sum(-log sigmoid(w . row)) + ridge / 2 * |w|^2`, in nats.
#[must_use]
pub fn loss<const N: usize>(rows: &[[f64; N]], weights: [f64; N], ridge: f64) -> f64 {
    let penalty = 0.5 * ridge * dot(&weights, &weights);
    rows.iter().map(|row| -log_sigmoid(dot(&weights, row))).sum::<f64>() + penalty
}

/// The inner product of two vectors.
#[must_use]
pub fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The Hessian's inverse times the slope, over the free weights.
fn newton_step<const N: usize>(
    rows: &[[f64; N]],
    at: [f64; N],
    ridge: f64,
    free: [bool; N],
) -> [f64; N] {
    let mut slope = at.map(|weight| ridge * weight);
    let mut hessian = [[0.0; N]; N];
    for row in rows {
        let wrong = sigmoid(-dot(&at, row));
        let curvature = wrong * (1.0 - wrong);
        for i in 0..N {
            slope[i] -= wrong * row[i];
            for j in 0..=i {
                hessian[i][j] += curvature * row[i] * row[j];
            }
        }
    }
    for i in 0..N {
        hessian[i][i] += ridge;
        if !free[i] {
            slope[i] = 0.0;
            hessian[i] = [0.0; N];
            hessian[i][i] = 1.0;
            for row in &mut hessian[i + 1..] {
                row[i] = 0.0;
            }
        }
    }
    solve(hessian, slope)
}

/// Solves `matrix x = right` for a symmetric positive definite matrix of which the lower half is
/// given, by Cholesky's factors.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], right: [f64; N]) -> [f64; N] {
    for i in 0..N {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            let rest = matrix[i][j] - known;
            // The ridge keeps the diagonal above 0; rounding may not.
            matrix[i][j] =
                if i == j { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / matrix[j][j] };
        }
    }
    let mut x = right;
    for i in 0..N {
        let known: f64 = (0..i).map(|k| matrix[i][k] * x[k]).sum();
        x[i] = (x[i] - known) / matrix[i][i];
    }
    for i in (0..N).rev() {
        let known: f64 = (i + 1..N).map(|k| matrix[k][i] * x[k]).sum();
        x[i] = (x[i] - known) / matrix[i][i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_of_equations_is_solved() {
        // 4x + 2y = 10, 2x + 3y = 11: x = 1, y = 3. The upper half is not read.
        let [x, y] = solve([[4.0, 99.0], [2.0, 3.0]], [10.0, 11.0]);
        assert!((x - 1.0).abs() < 1e-12 && (y - 3.0).abs() < 1e-12, "{x} {y}");
    }

    #[test]
    fn the_slope_vanishes_at_the_minimum() {
        let rows = [[1.0, 0.5, -2.0], [-0.3, 1.0, 0.7], [0.2, -1.5, 1.0], [1.1, 0.4, 0.3]];
        let at = fit(&rows, 0.1, [true; 3]);
        for i in 0..3 {
            let moved = |by: f64| {
                let mut to = at;
                to[i] += by;
                loss(&rows, to, 0.1)
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(slope.abs() < 1e-8, "{i}: {slope}");
        }
    }

    #[test]
    fn one_weight_has_a_closed_form() {
        // 30 of 40 right at a margin of 1: sigmoid(w) = 3/4, w = ln 3.
        let rows: Vec<[f64; 2]> =
            (0..40).map(|i| [5.0, if i % 4 == 0 { -1.0 } else { 1.0 }]).collect();
        let [held, weight] = fit(&rows, 1e-9, [false, true]);
        assert_eq!(held, 0.0);
        assert!((weight - 3.0_f64.ln()).abs() < 1e-9, "{weight}");
    }

    #[test]
    fn separable_pairs_and_none_stay_finite() {
        let [weight] = fit(&vec![[1.0]; 100], 1e-3, [true]);
        assert!(weight.is_finite() && weight > 5.0, "{weight}");
        assert_eq!(fit(&[], 1e-3, [true; 2]), [0.0, 0.0]);
    }
}
