//! `cargo bench --bench generation -- --model DIR`: new tokens a second of a language model, beside
//! transformers in one go: same prompts, same number of threads, tokens drawn at temperature 1.
//!
//! `--python PATH` names a Python with torch and transformers; `--gguf FILE,FILE` the same model for
//! llama.cpp, and `--node DIR` the folder where its package is installed (`llama_cpp.mjs` says how).
//! `--threads N`, `--repeat N` alternates N times (default 3). Without a model the embedded one is
//! measured, without peers this program alone.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use ser::domain::spec::Precision;
use ser::engine::Backbone;
use ser::engine::generation::{Generated, GenerationSettings};
use ser::engine::text_model::{TextModel, TextModelSettings};

/// New tokens of every answer.
const NEW: usize = 64;

/// What is generated at a time.
struct Row {
    name: &'static str,
    n_prompts: usize,
    n_answers: usize,
    n_prompt_tokens: usize,
}

const ROWS: [Row; 3] = [
    Row { name: "one answer", n_prompts: 1, n_answers: 1, n_prompt_tokens: 16 },
    Row { name: "32 answers", n_prompts: 32, n_answers: 1, n_prompt_tokens: 16 },
    Row {
        name: "8 answers to each of 16 prompts",
        n_prompts: 16,
        n_answers: 8,
        n_prompt_tokens: 200,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let value = |name: &str| {
        arguments.iter().position(|it| it == name).and_then(|i| arguments.get(i + 1)).cloned()
    };
    let number =
        |name: &str, default| value(name).and_then(|it| it.parse().ok()).unwrap_or(default);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (n_threads, n_repeats) = (number("--threads", cores), number("--repeat", 3));
    let model = value("--model");
    if arguments.first().is_some_and(|it| it == "child") {
        let row = &ROWS[number("--row", 0)];
        let is_half = value("--precision").is_some_and(|it| it == "bf16");
        let precision = if is_half { Precision::Bf16 } else { Precision::F32 };
        println!("{}", own(row, model.map(PathBuf::from), n_threads, precision));
        return;
    }
    let python = value("--python").unwrap_or_else(|| "python3".to_owned());
    let bench = |file: &str| format!("{}/tests/bench/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut peers: Vec<Peer> = ["f32", "bf16"].into_iter().map(Peer::own).collect();
    if let Some(model) = model.as_ref().filter(|_| has_transformers(&python)) {
        peers.push(Peer::new("transformers f32", &python, &[&bench("generation.py"), model]));
    }
    for gguf in value("--gguf").iter().flat_map(|it| it.split(',')) {
        let folder = value("--node").unwrap_or_else(|| ".".to_owned());
        let stem = Path::new(gguf).file_stem().map(|it| it.to_string_lossy().into_owned());
        let name = format!("llama.cpp {}", stem.unwrap_or_default());
        peers.push(Peer { folder, ..Peer::new(&name, "node", &[&bench("llama_cpp.mjs"), gguf]) });
    }
    println!("{n_threads} threads, {NEW} new tokens, {n_repeats} alternations, median tokens/s");
    for (index, row) in ROWS.iter().enumerate() {
        let mut rates = vec![Vec::new(); peers.len()];
        for _ in 0..n_repeats {
            for (peer, rates) in peers.iter().zip(&mut rates) {
                let mut command = peer.command();
                if peer.is_own {
                    command.args([
                        "--row",
                        &index.to_string(),
                        "--threads",
                        &n_threads.to_string(),
                    ]);
                    command.args(model.iter().flat_map(|it| ["--model", it]));
                } else {
                    let sizes = [row.n_prompts, row.n_answers, row.n_prompt_tokens, NEW, n_threads];
                    command.args(sizes.map(|it| it.to_string()));
                }
                rates.push(rate(&mut command));
            }
        }
        let rates: Vec<f64> = rates.into_iter().map(median).collect();
        println!("{}", row.name);
        for (peer, rate) in peers.iter().zip(&rates) {
            let times = [rates[0] / rate, rates[1] / rate].map(|it| format!("{it:.2}"));
            println!(
                "  {:<30} {rate:>6.0}   ser f32 {}, bf16 {} times as fast",
                peer.name, times[0], times[1]
            );
        }
    }
}

/// A process that prints a rate.
struct Peer {
    name: String,
    program: String,
    arguments: Vec<String>,
    folder: String,
    is_own: bool,
}

impl Peer {
    fn new(name: &str, program: &str, arguments: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            folder: ".".to_owned(),
            is_own: false,
        }
    }

    fn own(precision: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let arguments = ["child", "--precision", precision];
        let peer = Self::new(&format!("ser {precision}"), &program.to_string_lossy(), &arguments);
        Self { is_own: true, ..peer }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.folder);
        command
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn has_transformers(python: &str) -> bool {
    let found = Command::new(python)
        .args(["-c", "import torch, transformers"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        println!("nothing to compare with: `{python}` cannot import torch, transformers");
    }
    found
}

/// The last line that a process prints, as a number.
fn rate(command: &mut Command) -> f64 {
    let output = command.stderr(Stdio::inherit()).output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().last().and_then(|it| it.trim().parse().ok()).expect("a rate")
}

/// New tokens a second: the second of two runs, as weights are packed in the first.
fn own(row: &Row, model: Option<PathBuf>, n_threads: usize, precision: Precision) -> f64 {
    let backbone = model.map_or(Backbone::Embedded, Backbone::Directory);
    let settings = TextModelSettings { n_threads, precision, ..TextModelSettings::new(backbone) };
    let mut model = TextModel::open(&settings).expect("a language model");
    let token = |prompt: usize, i: usize| ((i * 7919 + prompt * 104_729) % 400 + 3) as u32;
    let prompt = |prompt| (0..row.n_prompt_tokens).map(|i| token(prompt, i)).collect();
    let prompts: Vec<Vec<u32>> = (0..row.n_prompts).map(prompt).collect();
    let references: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let limit = model.texts.max_tokens();
    let settings =
        GenerationSettings { n_answers: row.n_answers, ..GenerationSettings::new(NEW, limit, 1) };
    let mut rate = 0.0;
    for _ in 0..2 {
        let (begin, mut answers) = (Instant::now(), Vec::<Generated>::new());
        model.model.generate(&references, &settings, &mut answers).expect("answers");
        let n: usize = answers.iter().map(|answer| answer.tokens.len()).sum();
        rate = n as f64 / begin.elapsed().as_secs_f64();
    }
    rate
}
