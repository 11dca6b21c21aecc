//! PPO (Schulman et al. 2017) with a value head, as TRL 1.12 has it, the last that does.

use serde::{Deserialize, Serialize};

use super::answer::{Gradient, Now, Taken, Totals};
use super::surrogate::{ClipRange, surrogate};
use super::tally::Tally;

/// The settings of PPO's loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ppo {
    pub clip: ClipRange,
    /// How far a value may move from what it was when the answer was sampled.
    pub value_clip: f64,
    /// The weight of the loss of the values.
    pub value_weight: f64,
}

/// Half of `max((v - R)^2, (clip(v) - R)^2)` at one state, its derivative by `v`, and whether the clip
/// decided.
fn value_loss(value: f64, old: f64, target: f64, clip: f64) -> (f64, f64, bool) {
    let held = value.clamp(old - clip, old + clip);
    let (free, clipped) = ((value - target).powi(2), (held - target).powi(2));
    let slope = if held == value || free > clipped {
        value - target
    } else if free == clipped {
        // The derivative of a maximum of equals: half of one that moves and half of one that does not.
        0.5 * (value - target)
    } else {
        0.0
    };
    (0.5 * free.max(clipped), slope, clipped > free)
}

impl Ppo {
    /// `-min(r A, clip(r) A)` over the number of tokens of the batch, and `value_weight` times the loss
    /// of the values over the number of its states.
    pub(super) fn answer(
        &self,
        totals: Totals,
        taken: &Taken<'_>,
        now: &Now<'_>,
        tally: &mut Tally,
    ) -> Gradient {
        let of_token = 1.0 / totals.n_tokens.max(1) as f64;
        let of_state = 1.0 / totals.n_states.max(1) as f64;
        let mut log_probs = vec![0.0; taken.old.len()];
        let mut flags = Vec::with_capacity(log_probs.len());
        for token in (0..log_probs.len()).filter(|token| taken.counts(*token)) {
            let log_ratio = now.log_probs[token] - taken.old[token];
            let at = surrogate(log_ratio, taken.advantage.at(token), self.clip);
            tally.policy_loss -= at.value * of_token;
            tally.moved(at.ratio, log_ratio);
            log_probs[token] = -at.slope * of_token;
            flags.push((at.is_low, at.is_high));
        }
        tally.clipped(flags);
        let mut values = Vec::with_capacity(now.values.len());
        for ((value, old), target) in now.values.iter().zip(taken.values).zip(taken.returns) {
            let (loss, slope, is_clipped) = value_loss(*value, *old, *target, self.value_clip);
            tally.value(loss * of_state, is_clipped);
            values.push(self.value_weight * slope * of_state);
        }
        tally.loss = tally.policy_loss + self.value_weight * tally.value_loss;
        Gradient { log_probs, values }
    }
}
