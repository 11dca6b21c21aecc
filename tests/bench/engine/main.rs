//! `cargo bench --bench engine`: training and scoring beside PyTorch and TRL, in one go, on the same
//! pairs of HH-RLHF, the same token ids and the same number of threads.
//!
//! `-- --model minilm-22m|deberta-33m|llama-15m|smollm-135m` takes one model, `--repeat N` alternates N times
//! (default 3), `--threads N`, `--python PATH`. Python needs torch, transformers, trl, peft and
//! datasets; without it only this program's figures are printed. Real material is looked for in
//! `../shared`.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

mod models;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use models::BenchModel;
use ser::domain::spec::Precision;
use work::Job;

/// Pairs of one optimizer step, on both sides.
const BATCH: usize = 8;

struct Options {
    model: Option<String>,
    n_repeats: usize,
    n_threads: usize,
    python: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    if arguments.first().is_some_and(|it| it == "child") {
        return work::run(&child_job(&arguments[1..]));
    }
    let value = |name: &str| {
        arguments.iter().position(|it| it == name).and_then(|i| arguments.get(i + 1)).cloned()
    };
    let number =
        |name: &str, default| value(name).and_then(|it| it.parse().ok()).unwrap_or(default);
    let options = Options {
        model: value("--model"),
        n_repeats: number("--repeat", 3),
        n_threads: number("--threads", std::thread::available_parallelism().map_or(1, usize::from)),
        python: value("--python").unwrap_or_else(|| "python3".into()),
    };
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let Some(texts) = models::dialogues(&shared) else {
        println!("skipped: no HH-RLHF helpful-base in `{}`", shared.display());
        return;
    };
    let work = tempfile::tempdir().expect("a temporary directory");
    let texts_path = work.path().join("texts.json");
    std::fs::write(&texts_path, serde_json::to_vec(&texts[..texts.len().min(400)]).expect("text"))
        .expect("writable");
    let has_peer = has_trl(&options.python);
    println!(
        "{} threads, {} alternations, median [min, max]",
        options.n_threads, options.n_repeats
    );
    for model in models::prepare(&shared, work.path(), options.model.as_deref()) {
        compare(&model, &texts_path, &options, has_peer);
    }
}

/// `child MODE PRECISION MODEL TEXTS PAIRS BATCH THREADS DROPOUT`
fn child_job(arguments: &[String]) -> Job {
    let number = |i: usize| arguments[i].parse().expect("a number");
    Job {
        mode: arguments[0].clone(),
        precision: if arguments[1] == "bf16" { Precision::Bf16 } else { Precision::F32 },
        model: PathBuf::from(&arguments[2]),
        texts: PathBuf::from(&arguments[3]),
        n_pairs: number(4),
        batch: number(5),
        n_threads: number(6),
        dropout: arguments[7].parse().expect("a number"),
    }
}

fn has_trl(python: &str) -> bool {
    let found = Command::new(python)
        .args(["-c", "import torch, transformers, trl, peft, datasets"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        println!(
            "no TRL to compare with: `{python}` cannot import torch, transformers, trl, peft, datasets"
        );
    }
    found
}

/// One figure of one process.
#[derive(Debug, Clone, Copy)]
struct Figure {
    pairs_per_s: f64,
    peak_mib: f64,
    /// What the plan before the run said; this program only.
    plan_mib: Option<f64>,
}

/// `(name, arguments)` of everything that is measured, peers first.
fn jobs(model: &BenchModel, has_peer: bool) -> Vec<(String, Side)> {
    let mut jobs = Vec::new();
    if has_peer {
        let peers = [
            "trl-default",
            "trl-f32",
            "trl-bf16",
            "lora-bf16",
            "step-f32",
            "step-bf16",
            "score-f32",
            "score-bf16",
        ];
        jobs.extend(peers.map(|mode| (format!("peer {mode}"), Side::Peer(mode.to_owned()))));
    }
    for precision in ["f32", "bf16"] {
        for mode in ["train", "step", "score", "lora", "top2"] {
            let dropout = if mode == "train" || mode == "lora" { model.dropout } else { 0.0 };
            let side =
                Side::Own { mode: mode.to_owned(), precision: precision.to_owned(), dropout };
            jobs.push((format!("ser {mode}-{precision}"), side));
        }
    }
    jobs
}

enum Side {
    Peer(String),
    Own { mode: String, precision: String, dropout: f32 },
}

fn compare(model: &BenchModel, texts: &Path, options: &Options, has_peer: bool) {
    let own = |mode: &str, precision: &str, dropout: f32| {
        run_json(Command::new(std::env::current_exe().expect("this program")).args([
            "child",
            mode,
            precision,
            &model.dir.to_string_lossy(),
            &texts.to_string_lossy(),
            &model.n_pairs.to_string(),
            &BATCH.to_string(),
            &options.n_threads.to_string(),
            &dropout.to_string(),
        ]))
    };
    own("encode", "f32", 0.0);
    let ids = texts.with_extension("ids");
    let peer = |mode: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/engine/peer.py");
        run_json(
            Command::new(&options.python)
                .arg(script)
                .args([mode, &model.dir.to_string_lossy(), &ids.to_string_lossy()])
                .args(["--threads", &options.n_threads.to_string(), "--batch", &BATCH.to_string()]),
        )
    };
    let jobs = jobs(model, has_peer);
    let mut figures: BTreeMap<&str, Vec<Figure>> = BTreeMap::new();
    // One round of everything after another, so that a slow phase of the machine hits all alike.
    for _ in 0..options.n_repeats {
        for (name, side) in &jobs {
            let figure = match side {
                Side::Peer(mode) => peer(mode),
                Side::Own { mode, precision, dropout } => own(mode, precision, *dropout),
            };
            if let Some(figure) = figure {
                figures.entry(name).or_default().push(figure);
            }
        }
    }
    report(model, &jobs, &figures);
}

