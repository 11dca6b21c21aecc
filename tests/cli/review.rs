//! Reviewing from the command line, with real worker processes on the mock model: the gate, its
//! timeout, and verdicts that reach the training under way.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::fixture::{Place, SPEC, stderr, succeeded};
use crate::patience::seconds;

/// Leaves the gate out.
const LIVE: &str = "review.mode=live";

fn place() -> Place {
    Place::with_spec(&format!("{SPEC}[review]\nmode = \"gate\"\n"))
}

/// Waits until the run is in this state; polls the way a script would.
#[track_caller]
fn wait_for(place: &Place, run: &str, status: &str) -> Value {
    let begin = Instant::now();
    loop {
        let document = place.json(&["show", run, "--json"]);
        if document["run"]["status"] == status {
            return document;
        }
        assert!(begin.elapsed() < seconds(60), "{run} is {}", document["run"]["status"]);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts a run that holds at its first selection.
fn held(place: &Place, name: &str) {
    succeeded(place, &["run", "spec.toml", "--detach", "--name", name]);
    wait_for(place, name, "paused");
}

fn selected(place: &Place, run: &str) -> Vec<String> {
    let document =
        place.json(&["samples", run, "--filter", "selected:yes", "--limit", "999", "--json"]);
    let samples = document["samples"].as_array().unwrap();
    samples.iter().map(|sample| sample["pair"].to_string()).collect()
}

fn n_train(document: &Value) -> u64 {
    document["rounds"][1]["n_train_pairs"].as_u64().unwrap()
}

#[test]
fn a_run_that_waits_for_a_person_lets_the_next_one_go() {
    let place = place();
    held(&place, "gated");
    succeeded(&place, &["run", "spec.toml", "--plain", "--name", "next", "--set", LIVE]);
    let document = place.json(&["show", "gated", "--json"]);
    assert_eq!(document["run"]["status"], "paused");
    assert!(succeeded(&place, &["resume", "gated"]).contains("goes on at once"));
    wait_for(&place, "gated", "finished");
}

#[test]
fn a_held_round_trains_without_what_was_vetoed() {
    let place = place();
    held(&place, "gated");
    let pairs = selected(&place, "gated");
    let arguments = ["veto", "gated", &pairs[0], &pairs[1], &pairs[2], "--reason", "both bad"];
    assert!(succeeded(&place, &arguments).starts_with("vetoed 3 pairs of `gated`"));
    succeeded(&place, &["veto", "gated", &pairs[3]]);
    assert!(succeeded(&place, &["undo", "gated"]).contains("took back: vetoed pair"));
    succeeded(&place, &["resume", "gated"]);
    let document = wait_for(&place, "gated", "finished");
    assert_eq!(n_train(&document), pairs.len() as u64 - 3);
    let vetoed = place.json(&["samples", "gated", "--filter", "verdict:veto", "--json"]);
    assert_eq!((&vetoed["n_listed"], &vetoed["n_vetoed"]), (&3.into(), &3.into()));
    assert_eq!(vetoed["samples"][0]["reason"], "both bad");
    // After the end a verdict is still kept, and says that it changes nothing.
    assert!(succeeded(&place, &["keep", "gated", &pairs[4]]).contains("the run has ended"));
}

#[test]
fn flips_train_the_other_answer_and_keeps_the_same_one() {
    let place = place();
    let accuracy = |name: &str, verdict: &str| {
        held(&place, name);
        succeeded(&place, &[verdict, name, "--filter", "selected:yes"]);
        succeeded(&place, &["resume", name]);
        let document = wait_for(&place, name, "finished");
        assert_eq!(n_train(&document), selected(&place, name).len() as u64);
        document["rounds"][1]["test"]["mean_margin"].as_f64().unwrap()
    };
    let (kept, flipped) = (accuracy("kept", "keep"), accuracy("flipped", "flip"));
    assert!(flipped < kept, "every label turned around: {flipped} against {kept}");
}

#[test]
fn a_gate_with_a_timeout_opens_by_itself() {
    let place = place();
    let arguments = ["run", "spec.toml", "--plain", "--name", "timed", "--set", "review.timeout=1"];
    succeeded(&place, &arguments);
    let document = place.json(&["show", "timed", "--json"]);
    assert_eq!(document["run"]["status"], "finished");
    assert!(n_train(&document) > 0);
}

#[test]
fn a_live_veto_takes_effect_in_the_training_under_way() {
    let place = place();
    let mut command = place.command(&[
        "run",
        "spec.toml",
        "--detach",
        "--name",
        "live",
        "--set",
        "review.mode=live",
        "--set",
        "train.epochs=100",
    ]);
    let started = command.env("SER_MOCK_DELAY_US", "4000").output().unwrap();
    assert!(started.status.success(), "{}", stderr(&started));
    let begin = Instant::now();
    // Until the selection of round 1 is there, the list is a mistake in the request.
    while !place.ser(&["samples", "live"]).status.success() {
        assert!(begin.elapsed() < seconds(60), "no selection");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pairs = selected(&place, "live");
    succeeded(&place, &["veto", "live", &pairs[0], &pairs[1]]);
    let seen = |word: &str| {
        let log = place.ser(&["samples", "live", "--filter", word, "--json"]);
        serde_json::from_slice::<Value>(&log.stdout).unwrap()["n_listed"].as_u64().unwrap()
    };
    assert_eq!(seen("verdict:veto"), 2);
    let store =
        ser::store::Store::open(&ser::store::Home::new(place.home()), ser::store::Access::ReadOnly)
            .unwrap();
    let run = store.find_run("live").unwrap().id;
    loop {
        let events = store.last_log_events(&run, 100).unwrap();
        if let Some(event) = events.iter().find(|e| e.body.contains("\"verdicts_read\"")) {
            assert!(event.body.contains("\"round\":1") && event.body.contains("\"n_vetoed\":2"));
            break;
        }
        assert!(begin.elapsed() < seconds(60), "the worker never read the verdicts");
        std::thread::sleep(Duration::from_millis(20));
    }
    succeeded(&place, &["stop", "live"]);
    wait_for(&place, "live", "stopped");
}

#[test]
fn queues_estimates_and_tables() {
    let place = place();
    held(&place, "gated");
    let audit = place.json(&["samples", "gated", "--queue", "audit", "--json"]);
    assert_eq!((&audit["order"], &audit["precision"]), (&"audit".into(), &Value::Null));
    let first = audit["samples"][0]["pair"].to_string();
    let second = audit["samples"][1]["pair"].to_string();
    succeeded(&place, &["keep", "gated", &first, "--queue", "audit"]);
    succeeded(&place, &["flip", "gated", &second, "--queue", "audit", "--comment", "reads badly"]);
    let audit = place.json(&["samples", "gated", "--queue", "audit", "--gold", "--json"]);
    assert_eq!(audit["precision"]["n_reviewed"], 2);
    assert_eq!(audit["precision"]["precision"], 0.5);
    assert_eq!(audit["samples"][1]["comment"], "reads badly");
    assert!(audit["samples"][0]["gold"].is_string());
    let csv = succeeded(&place, &["samples", "gated", "--csv", "--limit", "2"]);
    assert!(csv.starts_with("pair,confidence,change,preferred,left_out,verdict,"), "{csv}");
    assert!(!csv.lines().next().unwrap().contains("gold"));
    let markdown = succeeded(&place, &["samples", "gated", "--md", "--queue", "teach"]);
    assert!(markdown.starts_with("| pair | confidence |"), "{markdown}");
    let human = place.ser(&["samples", "gated", "--limit", "3"]);
    assert!(stderr(&human).contains("2 audited: precision 50.0 %"), "{}", stderr(&human));
    succeeded(&place, &["stop", "gated"]);
}

#[test]
fn reviewers_are_named_agree_or_differ_and_take_back_what_is_theirs() {
    let place = place();
    held(&place, "gated");
    // A gate says that it waits for a person, and how to go on.
    let runs = place.ser(&["runs"]);
    let told = "`gated` waits for your review: `ser resume gated` lets it go on";
    assert!(stderr(&runs).contains(told), "{}", stderr(&runs));
    assert!(succeeded(&place, &["show", "gated"]).contains("waits for your review: `ser resume"));
    assert_eq!(place.json(&["runs", "--json"])["runs"][0]["status"], "paused");

    let pairs = selected(&place, "gated");
    let by = |name: &str, verdict: &str, pairs: &[&str]| {
        let who = [verdict, "gated", "--reviewer", name];
        succeeded(&place, &who.iter().chain(pairs).copied().collect::<Vec<_>>())
    };
    let kept = by("anna", "keep", &[&pairs[0]]);
    assert!(kept.contains(" is better"), "the side is named: {kept}");
    assert!(kept.trim_end().ends_with(" --reviewer anna`"), "undo asks who: {kept}");
    by("anna", "veto", &[&pairs[1]]);
    by("bob", "keep", &[&pairs[0]]);
    let flipped = by("bob", "flip", &[&pairs[1]]);
    assert!(flipped.contains("was vetoed by anna"), "{flipped}");
    let found = place.json(&["verdicts", "gated", "--json"]);
    assert_eq!(found["reviewers"][0]["reviewer"], "anna");
    assert_eq!(found["agreements"][0]["share"], 0.5);
    assert_eq!(found["disputed"][0]["pair"].to_string(), pairs[1]);
    let text = succeeded(&place, &["verdicts", "gated"]);
    assert!(text.contains("anna and bob both judged 2 pairs: 50.0 % the same"), "{text}");
    let samples = place.json(&["samples", "gated", "--filter", "verdict:flip", "--json"]);
    assert_eq!(samples["samples"][0]["reviewer"], "bob", "the newest decision holds");

    // Both labels leave with their authors, and say which is trained on.
    let out = place.path("people.jsonl");
    let path = out.to_str().unwrap();
    let what = ["export", "gated", "--format", "jsonl", "--what", "human-labels", "-o", path];
    succeeded(&place, &what);
    let text = std::fs::read_to_string(&out).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let who: Vec<_> = rows.iter().map(|row| (&row["reviewer"], &row["in_force"])).collect();
    let (anna, bob) = (Value::from("anna"), Value::from("bob"));
    assert_eq!(who, [(&anna, &true.into()), (&bob, &true.into()), (&bob, &true.into())]);

    let out = place.path("report.html");
    let path = out.to_str().unwrap();
    succeeded(&place, &["export", "gated", "--format", "html", "-o", path]);
    let report = std::fs::read_to_string(&out).unwrap();
    let found = "In force: 1 labels kept, 1 flipped, 0 pairs vetoed, by anna, bob.";
    assert!(report.contains(found), "{report}");
    assert!(
        report.contains("anna and bob both judged 2 pairs") && report.contains("differ about 1")
    );

    // Bob takes his flip back: what Anna said holds again. Carl has nothing to take back.
    succeeded(&place, &["undo", "gated", "--reviewer", "bob"]);
    let samples = place.json(&["samples", "gated", "--filter", "verdict:veto", "--json"]);
    assert_eq!((&samples["n_listed"], &samples["samples"][0]["reviewer"]), (&1.into(), &anna));
    let carl = place.ser(&["undo", "gated", "--reviewer", "carl"]);
    assert!(stderr(&carl).contains("nothing to undo in `gated`, for reviewer carl"));
    let nobody = place.ser(&["keep", "gated", &pairs[0], "--reviewer", " "]);
    assert!(
        stderr(&nobody).contains("is no name of a reviewer: it is empty"),
        "{}",
        stderr(&nobody)
    );
    succeeded(&place, &["stop", "gated"]);
}

#[test]
fn mistakes_say_what_to_do() {
    let place = place();
    held(&place, "gated");
    let refused = |arguments: &[&str], message: &str, hint: &str| {
        let output = place.ser(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = stderr(&output);
        assert!(text.contains(message) && text.contains(hint), "{arguments:?}: {text}");
    };
    refused(&["samples", "nobody"], "there is no run `nobody`", "hint:");
    refused(
        &["samples", "gated", "--round", "0"],
        "round 0 of `gated` has no selection",
        "ser rounds",
    );
    refused(&["samples", "gated", "--filter", "confidence:x"], "is not a filter", "near:.02");
    refused(
        &["samples", "gated", "--queue", "audit", "--filter", "why:tie"],
        "not random",
        "hint:",
    );
    refused(&["veto", "gated", "99999"], "has no pair 99999", "ser samples RUN");
    refused(&["veto", "gated"], "required arguments", "ser veto --help");
    refused(
        &["veto", "gated", "--filter", "verdict:keep"],
        "no pair passes the filter",
        "ser samples",
    );
    refused(&["undo", "gated"], "nothing to undo in `gated`", "verdict:any");
    refused(&["redo", "gated"], "nothing to redo in `gated`", "hint:");
    refused(
        &["--read-only", "veto", "gated", "1"],
        "`--read-only` is set",
        "leave `--read-only` out",
    );
    succeeded(&place, &["stop", "gated"]);
}
