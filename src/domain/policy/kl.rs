//! How far the policy is from its reference: estimates of the Kullback-Leibler divergence from
//! sampled tokens, and the controller of the penalty on it.

use serde::{Deserialize, Serialize};

/// How the divergence at a token is estimated from the log-ratio `x = ln policy - ln reference` of
/// the sampled token (Schulman, "Approximating KL Divergence", 2020). Both are unbiased for tokens
/// that the policy sampled from its whole distribution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// `x`: it can be negative, and its mean of a few tokens often is.
    #[default]
    K1,
    /// `exp(-x) + x - 1`: never negative, and of smaller variance near the reference.
    K3,
}

impl Estimator {
    /// The estimate at a token, in nats.
    #[must_use]
    pub fn at(self, log_ratio: f64) -> f64 {
        match self {
            Self::K1 => log_ratio,
            Self::K3 => (-log_ratio).exp_m1() + log_ratio,
        }
    }

    /// The derivative of [`Estimator::at`].
    #[must_use]
    pub fn slope(self, log_ratio: f64) -> f64 {
        match self {
            Self::K1 => 1.0,
            Self::K3 => -(-log_ratio).exp_m1(),
        }
    }
}

/// Largest relative error that [`Controller::Adaptive`] reacts to, as in trl 0.11.
const ERROR_MAX: f64 = 0.2;

/// The coefficient of the penalty, and how it follows the divergence that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Controller {
    Fixed {
        #[serde(with = "bits")]
        coefficient: f64,
    },
    /// After `n` answers whose divergence is `kl`, the coefficient is multiplied by `1 + e n /
    /// horizon`, where `e` is `kl / target - 1` between -0.2 and 0.2 (Ziegler et al. 2019, section
    /// 2.2, with the constants of trl 0.11's `AdaptiveKLController`).
    Adaptive {
        #[serde(with = "bits")]
        coefficient: f64,
        target: f64,
        horizon: f64,
    },
}

/// A number as its bits, since a decimal that is printed and read may differ in its last one, and a resumed
/// run goes on with the very same number.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        u64::deserialize(from).map(f64::from_bits)
    }
}

impl Controller {
    /// The present coefficient.
    #[must_use]
    pub fn coefficient(&self) -> f64 {
        match self {
            Self::Fixed { coefficient } | Self::Adaptive { coefficient, .. } => *coefficient,
        }
    }

    /// Follows a batch of `n_answers` whose mean divergence, summed over the tokens of an answer,
    /// is `kl`. A divergence that is no number leaves the coefficient as it is.
    pub fn follow(&mut self, kl: f64, n_answers: u64) {
        if let Self::Adaptive { coefficient, target, horizon } = self
            && !kl.is_nan()
        {
            let error = (kl / *target - 1.0).clamp(-ERROR_MAX, ERROR_MAX);
            *coefficient *= 1.0 + error * n_answers as f64 / *horizon;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cases, close, list, number};
    use super::*;

    #[test]
    fn estimates_by_hand_and_their_slopes() {
        assert_eq!((Estimator::K1.at(-0.5), Estimator::K3.at(0.0)), (-0.5, 0.0));
        // e^-0.5 + 0.5 - 1
        assert!((Estimator::K3.at(0.5) - 0.106_530_659_712_633_4).abs() < 1e-15);
        // Half the square near 0, where a plain difference would have lost its digits.
        assert!((Estimator::K3.at(1e-6) / 5e-13 - 1.0).abs() < 1e-3);
        for estimator in [Estimator::K1, Estimator::K3] {
            for x in [-2.0, -0.1, 0.0, 0.7] {
                let slope = (estimator.at(x + 1e-5) - estimator.at(x - 1e-5)) / 2e-5;
                assert!((slope - estimator.slope(x)).abs() < 1e-8, "{estimator:?} at {x}");
                assert!(estimator == Estimator::K1 || estimator.at(x) >= 0.0);
            }
        }
    }

    #[test]
    fn the_controller_is_that_of_trl() {
        for case in cases("kl") {
            let mut controller = Controller::Adaptive {
                coefficient: number(&case["init"]),
                target: number(&case["target"]),
                horizon: number(&case["horizon"]),
            };
            let n_answers = case["n_steps"].as_u64().unwrap();
            for (kl, want) in list(&case["kl"]).into_iter().zip(list(&case["values"])) {
                controller.follow(kl, n_answers);
                close(controller.coefficient(), want, 1e-12, "coefficient");
            }
        }
    }

    #[test]
    fn what_does_not_move_the_coefficient() {
        let mut fixed = Controller::Fixed { coefficient: 0.05 };
        fixed.follow(9.0, 1000);
        assert_eq!(fixed.coefficient(), 0.05);
        let mut adaptive = Controller::Adaptive { coefficient: 0.2, target: 0.1, horizon: 10.0 };
        for (kl, want) in [(0.1, 0.2), (f64::NAN, 0.2), (5.0, 0.2 * 1.2), (-5.0, 0.24 * 0.8)] {
            adaptive.follow(kl, 10);
            assert!((adaptive.coefficient() - want).abs() < 1e-15, "{kl}");
        }
    }
}
