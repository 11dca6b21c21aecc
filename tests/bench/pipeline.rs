//! `cargo bench --bench pipeline`: the whole of Self-Evolved Reward learning on the embedded pairs, with real
//! processes and fresh homes: SFT, the seed set's reward model, the loop, PPO by what it evolved, and beside it
//! PPO by the models of two other arms, and RLOO, GRPO, DPO and best-of-16 by the evolved one. The oracle of the
//! embedded prompts judges; it trains nothing.
//!
//! `-- --seeds N` takes the random seeds from 1 to N (default 1), `--home DIR` keeps the homes there and goes on
//! with what is finished in them. Prints wall time and peak memory of each stage (the pipeline is the first
//! two), then for each policy the win rate against its SFT model, per seed and over all of them (mean and
//! 95 % t interval over seeds).

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

mod process;

use std::path::{Path, PathBuf};

use ser::domain::stats::mean_with_t_interval;
use serde_json::Value;

/// Settings of all policies, beside the defaults of their objective.
const SHARED: &[&str] = &[
    "policy.gold=oracle",
    "policy.sft.epochs=2",
    "policy.sft.learning_rate=3e-4",
    "policy.evaluate_prompts=400",
    "policy.evaluate_every=50",
    "policy.best_of=0",
    "policy.stop_on_drop=false",
];

/// A policy by its name, its objective, the arm whose model rewards it, and what it changes.
struct Wanted {
    name: &'static str,
    objective: &'static str,
    arm: &'static str,
    sets: &'static [&'static str],
}

const PPO: &[&str] = &["policy.steps=100", "policy.prompts_per_step=32"];
const SAMPLED: &[&str] = &["policy.steps=100", "policy.answers=4", "policy.learning_rate=1e-4"];

const POLICIES: [Wanted; 7] = [
    Wanted { name: "ppo-ser", objective: "ppo", arm: "ser", sets: PPO },
    Wanted { name: "ppo-seed-only", objective: "ppo", arm: "seed-only", sets: PPO },
    Wanted { name: "ppo-full-labels", objective: "ppo", arm: "full-labels", sets: PPO },
    Wanted { name: "rloo-ser", objective: "rloo", arm: "ser", sets: SAMPLED },
    Wanted { name: "grpo-ser", objective: "grpo", arm: "ser", sets: SAMPLED },
    Wanted {
        name: "dpo-ser",
        objective: "dpo",
        arm: "ser",
        sets: &["policy.steps=150", "policy.prompts_per_step=32", "policy.learning_rate=1e-4"],
    },
    Wanted {
        name: "best-of-16-ser",
        objective: "best_of_n",
        arm: "ser",
        sets: &["policy.best_of=64", "policy.evaluate_prompts=200"],
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let value = |name: &str| {
        arguments.iter().position(|it| it == name).and_then(|i| arguments.get(i + 1)).cloned()
    };
    let n_seeds: u32 = value("--seeds").and_then(|it| it.parse().ok()).unwrap_or(1);
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let homes = value("--home").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); POLICIES.len()];
    for seed in 1..=n_seeds {
        let home = homes.join(format!("seed-{seed}"));
        std::fs::create_dir_all(&home).expect("a folder");
        println!("random seed {seed}");
        println!(
            "| stage | seconds | peak MiB | reward | gold | KL | wins against SFT | at equal length |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for (wanted, rates) in POLICIES.iter().zip(&mut rates) {
            if !is_finished(&home, wanted.arm) {
                let seed = format!("rng_seed={seed}");
                let cost = run(&home, wanted.arm, &["--arm", wanted.arm, "--set", &seed]);
                println!("| {} | {cost} | | | | | |", wanted.arm);
            }
            rates.extend(policy(&home, wanted));
        }
    }
    println!("win rate against SFT over {n_seeds} random seeds [95 %]");
    for (wanted, rates) in POLICIES.iter().zip(&rates) {
        if let Some((mean, interval)) = mean_with_t_interval(rates) {
            let interval = interval.map_or_else(String::new, |it| {
                format!(" [{:.1}, {:.1}]", 100.0 * it.low, 100.0 * it.high)
            });
            println!("{}: {:.1} %{interval}", wanted.name, 100.0 * mean);
        }
    }
}

/// Whether a home has a finished run of this name.
fn is_finished(home: &Path, name: &str) -> bool {
    let (_, listed) = process::run_ser(home, &["runs", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap_or_default();
    let runs = listed["runs"].as_array().cloned().unwrap_or_default();
    runs.iter().any(|it| it["name"] == name && it["status"] == "finished")
}

/// Runs to its end; gives the seconds and the peak memory as cells of the table.
fn run(home: &Path, name: &str, arguments: &[&str]) -> String {
    let fixed = ["run", "--plain", "--name", name];
    let (cost, _) = process::run_ser(home, &[&fixed, arguments].concat());
    format!("{:.0} | {:.0}", cost.wall.as_secs_f64(), cost.peak_mib)
}

/// Trains a policy, prints its row, and gives its win rate.
fn policy(home: &Path, wanted: &Wanted) -> Option<f64> {
    let sets = SHARED.iter().chain(wanted.sets).copied();
    let mut arguments = vec!["--from", wanted.arm, "--policy", wanted.objective];
    arguments.extend(sets.flat_map(|it| ["--set", it]));
    let cost = if is_finished(home, wanted.name) {
        "– | –".to_owned()
    } else {
        run(home, wanted.name, &arguments)
    };
    let (_, text) = process::run_ser(home, &["policy", wanted.name, "--json"]);
    let found: Value = serde_json::from_str(&text).expect("the report of a policy");
    let best_of = found["best_of"].as_array().and_then(|it| it.get(15));
    let verdict = best_of.unwrap_or(&found["verdict"]);
    let evaluation =
        found["evaluations"].as_array().and_then(|it| it.last()).cloned().unwrap_or_default();
    let measured = best_of.unwrap_or(&evaluation);
    let mean =
        |value: &Value| value["mean"].as_f64().map_or("–".to_owned(), |it| format!("{it:.3}"));
    let kl =
        measured["kl"].as_f64().or(measured["divergence"]["mean"].as_f64()).unwrap_or_default();
    println!(
        "| {} | {cost} | {} | {} | {kl:.2} | {} | {} |",
        wanted.name,
        mean(&measured["proxy"]),
        mean(&measured["gold"]),
        share(&verdict["win_rate"]["rate"]),
        share(&verdict["at_equal_length"]["rate"])
    );
    verdict["win_rate"]["rate"]["share"].as_f64()
}

fn share(rate: &Value) -> String {
    let percent = |value: &Value| value.as_f64().map_or(f64::NAN, |it| 100.0 * it);
    let interval = &rate["interval"];
    format!(
        "{:.1} % [{:.1}, {:.1}]",
        percent(&rate["share"]),
        percent(&interval["low"]),
        percent(&interval["high"])
    )
}
