//! Cross-entropy of rows of logits and its gradient, `softmax - one_hot`; log-probabilities of chosen
//! tokens, and the gradient of any function of them.

use super::profile::{self, Kernel};
use super::split::cut;
use super::team::Team;
use super::vector::math;
use super::vector::simd::kernel;

/// What a row says about the token it should predict.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Prediction {
    /// The cross-entropy; 0 where nothing is predicted.
    pub loss: f32,
    /// Whether the token is the most likely one.
    pub is_best: bool,
}

/// One prediction for each row of `logits`, `[rows, vocabulary]` in nats, into `predictions`, `[rows]`;
/// `targets`, `[rows]`, are token ids below the vocabulary. The logits become `scale` times their
/// gradient, zero where there is no target.
pub fn cross_entropy(
    team: &Team,
    logits: &mut [f32],
    targets: &[Option<u32>],
    scale: f32,
    predictions: &mut [Prediction],
) {
    let _span = profile::span(Kernel::Rows, 0);
    let width = logits.len() / targets.len().max(1);
    team.each_part((cut(logits, width), cut(predictions, 1)), |row, (logits, prediction)| {
        prediction[0] = if let Some(token) = targets[row] {
            let (loss, is_best) = row_loss(logits, token as usize, scale);
            Prediction { loss, is_best }
        } else {
            logits.fill(0.0);
            Prediction::default()
        };
    });
}

kernel! {
    fn row_loss(logits: &mut [f32], token: usize, scale: f32) -> (f32, bool) {
        let highest = math::max(logits);
        let wanted = logits[token];
        for logit in logits.iter_mut() {
            *logit = math::exp(*logit - highest);
        }
        let total = math::sum(logits);
        let factor = scale / total;
        for logit in logits.iter_mut() {
            *logit *= factor;
        }
        logits[token] -= scale;
        (total.ln() + highest - wanted, wanted >= highest)
    }
}

/// What the log-probabilities of a row of logits come from.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Normalizer {
    /// The log-sum-exp of the row, in nats: a token's logit less this is its log-probability.
    pub log_sum: f32,
    /// The entropy of the row's distribution, in nats.
    pub entropy: f32,
}

/// One normalizer for each row of `logits`, `[rows, vocabulary]`, into `normalizers`, `[rows]`.
pub fn normalize(team: &Team, logits: &mut [f32], normalizers: &mut [Normalizer]) {
    let _span = profile::span(Kernel::Rows, 0);
    let width = logits.len() / normalizers.len().max(1);
    team.each_part((cut(logits, width), cut(normalizers, 1)), |_, (logits, normalizer)| {
        let (log_sum, entropy) = row_normalizer(logits);
        normalizer[0] = Normalizer { log_sum, entropy };
    });
}

/// A token that a row of logits predicts, and the derivative of the loss by its log-probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chosen {
    pub token: u32,
    pub slope: f32,
}

/// Turns `logits`, `[rows, vocabulary]`, into the gradient of a loss that depends on the
/// log-probabilities of chosen tokens: `sum of slope * (one_hot - softmax)` over the tokens that
/// `chosen` gives for a row. `normalizers`, `[rows]`, are those of [`normalize`].
pub fn chosen_gradient<'a>(
    team: &Team,
    logits: &mut [f32],
    normalizers: &mut [Normalizer],
    chosen: impl Fn(usize) -> &'a [Chosen] + Sync,
) {
    let _span = profile::span(Kernel::Rows, 0);
    let width = logits.len() / normalizers.len().max(1);
    team.each_part((cut(logits, width), cut(normalizers, 1)), |row, (logits, normalizer)| {
        let chosen = chosen(row);
        let total: f32 = chosen.iter().map(|it| it.slope).sum();
        if total == 0.0 {
            logits.fill(0.0);
        } else {
            row_softmax(logits, normalizer[0].log_sum, -total);
        }
        for Chosen { token, slope } in chosen {
            logits[*token as usize] += slope;
        }
    });
}

kernel! {
    fn row_normalizer(logits: &[f32]) -> (f32, f32) {
        let highest = math::max(logits);
        let (mut totals, mut weighted) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let (whole, rest) = logits.as_chunks::<LANES>();
        for logits in whole {
            for i in 0..LANES {
                let below = logits[i] - highest;
                let p = math::exp(below);
                totals[i] += p;
                weighted[i] += p * below;
            }
        }
        for (i, logit) in rest.iter().enumerate() {
            let below = logit - highest;
            let p = math::exp(below);
            totals[i] += p;
            weighted[i] += p * below;
        }
        let (total, weighted) = (math::sum(&totals), math::sum(&weighted));
        (highest + total.ln(), total.ln() - weighted / total)
    }
}

kernel! {
    fn row_softmax(logits: &mut [f32], log_sum: f32, factor: f32) {
        for logit in logits.iter_mut() {
            *logit = factor * math::exp(*logit - log_sum);
        }
    }
}

/// Partial sums of a row: one AVX-512 register, so that every level adds in one order.
const LANES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::kernel::vector::simd::at_every_level;
    use crate::engine::cpu::tests::differences::{assert_close, central_difference, noise};

    #[test]
    fn normalizers_are_those_of_the_definition_at_every_level() {
        let team = Team::new(1).unwrap();
        for width in [1, 7, 16, 37, 300] {
            let logits: Vec<f32> = noise(3 * width, 4).iter().map(|it| 6.0 * it).collect();
            at_every_level(|_| {
                let mut found = [Normalizer::default(); 3];
                normalize(&team, &mut logits.clone(), &mut found);
                for (row, found) in logits.chunks(width).zip(found) {
                    let total: f64 = row.iter().map(|it| f64::from(*it).exp()).sum();
                    let log_p = |it: &f32| f64::from(*it) - total.ln();
                    let entropy: f64 = row.iter().map(|it| -log_p(it).exp() * log_p(it)).sum();
                    assert!((f64::from(found.log_sum) - total.ln()).abs() < 1e-5);
                    assert!((f64::from(found.entropy) - entropy).abs() < 1e-5, "{width}");
                }
            });
        }
    }

    #[test]
    fn the_gradient_of_chosen_tokens_agrees_with_differences() {
        let team = Team::new(2).unwrap();
        let (logits, width) = (noise(3 * 21, 2), 21);
        // Two tokens of one row (one of them twice), none of the next, one of the last.
        let at = |token, slope| Chosen { token, slope };
        let chosen = [vec![at(3, 0.7), at(20, -1.3), at(3, 0.2)], vec![], vec![at(0, 2.0)]];
        let loss = |logits: &[f32]| {
            let rows = logits.chunks(width).zip(&chosen);
            let of_row = |(row, chosen): (&[f32], &Vec<Chosen>)| {
                let total: f64 = row.iter().map(|it| f64::from(*it).exp()).sum();
                let log_p = |it: &Chosen| f64::from(row[it.token as usize]) - total.ln();
                chosen.iter().map(|it| f64::from(it.slope) * log_p(it)).sum::<f64>()
            };
            rows.map(of_row).sum::<f64>()
        };
        let mut gradient = logits.clone();
        let mut normalizers = [Normalizer::default(); 3];
        normalize(&team, &mut gradient, &mut normalizers);
        chosen_gradient(&team, &mut gradient, &mut normalizers, |row| &chosen[row]);
        assert_close(&gradient, &central_difference(&logits, loss), 1e-3);
        assert_eq!(gradient[width..2 * width], [0.0; 21]);
    }
}
