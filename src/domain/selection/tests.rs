//! Every rule on hand-computed cases.

use std::collections::BTreeSet;

use super::super::preference::{PairFacts, PairId, Side};
use super::super::spec::{
    Amount, CalibrationName, RewardOffset, RuleName, SecondView, SelectionSpec, TeacherName,
};
use super::super::verdict::VerdictSet;
use super::risk::Certificate;
use super::*;

fn rule(min_selected: u64, reward_offset: RewardOffset) -> SelectionSpec {
    SelectionSpec {
        rule: RuleName::LearningStatus,
        confidence_threshold: 0.8,
        top_share: 0.5,
        longer_strata: false,
        max_error: 0.1,
        certainty: 0.9,
        calibration: CalibrationName::None,
        calibration_folds: 0,
        keep_fold_models: false,
        teacher: TeacherName::Model,
        second_view: SecondView::None,
        relabel: false,
        high_threshold: 0.55,
        low_threshold: 0.45,
        delta_threshold: 0.3,
        min_selected: Amount::Count(min_selected),
        reward_offset,
    }
}

static NONE_SELECTED: BTreeSet<PairId> = BTreeSet::new();

/// The context of a first selection that knows nothing but the rewards.
fn plain<'a>(
    verdicts: &'a VerdictSet,
    already_selected: &'a BTreeSet<PairId>,
) -> SelectionContext<'a> {
    SelectionContext {
        previous_status: None,
        already_selected,
        verdicts,
        temperature: 1.0,
        certificate: None,
        facts: &[],
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
    let context = SelectionContext {
        previous_status,
        already_selected: &already_selected,
        ..plain(verdicts, &NONE_SELECTED)
    };
    select(scores, &Policy::from(rule), context)
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
    let selection = run(&scores, &rule, Some(LearningStatus::Status2), &[], &VerdictSet::default());
    assert_eq!(selection.learning_status, LearningStatus::Stop);
    assert!(selection.labels.is_empty());
    assert_eq!(selection.left_out_counts(), BTreeMap::from([(LeftOut::Stopped, 3)]));
    let rule = self::rule(1, RewardOffset::None);
    let selection = run(&scores, &rule, Some(LearningStatus::Status2), &[], &VerdictSet::default());
    assert_eq!(selection.labels.len(), 1);
    assert_eq!(selection.labels[0].pair, PairId(0));
}

#[test]
fn the_pool_mean_makes_the_rule_blind_to_a_constant() {
    let plain = [score(0, 0.4, -0.4), score(1, -0.3, 0.3), score(2, 0.1, -0.1)];
    let shifted = plain.map(|s| score(s.pair.0, s.reward_a + 1.0, s.reward_b + 1.0));
    let none = VerdictSet::default();
    let kept =
        |scores: &[PairScore], offset| run(scores, &rule(1, offset), None, &[], &none).labels.len();
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
    let ours = [RuleName::Confidence, RuleName::All, RuleName::TopShare];
    for other in ours {
        let rule = SelectionSpec { rule: other, ..rule(1, RewardOffset::None) };
        assert_eq!(kept(&scores, &rule), kept(&shifted, &rule), "{other:?}");
    }
    assert_eq!(run(&shifted, &script, None, &[], &none).learning_status, LearningStatus::Stop);
}

#[test]
fn one_threshold_on_the_pair_and_no_threshold_at_all() {
    // sigmoid(1.3863) = .8, sigmoid(1.4) = .802, sigmoid(1.3) = .786.
    let scores = [score(0, 1.4, 0.0), score(1, -0.7, 0.7), score(2, 1.3, 0.0), score(3, 1.0, 1.0)];
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

/// Runs a rule with a context built on the plain one.
fn run_in(
    scores: &[PairScore],
    rule: &SelectionSpec,
    context: impl for<'a> Fn(SelectionContext<'a>) -> SelectionContext<'a>,
) -> Selection {
    let verdicts = VerdictSet::default();
    select(scores, &Policy::from(rule), context(plain(&verdicts, &NONE_SELECTED)))
}

fn kept(selection: &Selection) -> Vec<u32> {
    selection.labels.iter().map(|label| label.pair.0).collect()
}

/// The pairs that a rule keeps which looks at what is known of their texts.
fn kept_by_facts(scores: &[PairScore], facts: &[PairFacts], rule: &SelectionSpec) -> Vec<u32> {
    let verdicts = VerdictSet::default();
    let context = plain(&verdicts, &NONE_SELECTED);
    kept(&select(scores, &Policy::from(rule), SelectionContext { facts, ..context }))
}

