//! Several arms over several random seeds as one experiment: shared first rounds, the comparison of
//! arms, and `ser reproduce`.

use std::path::Path;

use serde_json::Value;

use ser::domain::event::RunEvent;
use ser::store::{Access, Home, Store};

use super::fixture::{Place, SPEC, stderr, succeeded};

/// Runs that take a moment.
fn place() -> Place {
    Place::with_spec(&SPEC.replace("epochs = 1", "epochs = 2").replace("max = 1", "max = 2"))
}

fn launch(place: &Place, name: &str, arms: &[&str], sets: &[&str]) -> String {
    let mut arguments = vec!["run", "spec.toml", "--plain", "--rng-seeds", "1,2", "--name", name];
    for arm in arms {
        arguments.extend(["--arm", arm]);
    }
    for set in sets {
        arguments.extend(["--set", set]);
    }
    succeeded(place, &arguments)
}

/// The rounds of a run without what depends on the clock.
fn rounds(place: &Place, run: &str) -> Value {
    let mut rounds = place.json(&["rounds", run, "--json"])["rounds"].clone();
    for round in rounds.as_array_mut().unwrap() {
        round.as_object_mut().unwrap().remove("wall_s");
    }
    rounds
}

/// Events of one kind in a run, and its loss, step by step.
fn history(home: &Path, run: &str) -> (usize, Vec<(u64, f32)>) {
    let store = Store::open(&Home::new(home), Access::ReadOnly).unwrap();
    let run = store.find_run(run).unwrap().id;
    let events = store.events_after(&run, 0, 10_000).unwrap();
    let is_reuse =
        |body: &str| matches!(serde_json::from_str(body), Ok(RunEvent::RoundReused { .. }));
    let n_reused = events.iter().filter(|event| is_reuse(&event.body)).count();
    let loss = store.loss_points(&run, 10_000).unwrap();
    (n_reused, loss.iter().map(|point| (point.global_step, point.loss)).collect())
}

#[test]
fn arms_share_their_first_round_bit_for_bit() {
    let place = place();
    let arms = ["ser-code", "seed-only", "naive"];
    let text = launch(&place, "shared", &arms, &[]);
    assert!(text.contains("experiment `shared`") && text.contains("seed-only"), "{text}");
    launch(&place, "alone", &arms, &["rounds.reuse_round_0=false"]);
    let mut n_reused = 0;
    for arm in arms {
        for seed in [1, 2] {
            let [shared, alone] = ["shared", "alone"].map(|e| format!("{e}-{arm}-s{seed}"));
            let expected = rounds(&place, &alone);
            assert!(expected[0]["weights_digest"].is_string(), "{expected}");
            assert_eq!(rounds(&place, &shared), expected, "{arm} {seed}");
            let (n, loss) = history(&place.home(), &shared);
            let (n_alone, loss_alone) = history(&place.home(), &alone);
            assert_eq!((n_alone, loss), (0, loss_alone), "{arm} {seed}");
            n_reused += n;
        }
    }
    assert_eq!(n_reused, 4, "of three arms, two take the round of the first, for each seed");
}

#[test]
fn a_damaged_first_round_is_trained_again() {
    let place = place();
    launch(&place, "first", &["seed-only"], &[]);
    let mut n_damaged = 0;
    for entry in std::fs::read_dir(place.home().join("cache/rounds")).unwrap() {
        let dir = entry.unwrap().path().join("round-0");
        let weights = dir.join("mock.safetensors");
        let mut bytes = std::fs::read(&weights).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&weights, bytes).unwrap();
        n_damaged += 1;
    }
    assert_eq!(n_damaged, 2);
    launch(&place, "second", &["seed-only"], &[]);
    for seed in [1, 2] {
        let [first, second] = ["first", "second"].map(|e| format!("{e}-seed-only-s{seed}"));
        assert_eq!(rounds(&place, &first), rounds(&place, &second));
        assert_eq!(history(&place.home(), &second).0, 0);
    }
}

