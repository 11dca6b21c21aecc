//! Pairwise losses and their slopes, on the host in `f64` (the formulas are `domain`'s).

use crate::domain::preference::Side;
use crate::domain::spec::Loss;
use crate::domain::stats::bradley_terry::{hinge_loss, loss, sigmoid};
use crate::engine::{Claim, LabeledPair};

/// Sums over the pairs of a step, from which its report is made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// The sum of their losses.
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
        let (value, slope) = match example.claim {
            Claim::Certain => certain(margin),
            Claim::Probable(q) => probable(f64::from(q)),
        };
        self.loss += value;
        self.n_correct += u32::from(margin > 0.0);
        let slope = (sign * slope / n_pairs as f64) as f32;
        [slope, -slope]
    }
}
