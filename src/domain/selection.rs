//! Which pseudo-labels are kept, and why the others are not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::bradley_terry::sigmoid;
use super::histogram::ConfidenceHistogram;
use super::learning_status::LearningStatus;
use super::preference::PairId;
use super::pseudo_label::{PairScore, PseudoLabel};
use super::spec::{RewardOffset, RuleName, SelectionSpec};
use super::verdict::{Verdict, VerdictSet};

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
    /// The confidence is below the threshold.
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
    /// The kept pseudo-labels.
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

/// What happened before this selection.
#[derive(Debug, Clone, Copy)]
pub struct SelectionContext<'a> {
    /// The learning status of the round before.
    pub previous_status: Option<LearningStatus>,
    /// Pairs that earlier rounds selected.
    pub already_selected: &'a BTreeSet<PairId>,
    /// What the person decided.
    pub verdicts: &'a VerdictSet,
}

/// Applies the selection rule to the scored pool.
///
/// Each answer's probability is `sigmoid(reward - offset)`. Status 1 (SER, equations 3 and 4) asks
/// for one probability above `high_threshold` and the other below `low_threshold`; status 2 for
/// probabilities that differ by more than `delta_threshold`. All comparisons are strict. `confidence`
/// looks at the probability of the pair instead, `sigmoid(reward_a - reward_b)`, which no offset
/// moves.
#[must_use]
pub fn select(
    scores: &[PairScore],
    rule: &SelectionSpec,
    context: SelectionContext<'_>,
) -> Selection {
    let tests = Tests::new(scores, rule);
    let barred = |score: &PairScore| {
        if !rule.relabel && context.already_selected.contains(&score.pair) {
            Some(LeftOut::AlreadySelected)
        } else if context.verdicts.get(score.pair) == Some(Verdict::Veto) {
            Some(LeftOut::Vetoed)
        } else if score.pseudo_label().is_none() {
            Some(LeftOut::Tie)
        } else {
            None
        }
    };
    let eligible = || scores.iter().filter(|score| barred(score).is_none());
    let n_status_1 = eligible().filter(|score| tests.status_1(score)).count();
    let n_status_2 = eligible().filter(|score| tests.status_2(score)).count();
    let gate = rule.min_selected.of(scores.len()).max(1);
    let stop_below = |n_least: usize| {
        let n_passing = eligible().filter(|score| tests.failed(score, None).is_none()).count();
        if n_passing < n_least { LearningStatus::Stop } else { LearningStatus::Ungated }
    };
    let learning_status = match rule.rule {
        RuleName::LearningStatus => {
            LearningStatus::next(context.previous_status, n_status_1, n_status_2, gate)
        }
        RuleName::Confidence => stop_below(gate),
        // Neither the script nor the naive control has a gate; with nothing selected, both end.
        RuleName::EitherTest | RuleName::All => stop_below(1),
    };
    let decide =
        |score: &PairScore| barred(score).or_else(|| tests.failed(score, Some(learning_status)));
    let pairs: Vec<ScoredPair> =
        scores.iter().map(|score| ScoredPair { score: *score, left_out: decide(score) }).collect();
    let kept = pairs.iter().filter(|pair| pair.left_out.is_none());
    let labels = kept.filter_map(|pair| pair.score.pseudo_label()).collect();
    let reward_offset = tests.reward_offset;
    Selection { learning_status, reward_offset, n_status_1, n_status_2, pairs, labels }
}

/// The tests of a rule on one pair.
struct Tests<'a> {
    rule: &'a SelectionSpec,
    reward_offset: f64,
}

impl<'a> Tests<'a> {
    fn new(scores: &[PairScore], rule: &'a SelectionSpec) -> Self {
        let reward_offset = match rule.reward_offset {
            RewardOffset::PoolMean => mean_reward(scores),
            RewardOffset::None => 0.0,
        };
        Self { rule, reward_offset }
    }

