//! Tests of a sitting: pictures in every size, and what keys do through the real update function.

use super::*;
use crate::domain::run::RunId;
use crate::store::judging::{NewVerdict, Opponent};
use crate::tui::feed::samples::Request;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{READ_ONLY, Screen, Tone};
use crate::tui::shell::overlay::Overlay;
use crate::tui::shell::update::update;
use crate::tui::terminal::input::Input;
use crate::tui::tests::drive::{press, toast};
use crate::tui::tests::fixtures::model;
use crate::tui::tests::pictures::{draw, picture, snapshots};
use crate::tui::tests::policies::{policy_at_work, policy_judged};

fn at(said: &[Said], keys: &[&str], (width, height): (u16, u16)) -> Model {
    let data = policy_judged(said);
    let mut model = model(width, height, vec![data.detail.row.clone()], Some(data));
    model.samples.judging.reviewer = "anna".to_owned();
    press(&mut model, &["Enter"]);
    press(&mut model, keys);
    model
}

fn verdict(pair: u32, said: Option<Said>) -> NewVerdict {
    NewVerdict { pair: PairId(pair), said, is_left: (pair - 100).is_multiple_of(3) }
}

/// What an effect records.
fn recorded(effects: &[Effect]) -> Vec<NewVerdict> {
    let [Effect::Samples(Request::JudgeGames { verdicts, matchup, .. })] = effects else {
        panic!("{effects:?}")
    };
    assert_eq!(*matchup, Matchup { step: 10, other: None, other_step: 0 });
    verdicts.clone()
}

#[test]
fn pictures() {
    snapshots("policy_judging", |width, height| at(&[Said::Win], &["b"], (width, height)));
    let all = [Said::Win, Said::Tie, Said::Loss, Said::Skip];
    snapshots("policy_judged", |width, height| at(&all, &["b", "j"], (width, height)));
    snapshots("policy_judging_begun", |width, height| at(&all[..2], &[], (width, height)));
}

#[test]
fn nobody_judges_what_is_not_shown() {
    let mut model = at(&[], &["b"], (160, 48));
    update(&mut model, Message::Input(Input::Resized { width: 40, height: 10 }));
    assert_eq!(press(&mut model, &["1", "2", "0", "u"]), []);
    assert_eq!(toast(&model).0, "the terminal is too small to show what this decides");
    update(&mut model, Message::Input(Input::Resized { width: 80, height: 24 }));
    assert_eq!(recorded(&press(&mut model, &["1"])), [verdict(100, Some(Said::Win))]);
}

#[test]
fn nothing_says_whose_an_answer_is_until_all_are_judged() {
    let mut model = at(&[], &["b"], (160, 48));
    let of_screen = picture(&draw(&model));
    for word in ["gold", "reward", "tokens", "the policy", "wins"] {
        assert!(!of_screen.contains(word), "{word}\n{of_screen}");
    }
    assert!(of_screen.contains("0 of 3 judged · 1 tie of the same words"), "{of_screen}");
    let effects = press(&mut model, &["1"]);
    assert_eq!(recorded(&effects), [verdict(100, Some(Said::Win))], "the policy was on the left");
    let effects = press(&mut model, &["u"]);
    assert_eq!(recorded(&effects), [verdict(100, None)]);
    press(&mut model, &["1"]);
    let effects = press(&mut model, &["2"]);
    let want = [verdict(101, Some(Said::Tie)), verdict(102, Some(Said::Win))];
    assert_eq!(recorded(&effects), want, "the same words are a tie nobody is asked about");
    let effects = press(&mut model, &["0"]);
    assert_eq!(recorded(&effects), [verdict(103, Some(Said::Tie))]);
    let of_screen = picture(&draw(&model));
    assert!(of_screen.contains("which side was which"), "{of_screen}");
    for key in ["1", "u", "r"] {
        assert_eq!(press(&mut model, &[key]), [], "{key}");
        assert_eq!(toast(&model).1, Tone::Refused, "{key}");
    }
    press(&mut model, &["Esc"]);
    assert_eq!((model.screen, model.policy.judging.is_none()), (Screen::Policy, true));
}

#[test]
fn a_sitting_is_left_and_gone_on_with_and_ended_early() {
    let mut model = at(&[Said::Loss], &["b", "s"], (80, 24));
    assert_eq!(Sitting::of(&model).unwrap().n_open(), 1);
    press(&mut model, &["q"]);
    assert_eq!(toast(&model).0, "2 of 3 judged · b goes on where you left");
    let mut model = at(&[Said::Loss], &["b", "r"], (80, 24));
    assert!(matches!(&model.overlay, Some(Overlay::Confirm { .. })));
    let effects = press(&mut model, &["y"]);
    let skipped = [101, 102, 103].map(|pair| verdict(pair, Some(Said::Skip)));
    assert_eq!(recorded(&effects), skipped);
    assert!(Sitting::of(&model).unwrap().is_revealed());
}

#[test]
fn whom_to_judge_against_is_asked_where_there_is_a_choice() {
    let mut model = at(&[], &[], (80, 24));
    let other = RunId::from_bits(77);
    let policy = model.run.as_mut().unwrap().policy.as_mut().unwrap();
    policy.opponents = vec![Opponent { run: other.clone(), name: "dpo1".to_owned(), step: 30 }];
    press(&mut model, &["b"]);
    let Some(Overlay::Choice(choice)) = &model.overlay else { panic!() };
    let labels: Vec<&str> = choice.items.iter().map(|item| item.label.as_str()).collect();
    assert_eq!(labels, ["its reference", "dpo1"]);
    press(&mut model, &["1"]);
    let matchup = Matchup { step: 10, other: Some(other), other_step: 30 };
    assert_eq!(model.policy.judging.as_ref().unwrap().matchup, matchup);
    assert_eq!(model.wanted().judging.unwrap().matchup, matchup);
    assert!(picture(&draw(&model)).contains("reading the answers"));
    assert_eq!(press(&mut model, &["1"]), []);
    assert_eq!(toast(&model).0, "the answers are still being read");
    model.policy.judging = None;
    model.is_read_only = true;
    press(&mut model, &["b"]);
    assert_eq!(toast(&model).0, READ_ONLY);
    let mut data = policy_at_work();
    data.policy.as_mut().unwrap().evaluations.truncate(1);
    let mut early =
        crate::tui::tests::fixtures::model(80, 24, vec![data.detail.row.clone()], Some(data));
    press(&mut early, &["Enter", "b"]);
    assert!(toast(&early).0.starts_with("the policy is still its reference"));
}