#[test]
fn a_share_of_the_pool_by_confidence() {
    let scores = [score(0, 0.1, 0.0), score(1, 0.0, 0.4), score(2, 0.3, 0.0), score(3, 0.0, 0.2)];
    let half = SelectionSpec { rule: RuleName::TopShare, ..rule(1, RewardOffset::None) };
    let selection = run_in(&scores, &half, |context| context);
    assert_eq!(kept(&selection), [1, 2]);
    assert_eq!(selection.left_out_counts(), BTreeMap::from([(LeftOut::BelowThreshold, 2)]));
    let all = SelectionSpec { top_share: 1.0, ..half.clone() };
    assert_eq!(kept(&run_in(&scores, &all, |context| context)).len(), 4);
    // A share is of the pool: a vetoed pair is not replaced by one that is less sure.
    let mut verdicts = VerdictSet::default();
    verdicts.record(PairId(1), Verdict::Veto);
    assert_eq!(kept(&run(&scores, &half, None, &[], &verdicts)), [2]);
}

#[test]
fn both_kinds_by_length_give_their_share() {
    // Six pairs prefer the longer answer, all of them surer than the two that do not, and a tie.
    let margins = [6.0, 5.0, 4.0, 3.0, 2.5, 2.0, -0.9, -0.3, 0.0];
    let scores: Vec<PairScore> =
        margins.iter().zip(0..).map(|(margin, i)| score(i, *margin, 0.0)).collect();
    let facts = [PairFacts { n_tokens: [9, 5], ..PairFacts::default() }; 9];
    let plain = SelectionSpec { rule: RuleName::TopShare, ..rule(1, RewardOffset::None) };
    let run = |rule: &SelectionSpec| kept_by_facts(&scores, &facts, rule);
    assert_eq!(run(&plain), [0, 1, 2, 3, 4]);
    assert_eq!(run(&SelectionSpec { longer_strata: true, ..plain }), [0, 1, 2, 6, 7]);
}

#[test]
fn risk_takes_what_is_certified_and_says_when_nothing_is() {
    let scores: Vec<PairScore> = (0..10).map(|i| score(i, i as f32, -0.5)).collect();
    let rule =
        SelectionSpec { rule: RuleName::Risk, top_share: 0.2, ..rule(1, RewardOffset::None) };
    let certificate = |is_certified, coverage| Certificate {
        is_certified,
        coverage,
        n: 100,
        n_errors: 2,
        bound: 0.07,
        max_error: 0.1,
        certainty: 0.9,
    };
    let run = |rule: &SelectionSpec, certificate: Option<Certificate>| {
        run_in(&scores, rule, |context| SelectionContext { certificate, ..context })
    };
    assert_eq!(kept(&run(&rule, Some(certificate(true, 0.4)))), [6, 7, 8, 9]);
    let stopped = run(&rule, Some(certificate(false, 0.4)));
    assert_eq!(stopped.learning_status, LearningStatus::Stop);
    assert!(stopped.labels.is_empty());
    assert_eq!(run(&rule, None).learning_status, LearningStatus::Stop);
}

#[test]
fn a_temperature_moves_the_confidence_and_not_the_order() {
    // sigmoid(2) = .88, sigmoid(2 / 2) = .73, sigmoid(3 / 2) = .82.
    let scores = [score(0, 2.0, 0.0), score(1, 0.0, 3.0)];
    let confident = SelectionSpec { rule: RuleName::Confidence, ..rule(1, RewardOffset::None) };
    assert_eq!(kept(&run_in(&scores, &confident, |context| context)), [0, 1]);
    let selection =
        run_in(&scores, &confident, |context| SelectionContext { temperature: 2.0, ..context });
    assert_eq!(kept(&selection), [1]);
    assert!((selection.labels[0].confidence - 0.817_574).abs() < 1e-6);
}

#[test]
fn a_rule_by_rank_is_gated_too() {
    let scores: Vec<PairScore> = (0..10).map(|i| score(i, i as f32, -0.5)).collect();
    let share = SelectionSpec { rule: RuleName::TopShare, ..rule(6, RewardOffset::None) };
    let selection = run_in(&scores, &share, |context| context);
    assert_eq!(selection.learning_status, LearningStatus::Stop, "5 are fewer than 6");
}
