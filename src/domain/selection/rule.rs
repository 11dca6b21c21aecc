//! What each rule asks of a pair, and where a pair stands among the pool.

use std::collections::BTreeMap;

use super::super::pseudo_label::PairScore;
use super::super::spec::{CalibrationName, RewardOffset, RuleName, SelectionSpec};
use super::learning_status::LearningStatus;
use super::{LeftOut, SelectionContext};
use crate::domain::stats::bradley_terry::{preference_probability, sigmoid};
use crate::domain::teacher::audit::PairFacts;

/// The tests of a rule on one pair.
pub(super) struct Tests<'a> {
    scores: &'a [PairScore],
    rule: &'a SelectionSpec,
    temperature: f64,
    pub(super) reward_offset: f64,
    /// Rank of each pair and the share taken, for rules that go by rank.
    ranks: Vec<f64>,
    share: f64,
}

impl<'a> Tests<'a> {
    pub(super) fn new(
        scores: &'a [PairScore],
        rule: &'a SelectionSpec,
        context: &SelectionContext<'_>,
        share: Option<f64>,
    ) -> Self {
        let reward_offset = match rule.reward_offset {
            RewardOffset::PoolMean => mean_reward(scores),
            RewardOffset::None => 0.0,
        };
        let ranks = if rule.rule.goes_by_rank() {
            Ranking::new(scores, context.facts, rule).ranks(scores, context.facts)
        } else {
            Vec::new()
        };
        let share = share.unwrap_or(0.0);
        Self { scores, rule, temperature: context.temperature, reward_offset, ranks, share }
    }

    fn probabilities(&self, score: &PairScore) -> (f64, f64) {
        let probability = |reward: f32| sigmoid(f64::from(reward) - self.reward_offset);
        (probability(score.reward_a), probability(score.reward_b))
    }

    pub(super) fn status_1(&self, score: &PairScore) -> bool {
        let (p_a, p_b) = self.probabilities(score);
        p_a.max(p_b) > self.rule.high_threshold && p_a.min(p_b) < self.rule.low_threshold
    }

    pub(super) fn status_2(&self, score: &PairScore) -> bool {
        let (p_a, p_b) = self.probabilities(score);
        (p_a - p_b).abs() > self.rule.delta_threshold
    }

    /// Why the rule leaves a pair out; `None` keeps it.
    pub(super) fn failed(&self, index: usize, status: Option<LearningStatus>) -> Option<LeftOut> {
        let score = &self.scores[index];
        if status == Some(LearningStatus::Stop) {
            return Some(LeftOut::Stopped);
        }
        match (self.rule.rule, status) {
            (RuleName::LearningStatus, Some(LearningStatus::Status2)) => {
                (!self.status_2(score)).then_some(LeftOut::DeltaTooSmall)
            }
            (RuleName::LearningStatus, _) => {
                (!self.status_1(score)).then_some(LeftOut::NotSeparated)
            }
            (RuleName::EitherTest, _) => {
                (!self.status_1(score) && !self.status_2(score)).then_some(LeftOut::DeltaTooSmall)
            }
            (RuleName::Confidence, _) => {
                let confidence = preference_probability(score.margin().abs() / self.temperature);
                (confidence < self.rule.confidence_threshold).then_some(LeftOut::BelowThreshold)
            }
            (RuleName::TopShare | RuleName::Risk, _) => {
                (self.ranks[index] >= self.share).then_some(LeftOut::BelowThreshold)
            }
            (RuleName::All, _) => None,
        }
    }
}

fn mean_reward(scores: &[PairScore]) -> f64 {
    let sum: f64 = scores.iter().map(|s| f64::from(s.reward_a) + f64::from(s.reward_b)).sum();
    if scores.is_empty() { 0.0 } else { sum / (2.0 * scores.len() as f64) }
}

