//! What a model costs on this machine: speed of training and scoring, and where the time goes.

use std::time::{Duration, Instant};

use super::implementation::{Implementation, Usage};
use super::open::implementation;
use super::{
    EncodedPair, EngineError, LabeledPair, ModelInfo, OpenSettings, PairText, StepSettings, open,
};
use crate::domain::preference::Side;
use crate::domain::spec::Loss;

/// The workload whose cost is measured.
#[derive(Debug, Clone, Copy)]
pub struct MeasureSettings {
    /// Pairs of one optimizer step.
    pub batch_pairs: usize,
    pub dropout: f32,
    /// Training and scoring each run for about so long.
    pub duration: Duration,
}

/// One kind of pass over the pairs.
#[derive(Debug, Clone)]
pub struct PassCost {
    /// Wall time measured.
    pub seconds: f64,
    /// Pairs done in it.
    pub n_pairs: u64,
    /// Tokens of both sides, counted separately.
    pub n_tokens: u64,
    /// Tokens computed, a shared prefix once.
    pub n_packed_tokens: u64,
    /// Time and operations by kind of kernel; empty for an engine that does not count.
    pub kernels: Vec<Usage>,
}

impl PassCost {
    /// Floating-point operations a second of the matrix products and attention, over the whole pass.
    #[must_use]
    pub fn operations_per_s(&self) -> f64 {
        self.kernels.iter().map(|usage| usage.operations as f64).sum::<f64>() / self.seconds
    }
}

/// The cost of a model on this machine, in memory and in time.
#[derive(Debug, Clone)]
pub struct Measurement {
    pub info: ModelInfo,
    /// Pairs the passes went over.
    pub n_pairs: usize,
    pub training: PassCost,
    pub scoring: PassCost,
    /// Floating-point operations a second of the best products, same precision and threads; `None`
    /// on another device than this program's own.
    pub peak_operations_per_s: Option<f64>,
}

/// Trains and scores for a while. The model is thrown away.
///
/// # Errors
/// When the model cannot be opened, or a step fails.
pub fn measure(
    settings: &OpenSettings,
    texts: &[PairText<'_>],
    what: MeasureSettings,
) -> Result<Measurement, EngineError> {
    let engine = implementation(settings);
    let peak_before = engine.peak_operations_per_s(settings)?;
    let mut model = open(settings)?;
    let pairs = model.encode(texts)?;
    let step = StepSettings {
        loss: Loss::BradleyTerry,
        learning_rate: 1e-6,
        weight_decay: 0.0,
        clip_norm: 1.0,
        dropout: what.dropout,
        dropout_key: 1,
    };
    let training = time(engine, &pairs, what.batch_pairs, what.duration, |batch| {
        let labeled: Vec<LabeledPair<'_>> =
            batch.iter().map(|pair| LabeledPair::certain(pair, Side::A)).collect();
        model.train_step(&labeled, &step).map(|_| ())
    })?;
    // Similar lengths stand together, as in a scoring pass.
    let mut sorted = pairs.clone();
    sorted.sort_by_key(EncodedPair::n_packed_tokens);
    let scoring = time(engine, &sorted, 4 * what.batch_pairs, what.duration, |batch| {
        model.score(&batch.iter().collect::<Vec<_>>()).map(|_| ())
    })?;
    let info = model.info().clone();
    drop(model);
    // Measured once more, since other programs may have used the machine during the first
    // measurement.
    let peak_after = engine.peak_operations_per_s(settings)?;
    let peak_operations_per_s = peak_before.zip(peak_after).map(|(a, b)| a.max(b));
    Ok(Measurement { info, n_pairs: pairs.len(), training, scoring, peak_operations_per_s })
}

/// Goes over the pairs in batches until `duration` is over, after one batch to warm up.
fn time(
    engine: &dyn Implementation,
    pairs: &[EncodedPair],
    batch_pairs: usize,
    duration: Duration,
    mut pass: impl FnMut(&[EncodedPair]) -> Result<(), EngineError>,
) -> Result<PassCost, EngineError> {
    let batches: Vec<&[EncodedPair]> = pairs.chunks(batch_pairs.max(1)).collect();
    if let Some(first) = batches.first() {
        pass(first)?;
    }
    let mut cost =
        PassCost { seconds: 0.0, n_pairs: 0, n_tokens: 0, n_packed_tokens: 0, kernels: Vec::new() };
    engine.start_counting();
    let start = Instant::now();
    for batch in batches.iter().cycle() {
        pass(batch)?;
        cost.n_pairs += batch.len() as u64;
        for pair in *batch {
            cost.n_tokens += pair.n_tokens() as u64;
            cost.n_packed_tokens += pair.n_packed_tokens() as u64;
        }
        if start.elapsed() >= duration {
            break;
        }
    }
    cost.seconds = start.elapsed().as_secs_f64();
    cost.kernels = engine.stop_counting();
    Ok(cost)
}
