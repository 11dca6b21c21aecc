//! `ser compare`, `ser runs --filter` and what a person keeps about runs.

use super::fixture::{Place, SPEC, stderr, succeeded};

/// A home with runs `a` and `b`, which differ in their learning rate, and `c` with another seed.
fn place() -> Place {
    let place = Place::with_spec(SPEC);
    for (name, set) in [("a", "rng_seed=1"), ("b", "train.learning_rate=0.5"), ("c", "rng_seed=2")]
    {
        succeeded(&place, &["run", "spec.toml", "--plain", "-q", "--name", name, "--set", set]);
    }
    place
}

#[track_caller]
fn refused(place: &Place, arguments: &[&str], named: &str, hinted: &str) {
    let output = place.ser(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains(named), "{text}");
    assert!(lines[1].starts_with("hint: ") && lines[1].contains(hinted), "{text}");
}

#[test]
fn two_runs_side_by_side_in_every_form() {
    let place = place();
    let json = place.json(&["compare", "a", "b", "c", "--base", "b", "--json"]);
    assert_eq!(json["schema"], 1);
    assert_eq!(json["base"], json["runs"][1]["id"]);
    assert_eq!(json["runs"][2]["name"], "c");
    let differing: Vec<&str> = json["spec_diff"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["key"].as_str().unwrap())
        .collect();
    assert_eq!(differing, ["rng_seed", "train.learning_rate"]);
    let accuracy = &json["metrics"][0];
    assert_eq!(accuracy["name"], "test/accuracy");
    assert!(accuracy["differences"][1].is_null(), "the base itself");
    let difference = &accuracy["differences"][0];
    for key in ["n", "difference", "ci_low", "ci_high", "p", "p_holm"] {
        assert!(difference[key].is_number(), "{key}: {difference}");
    }
    let (values, n) = (&accuracy["values"], difference["n"].as_u64().unwrap());
    let direct = values[0].as_f64().unwrap() - values[1].as_f64().unwrap();
    assert!((direct - difference["difference"].as_f64().unwrap()).abs() < 1e-9, "{accuracy}");
    // Another seed splits off other test pairs: only some are common.
    assert!(accuracy["differences"][2]["n"].as_u64().unwrap() < n);
    let found = &json["disagreements"][0];
    let test = &found["test"];
    assert_eq!(test["n"].as_u64().unwrap(), n);
    let pool = found["pairs"].as_array().unwrap().iter().find(|pair| pair["split"] == "pool");
    assert!(pool.is_none_or(|pair| pair["base"]["is_right"].is_null()), "gold shows when asked");
    let text = succeeded(&place, &["compare", "a", "b"]);
    assert!(text.contains("a (base)") && text.contains("settings that differ (1 of"), "{text}");
    let markdown = succeeded(&place, &["compare", "a", "b", "--md"]);
    assert!(markdown.starts_with("| field | A a (base) | B b |"), "{markdown}");
    let csv = succeeded(&place, &["compare", "a", "b", "--csv", "--best"]);
    assert!(csv.starts_with("kind,key,run,name,value,difference,"), "{csv}");
    assert!(csv.contains("setting,train.learning_rate,"), "{csv}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let place = place();
    refused(&place, &["compare", "a"], "itself", "at least two");
    refused(&place, &["compare", "a", "b", "a"], "`a` is named twice", "once");
    refused(&place, &["compare", "a", "nothing"], "`nothing`", "ser runs");
    refused(&place, &["compare", "a", "b", "--base", "bb"], "`bb`", "");
}

#[test]
fn runs_are_filtered_by_what_is_kept_about_them() {
    let place = place();
    let names = |filter: &str| -> Vec<String> {
        let json = place.json(&["runs", "--json", "--filter", filter]);
        let runs = json["runs"].as_array().unwrap();
        runs.iter().map(|run| run["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("lr=0.5 st:done"), ["b"]);
    assert_eq!(names("!lr=0.5"), ["c", "a"]);
    let text = succeeded(&place, &["tag", "a", "+paper", "first", "-never"]);
    assert_eq!(text, "`a` has the tags first paper\n");
    assert_eq!(succeeded(&place, &["tag", "a", "-first"]), "`a` has the tags paper\n");
    assert_eq!(names("tag:paper"), ["a"]);
    succeeded(&place, &["note", "b", "higher rate"]);
    assert_eq!(succeeded(&place, &["note", "b"]), "higher rate\n");
    assert_eq!(names("note:higher"), ["b"]);
    succeeded(&place, &["archive", "b", "c"]);
    assert_eq!(names(""), ["a"]);
    assert_eq!(names("is:archived"), ["c", "b"]);
    succeeded(&place, &["archive", "--undo", "b"]);
    succeeded(&place, &["star", "b"]);
    assert_eq!(names("is:baseline"), ["b"]);
    let json = place.json(&["compare", "a", "b", "--json"]);
    assert_eq!(json["base"], json["runs"][1]["id"], "the starred run is the base");
    let csv = succeeded(&place, &["runs", "--csv"]);
    assert!(csv.lines().next().unwrap().contains(",difference,"), "{csv}");
    succeeded(&place, &["star", "--none"]);
    assert!(names("is:baseline").is_empty());
}

#[test]
fn mistakes_in_filters_and_tags_are_named() {
    let place = Place::new();
    refused(&place, &["runs", "--filter", "tagg:x"], "`tagg`", "`tag`");
    refused(&place, &["runs", "--filter", "acc>high"], "`high` is not a number", "acc>0.7");
    let place = self::place();
    refused(&place, &["tag", "a", "two words"], "`two words`", "one word");
    refused(&place, &["note", "a", "\u{7}"], "control", "");
    refused(&place, &["--read-only", "star", "a"], "--read-only", "leave");
}