/// The confidence below which no pair is selected; `None` where nothing is, or where ranks or a
/// temperature decide: what those come to is known only once the pool is scored.
///
/// A pair that passes status 1 has a margin above `logit(high) - logit(low)`. One that passes
/// status 2 has at least the margin of two probabilities `delta` apart around .5, where the sigmoid
/// is steepest. Both are necessary, not sufficient: the tests look at each reward, the confidence
/// only at their difference.
#[must_use]
pub fn confidence_floor(rule: &SelectionSpec, status: LearningStatus) -> Option<f64> {
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let margin_1 = logit(rule.high_threshold) - logit(rule.low_threshold);
    let margin_2 = 2.0 * logit(0.5 + rule.delta_threshold / 2.0);
    match (status, rule.rule) {
        (LearningStatus::Stop, _)
        | (LearningStatus::Ungated, RuleName::TopShare | RuleName::Risk) => None,
        (LearningStatus::Status1, _) => Some(sigmoid(margin_1)),
        (LearningStatus::Status2, _) => Some(sigmoid(margin_2)),
        (LearningStatus::Ungated, RuleName::Confidence) => {
            (rule.calibration == CalibrationName::None).then_some(rule.confidence_threshold)
        }
        (LearningStatus::Ungated, RuleName::EitherTest) => Some(sigmoid(margin_1.min(margin_2))),
        (LearningStatus::Ungated, RuleName::All | RuleName::LearningStatus) => Some(0.5),
    }
}

/// Where a pair stands among the scored pool: by `|margin|`, within its stratum.
///
/// Thresholds by quantile adapt to the model (a weak one selects as many as a strong one), and by
/// stratum nothing is left out because the model is less sure of it (`FlexMatch`, Zhang et al. 2021,
/// asks the same of classes). A stratum is a range of lengths; a slice of the data; or, like a class,
/// what the model predicts: that the longer answer is preferred, or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// A pair of at least so many tokens is beyond this range of lengths.
    edges: Vec<u32>,
    by_preferred: bool,
    by_source: bool,
    /// `|margin|` of the pool pairs of each stratum, ascending.
    strata: BTreeMap<Stratum, Vec<f64>>,
}

/// What the pairs that are ranked together have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stratum {
    range: usize,
    prefers_longer: bool,
    source: u32,
}

impl Ranking {
    /// Of a pool; without `facts` there is one stratum.
    #[must_use]
    pub fn new(scores: &[PairScore], facts: &[PairFacts], rule: &SelectionSpec) -> Self {
        let mut lengths: Vec<u32> = facts.iter().map(PairFacts::n_tokens).collect();
        lengths.sort_unstable();
        let n_ranges = if lengths.is_empty() { 1 } else { rule.length_strata.max(1) as usize };
        let edges: Vec<u32> =
            (1..n_ranges).map(|i| lengths[i * lengths.len() / n_ranges]).collect();
        let mut ranking = Self {
            edges,
            by_preferred: rule.longer_strata,
            by_source: rule.source_strata,
            strata: BTreeMap::new(),
        };
        for (i, score) in scores.iter().enumerate() {
            let stratum = ranking.stratum(score, facts.get(i).copied().unwrap_or_default());
            ranking.strata.entry(stratum).or_default().push(score.margin().abs());
        }
        for stratum in ranking.strata.values_mut() {
            stratum.sort_unstable_by(f64::total_cmp);
        }
        ranking
    }

    fn stratum(&self, score: &PairScore, facts: PairFacts) -> Stratum {
        let prefers_longer = score.pseudo_label().is_some_and(|label| {
            let (preferred, other) = facts.lengths(label.preferred);
            preferred > other
        });
        Stratum {
            range: self.edges.partition_point(|edge| *edge <= facts.n_tokens()),
            prefers_longer: self.by_preferred && prefers_longer,
            source: if self.by_source { facts.source } else { 0 },
        }
    }

    /// Share of the pool pairs of the same stratum that are more confident, in `[0, 1]`; of all pool
    /// pairs, where the stratum has none.
    #[must_use]
    pub fn rank(&self, score: &PairScore, facts: PairFacts) -> f64 {
        match self.strata.get(&self.stratum(score, facts)) {
            Some(stratum) => above(stratum, score.margin()) as f64 / stratum.len() as f64,
            None => self.rank_in_all(score.margin()),
        }
    }

    /// The same over all strata.
    fn rank_in_all(&self, margin: f64) -> f64 {
        let n: usize = self.strata.values().map(Vec::len).sum();
        let n_above: usize = self.strata.values().map(|stratum| above(stratum, margin)).sum();
        n_above as f64 / n.max(1) as f64
    }

    fn ranks(&self, scores: &[PairScore], facts: &[PairFacts]) -> Vec<f64> {
        let facts = |i: usize| facts.get(i).copied().unwrap_or_default();
        scores.iter().enumerate().map(|(i, score)| self.rank(score, facts(i))).collect()
    }
}

/// How many of the ascending margins are above that of a pair.
fn above(stratum: &[f64], margin: f64) -> usize {
    stratum.len() - stratum.partition_point(|other| *other <= margin.abs())
}
