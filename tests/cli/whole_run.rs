//! Runs from start to end, with the deterministic stand-in for the model.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::fixture::{Place, SPEC, stderr, succeeded};

fn place() -> Place {
    Place::with_spec(SPEC)
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_followed_run_prints_its_rounds() {
    let place = place();
    let text = succeeded(&place, &["run", "spec.toml", "--plain", "--name", "first"]);
    assert!(text.contains("round 0  validation "), "{text}");
    assert!(text.contains("finished: "), "{text}");
    let shown = succeeded(&place, &["show", "first"]);
    assert!(shown.contains("first") && shown.contains("finished"), "{shown}");
    let csv = succeeded(&place, &["rounds", "first", "--csv"]);
    assert!(csv.starts_with("round,learning_status,n_train_pairs,"), "{csv}");
    assert!(csv.lines().nth(1).unwrap().starts_with("0,,"), "{csv}");
    let markdown = succeeded(&place, &["runs", "--md"]);
    assert!(markdown.contains("| first | finished |"), "{markdown}");
}

/// How many processes were started for each run of the place.
fn starts(place: &Place) -> Vec<usize> {
    let runs = std::fs::read_dir(place.home().join("runs")).unwrap();
    let logs = runs.map(|run| std::fs::read_to_string(run.unwrap().path().join("worker.log")));
    logs.map(|log| {
        let log = log.unwrap();
        assert!(!log.contains("another worker has this run"), "{log}");
        log.matches("worker started").count()
    })
    .collect()
}

#[test]
fn a_run_is_started_once_by_whoever_follows_it() {
    let place = place();
    for _ in 0..5 {
        succeeded(&place, &["run", "spec.toml", "--plain", "--quiet"]);
    }
    assert_eq!(starts(&place), [1; 5]);
}

#[test]
fn a_run_is_started_once_though_many_processes_see_it_wait() {
    let place = place();
    // Three followers, and each worker that ends, start what comes next.
    let seeds = ["run", "spec.toml", "--rng-seeds", "1,2,3", "--detach"];
    let ids = succeeded(&place, &seeds);
    let follow = |run: &str| {
        let mut command = place.command(&["attach", "--plain", "--quiet", run]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let followers: Vec<Child> = ids.lines().map(follow).collect();
    for mut follower in followers {
        assert!(follower.wait().unwrap().success());
    }
    assert_eq!(starts(&place), [1; 3]);
}

#[test]
fn the_json_document_keeps_its_promise() {
    let place = place();
    let document =
        place.json(&["run", "spec.toml", "--json", "--arm", "seed-only", "--rng-seeds", "4"]);
    assert_eq!(keys(&document), ["best_round", "rounds", "run", "schema", "spec"]);
    assert_eq!(document["schema"], 1);
    let run = &document["run"];
    assert_eq!(
        keys(run),
        [
            "arm",
            "attempt",
            "created_at",
            "experiment",
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
    let again = place.json(&["run", spec.to_str().unwrap(), "--json"]);
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
    let ids = succeeded(&place, &arguments);
    assert_eq!(ids.lines().count(), 4, "{ids}");
    for id in ids.lines() {
        succeeded(&place, &["attach", id]);
        assert_eq!(place.json(&["show", id, "--json"])["run"]["status"], "finished");
    }
    let taken = place.ser(&["stop", ids.lines().next().unwrap()]);
    assert_eq!(taken.status.code(), Some(2), "{}", stderr(&taken));
}

#[test]
fn a_printed_spec_is_the_spec_that_would_run() {
    let place = place();
    let default = succeeded(&place, &["run", "--print-spec"]);
    assert!(default.starts_with("# The default experiment"), "{default}");
    let changed = succeeded(&place, &["run", "spec.toml", "--print-spec", "--arm", "seed-only"]);
    assert!(
        changed.contains("arm = \"seed-only\"\n") && changed.contains("\nmax = 0\n"),
        "{changed}"
    );
    place.write("again.toml", &changed);
    assert_eq!(succeeded(&place, &["run", "again.toml", "--print-spec"]), changed);
    assert!(!place.home().exists());
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
    succeeded(&place, &["data", "import", "pairs.jsonl"]);
    let text = succeeded(&place, &["doctor"]);
    assert!(text.contains("journal mode wal, no damage"), "{text}");
}

#[test]
fn data_is_imported_once_and_checked_without_a_trace() {
    let place = place();
    let report = succeeded(&place, &["data", "check", "pairs.jsonl"]);
    assert!(report.contains("pairs          200"), "{report}");
    assert!(!place.home().exists());
    assert!(
        succeeded(&place, &["data", "import", "pairs.jsonl"]).starts_with("imported 200 pairs")
    );
    assert!(succeeded(&place, &["data", "import", "pairs.jsonl"]).contains("already"));
    assert_eq!(place.json(&["data", "list", "--json"])[0]["n_pairs"], 200);
}

/// Starts a run that takes long, follows it, and returns once the following has begun.
fn followed(place: &Place) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = place
        .command(&["run", "spec.toml", "--plain", "--name", "slow"])
        .env("SER_MOCK_DELAY_US", "50000")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(" seed set ") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "nothing said of the seed set");
    }
    (child, lines)
}

fn rest(lines: BufReader<std::process::ChildStderr>) -> String {
    lines.lines().map(|line| line.unwrap() + "\n").collect()
}

#[test]
fn ctrl_c_ends_the_following_and_not_the_run() {
    let place = place();
    let (mut child, lines) = followed(&place);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let text = rest(lines);
    assert!(
        text.contains("goes on without this command\nhint: watch it with `ser attach r"),
        "{text}"
    );
    assert_eq!(place.json(&["show", "slow", "--json"])["run"]["status"], "running");
    let said = succeeded(&place, &["stop", "slow"]);
    assert!(said.contains("checkpoint") && said.contains("`ser resume r"), "{said}");
    succeeded(&place, &["attach", "slow"]);
    assert_eq!(place.json(&["show", "slow", "--json"])["run"]["status"], "stopped");
    succeeded(&place, &["resume", "slow"]);
    succeeded(&place, &["attach", "slow"]);
    assert_eq!(place.json(&["show", "slow", "--json"])["run"]["status"], "finished");
}

#[test]
fn a_lost_worker_is_told_and_can_be_resumed() {
    let place = place();
    let (mut child, lines) = followed(&place);
    kill(Pid::from_raw(worker_of(&place)), Signal::SIGKILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let text = rest(lines);
    assert!(text.contains("error: the worker of `slow` is gone"), "{text}");
    assert_eq!(place.json(&["show", "slow", "--json"])["run"]["status"], "interrupted");
    let doctor = succeeded(&place, &["doctor"]);
    assert!(doctor.contains("go on with `ser resume r"), "{doctor}");
    succeeded(&place, &["resume", "slow"]);
    succeeded(&place, &["attach"]);
    let run = &place.json(&["show", "slow", "--json"])["run"];
    assert_eq!((&run["status"], &run["attempt"]), (&"finished".into(), &2.into()));
}

/// The process whose command line names this home.
fn worker_of(place: &Place) -> i32 {
    let home = place.home();
    let is_worker = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("\0worker\0") && line.contains(home.to_str().unwrap())
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .find(is_worker)
        .unwrap()
}

#[test]
fn the_embedded_pairs_can_be_made_again() {
    let place = Place::new();
    succeeded(&place, &["data", "generate", "--out", "made"]);
    for name in ["pocket-train.jsonl.gz", "pocket-test.jsonl.gz"] {
        let shipped = std::fs::read(format!("{}/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(std::fs::read(place.path("made").join(name)).unwrap() == shipped, "{name}");
    }
    assert!(!place.home().exists());
}
