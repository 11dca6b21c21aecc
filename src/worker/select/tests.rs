//! The selection as a step: what it takes from the state, what it reports, what it keeps.

use super::*;
use crate::domain::preference::Side;
use crate::domain::run::RequestKind;
use crate::domain::selection::LeftOut;
use crate::domain::selection::learning_status::LearningStatus;
use crate::domain::spec::{Amount, ExperimentSpec, RuleName};
use crate::domain::teacher::folds::FoldJudgments;
use crate::domain::verdict::Verdict;
use crate::worker::testing::{Bench, names, spec};

/// A bench before the selection of round 1, with a model that has learned the seed set.
fn bench(change: impl Fn(&mut ExperimentSpec)) -> Bench {
    let mut bench = Bench::new(spec(|spec| {
        spec.selection.rule = RuleName::TopShare;
        spec.selection.top_share = 0.5;
        spec.selection.min_selected = Amount::Count(1);
        change(spec);
    }));
    bench.learn(2);
    let n = bench.resources.inputs.split.validation.len();
    bench.state.saved.validation.insert(0, vec![1.0; n]);
    bench
}

fn run(bench: &mut Bench, round: u32) -> Outcome {
    let Bench { state, resources, reporter, .. } = bench;
    select(state, resources, reporter, round).unwrap().unwrap()
}

fn n_pool(bench: &Bench) -> usize {
    bench.resources.inputs.split.unlabeled_pool.len()
}

#[test]
fn the_pool_is_scored_once_and_then_selected_from() {
    let mut bench = bench(|_| ());
    let Bench { state, resources, reporter, .. } = &mut bench;
    assert_eq!(score_pool(state, resources, reporter, 1).unwrap(), Some(Outcome::Scored));
    assert_eq!(names(&bench.record.take_events()).last(), Some(&"pool_scored"));
    let from_state = run(&mut bench, 1);
    assert_eq!(names(&bench.record.take_events()), ["step_started", "selection_made"]);
    // After a restart between the steps the same scores are computed again.
    assert!(bench.state.pool_scores.is_none());
    assert_eq!(run(&mut bench, 1), from_state);
    let again = names(&bench.record.take_events());
    assert_eq!((again[0], again.last()), ("step_started", Some(&"selection_made")));
}

#[test]
fn half_of_the_pool_is_kept_and_summed_up() {
    let mut bench = bench(|_| ());
    let Outcome::Selected { learning_status, labels, halt } = run(&mut bench, 1) else { panic!() };
    assert_eq!((learning_status, halt), (LearningStatus::Ungated, None));
    let Some(RunEvent::SelectionMade { summary, pairs, .. }) = bench.record.take_events().pop()
    else {
        panic!()
    };
    assert_eq!((pairs.len(), summary.n_scored as usize), (n_pool(&bench), n_pool(&bench)));
    assert_eq!(labels.len(), summary.n_selected as usize);
    assert!(labels.len().abs_diff(n_pool(&bench) / 2) <= n_pool(&bench) / 10, "{}", labels.len());
    // One recorded label in seven is wrong, and the model has learned from such labels.
    let precision = summary.pseudo_label_precision.unwrap();
    assert!(precision > 0.7, "the mock learns these words: {precision}");
    assert_eq!(summary.n_flipped, None, "there was no round before");
    assert!(bench.state.saved.over_confidence.is_some());
}

#[test]
fn a_veto_that_came_meanwhile_counts() {
    let mut bench = bench(|_| ());
    let pair = bench.resources.inputs.split.unlabeled_pool[0];
    bench.record.decide(pair, Verdict::Veto);
    run(&mut bench, 1);
    let events = bench.record.take_events();
    assert_eq!(names(&events)[0], "verdicts_read");
    let Some(RunEvent::SelectionMade { pairs, .. }) = events.last() else { panic!() };
    let vetoed = pairs.iter().find(|scored| scored.score.pair == pair).unwrap();
    assert_eq!(vetoed.left_out, Some(LeftOut::Vetoed));
}

#[test]
fn pairs_that_people_have_labeled_are_scored_no_more() {
    let mut bench = bench(|_| ());
    let pair = bench.resources.inputs.split.unlabeled_pool[0];
    bench.state.saved.verdicts.record_label(pair, Verdict::Keep, Some(Side::A));
    bench.state.saved.human_labels = bench.state.saved.verdicts.human_labels();
    run(&mut bench, 1);
    let Some(RunEvent::SelectionMade { pairs, .. }) = bench.record.take_events().pop() else {
        panic!()
    };
    assert_eq!(pairs.len(), n_pool(&bench) - 1);
}

