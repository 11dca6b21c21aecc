//! Pairwise losses on the margin `d = reward(preferred) - reward(other)`.
//!
//! Bradley-Terry: `-log sigmoid(d) = max(-d, 0) + log(1 + e^-|d|)`, derivative `-sigmoid(-d)`.
//! Hinge: `max(0, target - d)`, derivative -1 inside the target and 0 beyond.

use crate::domain::preference::Side;
use crate::engine::Loss;

/// Loss and derivative by the margin, computed in `f64` so that margins of any size are fine.
#[must_use]
pub fn value_and_slope(loss: Loss, margin: f64) -> (f64, f64) {
    match loss {
        Loss::BradleyTerry => {
            let small = (-margin.abs()).exp();
            let value = (-margin).max(0.0) + small.ln_1p();
            let slope = if margin >= 0.0 { -small / (1.0 + small) } else { -1.0 / (1.0 + small) };
            (value, slope)
        }
        Loss::Hinge { target_margin } => {
            let missing = f64::from(target_margin) - margin;
            if missing > 0.0 { (missing, -1.0) } else { (0.0, 0.0) }
        }
    }
}

/// Sums over pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Sum of losses.
    pub loss: f64,
    /// Pairs whose preferred side has the higher reward; a tie is not one of them.
    pub n_correct: u32,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.loss += other.loss;
        self.n_correct += other.n_correct;
    }
}

/// Losses of a micro-batch; writes the gradient of the batch's *mean* loss by each reward.
///
/// `rewards` holds `[a, b]` of each pair; `n_pairs` is the size of the whole batch.
pub fn backward(
    loss: Loss,
    preferred: impl Iterator<Item = Side>,
    rewards: &[f32],
    n_pairs: usize,
    drewards: &mut [f32],
) -> Totals {
    let mut totals = Totals::default();
    for ((side, pair), gradient) in
        preferred.zip(rewards.chunks_exact(2)).zip(drewards.chunks_exact_mut(2))
    {
        let sign = if side == Side::A { 1.0 } else { -1.0 };
        let margin = sign * (f64::from(pair[0]) - f64::from(pair[1]));
        let (value, slope) = value_and_slope(loss, margin);
        totals.loss += value;
        totals.n_correct += u32::from(margin > 0.0);
        gradient[0] = (sign * slope / n_pairs as f64) as f32;
        gradient[1] = -gradient[0];
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_agree_with_differences() {
        for loss in [Loss::BradleyTerry, Loss::Hinge { target_margin: 1.0 }] {
            for margin in [-3.0, -0.4, 0.0, 0.3, 2.5] {
                let value = |m| value_and_slope(loss, m).0;
                let expected = (value(margin + 1e-6) - value(margin - 1e-6)) / 2e-6;
                let (_, slope) = value_and_slope(loss, margin);
                assert!((slope - expected).abs() < 1e-6, "{loss:?} {margin}: {slope} {expected}");
            }
        }
    }

    #[test]
    fn extreme_margins_stay_finite_and_exact() {
        let (value, slope) = value_and_slope(Loss::BradleyTerry, -100.0);
        assert!((value - 100.0).abs() < 1e-9 && (slope + 1.0).abs() < 1e-9);
        let (value, slope) = value_and_slope(Loss::BradleyTerry, 100.0);
        assert!((0.0..1e-40).contains(&value) && slope <= 0.0 && slope > -1e-40);
        let (value, _) = value_and_slope(Loss::BradleyTerry, 0.0);
        assert!((value - std::f64::consts::LN_2).abs() < 1e-12);
        let (value, slope) = value_and_slope(Loss::BradleyTerry, -1e30);
        assert!(value.is_finite() && slope == -1.0);
    }

    #[test]
    fn the_preferred_side_is_pushed_up_and_ties_are_not_correct() {
        let mut gradient = [0.0; 4];
        let sides = [Side::A, Side::B].into_iter();
        let totals = backward(Loss::BradleyTerry, sides, &[1.0, 1.0, 0.0, 2.0], 4, &mut gradient);
        assert_eq!(totals.n_correct, 1);
        assert!((gradient[0] + 0.125).abs() < 1e-7 && gradient[1] == -gradient[0]);
        assert!(gradient[3] < 0.0 && gradient[2] == -gradient[3]);
    }
}
