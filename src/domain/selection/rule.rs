//! The rules that keep pseudo-labels, each with the numbers it goes by.

use super::context::{LeftOut, SelectionContext};
use super::learning_status::LearningStatus;
use super::ranking::Ranking;
use super::risk::RiskTarget;
use crate::domain::pseudo_label::PairScore;
use crate::domain::spec::{Amount, CalibrationName, RewardOffset, RuleName, SelectionSpec};
use crate::domain::stats::bradley_terry::sigmoid;

/// A rule that decides which pseudo-labels are kept, with the settings of this rule alone.
///
/// A `gate` is the number of pairs, or the share of the pool, that must pass for the loop to go on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// One test of the paper at a time (SER, equations 3 and 4).
    LearningStatus {
        /// The tests of both statuses.
        tests: StatusTests,
        /// A status holds while so many pairs pass its test.
        gate: Amount,
    },
    /// Both tests of the paper at once and no gate, as the published script does.
    EitherTest {
        /// The tests of both statuses.
        tests: StatusTests,
    },
    /// A threshold on the probability of the pair (SSRM, He et al. 2024).
    Confidence {
        /// The least confidence that is kept.
        threshold: f64,
        /// Whether margins are divided by a temperature first.
        is_calibrated: bool,
        /// The loop ends below it.
        gate: Amount,
    },
    /// The most confident share of the pool.
    TopShare {
        share: f64,
        /// The loop ends below it.
        gate: Amount,
    },
    /// The largest share of the pool whose error, bounded on held-out human pairs, stays small.
    Risk {
        /// What the bound has to show.
        target: RiskTarget,
        /// The loop ends below it.
        gate: Amount,
    },
    /// Everything that has a label.
    All,
}

/// The two tests of the learning status on the probabilities of both answers; all comparisons are
/// strict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StatusTests {
    /// Status 1: one answer's probability has to be above this.
    pub high: f64,
    /// Status 1: the other answer's probability has to be below this.
    pub low: f64,
    /// Status 2: the two probabilities have to differ by more than this.
    pub delta: f64,
}

impl StatusTests {
    fn status_1(&self, [p_a, p_b]: [f64; 2]) -> bool {
        p_a.max(p_b) > self.high && p_a.min(p_b) < self.low
    }

    fn status_2(&self, [p_a, p_b]: [f64; 2]) -> bool {
        (p_a - p_b).abs() > self.delta
    }

    /// Returns the margins below which no pair passes the tests of status 1 and 2.
    ///
    /// A pair that passes status 1 has a margin above `logit(high) - logit(low)`. One that passes
    /// status 2 has at least the margin of two probabilities `delta` apart around .5, where the sigmoid
    /// is steepest. Both are necessary, not sufficient: the tests look at each reward, the confidence
    /// only at their difference.
    fn least_margins(&self) -> [f64; 2] {
        let logit = |p: f64| (p / (1.0 - p)).ln();
        [logit(self.high) - logit(self.low), 2.0 * logit(0.5 + self.delta / 2.0)]
    }
}

/// The settings of `[selection]` that a selection needs, with the rule as one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    pub rule: Rule,
    /// Whether a round judges pairs again that earlier rounds selected.
    pub relabel: bool,
    /// The constant that is subtracted from the rewards before they become probabilities of
    /// answers.
    pub reward_offset: RewardOffset,
    /// Whether pairs whose longer answer is preferred are ranked apart from the others.
    pub longer_strata: bool,
}

impl From<&SelectionSpec> for Policy {
    fn from(spec: &SelectionSpec) -> Self {
        Self {
            rule: Rule::from(spec),
            relabel: spec.relabel,
            reward_offset: spec.reward_offset,
            longer_strata: spec.longer_strata,
        }
    }
}