    fn probabilities(&self, score: &PairScore) -> (f64, f64) {
        let probability = |reward: f32| sigmoid(f64::from(reward) - self.reward_offset);
        (probability(score.reward_a), probability(score.reward_b))
    }

    fn status_1(&self, score: &PairScore) -> bool {
        let (p_a, p_b) = self.probabilities(score);
        p_a.max(p_b) > self.rule.high_threshold && p_a.min(p_b) < self.rule.low_threshold
    }

    fn status_2(&self, score: &PairScore) -> bool {
        let (p_a, p_b) = self.probabilities(score);
        (p_a - p_b).abs() > self.rule.delta_threshold
    }

    /// Why the rule leaves a pair out; `None` keeps it.
    fn failed(&self, score: &PairScore, status: Option<LearningStatus>) -> Option<LeftOut> {
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
            (RuleName::Confidence, _) => (score.confidence() < self.rule.confidence_threshold)
                .then_some(LeftOut::BelowThreshold),
            (RuleName::All, _) => None,
        }
    }
}

fn mean_reward(scores: &[PairScore]) -> f64 {
    let sum: f64 = scores.iter().map(|s| f64::from(s.reward_a) + f64::from(s.reward_b)).sum();
    if scores.is_empty() { 0.0 } else { sum / (2.0 * scores.len() as f64) }
}

/// The confidence below which no pair is selected; `None` where nothing is.
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
        (LearningStatus::Stop, _) => None,
        (LearningStatus::Status1, _) => Some(sigmoid(margin_1)),
        (LearningStatus::Status2, _) => Some(sigmoid(margin_2)),
        (LearningStatus::Ungated, RuleName::Confidence) => Some(rule.confidence_threshold),
        (LearningStatus::Ungated, RuleName::EitherTest) => Some(sigmoid(margin_1.min(margin_2))),
        (LearningStatus::Ungated, RuleName::All | RuleName::LearningStatus) => Some(0.5),
    }
}

#[cfg(test)]
mod tests {
    use super::super::preference::Side;
    use super::super::spec::Amount;
    use super::*;

    fn rule(min_selected: u64, reward_offset: RewardOffset) -> SelectionSpec {
        SelectionSpec {
            rule: RuleName::LearningStatus,
            confidence_threshold: 0.8,
            relabel: false,
            high_threshold: 0.55,
            low_threshold: 0.45,
            delta_threshold: 0.3,
            min_selected: Amount::Count(min_selected),
            reward_offset,
        }
    }

    fn score(pair: u32, reward_a: f32, reward_b: f32) -> PairScore {
        PairScore { pair: PairId(pair), reward_a, reward_b }
    }

    fn run(
        scores: &[PairScore],
        rule: &SelectionSpec,
        previous_status: Option<LearningStatus>,
        taken: &[u32],
        verdicts: &VerdictSet,
    ) -> Selection {
        let already_selected = taken.iter().copied().map(PairId).collect();
        let context =
            SelectionContext { previous_status, already_selected: &already_selected, verdicts };
        select(scores, rule, context)
    }

    #[test]
    fn status_1_asks_both_sides_of_the_thresholds() {
        // sigmoid(x) > .55 at x > .2007, < .45 at x < -.2007. Offset 0 by symmetry.
        let scores = [
            score(0, 0.21, -0.21),
            score(1, -0.21, 0.21),
            score(2, 0.20, -0.21),
            score(3, 2.0, 0.5),
            score(4, -2.0, -0.49),
        ];
        let rule = rule(1, RewardOffset::None);
        let selection = run(&scores, &rule, None, &[], &VerdictSet::default());
        assert_eq!(selection.learning_status, LearningStatus::Status1);
        let kept: Vec<(u32, Side)> =
            selection.labels.iter().map(|label| (label.pair.0, label.preferred)).collect();
        assert_eq!(kept, [(0, Side::A), (1, Side::B)]);
        assert_eq!(selection.left_out_counts(), BTreeMap::from([(LeftOut::NotSeparated, 3)]));
        assert_eq!(selection.coverage(), Some(0.4));
    }

