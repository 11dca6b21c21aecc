//! `cargo bench --bench policy -- --model DIR --python PATH`: seconds of one RLOO step (low-rank adapters of
//! rank 16, 16 prompts, 4 answers of 64 tokens each: sampling, the reference's probabilities and the update)
//! and the peak memory of its process, beside TRL 1.16 in one go.
//!
//! `--precision f32|bf16` is that of the products, on both sides (default f32; TRL's own default is bf16),
//! `--python PATH` names a Python with torch, transformers, peft and trl, `--threads N`, `--repeat N`
//! alternates N times (default 3). Without a model the embedded one is measured, without Python this program
//! alone.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use ser::domain::policy::advantage::leave_one_out;
use ser::domain::policy::objective::rloo::penalized;
use ser::domain::policy::objective::{
    Advantage, ClipRange, Now, PolicyGradient, Rloo, Taken, Tally, Totals,
};
use ser::domain::spec::{LoraSpec, LoraTarget, Loss, Precision, Tuning};
use ser::engine::generation::{Generated, GenerationSettings};
use ser::engine::open::open_policy;
use ser::engine::policy::{AnswerSlopes, Policy, Speaker};
use ser::engine::{AnswersTo, Backbone, OpenSettings, StepSettings};

const N_PROMPTS: usize = 16;
const N_ANSWERS: usize = 4;
const NEW: usize = 64;
/// Tokens of a prompt, as many as the eight words of the peer's have.
const N_PROMPT_TOKENS: usize = 24;

const SETTINGS: StepSettings = StepSettings {
    loss: Loss::BradleyTerry,
    learning_rate: 1e-6,
    weight_decay: 0.0,
    clip_norm: 1.0,
    dropout: 0.0,
    dropout_key: 0,
};

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
    let precision = match value("--precision").as_deref() {
        None | Some("f32") => Precision::F32,
        Some("bf16") => Precision::Bf16,
        Some(other) => panic!("`--precision {other}`: f32 or bf16"),
    };
    if arguments.first().is_some_and(|it| it == "child") {
        let Seconds { sampling, reference, update } =
            own(model.map(PathBuf::from), n_threads, precision);
        let all = sampling + reference + update;
        println!("{all} {} {sampling} {reference} {update}", peak_bytes());
        return;
    }
    let python = value("--python").unwrap_or_else(|| "python3".to_owned());
    let has_peer = model.is_some() && has_trl(&python);
    println!(
        "{n_threads} threads, {}, {N_PROMPTS} prompts, {N_ANSWERS} answers of {NEW} tokens, \
         {n_repeats} alternations, medians",
        precision.name()
    );
    let (mut own, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..n_repeats {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["child", "--threads", &n_threads.to_string()]);
        command.args(["--precision", precision.name()]);
        command.args(model.iter().flat_map(|it| ["--model", it]));
        own.push(measured(&mut command));
        if let (true, Some(model)) = (has_peer, &model) {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/policy.py");
            let sizes = [N_PROMPTS, N_ANSWERS, NEW, n_threads];
            let mut command = Command::new(&python);
            command.args([script, model]).args(sizes.map(|it| it.to_string()));
            command.arg(precision.name());
            command.env("HF_HUB_OFFLINE", "1");
            peer.push(measured(&mut command));
        }
    }
    let [seconds, bytes, sampling, reference, update] = medians(&own);
    println!(
        "RLOO step: ser {seconds:.2} s (sampling {sampling:.2}, reference {reference:.2}, update \
         {update:.2}), {:.0} MB",
        bytes / 1e6
    );
    if has_peer {
        let [peer_seconds, peer_bytes] = medians(&peer);
        println!(
            "TRL {peer_seconds:.2} s, {:.0} MB: {:.1} times as fast, {:.2} of the memory",
            peer_bytes / 1e6,
            peer_seconds / seconds,
            bytes / peer_bytes
        );
    }
}

