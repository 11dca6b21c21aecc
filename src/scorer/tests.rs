//! Names of scorers, and whom they mean.

use super::*;
use crate::domain::text::conversation::{FlatPair, Message};
use trained::RoundWanted;

/// A question of the embedded set.
const ASKED: &str = "Finn has 4 bags with 9 balloons in each. How many balloons is that?";

fn nowhere() -> Home {
    Home::new("/nonexistent/home")
}

#[test]
fn names_say_who_scores() {
    let model = |name: &str| ModelWanted::named(name, 2);
    let dir = tempfile::tempdir().unwrap();
    let [comma, colon] = ["a,b", "a:3"].map(|name| {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path.display().to_string()
    });
    for (name, want) in [
        ("oracle", Wanted::Oracle),
        ("command: python j.py, -x", Wanted::Command("python j.py, -x".to_owned())),
        ("a", Wanted::Models(vec![model("a")])),
        ("a, b:2,./c", Wanted::Models(vec![model("a"), model("b:2"), model("./c")])),
        (&comma, Wanted::Models(vec![model(&comma)])),
    ] {
        assert_eq!(Wanted::read(name, 2).unwrap(), want, "{name}");
    }
    let of_round = |name: &str| {
        let wanted = model(name);
        (wanted.name, wanted.round)
    };
    assert_eq!(of_round("b:2"), ("b".to_owned(), RoundWanted::Number(2)));
    assert_eq!(of_round("b:x"), ("b:x".to_owned(), RoundWanted::Present));
    assert_eq!(of_round(&colon), (colon.clone(), RoundWanted::Present));
    assert!(model("hf:a/b").is_remote() && !model("a").is_remote());
}

#[test]
fn what_is_no_name_is_told() {
    for (name, message, hint) in [
        ("a,,b", "`a,,b` names no model before, between or after its commas", "`A,B`"),
        ("a,oracle", "`oracle` cannot be one of several scorers, as in `a,oracle`", "commas"),
        ("a,command:x", "`command:x` cannot be one of several", "commas"),
        ("command: ", "`command:` names no command", "judge.py"),
        ("hf:owner/name", "`hf:owner/name` is not on this machine", "ser model import"),
        ("embedded", "`embedded` has no reward head", "ser run"),
        ("embedded:2", "`embedded` is a model, which has no rounds", ":ROUND"),
    ] {
        let error = open(&nowhere(), name, 1).err().unwrap();
        assert!(error.to_string().starts_with(message), "{name}: {error}");
        assert!(error.hint().unwrap().contains(hint), "{name}: {:?}", error.hint());
    }
}

#[test]
fn several_models_give_a_score_each() {
    let mut models = vec![ModelWanted::named("embedded", 1); 2];
    for it in &mut models {
        it.untrained_head = true;
    }
    let mut scorer = Wanted::Models(models).open(&nowhere()).unwrap();
    assert_eq!(scorer.name(), "embedded, embedded");
    let text = |response| Text { form: &TextForm::Dialogue, prompt: "the cat", response };
    let found = scorer.scores(&[text(" sat"), text(" ran on the mat")]).unwrap();
    assert!(found.iter().all(|it| it.len() == 2 && it[0] == it[1]), "{found:?}");
    assert_ne!(found[0], found[1]);
}

#[test]
fn the_oracle_knows_its_questions_in_every_form() {
    let mut oracle = open(&nowhere(), "oracle", 1).unwrap();
    let flat = ["\n\nHuman: ", ASKED, "\n\nAssistant:"].concat();
    let messages = [Message::new(USER_ROLE, ASKED)];
    let answer = [Message::new("assistant", "That is 36 balloons.")];
    let FlatPair { prompt, answers, form } =
        FlatPair::of(&messages, [&answer, &answer], String::new());
    let found = oracle
        .scores(&[
            Text { form: &TextForm::Dialogue, prompt: &flat, response: " That is 36 balloons." },
            Text { form: &TextForm::Plain, prompt: ASKED, response: "That is 36 balloons." },
            Text { form: &form, prompt: &prompt, response: &answers[0] },
            Text { form: &TextForm::Plain, prompt: ASKED, response: "That is 35 balloons." },
            Text { form: &TextForm::Plain, prompt: "What is new?", response: "Nothing." },
        ])
        .unwrap();
    assert_eq!(found[..3], [[1.0], [1.0], [1.0]]);
    assert!(found[3][0] < 1.0 && found[4].is_empty(), "{found:?}");
}

#[test]
fn the_rubric_is_a_scale_from_0_to_5() {
    assert!(RUBRIC.contains("0 to 5") && RUBRIC.lines().all(|line| line.len() <= 120));
    let points = (1..=5).map(|n| format!("\n{n}. "));
    assert!(points.into_iter().all(|it| RUBRIC.contains(&it)));
}