    #[test]
    fn status_2_takes_pairs_on_one_side_of_a_half() {
        // sigmoid(2) - sigmoid(0.2) = .881 - .550 = .331 > .3, both above .45.
        let scores = [score(0, 2.0, 0.2), score(1, 0.3, -0.3), score(2, 0.0, 1.0)];
        let rule = rule(2, RewardOffset::None);
        let selection =
            run(&scores, &rule, Some(LearningStatus::Status2), &[], &VerdictSet::default());
        assert_eq!((selection.n_status_1, selection.n_status_2), (1, 1));
        assert_eq!(selection.learning_status, LearningStatus::Stop);
        assert!(selection.labels.is_empty());
        assert_eq!(selection.left_out_counts(), BTreeMap::from([(LeftOut::Stopped, 3)]));
        let rule = self::rule(1, RewardOffset::None);
        let selection =
            run(&scores, &rule, Some(LearningStatus::Status2), &[], &VerdictSet::default());
        assert_eq!(selection.labels.len(), 1);
        assert_eq!(selection.labels[0].pair, PairId(0));
    }

    #[test]
    fn the_pool_mean_makes_the_rule_blind_to_a_constant() {
        let plain = [score(0, 0.4, -0.4), score(1, -0.3, 0.3), score(2, 0.1, -0.1)];
        let shifted = plain.map(|s| score(s.pair.0, s.reward_a + 1.0, s.reward_b + 1.0));
        let none = VerdictSet::default();
        let kept = |scores: &[PairScore], offset| {
            run(scores, &rule(1, offset), None, &[], &none).labels.len()
        };
        assert_eq!(kept(&plain, RewardOffset::PoolMean), 2);
        assert_eq!(kept(&shifted, RewardOffset::PoolMean), 2);
        // The published script's thresholds on raw rewards lose every pair to the drift.
        assert_eq!(kept(&plain, RewardOffset::None), 2);
        assert_eq!(kept(&shifted, RewardOffset::None), 0);
    }

    #[test]
    fn the_published_script_takes_either_test_and_an_offset_fools_it() {
        // Pairs: 0 passes status 1 only (.56, .44), 1 status 2 only (.88, .55), 2 neither.
        let scores = [score(0, 0.241, -0.241), score(1, 2.0, 0.2), score(2, 0.1, 0.0)];
        let script = SelectionSpec { rule: RuleName::EitherTest, ..rule(3, RewardOffset::None) };
        let none = VerdictSet::default();
        let kept = |scores: &[PairScore], rule: &SelectionSpec| -> Vec<u32> {
            run(scores, rule, None, &[], &none).labels.iter().map(|label| label.pair.0).collect()
        };
        assert_eq!(kept(&scores, &script), [0, 1], "no gate: two are fewer than min_selected");
        let shifted = scores.map(|s| score(s.pair.0, s.reward_a + 1.0, s.reward_b + 1.0));
        // sigmoid(3) - sigmoid(1.2) = .953 - .769 = .184; sigmoid(1.241) - sigmoid(.759) = .095.
        assert_eq!(kept(&shifted, &script), [0; 0], "adding 1 to every reward loses them all");
        for other in [RuleName::Confidence, RuleName::All] {
            let rule = SelectionSpec { rule: other, ..rule(1, RewardOffset::None) };
            assert_eq!(kept(&scores, &rule), kept(&shifted, &rule), "{other:?}");
        }
        assert_eq!(run(&shifted, &script, None, &[], &none).learning_status, LearningStatus::Stop);
    }