#[test]
fn the_full_labels_control_is_trained_as_long_as_the_longest_arm() {
    let place = place();
    // Listed first, it runs last: it needs to know what the others took.
    launch(&place, "e", &["full-labels", "naive"], &["train.epochs=1", "rounds.max=4"]);
    let store = Store::open(&Home::new(place.home()), Access::ReadOnly).unwrap();
    let steps = |run: &str| -> u64 {
        let id = store.find_run(run).unwrap().id;
        store.rounds(&id).unwrap().iter().filter_map(|round| round.n_steps).sum()
    };
    for seed in [1, 2] {
        let [naive, full] = ["naive", "full-labels"].map(|arm| steps(&format!("e-{arm}-s{seed}")));
        assert!(naive > 0);
        assert_eq!(full, naive, "one epoch of every label is shorter");
    }
}

#[test]
fn a_control_stays_a_control_and_a_changed_arm_is_called_so() {
    let place = place();
    let arguments =
        ["run", "spec.toml", "--plain", "--name", "e", "--arm", "ser-paper", "--arm", "seed-only"];
    let refused = place.ser(&[&arguments[..], &["--set", "rounds.max=1"]].concat());
    assert_eq!(
        stderr(&refused),
        "error: `rounds.max` is 1 in `--set rounds.max=1`, but 0 makes arm `seed-only` what it is\n\
         hint: set it for the other arms alone: `--set ser-paper:rounds.max=1`\n"
    );
    assert_eq!(refused.status.code(), Some(2));
    assert!(place.json(&["runs", "--json"])["runs"].as_array().unwrap().is_empty());

    succeeded(&place, &[&arguments[..], &["--set", "ser-paper:rounds.max=1"]].concat());
    let compared = place.json(&["compare", "--experiment", "e", "--json"]);
    let arms = compared["arms"]["arms"].as_array().unwrap();
    let names: Vec<&str> = arms.iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
    assert_eq!(names, ["ser-paper*", "seed-only"]);
    let show = succeeded(&place, &["show", "e-ser-paper-s1"]);
    assert!(show.contains("changed") && show.contains("rounds.max is 1 (arm: 3)"), "{show}");
    assert!(!succeeded(&place, &["show", "e-seed-only-s1"]).contains("changed"));

    let twice = place.ser(&["run", "spec.toml", "--arm", "naive", "--arm", "naive"]);
    assert!(
        stderr(&twice).contains("`naive` and `naive` have the same settings"),
        "{}",
        stderr(&twice)
    );
}

#[test]
fn a_run_that_is_there_twice_is_called_the_same_run() {
    let place = place();
    for name in ["a", "b"] {
        succeeded(&place, &["run", "spec.toml", "--plain", "--arm", "seed-only", "--name", name]);
    }
    let text = succeeded(&place, &["compare", "a", "b"]);
    assert!(
        text.contains("B is the same run as A: every setting and the random seed are equal"),
        "{text}"
    );
}

#[test]
fn an_experiment_is_compared_by_its_arms() {
    let place = place();
    launch(&place, "e", &["seed-only", "naive", "full-labels"], &[]);
    let json = place.json(&["compare", "--experiment", "e", "--json"]);
    assert_eq!(json["runs"].as_array().unwrap().len(), 6);
    let arms = &json["arms"];
    assert_eq!(arms["base"], "seed-only");
    let names: Vec<&str> =
        arms["arms"].as_array().unwrap().iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
    assert_eq!(names, ["seed-only", "naive", "full-labels"]);
    let naive = &arms["arms"][1];
    assert_eq!(naive["runs"].as_array().unwrap().len(), 2);
    assert_eq!(naive["difference"]["n_seeds"], 2);
    for key in ["difference", "ci_low", "ci_high", "p", "p_holm"] {
        assert!(naive["difference"]["over_seeds"][key].is_number(), "{key}: {naive}");
        assert!(naive["difference"]["pooled"][key].is_number(), "{key}: {naive}");
    }
    // By hand from the runs themselves.
    let accuracy = |run: &str| -> f64 {
        let rounds = place.json(&["rounds", run, "--json"]);
        let last = rounds["rounds"].as_array().unwrap().last().unwrap().clone();
        last["test"]["accuracy"].as_f64().unwrap()
    };
    let mean = |arm: &str| {
        f64::midpoint(accuracy(&format!("e-{arm}-s1")), accuracy(&format!("e-{arm}-s2")))
    };
    let found = naive["test_accuracy"]["mean"].as_f64().unwrap();
    assert!((found - mean("naive")).abs() < 1e-12);
    let difference = naive["difference"]["over_seeds"]["difference"].as_f64().unwrap();
    assert!((difference - (mean("naive") - mean("seed-only"))).abs() < 1e-12);
    assert!(naive["gap_closed"]["gap"].is_number() && arms["arms"][0]["gap_closed"].is_null());
    let text = succeeded(&place, &["compare", "--experiment", "e"]);
    assert!(text.contains("gap closed") && text.contains("Holm's adjustment for 2 arms"), "{text}");
    let runs = place.json(&["runs", "--json", "--filter", "exp=e arm=naive"]);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2);
    assert_eq!(runs["runs"][0]["experiment"], "e");
    let experiments = place.json(&["runs", "--by-experiment", "--json"]);
    assert_eq!(experiments.as_array().unwrap().len(), 1);
    assert_eq!(experiments[0]["n_finished"], 6);
    assert_eq!(experiments[0]["rng_seeds"], serde_json::json!([1, 2]));
    let table = succeeded(&place, &["runs", "--by-experiment"]);
    assert!(table.contains("full-labels naive seed-only"), "{table}");
    let output = place.ser(&["compare", "--experiment", "f"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("there is no experiment `f`"), "{}", stderr(&output));
}

