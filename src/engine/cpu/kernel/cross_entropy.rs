//! Cross-entropy of rows of logits and its gradient, `softmax - one_hot`.

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
