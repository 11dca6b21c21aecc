//! Measures tokens a second. Run by hand, alone on the machine:
//! `cargo test --release --lib cpu::tests::speed -- --ignored --nocapture --test-threads 1`

use std::io::{Read, Write};
use std::time::Instant;

use super::support::{decoder_config, random, settings};
use crate::domain::preference::Side;
use crate::domain::random::{Place, Purpose};
use crate::engine::config::{DecoderConfig, ModelConfig};
use crate::engine::cpu::kernel::profile;
use crate::engine::cpu::trainer::{Running, Trainer};
use crate::engine::cpu::{CpuModel, LanguageModel};
use crate::engine::fixture::shared_model;
use crate::engine::{
    Backbone, EncodedPair, LabeledPair, OpenSettings, PairText, RewardModel, StepSettings,
};

fn say(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// Pairs of 40 shared and 10 own tokens a side: 60 packed, 100 logical.
fn decoder_pairs(n: u64) -> Vec<EncodedPair> {
    let place = Place::new(1, Purpose::Display);
    let token = |i: u64, k: u64| place.below(i * 100 + k, 2048) as u32;
    (0..n)
        .map(|i| EncodedPair {
            tokens_a: (0..50).map(|k| token(i, k)).collect(),
            tokens_b: (0..40).chain(50..60).map(|k| token(i, k)).collect(),
            n_shared: 40,
            ..EncodedPair::default()
        })
        .collect()
}

/// Best seconds of `n` runs after one warm-up.
fn best(n: usize, mut run: impl FnMut()) -> f64 {
    run();
    let timed = (0..n).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    timed.fold(f64::INFINITY, f64::min)
}

/// Where the time of one pass over the pairs goes, by kernel.
fn say_profile(run: impl FnOnce()) {
    let start = Instant::now();
    profile::start();
    run();
    profile::stop();
    let whole = start.elapsed().as_secs_f64();
    let mut named = 0.0;
    for usage in profile::profile() {
        let seconds = usage.nanoseconds as f64 * 1e-9;
        named += seconds;
        let rate = usage.operations as f64 / seconds / 1e9;
        let share = 100.0 * seconds / whole;
        say(&format!("    {:<20} {share:5.1} % {rate:8.1} GFLOP/s", usage.name));
    }
    say(&format!("    {:<20} {:5.1} %", "the rest", 100.0 * (1.0 - named / whole)));
}

fn measure(name: &str, trainer: &mut Trainer, pairs: &[EncodedPair], batch: usize, n_runs: usize) {
    let settings = StepSettings { clip_norm: 1.0, ..settings(1e-5) };
    let labeled: Vec<LabeledPair<'_>> =
        pairs.iter().map(|pair| LabeledPair::certain(pair, Side::A)).collect();
    let references: Vec<&EncodedPair> = pairs.iter().collect();
    let rows: usize = pairs.iter().map(|pair| trainer.network.n_rows(pair)).sum();
    let seconds = best(n_runs, || {
        for batch in labeled.chunks(batch) {
            trainer.train_step(batch, &settings).unwrap();
        }
    });
    let n = pairs.len() as f64;
    say(&format!(
        "{name}, {} threads: train {:.0} packed tokens/s, {:.1} pairs/s",
        trainer.n_threads(),
        rows as f64 / seconds,
        n / seconds
    ));
    say_profile(|| {
        for batch in labeled.chunks(batch) {
            trainer.train_step(batch, &settings).unwrap();
        }
    });
    let seconds = best(n_runs, || {
        trainer.score(&references).unwrap();
    });
    say(&format!(
        "{name}, {} threads: score {:.0} packed tokens/s, {:.1} pairs/s",
        trainer.n_threads(),
        rows as f64 / seconds,
        n / seconds
    ));
}

#[test]
#[ignore = "a measurement"]
fn embedded_sized_decoder() {
    for n_threads in [1, 2] {
        let config = ModelConfig::Decoder(decoder_config());
        let mut trainer = random(&config, Running::exact(n_threads));
        measure("decoder 128 x 4", &mut trainer, &decoder_pairs(256), 32, 6);
    }
    let mut model = LanguageModel::random(&decoder_config(), 1, 2).unwrap();
    let sequences: Vec<Vec<u32>> =
        decoder_pairs(64).into_iter().map(|pair| pair.tokens_a).collect();
    let seconds = best(6, || {
        model.lm_step(&sequences, &settings(1e-4)).unwrap();
    });
    say(&format!("language model, 2 threads: {:.0} tokens/s", 64.0 * 50.0 / seconds));
}

/// What [`crate::engine::cpu::micro_batch::DEFAULT_ROWS`] was chosen by: budgets in turn, best of
/// several rounds, so that a slow minute of the machine hits all of them.
#[test]
#[ignore = "a measurement"]
fn rows_of_a_micro_batch() {
    let wide = DecoderConfig { hidden_size: 384, intermediate_size: 1024, ..decoder_config() };
    for (name, config) in [("128 x 4", decoder_config()), ("384 x 4", wide)] {
        let pairs = decoder_pairs(128);
        let labeled: Vec<LabeledPair<'_>> =
            pairs.iter().map(|pair| LabeledPair::certain(pair, Side::A)).collect();
        let budgets = [256, 512, 1024, 1536, 2048, 4096, 8192];
        let mut trainers = budgets.map(|micro_batch_rows| {
            let running = Running { micro_batch_rows, ..Running::exact(0) };
            (random(&ModelConfig::Decoder(config.clone()), running), f64::INFINITY)
        });
        for _ in 0..6 {
            for (trainer, seconds) in &mut trainers {
                let start = Instant::now();
                trainer.train_step(&labeled, &settings(1e-5)).unwrap();
                *seconds = seconds.min(start.elapsed().as_secs_f64());
            }
        }
        for ((trainer, seconds), budget) in trainers.iter().zip(budgets) {
            let mib = trainer.n_workspace_bytes() >> 20;
            say(&format!("{name}, {budget} rows: {:.0} rows/s, {mib} MiB", 128.0 * 60.0 / seconds));
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn minilm_on_real_dialogues() {
    let Some(dir) = shared_model("all-MiniLM-L6-v2") else { return };
    let Some(texts) = dialogues(&dir) else { return };
    for n_threads in [1, 2] {
        let settings = OpenSettings {
            n_threads,
            ..OpenSettings::new(Backbone::Directory(dir.clone()), 512, 1)
        };
        let mut model = CpuModel::open(&settings).unwrap();
        let pairs: Vec<PairText<'_>> =
            texts.iter().map(|[prompt, a, b]| PairText::dialogue(prompt, a, b)).collect();
        let mut pairs = model.encode(&pairs).unwrap();
        pairs.retain(|pair| pair.tokens_a.len().max(pair.tokens_b.len()) <= 256);
        pairs.truncate(96);
        measure("all-MiniLM-L6-v2", model.trainer_mut(), &pairs, 32, 2);
    }
}

/// `[prompt, chosen, rejected]` of the first helpful-base test dialogues.
fn dialogues(models: &std::path::Path) -> Option<Vec<[String; 3]>> {
    let path = models.join("../../data/hh-rlhf/helpful-base/test.jsonl.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).ok()?).read_to_string(&mut text).ok()?;
    let rows = text.lines().take(300).map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let (chosen, rejected) = (row["chosen"].as_str()?, row["rejected"].as_str()?);
        let cut = chosen.rfind("\n\nAssistant:")? + "\n\nAssistant:".len();
        let rest = rejected.get(cut..)?;
        Some([chosen[..cut].to_owned(), chosen[cut..].to_owned(), rest.to_owned()])
    });
    Some(rows.flatten().collect())
}
