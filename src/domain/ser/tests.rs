//! The loop as a table of steps.

use super::super::preference::Side;
use super::*;

fn rule(rounds_max: u32) -> LoopRule {
    LoopRule {
        rounds_max,
        pool_labels: PoolLabels::Pseudo,
        include_seed_set: false,
        accumulate: Accumulation::LastTwo,
        review: ReviewMode::Live,
        cross_fit: false,
        has_oracle: false,
        asks_policy: false,
    }
}

fn pseudo(pair: u32) -> PseudoLabel {
    PseudoLabel { pair: PairId(pair), preferred: Side::A, confidence: 0.9 }
}

fn selected(learning_status: LearningStatus, pairs: &[u32]) -> Outcome {
    let labels = pairs.iter().copied().map(pseudo).collect();
    Outcome::Selected { learning_status, labels, halt: None }
}

fn human(pair: u32) -> TrainingLabel {
    TrainingLabel { pair: PairId(pair), preferred: Side::B, source: LabelSource::Human }
}

/// Feeds outcomes until the loop ends; returns the names of the steps it asked for.
fn drive(mut ser: SerLoop, selections: &[(LearningStatus, &[u32])]) -> (Vec<String>, SerLoop) {
    let mut names = Vec::new();
    let mut selections = selections.iter();
    loop {
        let step = ser.pending();
        names.push(match step {
            Step::Train { round } => format!("train {round}"),
            Step::Evaluate { .. } => "evaluate".to_owned(),
            Step::Answer { round } => format!("answer {round}"),
            Step::CrossFit { .. } => "cross_fit".to_owned(),
            Step::Score { round } => format!("score {round}"),
            Step::Select { .. } => "select".to_owned(),
            Step::Review { .. } => "review".to_owned(),
            Step::Finish { reason } => reason.name().to_owned(),
        });
        let outcome = match step {
            Step::Train { .. } => Outcome::Trained,
            Step::Evaluate { .. } => Outcome::Evaluated { halt: None },
            Step::Answer { .. } => Outcome::Answered,
            Step::CrossFit { .. } => Outcome::CrossFitted { halt: None },
            Step::Score { .. } => Outcome::Scored,
            Step::Select { .. } => {
                let (status, pairs) = selections.next().unwrap();
                selected(*status, pairs)
            }
            Step::Review { .. } => Outcome::Released,
            Step::Finish { .. } => return (names, ser),
        };
        ser.on(outcome).unwrap();
    }
}

#[test]
fn the_whole_loop_in_order() {
    let status = LearningStatus::Status1;
    let (names, ser) = drive(SerLoop::new(rule(2)), &[(status, &[1, 2]), (status, &[3])]);
    assert_eq!(
        names.join(" "),
        "train 0 evaluate evaluate score 1 select train 1 evaluate evaluate \
         score 2 select train 2 evaluate evaluate round_limit"
    );
    let pairs = |round| -> Vec<u32> {
        ser.training_labels(round, &[human(9)], &[]).iter().map(|l| l.pair.0).collect()
    };
    assert_eq!(pairs(0), [9]);
    assert_eq!(pairs(1), [1, 2]);
    assert_eq!(pairs(2), [1, 2, 3]); // D^1 ∪ D^2
    assert_eq!(ser.already_selected().len(), 3);
}

