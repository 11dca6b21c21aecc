//! `cargo bench --bench whole_arm -- [--python PATH] [SER RUN ARGUMENTS]`: a whole arm on real
//! preferences, as a person starts it, beside what TRL takes for the seed round alone.
//!
//! Unless arguments say otherwise: arm `ser` with all-MiniLM-L6-v2, all parameters, bf16, on the three
//! helpful test tranches of HH-RLHF. TRL's `RewardTrainer` (tuned: no checkpointing, batches grouped
//! by length, the same precision, batch size and number of epochs) gets the very pairs and token ids
//! of the seed round. It only trains; the seed round of `ser` also scores the validation and test
//! pairs. Real material is looked for in `../shared`.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

mod process;

use std::path::Path;
use std::process::{Command, Stdio};

use ser::domain::run::RunId;
use ser::domain::spec::Precision;
use ser::domain::split::{SplitRule, split};
use ser::engine::{self, OpenSettings, PairText};
use ser::store::{Access, Home, Store};
use serde_json::Value;

const TRANCHES: [&str; 3] = ["helpful-base", "helpful-online", "helpful-rejection-sampled"];

fn main() {
    let mut arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let python = arguments.iter().position(|it| it == "--python").map(|at| {
        let value = arguments.get(at + 1).expect("a path behind `--python`").clone();
        arguments.drain(at..at + 2);
        value
    });
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let model = shared.join("models/all-MiniLM-L6-v2");
    if !model.is_dir() {
        println!("skipped: no `{}`", model.display());
        return;
    }
    let sources: Vec<String> = TRANCHES
        .iter()
        .map(|name| shared.join(format!("data/hh-rlhf/{name}/test.jsonl.gz")))
        .map(|path| format!("\"{}\"", path.display()))
        .collect();
    let settings = [
        format!("data.source=[{}]", sources.join(", ")),
        format!("model.backbone=\"{}\"", model.display()),
        "train.learning_rate=5e-5".to_owned(),
        "train.precision=bf16".to_owned(),
    ];
    let mut command = vec!["run", "--plain"];
    command.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    command.extend(arguments.iter().map(String::as_str));
    let home = tempfile::tempdir().expect("a temporary directory");
    let (cost, output) = process::run_ser(home.path(), &command);
    println!("{output}");
    println!(
        "ser, the whole arm: {:.0} s, {:.0} MiB at most",
        cost.wall.as_secs_f64(),
        cost.peak_mib
    );
    let pairs = home.path().join("seed-round.json");
    let seed = seed_round(home.path(), &pairs);
    println!(
        "ser, the seed round: {:.1} s for {} pairs, {} epochs in batches of {}, and for {} scored \
         pairs",
        seed.seconds, seed.n_pairs, seed.n_epochs, seed.batch_pairs, seed.n_scored
    );
    match python {
        Some(python) => beside_trl(&python, &model, &pairs, &seed, cost.wall.as_secs_f64()),
        None => println!("no TRL to compare with: name a Python that has it with `--python`"),
    }
}

/// What round 0 of the run was.
struct SeedRound {
    seconds: f64,
    n_pairs: usize,
    n_scored: usize,
    n_epochs: u64,
    batch_pairs: u64,
    precision: &'static str,
}

/// Reads it from the home and writes the token ids of its pairs, preferred answers first.
fn seed_round(home: &Path, pairs_path: &Path) -> SeedRound {
    let store = Store::open(&Home::new(home), Access::ReadOnly).expect("the home opens");
    let runs = process::run_ser(home, &["runs", "--json"]).1;
    let runs: Value = serde_json::from_str(&runs).expect("JSON");
    let run = RunId(runs["runs"][0]["id"].as_str().expect("one run").to_owned());
    let detail = store.run(&run).expect("the run");
    let spec = store.spec(&run).expect("its spec");
    let rounds = store.rounds(&run).expect("its rounds");
    let round = rounds.first().expect("the seed round");
    let groups = store.group_hashes(detail.dataset).expect("readable");
    let split = split(&groups, None, &SplitRule::of_spec(&spec)).expect("as in the run");
    let texts = store.preference_pairs(detail.dataset, &split.seed_set).expect("readable");
    let model = engine::open(&OpenSettings::of_spec(&spec)).expect("the model opens");
    let texts: Vec<PairText<'_>> = texts.iter().map(PairText::preferred_first).collect();
    let encoded = model.encode(&texts).expect("encodable");
    let ids: Vec<_> = encoded.iter().map(|pair| (&pair.tokens_a, &pair.tokens_b)).collect();
    std::fs::write(pairs_path, serde_json::to_vec(&ids).expect("plain numbers")).expect("writable");
    SeedRound {
        seconds: round.wall_ms.expect("it is over") as f64 / 1000.0,
        n_pairs: encoded.len(),
        n_scored: split.validation.len() + split.test.len(),
        n_epochs: u64::from(spec.train.epochs),
        batch_pairs: u64::from(spec.train.batch_pairs),
        precision: match spec.train.precision {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        },
    }
}

fn beside_trl(python: &str, model: &Path, pairs: &Path, seed: &SeedRound, whole_arm_s: f64) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/engine/peer.py");
    let output = Command::new(python)
        .arg(script)
        .arg(format!("trl-{}", seed.precision))
        .args([model, pairs])
        .args(["--batch", &seed.batch_pairs.to_string()])
        .args(["--epochs", &seed.n_epochs.to_string()])
        .stdin(Stdio::null())
        .output()
        .expect("the process starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let Some(figures) = last.filter(|_| output.status.success()) else {
        let errors = String::from_utf8_lossy(&output.stderr);
        println!("TRL failed: {}", errors.lines().last().unwrap_or_default());
        return;
    };
    let pairs_per_s = figures["pairs_per_s"].as_f64().expect("a number");
    // Its first step, which it does not count, is taken to be like the others.
    let seconds = (seed.n_pairs as u64 * seed.n_epochs) as f64 / pairs_per_s;
    println!(
        "TRL, training of the seed round alone: {seconds:.1} s, {:.0} MiB at most",
        figures["peak_mib"].as_f64().expect("a number")
    );
    println!(
        "the whole arm takes {:.2} times TRL's seed round; the seed round of ser {:.2} times",
        whole_arm_s / seconds,
        seed.seconds / seconds
    );
}