/// Runs a process whose last line is JSON; `None`, with a line that says so, when it fails.
fn run_json(command: &mut Command) -> Option<Figure> {
    let output = command.stdin(Stdio::null()).output().expect("the process starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let last =
        text.lines().last().and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let figure = last.filter(|_| output.status.success()).and_then(|json| {
        Some(Figure {
            pairs_per_s: json["pairs_per_s"].as_f64().unwrap_or(0.0),
            peak_mib: json["peak_mib"].as_f64()?,
            plan_mib: json["plan_mib"].as_f64(),
        })
    });
    if figure.is_none() {
        let errors = String::from_utf8_lossy(&output.stderr);
        println!("  failed: {command:?}: {}", errors.lines().last().unwrap_or_default());
    }
    figure
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report(model: &BenchModel, jobs: &[(String, Side)], figures: &BTreeMap<&str, Vec<Figure>>) {
    println!(
        "\n{} ({} pairs of at most 256 tokens a side, batches of {BATCH}{})",
        model.name,
        model.n_pairs,
        if model.is_causal { ", prompt shared" } else { "" }
    );
    println!(
        "  {:<18} {:>9} {:>19} {:>10} {:>17}",
        "", "pairs/s", "[min, max]", "peak MiB", "plan MiB"
    );
    let mut medians: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (name, _) in jobs {
        let Some(figures) = figures.get(name.as_str()) else { continue };
        let mut speed: Vec<f64> = figures.iter().map(|it| it.pairs_per_s).collect();
        let mut peak: Vec<f64> = figures.iter().map(|it| it.peak_mib).collect();
        let (middle, peak) = (median(&mut speed), median(&mut peak));
        medians.insert(name, (middle, peak));
        let (low, high) = (speed[0], speed[speed.len() - 1]);
        // Scoring needs less than the training that the plan is for.
        let plan = figures[0].plan_mib.filter(|_| !name.contains("score"));
        let plan = plan.map_or_else(
            || "-".to_owned(),
            |plan| format!("{plan:.0} ({:+.0} %)", 100.0 * (plan / peak - 1.0)),
        );
        println!(
            "  {name:<18} {middle:>9.2} {:>19} {peak:>10.0} {plan:>17}",
            format!("[{low:.2}, {high:.2}]")
        );
    }
    // With the speed each should at least have, for an encoder and for a decoder.
    let ratios = [
        ("training, f32 / tuned TRL f32", "ser train-f32", "peer trl-f32", Some([2.5, 5.0])),
        ("training, bf16 / tuned TRL bf16", "ser train-bf16", "peer trl-bf16", Some([2.5, 5.0])),
        ("training, bf16 / TRL defaults", "ser train-bf16", "peer trl-default", None),
        ("equal work, f32 / PyTorch step", "ser step-f32", "peer step-f32", Some([1.5, 1.5])),
        ("equal work, bf16 / PyTorch step", "ser step-bf16", "peer step-bf16", Some([1.5, 1.5])),
        ("scoring, f32 / PyTorch", "ser score-f32", "peer score-f32", Some([2.0, 4.0])),
        ("scoring, bf16 / PyTorch", "ser score-bf16", "peer score-bf16", Some([2.0, 4.0])),
        ("LoRA, bf16 / TRL + PEFT bf16", "ser lora-bf16", "peer lora-bf16", None),
        ("cached top 2, f32 / TRL full f32", "ser top2-f32", "peer trl-f32", Some([10.0; 2])),
        ("cached top 2, bf16 / TRL full bf16", "ser top2-bf16", "peer trl-bf16", Some([10.0; 2])),
    ];
    for (name, own, peer, bars) in ratios {
        if let (Some(own), Some(peer)) = (medians.get(own), medians.get(peer)) {
            let (speed, memory) = (own.0 / peer.0, own.1 / peer.1);
            let wanted = bars.map(|bars| bars[usize::from(model.is_causal)]);
            let verdict = match wanted {
                Some(bar) if speed < bar => format!("  misses {bar}"),
                Some(bar) => format!("  wanted {bar}"),
                None => String::new(),
            };
            println!("  {name:<36} {speed:>6.2} x speed {memory:>6.2} x memory{verdict}");
        }
    }
}
