//! Which pseudo-labels are kept, and why the others are not.

mod context;
pub mod learning_status;
pub mod origins;
mod ranking;
pub mod risk;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::metrics::histogram::ConfidenceHistogram;
use super::pseudo_label::{PairScore, PseudoLabel};
use super::spec::RewardOffset;
use super::verdict::Verdict;
use learning_status::LearningStatus;

pub use context::{LeftOut, SelectionContext};
pub use ranking::Ranking;
use rule::Pool;
pub use rule::{Policy, Rule, confidence_floor};

/// A scored pair, with the reason why it was left out, if it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredPair {
    pub score: PairScore,
    /// `None` where the pair was selected.
    pub left_out: Option<LeftOut>,
}

/// The outcome of one selection.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    pub learning_status: LearningStatus,
    /// The constant that was subtracted from the rewards.
    pub reward_offset: f64,
    /// Every scored pair, in the order given.
    pub pairs: Vec<ScoredPair>,
    /// The kept pseudo-labels, with calibrated confidences.
    pub labels: Vec<PseudoLabel>,
}

impl Selection {
    /// Share of the scored pairs that were selected.
    #[must_use]
    pub fn coverage(&self) -> Option<f64> {
        (!self.pairs.is_empty()).then(|| self.labels.len() as f64 / self.pairs.len() as f64)
    }

    /// How many pairs were left out for each reason.
    #[must_use]
    pub fn left_out_counts(&self) -> BTreeMap<LeftOut, u64> {
        let mut counts = BTreeMap::new();
        for reason in self.pairs.iter().filter_map(|pair| pair.left_out) {
            *counts.entry(reason).or_insert(0) += 1;
        }
        counts
    }

    /// Confidences of all scored pairs.
    #[must_use]
    pub fn histogram(&self) -> ConfidenceHistogram {
        ConfidenceHistogram::of(self.pairs.iter().map(|pair| pair.score.confidence()))
    }
}

/// Applies the selection rule to the scored pool.
///
/// Each answer's probability is `sigmoid(reward - offset)`. Status 1 (SER, equations 3 and 4) asks
/// for one probability above `high_threshold` and the other below `low_threshold`; status 2 for
/// probabilities that differ by more than `delta_threshold`. All comparisons are strict. The rule
/// `confidence` tests the probability of the pair instead, `sigmoid((reward_a - reward_b) / T)`;
/// `top_share` and `risk` test the share of the pool that is more confident. These three do not
/// depend on the offset.
#[must_use]
pub fn select(scores: &[PairScore], policy: &Policy, context: SelectionContext<'_>) -> Selection {
    let barred: Vec<Option<LeftOut>> =
        scores.iter().map(|score| barred(&context, policy, score)).collect();
    let pool = Pool {
        scores,
        context,
        reward_offset: match policy.reward_offset {
            RewardOffset::PoolMean => mean_reward(scores),
            RewardOffset::None => 0.0,
        },
        longer_strata: policy.longer_strata,
        is_eligible: barred.iter().map(Option::is_none).collect(),
    };
    let judgment = policy.rule.judge(&pool);
    let stops = judgment.status == LearningStatus::Stop;
    let by_rule =
        judgment.reasons.iter().map(|why| if stops { Some(LeftOut::Stopped) } else { *why });
    let pairs: Vec<ScoredPair> = scores
        .iter()
        .zip(barred.iter().zip(by_rule))
        .map(|(score, (barred, by_rule))| ScoredPair {
            score: *score,
            left_out: barred.or(by_rule),
        })
        .collect();
    let kept = pairs.iter().filter(|pair| pair.left_out.is_none());
    let labels = kept.filter_map(|pair| context.label(&pair.score)).collect();
    let (learning_status, reward_offset) = (judgment.status, pool.reward_offset);
    Selection { learning_status, reward_offset, pairs, labels }
}

fn mean_reward(scores: &[PairScore]) -> f64 {
    let sum: f64 = scores.iter().map(|s| f64::from(s.reward_a) + f64::from(s.reward_b)).sum();
    if scores.is_empty() { 0.0 } else { sum / (2.0 * scores.len() as f64) }
}

/// Why a pair is out whatever the rule says.
fn barred(context: &SelectionContext<'_>, policy: &Policy, score: &PairScore) -> Option<LeftOut> {
    if !policy.relabel && context.already_selected.contains(&score.pair) {
        return Some(LeftOut::AlreadySelected);
    }
    if context.verdicts.get(score.pair) == Some(Verdict::Veto) {
        return Some(LeftOut::Vetoed);
    }
    score.pseudo_label().is_none().then_some(LeftOut::Tie)
}
