//! How much memory a run on the processor takes, from the shapes of its model alone.

use super::network::Transformer;
use super::network::memory::MicroBatchShape;
use super::table::Store;
use crate::engine::files::weights::ModelFiles;
use crate::engine::memory::{DEFAULT_MICRO_BATCH_ROWS, Load, MemoryPlan, resident_bytes};
use crate::engine::{EncodedPair, EngineError, NoLikelihood, OpenSettings};

/// Mean length of a side, as a share of the longest allowed, where nothing better is known: what
/// HH-RLHF has at 256 tokens.
const MEAN_FILL: f64 = 0.5;

/// The packed rows of a pair as a share of two sides of the longest length: their mean and their
/// standard deviation.
struct Fill {
    mean: f64,
    deviation: f64,
}

/// What HH-RLHF (helpful) has at 256 tokens a side.
const APART: Fill = Fill { mean: 0.44, deviation: 0.23 };
/// The same where a decoder reads the prompt once for both answers of a pair.
const SHARED: Fill = Fill { mean: 0.32, deviation: 0.14 };

/// The memory that a run takes at its peak.
///
/// # Errors
/// When the model's files cannot be opened.
pub fn plan(settings: &OpenSettings, load: Load) -> Result<MemoryPlan, EngineError> {
    let files = ModelFiles::open_as(settings)?;
    let (network, table) =
        Transformer::new(&files.config, &settings.tuning, settings.frozen_precision);
    let n = |store| table.n_values(store) as u64;
    let shape = micro_batch(settings, load, network.shares_prompts());
    let activations = network.n_activation_values(shape, &settings.tuning, load.has_dropout);
    let tokens_a_pair = 2.0 * MEAN_FILL * settings.max_tokens as f64;
    // A checkpoint holds one trained tensor at a time as bytes.
    let trained = table.entries().iter().filter(|entry| entry.slot.is_trained());
    let largest_tensor = trained.map(|entry| entry.slot.span.len()).max().unwrap_or(0);
    let is_asked = load.has_second_view && NoLikelihood::of(&files).is_none();
    // The gradient and the moments of frozen tensors are never written, so they take no memory.
    let (_, asked) =
        Transformer::language_model(&files.config, &settings.tuning, settings.frozen_precision);
    let n_asked: usize =
        [Store::Trained, Store::Frozen, Store::Half].iter().map(|it| asked.n_values(*it)).sum();
    Ok(MemoryPlan {
        program: resident_bytes().unwrap_or(32 << 20),
        weights: 4 * (n(Store::Trained) + n(Store::Frozen))
            + 2 * n(Store::Half)
            + if is_asked { 4 * n_asked as u64 } else { 0 },
        optimizer: 12 * n(Store::Trained),
        activations: 4 * activations as u64,
        data: (4.0 * tokens_a_pair * load.n_pairs as f64) as u64 + 4 * largest_tensor as u64,
        trunk_cache: trunk_cache(settings, &network, load),
        micro_batch_rows: shape.n_rows,
    })
}

/// Bytes of the trunk's activations that stay in memory: bf16, for every pair, within the budget.
fn trunk_cache(settings: &OpenSettings, network: &Transformer, load: Load) -> u64 {
    if !network.has_cacheable_trunk() {
        return 0;
    }
    let n = (MEAN_FILL * settings.max_tokens as f64) as usize;
    let side = EncodedPair { tokens_a: vec![0; n], tokens_b: vec![0; n], ..EncodedPair::default() };
    let all = 2 * (network.n_seam_values(&side) * load.n_pairs) as u64;
    all.min(settings.trunk_cache.memory_bytes)
}

/// The largest micro-batch to expect: as many pairs as fit the setting, but at least one, and no
/// more rows than a batch of pairs whose length is two standard deviations above the mean.
fn micro_batch(settings: &OpenSettings, load: Load, shares_prompts: bool) -> MicroBatchShape {
    let rows_a_pair = 2 * settings.max_tokens;
    let limit = match settings.micro_batch_tokens {
        0 => DEFAULT_MICRO_BATCH_ROWS,
        rows => rows,
    };
    let Fill { mean, deviation } = if shares_prompts { SHARED } else { APART };
    let n_pairs = load.batch_pairs as f64;
    let longest = (mean * n_pairs + 2.0 * deviation * n_pairs.sqrt()) * rows_a_pair as f64;
    let n_rows = limit.min(longest as usize).max(rows_a_pair);
    // Sides of half the longest length are usual.
    let n_rewards = 2 * n_rows.div_ceil(settings.max_tokens);
    MicroBatchShape { n_rows, n_rewards, longest: settings.max_tokens }
}