/// The median of each number.
fn medians<const N: usize>(found: &[Vec<f64>]) -> [f64; N] {
    std::array::from_fn(|i| {
        let mut values: Vec<f64> = found.iter().map(|it| it[i]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    })
}

fn has_trl(python: &str) -> bool {
    let found = Command::new(python)
        .args(["-c", "import torch, transformers, peft, trl, datasets"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        println!(
            "nothing to compare with: `{python}` cannot import torch, transformers, peft, trl"
        );
    }
    found
}

/// The numbers of the last line that a process prints.
fn measured(command: &mut Command) -> Vec<f64> {
    let output = command.stderr(Stdio::inherit()).output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().expect("a line");
    last.split_whitespace().map(|it| it.parse().expect("a number")).collect()
}

/// The peak memory of this process; 0 where the system does not tell.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Where the time of a step goes.
#[derive(Clone, Copy)]
struct Seconds {
    sampling: f64,
    reference: f64,
    update: f64,
}

/// The fastest of the steps after the first.
fn own(model: Option<PathBuf>, n_threads: usize, precision: Precision) -> Seconds {
    let backbone = model.map_or(Backbone::Embedded, Backbone::Directory);
    let lora = LoraSpec {
        rank: 16,
        alpha: 32.0,
        dropout: 0.0,
        targets: vec![LoraTarget::Query, LoraTarget::Value],
    };
    let settings = OpenSettings {
        n_threads,
        precision,
        tuning: Tuning::Lora(lora),
        ..OpenSettings::new(backbone, N_PROMPT_TOKENS + NEW, 1)
    };
    let mut policy = open_policy(&settings).expect("a model").expect("a language model");
    let steps: Vec<Seconds> = (0..3).map(|step| one_step(policy.as_mut(), step)).collect();
    let all = |it: &Seconds| it.sampling + it.reference + it.update;
    *steps[1..].iter().min_by(|a, b| all(a).total_cmp(&all(b))).expect("two steps")
}

/// The answers to the prompts, in their order.
fn sampled(policy: &mut dyn Policy, asked: &[&[u32]], step: u32) -> Vec<Generated> {
    let generation = GenerationSettings {
        n_answers: N_ANSWERS,
        first_prompt: step * N_PROMPTS as u32,
        ..GenerationSettings::new(NEW, N_PROMPT_TOKENS + NEW, 1)
    };
    let mut answers = Vec::new();
    policy.generate(asked, &generation, &mut answers).expect("answers");
    answers.sort_by_key(|it| it.place);
    answers
}

fn one_step(policy: &mut dyn Policy, step: u32) -> Seconds {
    let begin = Instant::now();
    let token = |prompt: usize, i: usize| ((i * 7919 + prompt * 104_729) % 400 + 3) as u32;
    let prompt = |prompt| (0..N_PROMPT_TOKENS).map(|i| token(prompt, i)).collect();
    let prompts: Vec<Vec<u32>> = (0..N_PROMPTS).map(prompt).collect();
    let asked: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let answers = sampled(policy, &asked, step);
    let sampling = begin.elapsed().as_secs_f64();
    let batch: Vec<AnswersTo<'_>> = asked
        .iter()
        .zip(answers.chunks(N_ANSWERS))
        .map(|(prompt, answers)| AnswersTo {
            prompt,
            answers: answers.iter().map(|it| it.tokens.as_slice()).collect(),
        })
        .collect();
    let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|it| f64::from(*it)).collect() };
    let old: Vec<Vec<f64>> = answers.iter().map(|it| wide(&it.log_probabilities)).collect();
    let reference = policy.scores(&batch, Speaker::Reference).expect("scores");
    let consulted = begin.elapsed().as_secs_f64();
    let rewards: Vec<Option<f64>> = answers
        .iter()
        .zip(&old)
        .zip(&reference)
        .map(|((answer, old), reference)| {
            let ratios: Vec<f64> =
                old.iter().zip(&reference.log_probs).map(|(a, b)| a - f64::from(*b)).collect();
            Some(penalized(f64::from(answer.tokens[0] % 7), &ratios, 0.05))
        })
        .collect();
    let advantages = leave_one_out(&rewards, N_ANSWERS, false);
    let taken: Vec<Taken<'_>> = old
        .iter()
        .zip(&advantages)
        .map(|(old, advantage)| Taken {
            old,
            reference: &[],
            advantage: Advantage::Answer(*advantage),
            counted: &[],
            values: &[],
            returns: &[],
        })
        .collect();
    let objective = PolicyGradient::Rloo(Rloo { clip: ClipRange::symmetric(0.2) });
    let (totals, mut tally) = (Totals::of(&taken), Tally::default());
    let report = policy
        .train_step(
            &batch,
            &mut |range, scores| {
                let before = tally.loss;
                let slopes = taken[range].iter().zip(scores).map(|(taken, scores)| {
                    let (log_probs, entropies) = (wide(&scores.log_probs), wide(&scores.entropies));
                    let now = Now { log_probs: &log_probs, entropies: &entropies, values: &[] };
                    let gradient =
                        objective.answer(totals, taken, &now, &mut tally).expect("shapes");
                    let log_probs = gradient.log_probs.iter().map(|it| *it as f32).collect();
                    AnswerSlopes { log_probs, values: Vec::new() }
                });
                let slopes = slopes.collect();
                (tally.loss - before, slopes)
            },
            &SETTINGS,
        )
        .expect("an update");
    assert!(report.gradient_norm.is_finite(), "a step without a gradient measures nothing");
    let update = begin.elapsed().as_secs_f64() - consulted;
    Seconds { sampling, reference: consulted - sampling, update }
}