#[test]
fn a_policy_answers_before_each_labeling_and_before_the_folds() {
    let status = LearningStatus::Ungated;
    let rule = LoopRule { asks_policy: true, cross_fit: true, ..rule(2) };
    let (names, ser) = drive(SerLoop::new(rule), &[(status, &[1]), (status, &[2])]);
    assert_eq!(
        names.join(" "),
        "train 0 evaluate evaluate answer 1 cross_fit score 1 select train 1 evaluate evaluate \
         answer 2 score 2 select train 2 evaluate evaluate round_limit"
    );
    assert_eq!(ser.answered(), 2);
    let alone = LoopRule { cross_fit: false, ..rule };
    let (names, _) = drive(SerLoop::new(alone), &[(LearningStatus::Stop, &[])]);
    assert!(names.join(" ").starts_with("train 0 evaluate evaluate answer 1 score 1 select"));
    for control in
        [LoopRule { rounds_max: 0, ..rule }, LoopRule { pool_labels: PoolLabels::Human, ..rule }]
    {
        assert_eq!(
            drive(SerLoop::new(control), &[]).0.join(" "),
            "train 0 evaluate evaluate round_limit"
        );
    }
}

#[test]
fn a_loop_saved_before_there_were_policies_asks_none() {
    let whole = SerLoop::new(rule(1));
    let mut json = serde_json::to_value(&whole).unwrap();
    json.as_object_mut().unwrap().remove("answered");
    json["rule"].as_object_mut().unwrap().remove("asks_policy");
    assert_eq!(serde_json::from_value::<SerLoop>(json).unwrap(), whole);
}

#[test]
fn only_the_two_latest_selections_are_trained_on() {
    let status = LearningStatus::Status1;
    let selections: [(_, &[u32]); 3] = [(status, &[1]), (status, &[2]), (status, &[3])];
    let (_, ser) = drive(SerLoop::new(rule(3)), &selections);
    let pairs: Vec<u32> = ser.training_labels(3, &[], &[]).iter().map(|l| l.pair.0).collect();
    assert_eq!(pairs, [2, 3]);
}

#[test]
fn a_round_trains_on_what_the_rule_accumulates_and_the_newest_label_holds() {
    let status = LearningStatus::Ungated;
    let selections: [(_, &[u32]); 3] = [(status, &[1, 4]), (status, &[2, 4]), (status, &[3])];
    for (accumulate, expected) in [
        (Accumulation::Latest, vec![(3, 3)]),
        (Accumulation::LastTwo, vec![(2, 2), (4, 2), (3, 3)]),
    ] {
        let rule = LoopRule { accumulate, ..rule(3) };
        let (_, ser) = drive(SerLoop::new(rule), &selections);
        let labels = ser.training_labels(3, &[], &[]);
        let found: Vec<(u32, u32)> = labels
            .iter()
            .filter_map(|label| match label.source {
                LabelSource::Pseudo { round } => Some((label.pair.0, round)),
                LabelSource::Human => None,
            })
            .collect();
        assert_eq!(found, expected, "{accumulate:?}");
    }
}

#[test]
fn an_oracle_keeps_the_loop_going_when_nothing_is_selected() {
    let ser = SerLoop::new(LoopRule { has_oracle: true, ..rule(2) });
    let stop: (_, &[u32]) = (LearningStatus::Stop, &[]);
    let (names, ser) = drive(ser, &[stop, stop]);
    assert!(names.join(" ").ends_with("select train 2 evaluate evaluate round_limit"));
    assert!(ser.training_labels(2, &[], &[]).is_empty());
}

#[test]
fn a_human_label_takes_the_place_of_a_pseudo_label() {
    let pseudo = |pair| TrainingLabel {
        pair: PairId(pair),
        preferred: Side::A,
        source: LabelSource::Pseudo { round: 1 },
    };
    let labels = with_human_labels(vec![human(9), pseudo(1), pseudo(2)], &[human(2), human(5)]);
    assert_eq!(labels, [human(9), human(2), human(5), pseudo(1)]);
    assert_eq!(with_human_labels(vec![pseudo(1)], &[]), [pseudo(1)]);
}

#[test]
fn exhaustion_stops_before_training() {
    let (names, _) = drive(SerLoop::new(rule(3)), &[(LearningStatus::Stop, &[])]);
    assert!(names.join(" ").ends_with("score 1 select selection_exhausted"), "{names:?}");
}

