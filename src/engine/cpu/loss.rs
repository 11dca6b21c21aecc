//! Pairwise losses on the margin `d = reward(preferred) - reward(other)`.
//!
//! Bradley-Terry: `-log sigmoid(d) = max(-d, 0) + log(1 + e^-|d|)`, derivative `-sigmoid(-d)`.
//! Hinge: `max(0, target - d)`, derivative -1 inside the target and 0 beyond.
//! A label that is not certain has the losses of [`Claim`].

use crate::domain::preference::Side;
use crate::domain::spec::Loss;
use crate::engine::{Claim, LabeledPair};

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

/// The same for a label that claims less than certainty.
#[must_use]
pub fn claimed(loss: Loss, claim: Claim, margin: f64) -> (f64, f64) {
    match claim {
        Claim::Certain => value_and_slope(loss, margin),
        Claim::Probable(q) => expected(loss, f64::from(q), margin),
    }
}

/// `q loss(d) + (1 - q) loss(-d)` and its derivative.
fn expected(loss: Loss, q: f64, margin: f64) -> (f64, f64) {
    let (value, slope) = value_and_slope(loss, margin);
    let (other_value, other_slope) = value_and_slope(loss, -margin);
    (q * value + (1.0 - q) * other_value, q * slope - (1.0 - q) * other_slope)
}

/// Sums over the pairs of a step, from which its report is made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// The sum of their losses.
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
    examples: &[LabeledPair<'_>],
    rewards: &[f32],
    n_pairs: usize,
    drewards: &mut [f32],
) -> Totals {
    let mut totals = Totals::default();
    for ((example, pair), gradient) in
        examples.iter().zip(rewards.chunks_exact(2)).zip(drewards.chunks_exact_mut(2))
    {
        let sign = if example.preferred == Side::A { 1.0 } else { -1.0 };
        let margin = sign * (f64::from(pair[0]) - f64::from(pair[1]));
        let (value, slope) = claimed(loss, example.claim, margin);
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

    use crate::engine::EncodedPair;

    #[test]
    fn slopes_agree_with_differences() {
        let claims = [Claim::Certain, Claim::Probable(0.7)];
        for loss in [Loss::BradleyTerry, Loss::Hinge { target_margin: 1.25 }] {
            for (claim, margin) in
                claims.iter().flat_map(|it| [-3.0, -0.4, 0.0, 0.3, 2.5].map(|m| (*it, m)))
            {
                let value = |m| claimed(loss, claim, m).0;
                let expected = (value(margin + 1e-6) - value(margin - 1e-6)) / 2e-6;
                let (_, slope) = claimed(loss, claim, margin);
                let place = format!("{loss:?} {claim:?} {margin}: {slope} {expected}");
                assert!((slope - expected).abs() < 1e-6, "{place}");
            }
        }
    }

    #[test]
    fn losses_of_uncertain_labels_by_hand() {
        let at = |claim, margin| claimed(Loss::BradleyTerry, claim, margin);
        // .7 ln(1 + e^-1) + .3 ln(1 + e)
        let (value, slope) = at(Claim::Probable(0.7), 1.0);
        assert!((value - 0.613_261_7).abs() < 1e-6, "{value}");
        // sigmoid(1) - .7: a label believed to 70 % pulls back what is surer.
        assert!((slope - 0.031_058_6).abs() < 1e-6, "{slope}");
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
        let pair = EncodedPair::default();
        let examples = [Side::A, Side::B].map(|side| LabeledPair::certain(&pair, side));
        let totals =
            backward(Loss::BradleyTerry, &examples, &[1.0, 1.0, 0.0, 2.0], 4, &mut gradient);
        assert_eq!(totals.n_correct, 1);
        assert!((gradient[0] + 0.125).abs() < 1e-7 && gradient[1] == -gradient[0]);
        assert!(gradient[3] < 0.0 && gradient[2] == -gradient[3]);
    }
}
