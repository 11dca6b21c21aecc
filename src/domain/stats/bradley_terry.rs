//! The Bradley-Terry model of preferences in `f64`: the reference the engine is tested against.
//!
//! Bradley and Terry 1952: `P(a preferred to b) = sigmoid(reward_a - reward_b)`. Rewards are fixed
//! only up to a constant, so only margins mean anything.

/// `log(sigmoid(x))` without overflow for any `x`.
#[must_use]
pub fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

/// `1 / (1 + exp(-x))` without overflow for any `x`.
#[must_use]
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// The model's probability that the answer with the larger side of `margin` is preferred.
#[must_use]
pub fn preference_probability(margin: f64) -> f64 {
    sigmoid(margin)
}

/// Bradley-Terry loss of one pair, `-log sigmoid(margin)`, in nats.
#[must_use]
pub fn loss(margin: f64) -> f64 {
    -log_sigmoid(margin)
}

/// Hinge loss of one pair, `max(0, target - margin)` (SER, Huang et al. 2025, equation 5).
#[must_use]
pub fn hinge_loss(margin: f64, target_margin: f64) -> f64 {
    (target_margin - margin).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_margins_stay_finite() {
        // Self-training makes confident predictions on purpose: these must not be inf or NaN.
        assert!((loss(100.0) - 3.720_075_976_020_836e-44).abs() < 1e-50);
        assert!((loss(-100.0) - 100.0).abs() < 1e-12);
        assert!((loss(0.0) - std::f64::consts::LN_2).abs() < 1e-15);
        assert!(sigmoid(-800.0) >= 0.0 && sigmoid(800.0) <= 1.0);
        assert!((sigmoid(0.3) + sigmoid(-0.3) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn hinge_is_zero_beyond_its_target() {
        assert_eq!(hinge_loss(1.5, 1.0), 0.0);
        assert_eq!(hinge_loss(-0.5, 1.0), 1.5);
    }
}
