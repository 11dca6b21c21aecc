//! Which pseudo-labels are kept, and why the others are not.

pub mod learning_status;
pub mod risk;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::metrics::histogram::ConfidenceHistogram;
use super::preference::PairId;
use super::pseudo_label::{PairScore, PseudoLabel};
use super::spec::{RuleName, SelectionSpec, Uncertified};
use super::stats::bradley_terry::preference_probability;
use super::teacher::audit::PairFacts;
use super::verdict::{Verdict, VerdictSet};
use learning_status::LearningStatus;
use risk::Certificate;

mod rule;
#[cfg(test)]
mod tests;

use rule::Tests;
pub use rule::{Ranking, confidence_floor};

/// Why a scored pair was not selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::AlreadySelected,
        Self::Vetoed,
        Self::Tie,
        Self::NotSeparated,
        Self::DeltaTooSmall,
        Self::BelowThreshold,
        Self::Stopped,
    ];

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AlreadySelected => "already_selected",
            Self::Vetoed => "vetoed",
            Self::Tie => "tie",
            Self::NotSeparated => "not_separated",
            Self::DeltaTooSmall => "delta_too_small",
            Self::BelowThreshold => "below_threshold",
            Self::Stopped => "stopped",
        }
    }

    /// The reason with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// A scored pair with what became of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredPair {
    /// The rewards.
    pub score: PairScore,
    /// `None` when selected.
    pub left_out: Option<LeftOut>,
}

/// The outcome of one selection.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Which filter applied.
    pub learning_status: LearningStatus,
    /// The constant taken off the rewards.
    pub reward_offset: f64,
    /// Pool pairs not selected before that pass the test of status 1.
    pub n_status_1: usize,
    /// Pool pairs not selected before that pass the test of status 2.
    pub n_status_2: usize,
    /// Every scored pair, in the order given.
    pub pairs: Vec<ScoredPair>,
    /// The kept pseudo-labels, with calibrated confidences.
    pub labels: Vec<PseudoLabel>,
    /// `risk` could certify nothing.
    pub is_uncertified: bool,
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

impl<'a> SelectionContext<'a> {
    /// The context of a first selection that knows nothing but the rewards.
    #[must_use]
    pub fn new(verdicts: &'a VerdictSet, already_selected: &'a BTreeSet<PairId>) -> Self {
        Self {
            previous_status: None,
            already_selected,
            verdicts,
            temperature: 1.0,
            certificate: None,
            facts: &[],
        }
    }

    fn confidence(&self, score: &PairScore) -> f64 {
        preference_probability(score.margin().abs() / self.temperature)
    }

    fn label(&self, score: &PairScore) -> Option<PseudoLabel> {
        let label = score.pseudo_label()?;
        Some(PseudoLabel { confidence: self.confidence(score), ..label })
    }

    /// Why a pair is out whatever the rule says.
    fn barred(&self, rule: &SelectionSpec, score: &PairScore) -> Option<LeftOut> {
        if !rule.relabel && self.already_selected.contains(&score.pair) {
            return Some(LeftOut::AlreadySelected);
        }
        if self.verdicts.get(score.pair) == Some(Verdict::Veto) {
            return Some(LeftOut::Vetoed);
        }
        score.pseudo_label().is_none().then_some(LeftOut::Tie)
    }

    /// The most confident share of the pool that a rule by rank takes; `None` when it takes nothing.
    fn share(&self, rule: &SelectionSpec) -> Option<f64> {
        match (rule.rule, self.certificate) {
            (RuleName::Risk, Some(certificate)) if certificate.is_certified => {
                Some(certificate.coverage)
            }
            (RuleName::Risk, _) if rule.uncertified == Uncertified::Stop => None,
            _ => Some(rule.top_share),
        }
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
pub fn select(
    scores: &[PairScore],
    rule: &SelectionSpec,
    context: SelectionContext<'_>,
) -> Selection {
    let share = context.share(rule);
    let tests = Tests::new(scores, rule, &context, share);
    let barred: Vec<Option<LeftOut>> =
        scores.iter().map(|score| context.barred(rule, score)).collect();
    let eligible = || (0..scores.len()).filter(|i| barred[*i].is_none());
    let n_status_1 = eligible().filter(|i| tests.status_1(&scores[*i])).count();
    let n_status_2 = eligible().filter(|i| tests.status_2(&scores[*i])).count();
    let gate = rule.min_selected.of(scores.len()).max(1);
    let stop_below = |n_least: usize| {
        let n_passing = eligible().filter(|i| tests.failed(*i, None).is_none()).count();
        if n_passing < n_least { LearningStatus::Stop } else { LearningStatus::Ungated }
    };
    let learning_status = match rule.rule {
        RuleName::LearningStatus => {
            LearningStatus::next(context.previous_status, n_status_1, n_status_2, gate)
        }
        RuleName::Risk if share.is_none() => LearningStatus::Stop,
        RuleName::Confidence | RuleName::TopShare | RuleName::Risk => stop_below(gate),
        // Neither the script nor the naive control has a gate; with nothing selected, both end.
        RuleName::EitherTest | RuleName::All => stop_below(1),
    };
    let decide = |i: usize| barred[i].or_else(|| tests.failed(i, Some(learning_status)));
    let pairs: Vec<ScoredPair> = scores
        .iter()
        .enumerate()
        .map(|(i, score)| ScoredPair { score: *score, left_out: decide(i) })
        .collect();
    let kept = pairs.iter().filter(|pair| pair.left_out.is_none());
    let labels = kept.filter_map(|pair| context.label(&pair.score)).collect();
    let reward_offset = tests.reward_offset;
    let is_certified = context.certificate.is_some_and(|it| it.is_certified);
    let is_uncertified = rule.rule == RuleName::Risk && !is_certified;
    Selection {
        learning_status,
        reward_offset,
        n_status_1,
        n_status_2,
        pairs,
        labels,
        is_uncertified,
    }
}
