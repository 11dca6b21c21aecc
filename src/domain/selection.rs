//! Which pseudo-labels are kept, and why the others are not.

pub mod learning_status;
mod ranking;
pub mod risk;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::metrics::histogram::ConfidenceHistogram;
use super::preference::PairId;
use super::pseudo_label::{PairScore, PseudoLabel};
use super::spec::RewardOffset;
use super::stats::bradley_terry::preference_probability;
use super::teacher::audit::PairFacts;
use super::verdict::{Verdict, VerdictSet};
use learning_status::LearningStatus;
use risk::Certificate;

pub use ranking::Ranking;
use rule::Pool;
pub use rule::{Policy, Rule, confidence_floor};

/// Why a scored pair was not selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum LeftOut {
    /// An earlier round selected it; pseudo-labels are never revised.
    AlreadySelected,
    /// A person vetoed it.
    Vetoed,
    /// Equal rewards: there is no label.
    Tie,
    /// Status 1: the probabilities are not one above the high and one below the low threshold.
    NotSeparated,
    /// Status 2: the probabilities differ too little.
    DeltaTooSmall,
    /// The confidence is below the threshold, or not among the share that is taken.
    BelowThreshold,
    /// The loop stops here: nothing is selected.
    Stopped,
}

impl LeftOut {
    /// Every reason, as the variants stand.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A scored pair with what became of it.
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
    /// The constant taken off the rewards.
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

/// What a selection goes by beside the rewards.
#[derive(Debug, Clone, Copy)]
pub struct SelectionContext<'a> {
    /// The learning status of the round before.
    pub previous_status: Option<LearningStatus>,
    /// Pairs that earlier rounds selected.
    pub already_selected: &'a BTreeSet<PairId>,
    /// What the person decided.
    pub verdicts: &'a VerdictSet,
    /// What margins are divided by before they become probabilities of pairs.
    pub temperature: f64,
    /// What held-out human pairs say about the labels, for `risk`.
    pub certificate: Option<Certificate>,
    /// What is known of the scored pairs' texts, in their order; may be empty.
    pub facts: &'a [PairFacts],
}

impl SelectionContext<'_> {
    fn confidence(&self, score: &PairScore) -> f64 {
        preference_probability(score.margin().abs() / self.temperature)
    }

    fn label(&self, score: &PairScore) -> Option<PseudoLabel> {
        let label = score.pseudo_label()?;
        Some(PseudoLabel { confidence: self.confidence(score), ..label })
    }

    /// Why a pair is out whatever the rule says.
    fn barred(&self, policy: &Policy, score: &PairScore) -> Option<LeftOut> {
        if !policy.relabel && self.already_selected.contains(&score.pair) {
            return Some(LeftOut::AlreadySelected);
        }
        if self.verdicts.get(score.pair) == Some(Verdict::Veto) {
            return Some(LeftOut::Vetoed);
        }
        score.pseudo_label().is_none().then_some(LeftOut::Tie)
    }
}

/// Applies the selection rule to the scored pool.
///
/// Each answer's probability is `sigmoid(reward - offset)`. Status 1 (SER, equations 3 and 4) asks
/// for one probability above `high_threshold` and the other below `low_threshold`; status 2 for
/// probabilities that differ by more than `delta_threshold`. All comparisons are strict. `confidence`
/// looks at the probability of the pair instead, `sigmoid((reward_a - reward_b) / T)`, and
/// `top_share` and `risk` at how many pairs of the pool are more confident: no offset moves them.
#[must_use]
pub fn select(scores: &[PairScore], policy: &Policy, context: SelectionContext<'_>) -> Selection {
    let barred: Vec<Option<LeftOut>> =
        scores.iter().map(|score| context.barred(policy, score)).collect();
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
    let judgement = policy.rule.judge(&pool);
    let stops = judgement.status == LearningStatus::Stop;
    let by_rule =
        judgement.reasons.iter().map(|why| if stops { Some(LeftOut::Stopped) } else { *why });
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
    let (learning_status, reward_offset) = (judgement.status, pool.reward_offset);
    Selection { learning_status, reward_offset, pairs, labels }
}

fn mean_reward(scores: &[PairScore]) -> f64 {
    let sum: f64 = scores.iter().map(|s| f64::from(s.reward_a) + f64::from(s.reward_b)).sum();
    if scores.is_empty() { 0.0 } else { sum / (2.0 * scores.len() as f64) }
}
