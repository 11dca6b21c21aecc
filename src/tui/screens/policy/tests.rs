//! Tests of the screen: pictures in every size, and what keys do through the real update function.

use super::*;
use crate::store::policy::RolloutsOf;
use crate::tui::feed::data::{RunData, Snapshot};
use crate::tui::feed::samples::Request;
use crate::tui::feed::source::Read;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, READ_ONLY, Screen, Tone};
use crate::tui::shell::overlay::Overlay;
use crate::tui::shell::update::update;
use crate::tui::tests::drive::{press, toast, type_text};
use crate::tui::tests::fixtures::{NOW_MS, model, running_data};
use crate::tui::tests::pictures::{draw, picture, snapshots};
use crate::tui::tests::policies::{of_evaluation, policy_at_gate, policy_at_work, policy_finished};

fn of(data: fn() -> RunData, keys: &'static [&str]) -> impl Fn(u16, u16) -> Model {
    move |width, height| {
        let data = data();
        let row = data.detail.row.clone();
        let mut model = model(width, height, vec![row], Some(data));
        press(&mut model, &["Enter"]);
        press(&mut model, keys);
        model
    }
}

fn at_work() -> Model {
    of(policy_at_work, &[])(80, 24)
}

#[test]
fn pictures() {
    snapshots("policy_at_work", of(policy_at_work, &[]));
    snapshots("policy_finished", of(policy_finished, &["m"]));
    snapshots("policy_reading", of(policy_at_work, &["Enter", "j", "l", "l"]));
    snapshots("policy_diff", of(policy_finished, &["Enter", "="]));
    snapshots("policy_charts", of(policy_at_work, &["m", "m", "Tab", "Tab", "z"]));
    snapshots("policy_gate", of(policy_at_gate, &["V"]));
    snapshots("policy_of_ser", of(running_data, &["6"]));
}

#[test]
fn a_policy_opens_here_and_a_ser_run_says_how_to_start_one() {
    for open in ["Enter", "2", "6"] {
        let data = policy_at_work();
        let mut model = model(80, 24, vec![data.detail.row.clone()], Some(data));
        press(&mut model, &[open]);
        assert_eq!(model.screen, Screen::Policy, "{open}");
        assert!(model.wanted().answers.is_some());
        press(&mut model, &["Esc"]);
        assert_eq!(model.screen, Screen::Runs);
    }
    let mut model = of(running_data, &["6"])(80, 24);
    assert_eq!(model.screen, Screen::Policy);
    assert_eq!(press(&mut model, &["v"]), []);
    assert!(toast(&model).0.ends_with("is no policy · P starts one that it rewards"));
    press(&mut model, &["P"]);
    assert_eq!(model.screen, Screen::Launch);
}

#[test]
fn a_run_that_was_attached_before_its_kind_was_known_ends_up_here() {
    let data = policy_at_work();
    let run = data.detail.row.id.clone();
    let mut model = model(80, 24, Vec::new(), None);
    crate::tui::screens::live::open::open(&mut model, run.clone());
    let snapshot = Snapshot::new(NOW_MS, vec![data.detail.row.clone()], Some(data));
    update(&mut model, Message::Read(Read::Snapshot(Box::new(snapshot))));
    assert_eq!((model.screen, model.policy.run.clone()), (Screen::Policy, Some(run)));
    press(&mut model, &["Esc"]);
    assert_eq!(model.screen, Screen::Runs);
}

#[test]
fn the_slider_goes_from_step_to_step_and_to_evaluations() {
    let mut model = at_work();
    let mut at = |keys: &[&str]| {
        press(&mut model, keys);
        model.wanted().answers.unwrap().0
    };
    assert_eq!(at(&[]), None, "the newest is followed");
    assert_eq!(at(&["["]), Some(RolloutsOf::Step(23)));
    assert_eq!(at(&["9", "["]), Some(RolloutsOf::Step(14)));
    assert_eq!(at(&["}"]), Some(RolloutsOf::Evaluation(20)));
    assert_eq!(at(&["]"]), Some(RolloutsOf::Step(21)));
    assert_eq!(at(&["{", "{"]), Some(RolloutsOf::Evaluation(10)));
    assert_eq!(at(&["["]), Some(RolloutsOf::Step(10)));
    assert_eq!(at(&["{", "{", "{"]), Some(RolloutsOf::Evaluation(0)));
    assert_eq!(at(&["["]), Some(RolloutsOf::Evaluation(0)), "nothing was before it");
    assert_eq!(toast(&model).1, Tone::Refused);
    press(&mut model, &["f"]);
    assert_eq!(model.policy.at, None);
    press(&mut model, &["j"]);
    assert_eq!(model.policy.at, Some(RolloutsOf::Step(24)), "who reads stays where they read");
}