#[test]
fn controls_and_the_gate() {
    let seed_only = drive(SerLoop::new(rule(0)), &[]).0;
    assert_eq!(seed_only.join(" "), "train 0 evaluate evaluate round_limit");
    let full = LoopRule { pool_labels: PoolLabels::Human, ..rule(3) };
    let (names, ser) = drive(SerLoop::new(full), &[]);
    assert_eq!(names.join(" "), "train 0 evaluate evaluate round_limit");
    assert_eq!(ser.training_labels(0, &[human(1)], &[human(2)]).len(), 2);
    let gated = LoopRule { review: ReviewMode::Gate, ..rule(1) };
    let (names, _) = drive(SerLoop::new(gated), &[(LearningStatus::Status1, &[1])]);
    assert!(names.join(" ").contains("select review train 1"), "{names:?}");
}

#[test]
fn guards_end_the_loop_by_name() {
    let dropped = StopReason::ValidationDropped;
    let mut ser = SerLoop::new(rule(3));
    ser.on(Outcome::Trained).unwrap();
    let next = ser.on(Outcome::Evaluated { halt: Some(dropped) }).unwrap();
    assert_eq!(next, Step::Evaluate { round: 0, split: Split::Test }, "the record is completed");
    assert_eq!(ser.on(Outcome::Evaluated { halt: None }), Ok(Step::Finish { reason: dropped }));

    let chance = StopReason::SeedNotBetterThanChance;
    let mut ser = SerLoop::new(LoopRule { cross_fit: true, ..rule(1) });
    let start = [Outcome::Trained, Outcome::Evaluated { halt: None }];
    for outcome in start.into_iter().chain([Outcome::Evaluated { halt: None }]) {
        ser.on(outcome).unwrap();
    }
    assert_eq!(ser.pending(), Step::CrossFit { round: 0 });
    let mut refused = ser.clone();
    let outcome = Outcome::CrossFitted { halt: Some(chance) };
    assert_eq!(refused.on(outcome), Ok(Step::Finish { reason: chance }));
    ser.on(Outcome::CrossFitted { halt: None }).unwrap();
    ser.on(Outcome::Scored).unwrap();
    let one_sided = StopReason::SelectionOneSided;
    let learning_status = LearningStatus::Ungated;
    let labels = vec![pseudo(1)];
    let outcome = Outcome::Selected { learning_status, labels, halt: Some(one_sided) };
    assert_eq!(ser.on(outcome), Ok(Step::Finish { reason: one_sided }));
    assert!(ser.already_selected().is_empty());
}

#[test]
fn a_wrong_outcome_changes_nothing() {
    let mut ser = SerLoop::new(rule(1));
    let before = ser.clone();
    assert!(ser.on(Outcome::Scored).is_err());
    assert_eq!(ser, before);
}

#[test]
fn verdicts_touch_pseudo_labels_only() {
    let mut verdicts = VerdictSet::default();
    verdicts.record(PairId(1), Verdict::Veto);
    verdicts.record(PairId(2), Verdict::Flip);
    let label = |pair, source| TrainingLabel { pair: PairId(pair), preferred: Side::A, source };
    let pseudo = LabelSource::Pseudo { round: 1 };
    assert_eq!(apply_verdict(label(1, pseudo), &verdicts), None);
    assert_eq!(apply_verdict(label(2, pseudo), &verdicts).unwrap().preferred, Side::B);
    assert_eq!(apply_verdict(label(3, pseudo), &verdicts).unwrap().preferred, Side::A);
    assert!(apply_verdict(label(1, LabelSource::Human), &verdicts).is_some());
}

#[test]
fn state_survives_serialization() {
    let (_, ser) = drive(SerLoop::new(rule(1)), &[(LearningStatus::Status2, &[5])]);
    let text = serde_json::to_string(&ser).unwrap();
    assert_eq!(serde_json::from_str::<SerLoop>(&text).unwrap(), ser);
}
