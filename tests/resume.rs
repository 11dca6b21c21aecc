//! A worker can die at any moment: the run goes on from its newest checkpoint and ends as if
//! nothing had happened, with the same weights and the same metrics, and no event is lost.
//!
//! Real processes, real kills, the mock model (its training is exact and quick).

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use ser::domain::random::{Place, Purpose};
use ser::domain::run::RunId;
use ser::store::{Access, Home, Store};

use crate::patience::seconds;

/// A small run of every part that has a state: folds, seed pairs in each batch, soft labels, a
/// reviewer in between, three rounds over 1,500 embedded pairs, slowed down so that kills
/// land inside it.
const SETTINGS: &[&str] = &[
    "rounds.chance_level=0",
    "rounds.max=3",
    "model.backbone=mock",
    "data.limit=1500",
    "selection.min_selected=20",
    "train.epochs=3",
    "train.checkpoint_steps=5",
    "review.oracle=teach",
    "review.oracle_labels=20",
    "review.oracle_error=0.1",
];

fn ser(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ser"));
    command.arg("--home").arg(home).args(args).stdin(Stdio::null());
    command.env("SER_MOCK_DELAY_US", "150");
    command
}

fn output(mut command: Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

fn run_args<'a>(mode: &'a str, name: &'a str) -> Vec<&'a str> {
    let mut args = vec!["run", mode, "--name", name];
    for setting in SETTINGS {
        args.extend(["--set", setting]);
    }
    args
}

fn show(home: &Path, run: &str) -> Value {
    let output = output(ser(home, &["show", run, "--json"]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What must not depend on where a run was killed: everything but times and attempts.
fn results(document: &Value) -> Value {
    let mut rounds = document["rounds"].clone();
    for round in rounds.as_array_mut().unwrap() {
        round.as_object_mut().unwrap().remove("wall_s");
    }
    rounds
}

fn status(home: &Path, run: &str) -> String {
    show(home, run)["run"]["status"].as_str().unwrap().to_owned()
}

/// Polls a condition of another process, which cannot notify us.
fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < seconds(60), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn worker_pid(store: &Store, run: &RunId) -> Option<i32> {
    store.run(run).unwrap().worker.map(|worker| worker.pid as i32)
}

fn last_seq(store: &Store, run: &RunId) -> u64 {
    store.last_events(run, 1).unwrap().last().map_or(0, |line| line.seq)
}

/// Starts the run, kills its worker after `delay`, and returns the events it had acknowledged.
fn kill_once(home: &Path, store: &Store, run: &RunId, delay: Duration) -> Option<u64> {
    let attempt = store.run(run).unwrap().row.attempt;
    wait_until("the worker", || {
        let detail = store.run(run).unwrap();
        detail.row.attempt > attempt || detail.row.status.is_ended() || detail.worker.is_some()
    });
    std::thread::sleep(delay);
    let acknowledged = last_seq(store, run);
    if status(home, run.as_str()) == "finished" {
        return None;
    }
    let pid = Pid::from_raw(worker_pid(store, run)?);
    // It may have ended by itself in this instant.
    kill(pid, Signal::SIGKILL).ok()?;
    wait_until("the end of the process", || kill(pid, None).is_err() || is_zombie(pid));
    Some(acknowledged)
}

fn is_zombie(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('Z')))
}

#[expect(clippy::print_stdout, reason = "how often it was killed is part of the figure")]
fn kill_and_resume(n_kills: u64) {
    let home = tempfile::tempdir().unwrap();
    let straight = output(ser(home.path(), &run_args("--plain", "straight")));
    assert!(straight.status.success(), "{}", String::from_utf8_lossy(&straight.stderr));
    let expected = results(&show(home.path(), "straight"));
    assert_eq!(expected.as_array().unwrap().len(), 4, "seed and three rounds: {expected}");
    let has_digest = |round: &Value| round["weights_digest"].is_string();
    assert!(expected.as_array().unwrap().iter().all(has_digest), "{expected}");

    let place = Place::new(17, Purpose::Mock);
    let store = Store::open(&Home::new(home.path()), Access::ReadOnly).unwrap();
    let (mut n_killed, mut n_runs) = (0, 0);
    while n_killed < n_kills {
        let name = format!("killed-{n_runs}");
        n_runs += 1;
        let started = output(ser(home.path(), &run_args("--detach", &name)));
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let run = store.find_run(&name).unwrap().id;
        // Up to three kills a run, at random moments of its second or so.
        for _ in 0..3 {
            let delay = Duration::from_millis(place.below(n_killed, 900) as u64);
            let Some(acknowledged) = kill_once(home.path(), &store, &run, delay) else { break };
            n_killed += 1;
            assert!(last_seq(&store, &run) >= acknowledged, "an acknowledged event is gone");
            let resumed = output(ser(home.path(), &["resume", &name]));
            assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
        }
        wait_until("the run's end", || store.run(&run).unwrap().row.status.is_ended());
        assert_eq!(status(home.path(), &name), "finished");
        assert_eq!(results(&show(home.path(), &name)), expected, "{name} ended differently");
    }
    println!("{n_killed} kills in {n_runs} runs");
}

#[test]
fn killed_runs_end_like_the_uninterrupted_one() {
    kill_and_resume(6);
}

#[test]
#[ignore = "30 kills take a few minutes: cargo test --release killed_thirty -- --ignored"]
fn killed_thirty_times() {
    kill_and_resume(30);
}
