//! This program's side of the comparison. Each figure comes from a fresh process, so that its peak
//! memory is its own.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ser::domain::preference::Side;
use ser::domain::spec::{LoraSpec, Loss, Precision, Tuning};
use ser::domain::text::conversation::TextForm;
use ser::engine::memory::Load;
use ser::engine::planning;
use ser::engine::score::score_all;
use ser::engine::{
    self, Backbone, CacheSettings, EncodedPair, LabeledPair, OpenSettings, PairText, RewardModel,
    StepSettings,
};

/// Longest side of a pair of the bench, in tokens.
const MAX_TOKENS: usize = 256;

/// What a child process is asked to do.
pub struct Job {
    pub mode: String,
    pub precision: Precision,
    pub model: PathBuf,
    /// JSON list of `[prompt, chosen, rejected]`.
    pub texts: PathBuf,
    pub n_pairs: usize,
    pub batch: usize,
    pub n_threads: usize,
    pub dropout: f32,
}

/// Does the job and prints its figures as one line of JSON; `encode` writes the token ids of both
/// sides to the path `texts` with the ending `ids`.
pub fn run(job: &Job) {
    let tuning = match job.mode.as_str() {
        "top2" => Tuning::TopLayers(2),
        "lora" => Tuning::Lora(LoraSpec::default()),
        _ => Tuning::Full,
    };
    let settings = OpenSettings {
        n_threads: job.n_threads,
        tuning,
        precision: job.precision,
        frozen_precision: job.precision,
        trunk_cache: CacheSettings { memory_bytes: 1 << 30, ..CacheSettings::default() },
        ..OpenSettings::new(Backbone::Directory(job.model.clone()), MAX_TOKENS, 1)
    };
    let load = Load {
        n_pairs: job.n_pairs,
        batch_pairs: job.batch,
        has_dropout: job.dropout > 0.0 && job.mode != "score",
        has_second_view: false,
    };
    let plan = planning::plan(&settings, load).expect("a plan").map_or(0, |plan| plan.total());
    let mut model = engine::open(&settings).expect("the model opens");
    let base_mib = peak_mib();
    let pairs = encode(model.as_ref(), &job.texts, job.n_pairs);
    let (seconds, n_pairs) = match job.mode.as_str() {
        "encode" => {
            let ids: Vec<_> = pairs.iter().map(|pair| (&pair.tokens_a, &pair.tokens_b)).collect();
            let json = serde_json::to_string(&ids).expect("plain numbers");
            std::fs::write(job.texts.with_extension("ids"), json).expect("writable");
            (0.0, pairs.len())
        }
        "step" => step(model.as_mut(), &pairs, job.batch),
        "score" => score(model.as_mut(), &pairs),
        // The first epoch fills the cache of trunk activations.
        "top2" => {
            train(model.as_mut(), &pairs, job);
            train(model.as_mut(), &pairs, job)
        }
        _ => train(model.as_mut(), &pairs, job),
    };
    let figures = serde_json::json!({
        "seconds": seconds, "pairs": n_pairs, "pairs_per_s": n_pairs as f64 / seconds,
        "peak_mib": peak_mib(), "base_mib": base_mib, "plan_mib": plan as f64 / 1_048_576.0,
    });
    println!("{figures}");
}

/// Largest resident size of this process so far. Not `getrusage`'s: that one starts at the size of
/// the parent, which holds the weights it has just written.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

fn encode(model: &dyn RewardModel, texts: &Path, n_pairs: usize) -> Vec<EncodedPair> {
    let json = std::fs::read(texts).expect("readable");
    let texts: Vec<[String; 3]> = serde_json::from_slice(&json).expect("as written");
    let pairs: Vec<PairText<'_>> = texts
        .iter()
        .map(|[prompt, response_a, response_b]| PairText {
            form: &TextForm::Dialogue,
            prompt,
            response_a,
            response_b,
        })
        .collect();
    let mut pairs = model.encode(&pairs).expect("encodable");
    pairs.retain(|pair| !pair.is_truncated());
    pairs.truncate(n_pairs);
    pairs
}

fn step_settings(dropout: f32) -> StepSettings {
    StepSettings {
        loss: Loss::BradleyTerry,
        learning_rate: 1e-5,
        weight_decay: 0.0,
        clip_norm: 1.0,
        dropout,
        dropout_key: 1,
    }
}

/// One epoch; the first batch warms up and is not timed.
fn train(model: &mut dyn RewardModel, pairs: &[EncodedPair], job: &Job) -> (f64, usize) {
    let labeled: Vec<LabeledPair<'_>> =
        pairs.iter().map(|pair| LabeledPair::certain(pair, Side::A)).collect();
    let settings = step_settings(job.dropout);
    let mut start = Instant::now();
    for (i, batch) in labeled.chunks(job.batch).enumerate() {
        model.train_step(batch, &settings).expect("finite");
        if i == 0 {
            start = Instant::now();
        }
    }
    (start.elapsed().as_secs_f64(), pairs.len() - job.batch.min(pairs.len()))
}

/// One batch padded to its longest side, nothing shared: the work of a padded PyTorch step.
fn step(model: &mut dyn RewardModel, pairs: &[EncodedPair], batch: usize) -> (f64, usize) {
    let batch = &pairs[..batch.min(pairs.len())];
    let sides = batch.iter().flat_map(|pair| [&pair.tokens_a, &pair.tokens_b]);
    let longest = sides.map(Vec::len).max().unwrap_or(0);
    let padded: Vec<EncodedPair> = batch
        .iter()
        .map(|pair| {
            let mut pair = EncodedPair { n_shared: 0, ..pair.clone() };
            pair.tokens_a.resize(longest, 1);
            pair.tokens_b.resize(longest, 1);
            pair
        })
        .collect();
    let labeled: Vec<LabeledPair<'_>> =
        padded.iter().map(|pair| LabeledPair::certain(pair, Side::A)).collect();
    let settings = step_settings(0.0);
    let times = (0..4).map(|_| {
        let start = Instant::now();
        model.train_step(&labeled, &settings).expect("finite");
        start.elapsed().as_secs_f64()
    });
    (times.skip(1).fold(f64::INFINITY, f64::min), batch.len())
}

fn score(model: &mut dyn RewardModel, pairs: &[EncodedPair]) -> (f64, usize) {
    let pairs: Vec<&EncodedPair> = pairs.iter().collect();
    let mut seconds = 0.0;
    for warm in [&pairs[..pairs.len().min(16)], &pairs[..]] {
        let start = Instant::now();
        score_all(model, warm, 4096, &mut |_| ControlFlow::Continue(())).expect("finite");
        seconds = start.elapsed().as_secs_f64();
    }
    (seconds, pairs.len())
}
