//! The sums over the answers of a step that its metrics are made of.

use super::answer::{Now, Taken};
use crate::domain::policy::metric::{Metrics, PolicyMetric as M};

/// A sum and the number of its terms.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Mean {
    sum: f64,
    n: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.n += 1;
    }

    fn get(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}

/// Sums over the answers of an optimizer step, in any grouping.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// The loss so far; whole once every answer of the batch was seen.
    pub loss: f64,
    pub(super) policy_loss: f64,
    pub(super) value_loss: f64,
    entropy: Mean,
    divergence: Mean,
    low: Mean,
    high: Mean,
    region: Mean,
    /// The least and the largest share of clipped tokens of an answer.
    low_min: Option<f64>,
    high_max: Option<f64>,
    ratio: Mean,
    squared_log_ratio: Mean,
    value_clipped: Mean,
    farthest: f64,
}

impl Tally {
    /// What every objective notes of an answer.
    pub(super) fn meet(&mut self, taken: &Taken<'_>, now: &Now<'_>) {
        for token in (0..taken.old.len()).filter(|token| taken.counts(*token)) {
            let off = (now.log_probs[token] - taken.old[token]).exp_m1().abs();
            self.farthest = self.farthest.max(off);
            if let Some(entropy) = now.entropies.get(token) {
                self.entropy.add(*entropy);
            }
        }
    }

    /// Counts what the clip ended in an answer, low and high: once, or at each token. An answer without
    /// a token that counts has no share.
    pub(super) fn clipped(&mut self, flags: impl IntoIterator<Item = (bool, bool)>) {
        let (mut low, mut high) = (Mean::default(), Mean::default());
        for (is_low, is_high) in flags {
            low.add(f64::from(u8::from(is_low)));
            high.add(f64::from(u8::from(is_high)));
            self.region.add(f64::from(u8::from(is_low || is_high)));
        }
        if let (Some(share_low), Some(share_high)) = (low.get(), high.get()) {
            self.low_min = Some(self.low_min.map_or(share_low, |it| it.min(share_low)));
            self.high_max = Some(self.high_max.map_or(share_high, |it| it.max(share_high)));
        }
        for (all, own) in [(&mut self.low, low), (&mut self.high, high)] {
            all.sum += own.sum;
            all.n += own.n;
        }
    }

    pub(super) fn divergence(&mut self, nats: f64) {
        self.divergence.add(nats);
    }

    pub(super) fn moved(&mut self, ratio: f64, log_ratio: f64) {
        self.ratio.add(ratio);
        self.squared_log_ratio.add(log_ratio * log_ratio);
    }

    pub(super) fn value(&mut self, share_of_loss: f64, is_clipped: bool) {
        self.value_loss += share_of_loss;
        self.value_clipped.add(f64::from(u8::from(is_clipped)));
    }

    /// The metrics of RLOO and GRPO. RLOO's divergence is in the rewards, and told with them.
    pub(super) fn of_groups(&self) -> Metrics {
        there([
            (M::Loss, Some(self.loss)),
            (M::Kl, self.divergence.get()),
            (M::Entropy, self.entropy.get()),
            (M::ClipLowMean, self.low.get()),
            (M::ClipLowMin, self.low_min),
            (M::ClipHighMean, self.high.get()),
            (M::ClipHighMax, self.high_max),
            (M::ClipRegionMean, self.region.get()),
            (M::FarthestRatio, Some(self.farthest)),
        ])
    }

    /// The metrics of PPO. Means are over tokens that count; TRL's also count padding in `val/ratio`,
    /// `policy/approxkl_avg` and `policy/entropy_avg`, which draws the first two toward 1 and 0.
    pub(super) fn of_ppo(&self) -> Metrics {
        there([
            (M::Loss, Some(self.loss)),
            (M::PolicyLoss, Some(self.policy_loss)),
            (M::ValueLoss, Some(self.value_loss)),
            (M::PolicyApproxKl, self.squared_log_ratio.get().map(|it| 0.5 * it)),
            (M::PolicyClipFraction, self.region.get()),
            (M::PolicyEntropy, self.entropy.get()),
            (M::Ratio, self.ratio.get()),
            (M::ValueClipFraction, self.value_clipped.get()),
            (M::FarthestRatio, Some(self.farthest)),
        ])
    }
}

/// Those that have a value.
fn there<const N: usize>(found: [(M, Option<f64>); N]) -> Metrics {
    found.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect()
}