#[test]
fn a_large_experiment_is_shown_by_its_arms_alone() {
    let place = place();
    let arms = ["seed-only", "naive", "confidence", "ser-code", "ser-paper"];
    launch(&place, "many", &arms, &[]);
    let output = place.ser(&["compare", "--experiment", "many", "--md"]);
    let table = String::from_utf8(output.stdout.clone()).unwrap();
    for arm in arms {
        assert!(table.contains(&format!("| {arm} | 2 |")), "{arm}: {table}");
    }
    assert!(!table.contains("many-naive-s1"), "not run by run: {table}");
    assert!(stderr(&output).contains("10 runs: name some of them"), "{}", stderr(&output));
    let json = place.json(&["compare", "--experiment", "many", "--json"]);
    assert_eq!(json["runs"].as_array().unwrap().len(), 10, "for programs, everything");
}

#[test]
fn reproducing_again_runs_nothing_again() {
    let place = place();
    let arguments = [
        "reproduce",
        "spec.toml",
        "-q",
        "--arms",
        "seed-only,ser-paper,full-labels",
        "--rng-seeds",
        "1,2",
        "--data",
        "pairs.jsonl",
        "--md",
    ];
    let first = succeeded(&place, &arguments);
    assert!(first.contains("### pairs.jsonl (experiment `reproduce-pairs-mock`)"), "{first}");
    assert!(first.contains("| arm | seeds | round 0 |"), "{first}");
    assert!(first.contains("the paper has no figures for these pairs"), "{first}");
    let n_runs = || place.json(&["runs", "--json"])["runs"].as_array().unwrap().len();
    assert_eq!(n_runs(), 6);
    assert_eq!(succeeded(&place, &arguments), first);
    assert_eq!(n_runs(), 6);
    // A new seed is all that is missing.
    let mut more = arguments.to_vec();
    more[6] = "1,2,3";
    succeeded(&place, &more);
    assert_eq!(n_runs(), 9);
    let mut json = more.clone();
    *json.last_mut().unwrap() = "--json";
    let document = place.json(&json);
    assert_eq!(document["data"][0]["n_missing"], 0);
    assert_eq!(document["data"][0]["arms"]["arms"][1]["runs"].as_array().unwrap().len(), 3);
    assert_eq!(document["data"][0]["paper"]["rows"], serde_json::json!([]));
}

#[test]
fn every_label_of_the_data_may_be_a_seed_label() {
    let place = place();
    let text = launch(&place, "all", &["seed-only"], &["data.seed_labels=1.0"]);
    assert!(text.contains("seed-only"), "{text}");
    let all = place.json(&["show", "all-seed-only-s1", "--json"]);
    let validation = all["rounds"][0]["validation"]["n"].as_u64().unwrap();
    assert_eq!(all["rounds"][0]["n_train_pairs"].as_u64().unwrap() + validation, 160);
    let output = place.ser(&["run", "spec.toml", "--set", "data.seed_labels=161"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("`data.seed_labels` is 161, but only 160"),
        "{}",
        stderr(&output)
    );
    let output = place.ser(&["run", "spec.toml", "--set", "data.seed_labels=1"]);
    assert!(stderr(&output).contains("1.0 is every pair"), "{}", stderr(&output));
}
