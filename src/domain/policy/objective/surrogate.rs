//! The clipped surrogate of PPO, which RLOO and GRPO use as well.

use serde::{Deserialize, Serialize};

/// How far a ratio of probabilities counts: from `1 - low` to `1 + high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipRange {
    pub low: f64,
    pub high: f64,
}

impl ClipRange {
    /// As far down as up.
    #[must_use]
    pub const fn symmetric(by: f64) -> Self {
        Self { low: by, high: by }
    }
}

/// The surrogate at one ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Surrogate {
    pub ratio: f64,
    /// `min(ratio A, clip(ratio) A)` (Schulman et al. 2017, equation 7).
    pub value: f64,
    /// Its derivative by the log-ratio.
    pub slope: f64,
    /// The policy moved away from a bad answer so far that the clip ended it.
    pub is_low: bool,
    /// The policy moved toward a good answer so far that the clip ended it.
    pub is_high: bool,
}

pub(super) fn surrogate(log_ratio: f64, advantage: f64, range: ClipRange) -> Surrogate {
    let ratio = log_ratio.exp();
    let (low, high) = (1.0 - range.low, 1.0 + range.high);
    let is_low = ratio < low && advantage < 0.0;
    let is_high = ratio > high && advantage > 0.0;
    let whole = ratio * advantage;
    let (value, slope) =
        if is_low || is_high { (ratio.clamp(low, high) * advantage, 0.0) } else { (whole, whole) };
    Surrogate { ratio, value, slope, is_low, is_high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_ends_only_what_went_far_enough() {
        let range = ClipRange { low: 0.2, high: 0.3 };
        for (ratio, advantage, value, is_low, is_high) in [
            (1.0, 2.0, 2.0, false, false),
            (1.25, 2.0, 2.5, false, false),
            (1.5, 2.0, 2.6, false, true),
            (0.5, 2.0, 1.0, false, false),
            (1.0, -2.0, -2.0, false, false),
            (1.5, -2.0, -3.0, false, false),
            (0.9, -2.0, -1.8, false, false),
            (0.5, -2.0, -1.6, true, false),
            (9.0, 0.0, 0.0, false, false),
        ] {
            let found = surrogate(f64::ln(ratio), advantage, range);
            assert!((found.value - value).abs() < 1e-12, "{ratio} {advantage}: {found:?}");
            assert_eq!((found.is_low, found.is_high), (is_low, is_high), "{ratio} {advantage}");
            let at = |by: f64| surrogate(f64::ln(ratio) + by, advantage, range).value;
            let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
            assert!((slope - found.slope).abs() < 1e-6, "{ratio} {advantage}: {slope} {found:?}");
        }
    }
}