impl From<&SelectionSpec> for Rule {
    fn from(spec: &SelectionSpec) -> Self {
        let gate = spec.min_selected;
        let tests = StatusTests {
            high: spec.high_threshold,
            low: spec.low_threshold,
            delta: spec.delta_threshold,
        };
        match spec.rule {
            RuleName::LearningStatus => Self::LearningStatus { tests, gate },
            RuleName::EitherTest => Self::EitherTest { tests },
            RuleName::Confidence => Self::Confidence {
                threshold: spec.confidence_threshold,
                is_calibrated: spec.calibration != CalibrationName::None,
                gate,
            },
            RuleName::TopShare => Self::TopShare { share: spec.top_share, gate },
            RuleName::Risk => {
                let (max_error, certainty) = (spec.max_error, spec.certainty);
                Self::Risk { target: RiskTarget { max_error, certainty }, gate }
            }
            RuleName::All => Self::All,
        }
    }
}

/// The scored pool, with what the rules test.
pub(super) struct Pool<'a> {
    pub(super) scores: &'a [PairScore],
    pub(super) context: SelectionContext<'a>,
    pub(super) reward_offset: f64,
    pub(super) longer_strata: bool,
    /// For each pair, whether the rule decides: no verdict, tie or earlier selection excludes it.
    pub(super) is_eligible: Vec<bool>,
}

impl Pool<'_> {
    /// Returns `sigmoid(reward - offset)` of both answers of each pair.
    fn probabilities(&self) -> Vec<[f64; 2]> {
        let probability = |reward: f32| sigmoid(f64::from(reward) - self.reward_offset);
        self.scores.iter().map(|score| [score.reward_a, score.reward_b].map(probability)).collect()
    }

    fn ranks(&self) -> Vec<f64> {
        let facts = self.context.facts;
        Ranking::new(self.scores, facts, self.longer_strata).ranks(self.scores, facts)
    }

    fn gate(&self, gate: Amount) -> usize {
        gate.of(self.scores.len()).max(1)
    }

    fn n_eligible(&self, reasons: &[Option<LeftOut>]) -> usize {
        self.is_eligible.iter().zip(reasons).filter(|(is, why)| **is && why.is_none()).count()
    }

    /// Ends the loop where too few eligible pairs pass.
    fn gated(&self, reasons: Vec<Option<LeftOut>>, n_least: usize) -> Judgment {
        let is_enough = self.n_eligible(&reasons) >= n_least;
        let status = if is_enough { LearningStatus::Ungated } else { LearningStatus::Stop };
        Judgment { status, reasons }
    }
}

/// The decision of a rule about a pool.
pub(super) struct Judgment {
    pub(super) status: LearningStatus,
    /// By pair, why the rule leaves it out; `None` keeps it.
    pub(super) reasons: Vec<Option<LeftOut>>,
}

fn unless(reason: LeftOut, passes: impl Iterator<Item = bool>) -> Vec<Option<LeftOut>> {
    passes.map(|passes| (!passes).then_some(reason)).collect()
}

impl Rule {
    /// Judges every pair of a pool, and whether the loop goes on.
    pub(super) fn judge(&self, pool: &Pool<'_>) -> Judgment {
        match *self {
            Self::LearningStatus { tests, gate } => {
                let both = pool.probabilities();
                let first = both.iter().map(|both| tests.status_1(*both));
                let first = unless(LeftOut::NotSeparated, first);
                let second = both.iter().map(|both| tests.status_2(*both));
                let second = unless(LeftOut::DeltaTooSmall, second);
                let status = LearningStatus::next(
                    pool.context.previous_status,
                    pool.n_eligible(&first),
                    pool.n_eligible(&second),
                    pool.gate(gate),
                );
                let is_second = status == LearningStatus::Status2;
                Judgment { status, reasons: if is_second { second } else { first } }
            }
            Self::EitherTest { tests } => {
                let both = pool.probabilities();
                let passes = both.iter().map(|p| tests.status_1(*p) || tests.status_2(*p));
                // The script has no gate; with nothing selected it has nothing to train on.
                pool.gated(unless(LeftOut::DeltaTooSmall, passes), 1)
            }
            Self::Confidence { threshold, gate, .. } => {
                let passes =
                    pool.scores.iter().map(|score| pool.context.confidence(score) >= threshold);
                pool.gated(unless(LeftOut::BelowThreshold, passes), pool.gate(gate))
            }
            Self::TopShare { share, gate } => {
                let passes = pool.ranks().into_iter().map(|rank| rank < share);
                pool.gated(unless(LeftOut::BelowThreshold, passes), pool.gate(gate))
            }
            Self::Risk { gate, .. } => {
                let certified = pool.context.certificate.filter(|it| it.is_certified);
                let share = certified.map_or(0.0, |certificate| certificate.coverage);
                let passes = pool.ranks().into_iter().map(|rank| rank < share);
                pool.gated(unless(LeftOut::BelowThreshold, passes), pool.gate(gate))
            }
            Self::All => pool.gated(vec![None; pool.scores.len()], 1),
        }
    }

