//! Runs from start to end, with the deterministic stand-in for the model.

use std::process::Output;

use serde_json::Value;

use super::fixture::{Place, jsonl, pairs, stderr, stdout};

/// A spec that finishes in a second.
const SPEC: &str = r#"
[model]
backbone = "mock"
[data]
source = "pairs.jsonl"
test = "split"
seed_labels = 0.3
[train]
epochs = 1
batch_pairs = 8
[selection]
min_selected = 1
[rounds]
max = 1
"#;

fn place() -> Place {
    let place = Place::new();
    place.write("pairs.jsonl", jsonl(&pairs(200)));
    place.write("spec.toml", SPEC);
    place
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_followed_run_prints_its_rounds() {
    let place = place();
    let text = succeeded(&place.ser(&["run", "spec.toml", "--plain", "--name", "first"]));
    assert!(text.contains("round 0  validation "), "{text}");
    assert!(text.contains("finished: "), "{text}");
    let shown = succeeded(&place.ser(&["show", "first"]));
    assert!(shown.contains("first") && shown.contains("finished"), "{shown}");
    let csv = succeeded(&place.ser(&["rounds", "first", "--csv"]));
    assert!(csv.starts_with("round,learning_status,n_train_pairs,"), "{csv}");
    assert!(csv.lines().nth(1).unwrap().starts_with("0,,"), "{csv}");
    let markdown = succeeded(&place.ser(&["runs", "--md"]));
    assert!(markdown.contains("| first | finished |"), "{markdown}");
}

#[test]
fn the_json_document_keeps_its_promise() {
    let place = place();
    let output =
        place.ser(&["run", "spec.toml", "--json", "--arm", "seed-only", "--rng-seeds", "4"]);
    let document: Value = serde_json::from_str(&succeeded(&output)).unwrap();
    assert_eq!(keys(&document), ["best_round", "rounds", "run", "schema", "spec"]);
    assert_eq!(document["schema"], 1);
    let run = &document["run"];
    assert_eq!(
        keys(run),
        [
            "arm",
            "attempt",
            "created_at",
            "finished_at",
            "id",
            "name",
            "rng_seed",
            "status",
            "stop_reason"
        ]
    );
    assert_eq!((&run["arm"], &run["rng_seed"]), (&"seed-only".into(), &4.into()));
    assert_eq!((&run["status"], &run["stop_reason"]), (&"finished".into(), &"round_limit".into()));
    assert!(run["finished_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(document["best_round"], 0);
    let round = &document["rounds"][0];
    assert_eq!(round["n_selected"], Value::Null, "a metric without a value is not 0");
    assert!(
        round["test"]["ci_low"].as_f64() < round["test"]["accuracy"].as_f64().map(|a| a + 1e-9)
    );
    let id = run["id"].as_str().unwrap();
    assert_eq!(place.json(&["show", id, "--json"]), document);
    // The stored spec is a spec file: the same run can be started from it.
    let spec = place.home().join("runs").join(id).join("spec.toml");
    let again = place.ser(&["run", spec.to_str().unwrap(), "--json"]);
    let again: Value = serde_json::from_str(&succeeded(&again)).unwrap();
    assert_eq!(again["spec"], document["spec"]);
    assert_eq!(again["rounds"][0]["test"], round["test"]);
    assert_eq!(place.json(&["data", "list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn arms_and_seeds_queue_a_run_each() {
    let place = place();
    let arguments = [
        "run",
        "spec.toml",
        "--detach",
        "--arm",
        "ser",
        "--arm",
        "seed-only",
        "--rng-seeds",
        "1,2",
    ];
    let ids = succeeded(&place.ser(&arguments));
    assert_eq!(ids.lines().count(), 4, "{ids}");
    for id in ids.lines() {
        succeeded(&place.ser(&["attach", id]));
        assert_eq!(place.json(&["show", id, "--json"])["run"]["status"], "finished");
    }
    let taken = place.ser(&["stop", ids.lines().next().unwrap()]);
    assert_eq!(taken.status.code(), Some(2), "{}", stderr(&taken));
}

#[test]
fn doctor_says_what_is_there() {
    let place = place();
    let document = place.json(&["doctor", "--json"]);
    let subjects: Vec<&str> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["subject"].as_str().unwrap())
        .collect();
    for subject in ["version", "processor", "terminal", "home"] {
        assert!(subjects.contains(&subject), "{subjects:?}");
    }
    assert!(!place.home().exists(), "looking makes no home");
    succeeded(&place.ser(&["data", "import", "pairs.jsonl"]));
    let text = succeeded(&place.ser(&["doctor"]));
    assert!(text.contains("journal mode wal, no damage"), "{text}");
}

#[test]
fn data_is_imported_once_and_checked_without_a_trace() {
    let place = place();
    let report = succeeded(&place.ser(&["data", "check", "pairs.jsonl"]));
    assert!(report.contains("pairs          200"), "{report}");
    assert!(!place.home().exists());
    assert!(
        succeeded(&place.ser(&["data", "import", "pairs.jsonl"])).starts_with("imported 200 pairs")
    );
    assert!(succeeded(&place.ser(&["data", "import", "pairs.jsonl"])).contains("already"));
    assert_eq!(place.json(&["data", "list", "--json"])[0]["n_pairs"], 200);
}
