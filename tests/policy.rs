//! Policy runs as processes: each objective to its end, killed and resumed, held at the gate with an answer
//! taken out, and compared.
//!
//! The embedded model and its oracle, on a few prompts, so that a run takes seconds.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use ser::domain::random::{Place as Draw, Purpose};
use ser::domain::run::{RunId, RunStatus};
use ser::engine::files::checkpoint;
use ser::store::policy::RolloutsOf;
use ser::store::{Access, Home, Store};

use crate::cli::fixture::Place;
use crate::patience::seconds;

/// A run that takes seconds: 3 steps of 3 prompts, with two evaluations on 6 prompts.
const SETTINGS: &[&str] = &[
    "data.limit=300",
    "policy.reward=oracle",
    "policy.gold=oracle",
    "policy.steps=3",
    "policy.prompts_per_step=3",
    "policy.max_new_tokens=12",
    "policy.evaluate_every=2",
    "policy.evaluate_prompts=6",
    "policy.best_of=2",
    "policy.learning_rate=1e-4",
    "policy.sft.batch_answers=12",
    "train.checkpoint_steps=1",
];

fn arguments<'a>(mode: &'a str, name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["run", mode, "--name", name];
    for setting in SETTINGS.iter().chain(more) {
        arguments.extend(["--set", setting]);
    }
    arguments
}