#[test]
fn prompts_are_sorted_filtered_and_their_answers_walked_through() {
    let mut model = at_work();
    let pairs = |model: &Model| {
        let shown = answers::shown(model).unwrap();
        let listed = answers::listed(&model.policy, shown);
        listed.iter().map(|at| shown.rollouts[*at].pair.0).collect::<Vec<u32>>()
    };
    assert_eq!(pairs(&model), [100, 101, 102, 103]);
    for (order, want) in [
        (Order::Reward, [103, 102, 101, 100]),
        (Order::Gap, [103, 102, 101, 100]),
        (Order::AboveGold, [103, 102, 101, 100]),
        (Order::Length, [100, 101, 102, 103]),
        (Order::Sampled, [100, 101, 102, 103]),
    ] {
        press(&mut model, &["s"]);
        assert_eq!((model.policy.order, pairs(&model)), (order, want.to_vec()));
    }
    press(&mut model, &["l", "l"]);
    assert_eq!(answers::selected(&model).unwrap().answer, 2);
    press(&mut model, &["l", "l", "h"]);
    assert_eq!(answers::selected(&model).unwrap().answer, 2);
    press(&mut model, &["/"]);
    type_text(&mut model, "river !shirt");
    press(&mut model, &["Enter"]);
    assert_eq!(pairs(&model), [102]);
    press(&mut model, &["/"]);
    type_text(&mut model, "nothing");
    press(&mut model, &["Enter"]);
    assert!(pairs(&model).is_empty());
    assert!(picture(&draw(&model)).contains("no prompt has"));
    press(&mut model, &["v"]);
    assert_eq!(toast(&model).0, "no prompt has these words: / changes them");
    press(&mut model, &["Esc"]);
    assert_eq!((model.screen, pairs(&model).len()), (Screen::Policy, 4));
}

#[test]
fn vetoes_are_asked_for_shown_at_once_and_taken_back() {
    let mut model = at_work();
    let run = model.policy.run.clone().unwrap();
    let ask = |answer, is_veto| {
        let key = RolloutKey { pair: 101, answer };
        Effect::Samples(Request::VetoRollout { run: run.clone(), key, is_veto })
    };
    assert_eq!(press(&mut model, &["j", "v"]), [ask(None, true)]);
    assert!(answers::selected(&model).unwrap().rollout.is_prompt_vetoed);
    assert_eq!(press(&mut model, &["v"]), [ask(None, false)], "again lifts it");
    assert_eq!(press(&mut model, &["u"]), [ask(None, true)]);
    assert_eq!(press(&mut model, &["u"]), [ask(None, false)]);
    assert_eq!(press(&mut model, &["u"]), []);
    assert_eq!(toast(&model).1, Tone::Refused);
    assert_eq!(press(&mut model, &["Ctrl-r"]), [ask(None, true)]);
    assert_eq!(press(&mut model, &["V"]), [], "the step has learned from it");
    assert!(toast(&model).0.starts_with("this step has learned from its answers"));
    let mut gate = of(policy_at_gate, &["j", "l"])(80, 24);
    assert_eq!(press(&mut gate, &["V"]), [ask(Some((24, 1)), true)]);
    assert_eq!(answers::selected(&gate).unwrap().rollout.vetoed, [false, true, false, false]);
    assert!(picture(&draw(&gate)).contains("waits for you"));
    gate.is_read_only = true;
    assert_eq!(press(&mut gate, &["v"]), []);
    assert_eq!(toast(&gate).0, READ_ONLY);
    let mut done = of(policy_finished, &["v"])(80, 24);
    assert!(toast(&done).0.starts_with("held-out prompts teach the policy nothing"));
    let policy = done.run.as_mut().unwrap().policy.as_mut().unwrap();
    policy.shown = Some(crate::tui::tests::policies::of_step(30));
    assert_eq!(press(&mut done, &["v"]), []);
    assert!(toast(&done).0.contains("is done: no step comes"));
}

#[test]
fn another_answer_stands_beside_the_one_that_is_read() {
    let mut model = of(policy_finished, &[])(160, 48);
    let beside = |model: &Model| {
        let selected = answers::selected(model).unwrap();
        answers::beside(&model.policy, &selected).map(|(name, _)| name)
    };
    assert_eq!(beside(&model).as_deref(), Some("the reference"));
    press(&mut model, &["="]);
    assert_eq!(beside(&model).as_deref(), Some("after step 20"));
    let policy = model.run.as_mut().unwrap().policy.as_mut().unwrap();
    policy.shown = Some(ShownAnswersOf::first_evaluation());
    assert_eq!(beside(&model).as_deref(), None, "the reference has nothing beside it");
    let mut model = of(policy_at_work, &["j"])(160, 48);
    assert_eq!(beside(&model).as_deref(), Some("best of the others: answer 3"));
    press(&mut model, &["="]);
    assert_eq!(beside(&model).as_deref(), Some("worst of the others: answer 1"));
}

/// Answers of the evaluation before the first step.
struct ShownAnswersOf;

impl ShownAnswersOf {
    fn first_evaluation() -> crate::tui::feed::policy::ShownAnswers {
        let shown = of_evaluation(10);
        crate::tui::feed::policy::ShownAnswers {
            of: RolloutsOf::Evaluation(0),
            reference: Vec::new(),
            earlier: None,
            ..shown
        }
    }
}

#[test]
fn texts_are_copied() {
    let mut model = at_work();
    press(&mut model, &["y"]);
    let Some(Overlay::Choice(choice)) = &model.overlay else { panic!() };
    assert!(choice.items.iter().any(|item| item.key == Some('a') && item.label == "answer"));
}

#[test]
fn panes_zoom_and_give_room() {
    let mut model = at_work();
    let rows = layout::rows(&model);
    press(&mut model, &["+"]);
    assert_eq!(layout::rows(&model)[0], rows[0] + 1);
    press(&mut model, &["Tab", "Tab", "-", "-"]);
    assert_eq!(layout::rows(&model)[0], rows[0] + 3, "less for the charts is more for the answers");
    for pane in Pane::ALL {
        model.policy.pane = pane;
        press(&mut model, &["z"]);
        draw(&model);
        press(&mut model, &["j", "k", "G", "z"]);
    }
    press(&mut model, &["z", "Esc"]);
    assert_eq!((model.screen, model.policy.is_zoomed), (Screen::Policy, false));
}
