//! A second opinion on a pair beside the reward model's, weighed by what it is worth on human labels.
//!
//! A model that learns from its own confident labels learns nothing new; a second view of the same
//! pair does bring something (co-training, Blum and Mitchell 1998). The view here is the likelihood of
//! each answer under the pretrained backbone, which no label has touched. How far it can be trusted
//! differs from data set to data set, so held-out human pairs decide: a logistic regression on both
//! margins, in which the view stays out unless it is significantly worth having.

use super::bradley_terry::{log_sigmoid, sigmoid};

/// One pair as two views see it, both towards the human label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoMargins {
    /// The reward model's margin.
    pub reward: f64,
    /// The second view's.
    pub view: f64,
}

/// How much each view counts: the probability of the pair is
/// `sigmoid(reward * margin + view * other margin)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewWeights {
    /// Weight of the reward model's margin.
    pub reward: f64,
    /// Weight of the second view's; 0 where it is not significantly worth having.
    pub view: f64,
}

/// What the reward model alone is worth: the second view stays out.
pub const REWARD_ALONE: ViewWeights = ViewWeights { reward: 1.0, view: 0.0 };

/// 95 % quantile of chi-squared with one degree of freedom.
const CHI_SQUARED_95: f64 = 3.841_458_820_694_124;
/// Newton's method doubles its digits; this many rounds are far more than needed.
const N_ROUNDS: usize = 50;

/// The most likely weights on held-out human pairs.
///
/// The negative log-likelihood is convex; Newton's method with halved steps finds its minimum. A
/// weight below 0 would turn a view around, which is noise: such a view is left out. The second
/// view is also left out when the likelihood ratio test against the reward model alone does not
/// reject at 5 %.
#[must_use]
pub fn fit_weights(pairs: &[TwoMargins]) -> ViewWeights {
    let [reward, view] = minimize(pairs, [true, true]);
    let [alone, _] = minimize(pairs, [true, false]);
    let gain = nll(pairs, [alone, 0.0]) - nll(pairs, [reward, view]);
    if view <= 0.0 || 2.0 * gain < CHI_SQUARED_95 {
        return REWARD_ALONE;
    }
    if reward <= 0.0 {
        let [_, view] = minimize(pairs, [false, true]);
        return ViewWeights { reward: 0.0, view };
    }
    ViewWeights { reward, view }
}

fn nll(pairs: &[TwoMargins], [a, b]: [f64; 2]) -> f64 {
    // A trace of a ridge keeps separable pairs finite.
    let ridge = 5e-4 * (a * a + b * b);
    pairs.iter().map(|p| -log_sigmoid(a * p.reward + b * p.view)).sum::<f64>() + ridge
}

/// The minimum over the weights that are free; the others are 0.
fn minimize(pairs: &[TwoMargins], free: [bool; 2]) -> [f64; 2] {
    let mut at = [0.0, 0.0];
    for _ in 0..N_ROUNDS {
        let mut slope = [1e-3 * at[0], 1e-3 * at[1]];
        let (mut aa, mut ab, mut bb) = (1e-3, 0.0, 1e-3);
        for TwoMargins { reward, view } in pairs {
            let wrong = sigmoid(-(at[0] * reward + at[1] * view));
            let weight = wrong * (1.0 - wrong);
            slope[0] -= wrong * reward;
            slope[1] -= wrong * view;
            aa += weight * reward * reward;
            ab += weight * reward * view;
            bb += weight * view * view;
        }
        let step = match free {
            [true, true] => {
                let determinant = aa * bb - ab * ab;
                [
                    (bb * slope[0] - ab * slope[1]) / determinant,
                    (aa * slope[1] - ab * slope[0]) / determinant,
                ]
            }
            [true, false] => [slope[0] / aa, 0.0],
            [false, true] => [0.0, slope[1] / bb],
            [false, false] => [0.0, 0.0],
        };
        let here = nll(pairs, at);
        let moved = |share: f64| [at[0] - share * step[0], at[1] - share * step[1]];
        let shares = (0..30).map(|halvings| 0.5_f64.powi(halvings));
        let Some(share) = shares.into_iter().find(|share| nll(pairs, moved(*share)) < here) else {
            break;
        };
        at = moved(share);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::super::random::{Place, Purpose};
    use super::*;

    /// Pairs whose label is drawn from the weights given.
    fn drawn(n: u64, a: f64, b: f64) -> Vec<TwoMargins> {
        let place = Place::new(3, Purpose::Mock);
        (0..n)
            .map(|i| {
                let (reward, view) = (place.normal(3 * i), place.normal(3 * i + 1));
                let is_right = place.at(1, 0).unit(i) < sigmoid(a * reward + b * view);
                let sign = if is_right { 1.0 } else { -1.0 };
                TwoMargins { reward: sign * reward, view: sign * view }
            })
            .collect()
    }

    #[test]
    fn weights_that_made_the_labels_are_found() {
        let weights = fit_weights(&drawn(20_000, 0.5, 1.5));
        assert!((weights.reward - 0.5).abs() < 0.06, "{weights:?}");
        assert!((weights.view - 1.5).abs() < 0.08, "{weights:?}");
    }

    #[test]
    fn a_view_that_is_worth_nothing_or_less_stays_out() {
        assert_eq!(fit_weights(&drawn(2_000, 1.0, 0.0)), REWARD_ALONE);
        assert_eq!(fit_weights(&drawn(2_000, 1.0, -1.0)), REWARD_ALONE);
        assert_eq!(fit_weights(&[]), REWARD_ALONE);
        let weights = fit_weights(&drawn(2_000, -1.0, 1.0));
        assert!(weights.reward == 0.0 && weights.view > 0.3, "{weights:?}");
    }

    #[test]
    fn one_view_has_a_closed_form() {
        // 30 of 40 right at a margin of 1 in the view alone: sigmoid(b) = 3/4, b = ln 3.
        let pairs: Vec<TwoMargins> = (0..40)
            .map(|i| TwoMargins { reward: 0.0, view: if i % 4 == 0 { -1.0 } else { 1.0 } })
            .collect();
        let weights = fit_weights(&pairs);
        assert!((weights.view - 3.0_f64.ln()).abs() < 1e-3, "{weights:?}");
    }
}