fn ok(place: &Place, arguments: &[&str]) -> String {
    let output = place.ser(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn store(place: &Place) -> Store {
    Store::open(&Home::new(place.home()), Access::ReadOnly).unwrap()
}

/// What must not depend on where a run was killed: everything but times and attempts.
fn results(place: &Place, name: &str) -> Value {
    let store = store(place);
    let run = store.find_run(name).unwrap().id;
    let mut document: Value =
        serde_json::from_str(&ok(place, &["policy", name, "--json"])).unwrap();
    for step in document["steps"].as_array_mut().unwrap() {
        let step = step.as_object_mut().unwrap();
        step.remove("elapsed_ms");
        step["metrics"].as_object_mut().unwrap().remove("step_time");
    }
    for key in ["run", "name"] {
        document.as_object_mut().unwrap().remove(key);
    }
    let texts = |of| -> Vec<(u32, Vec<String>)> {
        let rollouts = store.rollouts(&run, of).unwrap();
        let texts = |it: &ser::store::policy::Rollout| {
            (it.pair.0, it.answers.iter().map(|answer| answer.text.clone()).collect())
        };
        rollouts.iter().map(texts).collect()
    };
    let answers: Vec<_> = (1..=3).map(|step| texts(RolloutsOf::Step(step))).collect();
    let last = checkpoint::list(&Home::new(place.home()).checkpoints(&run)).unwrap();
    json!({
        "document": document, "answers": answers, "held_out": texts(RolloutsOf::Evaluation(3)),
        "weights": last[0].1.weights_digest,
    })
}

#[test]
fn every_objective_runs_to_its_verdict() {
    let place = Place::new();
    for (objective, more, n_steps) in [
        ("rloo", &["policy.sft.epochs=0"][..], 3),
        ("grpo", &["policy.sft.epochs=0", "policy.answers=3", "policy.beta=0.04"], 3),
        ("dpo", &["policy.sft.epochs=0"], 3),
        ("best_of_n", &["policy.sft.epochs=0"], 0),
    ] {
        let objective_set = format!("policy.objective={objective}");
        let more = [&[objective_set.as_str()], more].concat();
        ok(&place, &arguments("--plain", objective, &more));
        let document: Value =
            serde_json::from_str(&ok(&place, &["policy", objective, "--json"])).unwrap();
        let steps = document["steps"].as_array().unwrap();
        assert_eq!(
            (document["status"].as_str(), steps.len()),
            (Some("finished"), n_steps),
            "{objective}"
        );
        assert!(steps.iter().all(|it| it["metrics"]["loss"].is_number()), "{objective}: {steps:?}");
        let evaluations = document["evaluations"].as_array().unwrap();
        let n_evaluations = if n_steps == 0 { 1 } else { 3 };
        assert_eq!(evaluations.len(), n_evaluations, "{objective}");
        assert!(evaluations.iter().all(|it| it["gold"]["mean"].is_number()), "{evaluations:?}");
        assert_eq!(document["verdict"].is_object(), n_steps > 0, "{objective}");
        assert_eq!(document["best_of"].as_array().unwrap().len(), 2, "{objective}");
        // Sampler and trainer are the same code: before the first update every ratio is 1.
        for step in steps.iter().filter(|it| it["metrics"]["ratio/farthest"].is_number()) {
            let farthest = step["metrics"]["ratio/farthest"].as_f64().unwrap();
            assert!(farthest < 1e-4, "{objective}: {farthest}");
        }
    }
    let matrix: Value =
        serde_json::from_str(&ok(&place, &["policy", "rloo", "grpo", "dpo", "--json"])).unwrap();
    assert_eq!(matrix["policies"], json!(["rloo", "grpo", "dpo", "reference"]));
    let (own, other) = (&matrix["win_rates"][0][1], &matrix["win_rates"][1][0]);
    let sum = own["rate"]["share"].as_f64().unwrap() + other["rate"]["share"].as_f64().unwrap();
    assert!((sum - 1.0).abs() < 1e-12 && own["n_prompts"] == 6, "{own}");
    for (row, name) in ["rloo", "grpo", "dpo"].iter().enumerate() {
        let of_one: Value = serde_json::from_str(&ok(&place, &["policy", name, "--json"])).unwrap();
        let rate = &of_one["verdict"]["win_rate"];
        assert_eq!(&matrix["win_rates"][row][3], rate, "{name} against its own reference");
    }
    let out = place.path("rollouts.jsonl");
    let path = out.to_str().unwrap();
    ok(&place, &["export", "grpo", "--format", "jsonl", "-o", path]);
    let rows = std::fs::read_to_string(&out).unwrap();
    // 3 steps of 3 prompts with 3 answers, 3 evaluations of 6 prompts with one.
    assert_eq!(rows.lines().count(), 3 * 3 * 3 + 3 * 6, "{rows}");
    let refused = place.ser(&["export", "grpo", "--format", "csv", "--what", "labels", "-o", "x"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.starts_with("error: `grpo` is a policy run, whose rows are rollouts\n"), "{said}");
    let lines = ok(&place, &["rollouts", "grpo", "--step", "2", "--json"]);
    let answers: Vec<Value> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(answers.len(), 9);
    assert!(answers.iter().all(|it| it["step"] == 2 && it["reward"].is_number()), "{answers:?}");
}

/// The spread of the fold models counts against an answer; where they were not kept it is said how they are.
#[test]
fn fold_models_reward_a_policy() {
    let place = Place::new();
    let train = |name: &str, keeps: &str| {
        let keeps = format!("selection.keep_fold_models={keeps}");
        let sets = ["data.limit=300", "train.epochs=1", "rounds.max=1", &keeps];
        let mut arguments = vec!["run", "--plain", "--name", name];
        arguments.extend(sets.iter().flat_map(|set| ["--set", set]));
        ok(&place, &arguments);
    };
    train("kept", "true");
    train("bare", "false");
    for weight in ["0", "2"] {
        let weight_set = format!("policy.spread_weight={weight}");
        let more = ["policy.reward=kept:folds", &weight_set, "policy.sft.epochs=0"];
        ok(&place, &arguments("--plain", &format!("by-{weight}"), &more));
    }
    let mean = |name: &str| -> f64 {
        let document: Value =
            serde_json::from_str(&ok(&place, &["policy", name, "--json"])).unwrap();
        document["evaluations"][0]["proxy"]["mean"].as_f64().unwrap()
    };
    assert!(mean("by-2") < mean("by-0"), "{} {}", mean("by-2"), mean("by-0"));
    let output = place.ser(&["best-of", "embedded", "--reward", "bare:folds", "--prompts", "2"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the fold models of `bare` are not there"), "{said}");
    assert!(said.contains("`selection.keep_fold_models = true`"), "{said}");
    let n_runs = store(&place).runs().unwrap().len();
    for (reward, message) in [
        ("bare:folds", "`bare` keeps no fold models"),
        ("bare:99", "`bare` has no round 99"),
        ("by-0", "`by-0` is a policy, which has no reward model"),
        ("embedded", "`embedded` is a language model, which rewards nothing"),
        ("command:", "`command:` names no command"),
    ] {
        let reward = format!("policy.reward={reward}");
        let output = place.ser(&arguments("--plain", "refused", &[&reward]));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&format!("error: {message}\nhint: ")), "{reward}: {said}");
    }
    assert_eq!(store(&place).runs().unwrap().len(), n_runs, "nothing is queued");
    let output = place.ser(&["score", "by-0", "-"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("`by-0` is a policy, which has no reward model\nhint: "), "{said}");
}

/// Polls a condition of another process, which cannot notify us.
fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < seconds(120), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_gone(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let is_zombie =
        |stat: String| stat.rsplit(')').next().is_some_and(|it| it.trim().starts_with('Z'));
    kill(pid, None).is_err() || stat.is_ok_and(is_zombie)
}

/// Kills the worker of a run after a while; `false` where it had ended.
fn kill_once(store: &Store, run: &RunId, delay: Duration) -> bool {
    let attempt = store.run(run).unwrap().row.attempt;
    wait_until("the worker", || {
        let detail = store.run(run).unwrap();
        detail.row.attempt > attempt || detail.row.status.is_ended() || detail.worker.is_some()
    });
    std::thread::sleep(delay);
    let detail = store.run(run).unwrap();
    let Some(worker) = detail.worker.filter(|_| !detail.row.status.is_ended()) else {
        return false;
    };
    let pid = Pid::from_raw(worker.pid as i32);
    // It may have ended by itself in this instant.
    if kill(pid, Signal::SIGKILL).is_err() {
        return false;
    }
    wait_until("the end of the process", || is_gone(pid));
    true
}

/// Kills runs of an objective at random moments, and compares their ends with an uninterrupted one.
fn kill_and_resume(objective: &str, n_kills: u64) {
    let place = Place::new();
    let more = [format!("policy.objective={objective}")];
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let begin = Instant::now();
    ok(&place, &arguments("--plain", "straight", &more));
    // As long as a run takes here, so that moments of all its parts are met.
    let span = begin.elapsed();
    let expected = results(&place, "straight");
    let draw = Draw::new(23, Purpose::Mock);
    let store = store(&place);
    let (mut n_killed, mut n_runs, mut n_drawn) = (0, 0, 0);
    while n_killed < n_kills {
        let name = format!("killed-{n_runs}");
        n_runs += 1;
        ok(&place, &arguments("--detach", &name, &more));
        let run = store.find_run(&name).unwrap().id;
        for _ in 0..3 {
            let delay = span.mul_f64(draw.unit(n_drawn));
            n_drawn += 1;
            if !kill_once(&store, &run, delay) {
                break;
            }
            n_killed += 1;
            ok(&place, &["resume", &name]);
        }
        wait_until("the run's end", || store.run(&run).unwrap().row.status.is_ended());
        assert_eq!(results(&place, &name), expected, "{name} of {objective} ended differently");
    }
    println!("{objective}: {n_killed} kills in {n_runs} runs");
}

#[test]
fn killed_policies_end_like_the_uninterrupted_ones() {
    kill_and_resume("rloo", 3);
    kill_and_resume("ppo", 3);
}

/// A loop whose pool a policy adds pairs to, and what must not depend on where it was killed: the pairs,
/// the labels that were right, the metrics and the weights.
fn loop_results(place: &Place, name: &str) -> Value {
    let store = store(place);
    let run = store.find_run(name).unwrap().id;
    let pairs: Vec<_> = store
        .generated_pairs(&run)
        .unwrap()
        .into_iter()
        .map(|(round, pair)| json!([round, pair]))
        .collect();
    let rounds: Vec<_> = store
        .rounds(&run)
        .unwrap()
        .iter()
        .map(|round| json!([round.round, round.weights_digest, round.n_train_pairs]))
        .collect();
    json!({"pairs": pairs, "rounds": rounds})
}

#[test]
fn a_killed_loop_with_pairs_of_a_policy_ends_like_the_uninterrupted_one() {
    let place = Place::new();
    let settings = [
        "data.limit=300",
        "train.epochs=1",
        "train.checkpoint_steps=4",
        "rounds.max=2",
        "rounds.on_drop=ignore",
        "rounds.reuse_round_0=false",
        "pool.source=policy",
        "pool.policy=embedded",
        "pool.prompts=40",
        "pool.answers=2",
        "pool.max_new_tokens=12",
    ];
    let arguments = |mode: &'static str, name: &str| -> Vec<String> {
        let mut arguments = ["run", mode, "--name", name].map(str::to_owned).to_vec();
        arguments.extend(settings.iter().flat_map(|set| ["--set".to_owned(), (*set).to_owned()]));
        arguments
    };
    let start = |mode: &'static str, name: &str| {
        let arguments = arguments(mode, name);
        ok(&place, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let begin = Instant::now();
    start("--plain", "straight");
    let span = begin.elapsed();
    let expected = loop_results(&place, "straight");
    assert!(expected["pairs"].as_array().unwrap().len() > 20, "{}", expected["pairs"]);
    assert!(expected["rounds"].as_array().unwrap().len() > 1);
    reads_the_pairs_of_the_policy(&place);
    let store = store(&place);
    let draw = Draw::new(29, Purpose::Mock);
    let (mut n_killed, mut n_drawn) = (0, 0);
    while n_killed < 4 {
        let name = format!("killed-{n_drawn}");
        start("--detach", &name);
        let run = store.find_run(&name).unwrap().id;
        for _ in 0..2 {
            let delay = span.mul_f64(draw.unit(n_drawn));
            n_drawn += 1;
            if !kill_once(&store, &run, delay) {
                break;
            }
            n_killed += 1;
            ok(&place, &["resume", &name]);
        }
        wait_until("the run's end", || store.run(&run).unwrap().row.status.is_ended());
        assert_eq!(loop_results(&place, &name), expected, "{name} ended differently");
    }
}

/// What reads the pairs of a run finds those of its policy: exports, listings, and DPO on its labels.
fn reads_the_pairs_of_the_policy(place: &Place) {
    let n_data = 300;
    let is_own = |line: &Value| line["pair"].as_u64().is_some_and(|pair| pair >= n_data);
    let file = place.home().join("labels.jsonl");
    let path = file.to_str().unwrap();
    ok(place, &["export", "straight", "--format", "jsonl", "--what", "labels", "--out", path]);
    let labels = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = labels.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert!(lines.iter().any(is_own), "{} lines", lines.len());
    assert!(lines.iter().all(|it| it["origin"].is_string() == is_own(it)), "{lines:?}");
    let rounds: Value =
        serde_json::from_str(&ok(place, &["rounds", "straight", "--json"])).unwrap();
    let selected = &rounds["rounds"][1]["by_origin"];
    let n = |origin: &str| selected[origin]["n_selected"].as_u64().unwrap();
    assert_eq!(n("data") + n("policy"), rounds["rounds"][1]["n_selected"], "{selected}");
    let listed = ok(place, &["samples", "straight", "--filter", "from:policy", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let samples = listed["samples"].as_array().unwrap();
    assert!(!samples.is_empty() && samples.iter().all(is_own), "{}", samples.len());
    assert_eq!(samples[0]["origin"]["policy"], "embedded");
    let more = ["policy.objective=dpo", "policy.reward=straight", "policy.sft.epochs=0"];
    ok(place, &arguments("--plain", "by-labels", &more));
    let spec = ok(place, &["run", "--from", "straight", "--policy", "rloo", "--print-spec"]);
    assert!(
        spec.contains("objective = \"rloo\"") && !spec.contains("source = \"policy\""),
        "{spec}"
    );
}

/// A stop is no kill: it saves what it has, and what it broke off is done again.
#[test]
fn stopped_policies_end_like_the_uninterrupted_ones() {
    let place = Place::new();
    let more = ["policy.best_of=16", "policy.steps=3"];
    let begin = Instant::now();
    ok(&place, &arguments("--plain", "straight", &more));
    let span = begin.elapsed();
    let expected = results(&place, "straight");
    let store = store(&place);
    let mut n_stopped = 0;
    for tenth in [2, 4, 6, 8] {
        let name = format!("stopped-{tenth}");
        ok(&place, &arguments("--detach", &name, &more));
        let run = store.find_run(&name).unwrap().id;
        std::thread::sleep(span * tenth / 10);
        // It may have ended by itself.
        place.ser(&["stop", &name]);
        wait_until("the stop", || store.run(&run).unwrap().row.status.is_ended());
        if store.run(&run).unwrap().row.status == RunStatus::Stopped {
            n_stopped += 1;
            ok(&place, &["resume", &name]);
        }
        wait_until("the end", || store.run(&run).unwrap().row.status == RunStatus::Finished);
        assert_eq!(results(&place, &name), expected, "{name} ended differently");
    }
    assert!(n_stopped > 0, "no run was stopped");
}

#[test]
#[ignore = "20 kills each take minutes: cargo test --release policies_killed_twenty -- --ignored"]
fn policies_killed_twenty_times() {
    kill_and_resume("rloo", 20);
    kill_and_resume("ppo", 20);
}

#[test]
fn an_answer_that_is_taken_out_at_the_gate_is_not_learned_from() {
    let place = Place::new();
    let more = ["policy.sft.epochs=0", "policy.best_of=0", "policy.steps=1", "review.mode=gate"];
    ok(&place, &arguments("--detach", "gated", &more));
    let store = store(&place);
    let run = store.find_run("gated").unwrap().id;
    wait_until("the gate", || store.run(&run).unwrap().row.waits_for_review());
    let before = store.rollouts(&run, RolloutsOf::Step(1)).unwrap();
    let pair = before[1].pair.0;
    ok(&place, &["rollouts", "gated", "--veto", &format!("{pair}:0")]);
    let refused = place.ser(&["rollouts", "gated", "--veto", "999999"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("step 1 has no rollout `999999`"));
    ok(&place, &["resume", "gated"]);
    wait_until("the end", || store.run(&run).unwrap().row.status.is_ended());
    let after = store.rollouts(&run, RolloutsOf::Step(1)).unwrap();
    assert!(after[1].answers[0].is_vetoed && after[1].answers[0].advantage.is_none());
    // The other answer to the prompt has nobody to be compared with.
    assert_eq!(after[1].answers[1].advantage, Some(0.0));
    assert_eq!(after[0].answers, before[0].answers);
}