    #[test]
    fn one_threshold_on_the_pair_and_no_threshold_at_all() {
        // sigmoid(1.3863) = .8, sigmoid(1.4) = .802, sigmoid(1.3) = .786.
        let scores =
            [score(0, 1.4, 0.0), score(1, -0.7, 0.7), score(2, 1.3, 0.0), score(3, 1.0, 1.0)];
        let none = VerdictSet::default();
        let confident = SelectionSpec { rule: RuleName::Confidence, ..rule(2, RewardOffset::None) };
        let selection = run(&scores, &confident, None, &[], &none);
        assert_eq!(selection.learning_status, LearningStatus::Ungated);
        let reasons: Vec<Option<LeftOut>> = selection.pairs.iter().map(|p| p.left_out).collect();
        assert_eq!(reasons, [None, None, Some(LeftOut::BelowThreshold), Some(LeftOut::Tie)]);
        assert_eq!(selection.labels[1].preferred, Side::B);
        let gated = SelectionSpec { min_selected: Amount::Count(3), ..confident.clone() };
        assert_eq!(run(&scores, &gated, None, &[], &none).learning_status, LearningStatus::Stop);
        let taken = run(&scores, &confident, None, &[0], &none);
        assert_eq!(taken.learning_status, LearningStatus::Stop, "one left of two");
        let again = SelectionSpec { relabel: true, ..confident };
        assert_eq!(run(&scores, &again, None, &[0], &none).labels.len(), 2);
        let naive = SelectionSpec { rule: RuleName::All, ..again };
        assert_eq!(run(&scores, &naive, None, &[], &none).labels.len(), 3, "all but the tie");
    }

    #[test]
    fn vetoed_taken_and_tied_pairs_stay_out_and_do_not_fill_the_gate() {
        let scores: Vec<PairScore> = (0..4).map(|i| score(i, 1.0, -1.0)).collect();
        let mut verdicts = VerdictSet::default();
        verdicts.record(PairId(1), Verdict::Veto);
        let mut with_tie = scores.clone();
        with_tie[2] = score(2, 0.0, 0.0);
        let selection = run(&with_tie, &rule(1, RewardOffset::PoolMean), None, &[0], &verdicts);
        let reasons: Vec<Option<LeftOut>> = selection.pairs.iter().map(|p| p.left_out).collect();
        assert_eq!(
            reasons,
            [Some(LeftOut::AlreadySelected), Some(LeftOut::Vetoed), Some(LeftOut::Tie), None]
        );
        let gated = run(&with_tie, &rule(2, RewardOffset::PoolMean), None, &[0], &verdicts);
        assert_eq!(gated.learning_status, LearningStatus::Stop);
    }

    #[test]
    fn reasons_have_names() {
        for reason in LeftOut::ALL {
            assert_eq!(LeftOut::from_name(reason.name()), Some(reason));
        }
    }

    #[test]
    fn nothing_below_the_floor_is_selected() {
        use LearningStatus::{Status1, Status2, Stop};
        let rule = rule(1, RewardOffset::None);
        let grid = (0..160 * 160).map(|i| {
            let reward = |step: u32| (step as f32 - 80.0) / 20.0;
            score(i, reward(i / 160), reward(i % 160))
        });
        let scores: Vec<PairScore> = grid.collect();
        let script = SelectionSpec { rule: RuleName::EitherTest, ..rule.clone() };
        let floor = confidence_floor(&script, LearningStatus::Ungated).unwrap();
        assert!((floor - 0.5990).abs() < 1e-3, "{floor}");
        for (status, expected) in [(Status1, 0.5990), (Status2, 0.7752)] {
            let floor = confidence_floor(&rule, status).unwrap();
            assert!((floor - expected).abs() < 1e-3, "{status:?}: {floor}");
            let selection = run(&scores, &rule, Some(status), &[], &VerdictSet::default());
            assert_eq!(selection.learning_status, status);
            let least = selection.labels.iter().map(|label| label.confidence).fold(1.0, f64::min);
            assert!(least > floor && least < floor + 0.03, "{status:?}: {least} {floor}");
        }
        assert_eq!(confidence_floor(&rule, Stop), None);
    }
}
