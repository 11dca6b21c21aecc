//! `cargo bench --bench accuracy`: what the arms come to, on the embedded data unless told.
//!
//! The tables of `ser reproduce --md`, over the rng seeds of `SER_BENCH_SEEDS` (1 to 5 unless told) and
//! the arms of `SER_BENCH_ARMS` (all unless told). Arguments after `--` go to `ser reproduce`, so that
//! the same tables can be had for other data and models:
//! `cargo bench --bench accuracy -- --data pairs.jsonl --set train.epochs=2`.
//!
//! `cargo bench --bench accuracy -- --precisions [...]` instead runs the arm `ser` of every seed once
//! in f32 and once in bf16 and fails when bf16 costs accuracy: when a final difference is larger than
//! the interval of the f32 run, or the mean difference over seeds is not within its noise of 0.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot run says why"
)]

mod process;

use ser::domain::stats::mean_with_t_interval;
use serde_json::Value;

fn main() {
    let seeds = std::env::var("SER_BENCH_SEEDS").unwrap_or_else(|_| "1,2,3,4,5".into());
    // Cargo adds `--bench` to what the person wrote.
    let mut extra: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let n_before = extra.len();
    extra.retain(|arg| arg != "--precisions");
    if extra.len() < n_before {
        compare_precisions(&seeds, &extra);
    } else {
        compare_arms(&seeds, &extra);
    }
}

/// Final test accuracy in both precisions.
fn compare_precisions(seeds: &str, extra: &[String]) {
    println!("rng seed  f32                bf16               bf16 - f32");
    let mut differences = Vec::new();
    let mut outside = Vec::new();
    for seed in seeds.split(',') {
        let [single, half] = ["f32", "bf16"].map(|precision| {
            let mut extra = extra.to_vec();
            extra.extend(["--set".to_owned(), format!("train.precision={precision}")]);
            accuracies(seed, "ser", &extra).pop().expect("an evaluated round")
        });
        let of = |round: &Value, key: &str| round["test"][key].as_f64().expect("a number");
        let difference = of(&half, "accuracy") - of(&single, "accuracy");
        let noise = (of(&single, "ci_high") - of(&single, "ci_low")) / 2.0;
        let (single, half) = (cell(&single), cell(&half));
        println!("{seed:>8}  {single}  {half}  {:+.1}", 100.0 * difference);
        if difference.abs() > noise {
            outside.push(seed);
        }
        differences.push(difference);
    }
    println!("\nmean difference with its 95 % t interval: {}", mean(&differences));
    assert!(outside.is_empty(), "rng seeds {outside:?} differ by more than the noise of one run");
    if let Some((_, Some(interval))) = mean_with_t_interval(&differences) {
        let is_zero_within = interval.low <= 0.0 && 0.0 <= interval.high;
        assert!(is_zero_within, "the mean difference is outside its noise");
    }
    println!("no difference is outside its noise");
}

/// The tables of all arms.
fn compare_arms(seeds: &str, extra: &[String]) {
    let arms = std::env::var("SER_BENCH_ARMS").ok();
    let mut args = vec!["reproduce", "--md", "--quiet", "--rng-seeds", seeds];
    if let Some(arms) = &arms {
        args.extend(["--arms", arms]);
    }
    args.extend(extra.iter().map(String::as_str));
    let home = tempfile::tempdir().expect("a temporary directory");
    let (cost, output) = process::run_ser(home.path(), &args);
    println!("{}", output.trim());
    eprintln!("{:.1} s, {:.0} MiB at most", cost.wall.as_secs_f64(), cost.peak_mib);
}

/// The rounds of one run that were evaluated.
fn accuracies(seed: &str, arm: &str, extra: &[String]) -> Vec<Value> {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut args = vec!["run", "--plain", "--json", "--quiet", "--arm", arm, "--rng-seeds", seed];
    args.extend(extra.iter().map(String::as_str));
    let (cost, output) = process::run_ser(home.path(), &args);
    eprintln!(
        "rng seed {seed}, {arm}: {:.1} s, {:.0} MiB at most",
        cost.wall.as_secs_f64(),
        cost.peak_mib
    );
    let begin = output.find('{').expect("a JSON document");
    let document: Value = serde_json::from_str(&output[begin..]).expect("a JSON document");
    let rounds = document["rounds"].as_array().cloned().unwrap_or_default();
    rounds.into_iter().filter(|round| !round["test"].is_null()).collect()
}

fn cell(round: &Value) -> String {
    let percent = |key: &str| 100.0 * round["test"][key].as_f64().unwrap_or(f64::NAN);
    format!("{:.1} [{:.1}, {:.1}]", percent("accuracy"), percent("ci_low"), percent("ci_high"))
}

fn mean(values: &[f64]) -> String {
    match mean_with_t_interval(values) {
        Some((mean, Some(interval))) => format!(
            "{:.1} [{:.1}, {:.1}]  n = {}",
            100.0 * mean,
            100.0 * interval.low,
            100.0 * interval.high,
            values.len()
        ),
        Some((mean, None)) => format!("{:.1}", 100.0 * mean),
        None => "–".to_owned(),
    }
}