#[test]
fn a_selection_that_must_not_be_trained_on_is_reported_with_the_reason() {
    type Change = fn(&mut ExperimentSpec);
    let cases: [(Change, Option<StopReason>, &[&str]); 3] = [
        (|_| (), None, &["step_started", "selection_made"]),
        (
            |spec| {
                spec.selection.rule = RuleName::Risk;
                spec.selection.max_error = 0.001;
            },
            Some(StopReason::Uncertified),
            &["step_started", "warned", "selection_made"],
        ),
        // Every chosen answer of the bench is the longer one.
        (
            |spec| spec.rounds.one_sided_max = 0.5,
            Some(StopReason::SelectionOneSided),
            &["step_started", "warned", "selection_made"],
        ),
    ];
    for (change, expected, said) in cases {
        let mut bench = bench(change);
        let Bench { state, resources, reporter, .. } = &mut bench;
        score_pool(state, resources, reporter, 1).unwrap();
        bench.record.take_events();
        let Outcome::Selected { halt, .. } = run(&mut bench, 1) else { panic!() };
        assert_eq!(halt, expected);
        assert_eq!(names(&bench.record.take_events()), said, "{expected:?}");
    }
}

#[test]
fn the_same_labels_twice_end_an_ensemble() {
    for (teacher, expected) in
        [(TeacherName::Ensemble, Some(StopReason::NothingNew)), (TeacherName::Model, None)]
    {
        let mut bench = bench(|spec| {
            spec.selection.relabel = true;
            spec.selection.teacher = teacher;
            spec.selection.calibration_folds = 2;
        });
        run(&mut bench, 1);
        let Some(RunEvent::SelectionMade { pairs, .. }) = bench.record.take_events().pop() else {
            panic!()
        };
        bench.record.remember(1, pairs);
        // The model has not changed since.
        let margins = bench.state.saved.validation[&0].clone();
        bench.state.saved.validation.insert(1, margins);
        let Outcome::Selected { halt, .. } = run(&mut bench, 2) else { panic!() };
        assert_eq!(halt, expected, "{teacher:?}");
        let Some(RunEvent::SelectionMade { summary, .. }) = bench.record.take_events().pop() else {
            panic!()
        };
        assert_eq!(summary.n_flipped, Some(0));
    }
}

#[test]
fn a_teacher_is_kept_and_the_folds_are_settled() {
    let mut bench = bench(|spec| {
        spec.selection.teacher = TeacherName::Ensemble;
        spec.selection.calibration_folds = 2;
    });
    let split = &bench.resources.inputs.split;
    let (n_pool, n_validation) = (split.unlabeled_pool.len(), split.validation.len());
    bench.state.saved.folds = Some(FoldJudgments {
        pool: vec![[0.5, -0.5]; n_pool],
        validation: vec![[0.5, -0.5]; n_validation],
        ..FoldJudgments::default()
    });
    run(&mut bench, 1);
    let saved = &bench.state.saved;
    assert_eq!(saved.teacher.as_ref().unwrap().validation.len(), n_validation);
    assert!(saved.folds.as_ref().unwrap().pool.is_empty());
}

#[test]
fn the_oracle_answers_after_the_selection() {
    for (oracle, oracle_labels, n_answers) in [
        (OracleQueue::None, 5, 0),
        (OracleQueue::Teach, 0, 0),
        (OracleQueue::Teach, 5, 5),
        (OracleQueue::Audit, 5, 5),
        (OracleQueue::Random, 5, 5),
    ] {
        let mut bench = bench(|spec| {
            spec.review.oracle = oracle;
            spec.review.oracle_labels = oracle_labels;
        });
        run(&mut bench, 1);
        let events = bench.record.take_events();
        assert_eq!(bench.state.saved.verdicts.human_labels().len(), n_answers, "{oracle:?}");
        let answered = match events.last() {
            Some(RunEvent::OracleAnswered { answers, n_wrong: 0, .. }) => answers.len(),
            _ => 0,
        };
        assert_eq!(answered, n_answers, "{oracle:?}");
        assert_eq!(bench.record.n_facets_read() > 0, oracle == OracleQueue::Teach && n_answers > 0);
    }
}

#[test]
fn a_stop_while_scoring_selects_nothing() {
    let mut bench = bench(|_| ());
    bench.record.request(Some(RequestKind::Stop));
    let Bench { state, resources, reporter, .. } = &mut bench;
    assert_eq!(select(state, resources, reporter, 1).unwrap(), None);
    assert!(!names(&bench.record.take_events()).contains(&"selection_made"));
}