    /// Returns the confidence below which no pair is selected; `None` where nothing is, or where ranks
    /// or a temperature decide: what those come to is known only once the pool is scored.
    #[must_use]
    pub fn confidence_floor(&self, status: LearningStatus) -> Option<f64> {
        if status == LearningStatus::Stop {
            return None;
        }
        match *self {
            Self::LearningStatus { tests, .. } => {
                let [margin_1, margin_2] = tests.least_margins();
                let is_second = status == LearningStatus::Status2;
                Some(sigmoid(if is_second { margin_2 } else { margin_1 }))
            }
            Self::EitherTest { tests } => {
                let [margin_1, margin_2] = tests.least_margins();
                Some(sigmoid(margin_1.min(margin_2)))
            }
            Self::Confidence { threshold, is_calibrated, .. } => {
                (!is_calibrated).then_some(threshold)
            }
            Self::TopShare { .. } | Self::Risk { .. } => None,
            Self::All => Some(0.5),
        }
    }
}

/// As [`Rule::confidence_floor`], from the spec of a stored run.
#[must_use]
pub fn confidence_floor(spec: &SelectionSpec, status: LearningStatus) -> Option<f64> {
    Rule::from(spec).confidence_floor(status)
}

#[cfg(test)]
mod tests {
    use LearningStatus::{Status1, Status2, Stop, Ungated};

    use super::*;

    const TESTS: StatusTests = StatusTests { high: 0.55, low: 0.45, delta: 0.3 };
    const GATE: Amount = Amount::Count(1);

    #[test]
    fn tests_are_strict_and_ask_both_answers() {
        for (both, status_1, status_2) in [
            ([0.56, 0.44], true, false),
            ([0.44, 0.56], true, false),
            ([0.55, 0.44], false, false),
            ([0.56, 0.45], false, false),
            ([0.9, 0.46], false, true),
            ([0.5, 0.2], false, false),
            ([0.9, 0.1], true, true),
        ] {
            assert_eq!(TESTS.status_1(both), status_1, "{both:?}");
            assert_eq!(TESTS.status_2(both), status_2, "{both:?}");
        }
    }

    #[test]
    fn each_rule_has_a_floor_of_its_own() {
        let target = RiskTarget { max_error: 0.1, certainty: 0.9 };
        let confidence =
            |is_calibrated| Rule::Confidence { threshold: 0.8, is_calibrated, gate: GATE };
        for (rule, status, floor) in [
            (Rule::LearningStatus { tests: TESTS, gate: GATE }, Status1, Some(0.599)),
            (Rule::LearningStatus { tests: TESTS, gate: GATE }, Status2, Some(0.775)),
            (Rule::LearningStatus { tests: TESTS, gate: GATE }, Stop, None),
            (Rule::EitherTest { tests: TESTS }, Ungated, Some(0.599)),
            (confidence(false), Ungated, Some(0.8)),
            (confidence(true), Ungated, None),
            (confidence(false), Stop, None),
            (Rule::TopShare { share: 0.5, gate: GATE }, Ungated, None),
            (Rule::Risk { target, gate: GATE }, Ungated, None),
            (Rule::All, Ungated, Some(0.5)),
            (Rule::All, Stop, None),
        ] {
            let found = rule.confidence_floor(status);
            let is_close = match (found, floor) {
                (Some(found), Some(floor)) => (found - floor).abs() < 1e-3,
                (found, floor) => found == floor,
            };
            assert!(is_close, "{rule:?} {status:?}: {found:?}");
        }
    }
}
