//! Rotary positions: their base and how it is stretched over longer texts.
//!
//! Since transformers 5 everything stands in `rope_parameters`; before, the base stood at the top
//! as `rope_theta` and the rest in `rope_scaling`, whose kind is `rope_type` or, older, `type`.

use std::f64::consts::TAU;

use serde_json::Value;

use super::keys::Keys;
use crate::engine::EngineError;

/// How rotary frequencies are stretched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// Every frequency is divided by `factor`.
    Linear {
        /// How much longer the positions reach.
        factor: f32,
    },
    /// Llama 3.1: only frequencies that turn slowly over the original length are divided.
    Llama3 {
        /// Divides the slow frequencies.
        factor: f32,
        /// Frequencies with fewer turns than this over the original length are divided.
        low_freq_factor: f32,
        /// Frequencies with more turns than this are left alone; between, they are blended.
        high_freq_factor: f32,
        /// The length the model was first trained for.
        original_max_positions: usize,
    },
}

/// The base of the rotary frequencies, and how they are stretched.
pub(super) fn parse(keys: &Keys<'_>) -> Result<(f32, Option<RopeScaling>), EngineError> {
    /// The base of rotary frequencies where a configuration has none, as in transformers.
    const DEFAULT_BASE: f32 = 10_000.0;
    let base = keys.optional_float("rope_theta")?;
    // If both keys are there, transformers reads the older one.
    let older = keys.object("rope_scaling")?.filter(|rope| !rope.keys.is_empty());
    let (key, rope) = match older {
        Some(rope) => ("rope_scaling", Some(rope)),
        None => ("rope_parameters", keys.object("rope_parameters")?),
    };
    let Some(rope) = rope else { return Ok((base.unwrap_or(DEFAULT_BASE), None)) };
    let base = rope.optional_float("rope_theta")?.or(base).unwrap_or(DEFAULT_BASE);
    let kind = rope.get("rope_type").or_else(|| rope.get("type")).and_then(Value::as_str);
    let is_partial = rope.optional_float("partial_rotary_factor")?.is_some_and(|part| part != 1.0);
    let scaling = match kind {
        _ if is_partial => return Err(keys.bad(key, "no `partial_rotary_factor`".into())),
        Some("default") => None,
        Some("linear") => Some(RopeScaling::Linear { factor: rope.float("factor")? }),
        Some("llama3") => Some(RopeScaling::Llama3 {
            factor: rope.float("factor")?,
            low_freq_factor: rope.float("low_freq_factor")?,
            high_freq_factor: rope.float("high_freq_factor")?,
            // At the top of `config.json` the key takes precedence over the one in this object.
            original_max_positions: match keys.optional_count("original_max_position_embeddings")? {
                Some(length) => length,
                None => rope.count("original_max_position_embeddings")?,
            },
        }),
        _ => {
            return Err(keys.bad(key, "`rope_type` `default`, `linear` or `llama3`".into()));
        }
    };
    Ok((base, scaling))
}

/// The frequency of each pair of a head's values, `head_dim / 2` of them: radians a position.
///
/// `base^(-2i / head_dim)` (Su et al. 2021), stretched as transformers'
/// `modeling_rope_utils.py` does.
#[must_use]
pub fn frequencies(head_dim: usize, base: f32, scaling: Option<RopeScaling>) -> Vec<f64> {
    let plain = |i: usize| f64::from(base).powf(-2.0 * i as f64 / head_dim as f64);
    (0..head_dim / 2).map(plain).map(|frequency| stretch(frequency, scaling)).collect()
}

fn stretch(frequency: f64, scaling: Option<RopeScaling>) -> f64 {
    match scaling {
        None => frequency,
        Some(RopeScaling::Linear { factor }) => frequency / f64::from(factor),
        Some(RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_positions,
        }) => {
            let turns = original_max_positions as f64 * frequency / TAU;
            let (low, high) = (f64::from(low_freq_factor), f64::from(high_freq_factor));
            // 0 where the frequency is divided, 1 where it is kept.
            let kept = if high > low {
                ((turns - low) / (high - low)).clamp(0.0, 1.0)
            } else {
                f64::from(u8::from(turns >= low))
            };
            (1.0 - kept) * frequency / f64::from(factor) + kept * frequency
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_frequencies_fall_from_one() {
        let plain = frequencies(8, 10_000.0, None);
        assert!(plain.iter().zip([1.0, 0.1, 0.01, 0.001]).all(|(a, b)| (a - b).abs() < 1e-12));
        let halved = frequencies(8, 10_000.0, Some(RopeScaling::Linear { factor: 2.0 }));
        assert!(halved.iter().zip(&plain).all(|(a, b)| *a == b / 2.0));
    }

    /// `ROPE_INIT_FUNCTIONS["llama3"]` of transformers 5.23 with these settings.
    #[test]
    fn llama3_divides_only_the_slow_frequencies() {
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_positions: 64,
        };
        let actual = frequencies(8, 100.0, Some(scaling));
        let expected = LLAMA3_FREQUENCIES;
        for (a, b) in actual.iter().zip(expected) {
            assert!((a - b).abs() < 1e-7 * b, "{actual:?}");
        }
    }

    const LLAMA3_FREQUENCIES: [f64; 4] =
        [1.0, 0.244_384_586_8, 0.013_042_256_24, 0.003_952_847_328];
}
