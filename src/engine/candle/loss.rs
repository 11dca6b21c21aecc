//! Pairwise losses and their slopes, on the host in `f64` (the formulas are `domain`'s).

use crate::domain::bradley_terry::{hinge_loss, loss, sigmoid};
use crate::domain::preference::Side;
use crate::engine::{Claim, LabeledPair, Loss};

/// Sums over pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Sum of losses.
    pub loss: f64,
    /// Pairs whose preferred side has the higher reward; a tie is not one of them.
    pub n_correct: u32,
}

impl Totals {
    /// Adds a pair with rewards `[a, b]`; returns the slopes of the *mean* loss of `n_pairs` by the
    /// two rewards.
    pub fn add(
        &mut self,
        kind: Loss,
        example: &LabeledPair<'_>,
        [a, b]: [f32; 2],
        n_pairs: usize,
    ) -> [f32; 2] {
        let sign = if example.preferred == Side::A { 1.0 } else { -1.0 };
        let margin = sign * (f64::from(a) - f64::from(b));
        let certain = |margin: f64| match kind {
            Loss::BradleyTerry => (loss(margin), -sigmoid(-margin)),
            Loss::Hinge { target_margin } => {
                let value = hinge_loss(margin, f64::from(target_margin));
                (value, if value > 0.0 { -1.0 } else { 0.0 })
            }
        };
        let probable = |q: f64| {
            let ((value, slope), (other, other_slope)) = (certain(margin), certain(-margin));
            (q * value + (1.0 - q) * other, q * slope - (1.0 - q) * other_slope)
        };
        let (value, slope) = match (example.claim, kind) {
            (Claim::Certain, _) => certain(margin),
            (Claim::Probable(q), _) => probable(f64::from(q)),
            (Claim::Noisy(error), Loss::Hinge { .. }) => probable(1.0 - f64::from(error)),
            (Claim::Noisy(error), Loss::BradleyTerry) => noisy(f64::from(error), margin),
        };
        let weight = f64::from(example.weight);
        self.loss += weight * value;
        self.n_correct += u32::from(margin > 0.0);
        let slope = (sign * weight * slope / n_pairs as f64) as f32;
        [slope, -slope]
    }
}

/// `-log((1 - e) sigmoid(d) + e sigmoid(-d))` and its slope.
fn noisy(error: f64, margin: f64) -> (f64, f64) {
    if error <= 0.0 {
        return (loss(margin), -sigmoid(-margin));
    }
    let (right, wrong) = (sigmoid(margin), sigmoid(-margin));
    let seen = (1.0 - error) * right + error * wrong;
    (-seen.ln(), -(1.0 - 2.0 * error) * right * wrong / seen)
}
