//! How much memory a run will need, from the shapes of its model alone, and what fits.

use super::cpu::micro_batch::DEFAULT_ROWS;
use super::cpu::network::Transformer;
use super::cpu::network::memory::MicroBatchShape;
use super::cpu::table::Store;
use super::weights::ModelFiles;
use super::{Backbone, EncodedPair, EngineError, OpenSettings};

/// Bytes a run needs at its peak, by purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The program with its tokenizer.
    pub program: u64,
    /// Weights, trained and frozen.
    pub weights: u64,
    /// Gradient and moments of what is trained.
    pub optimizer: u64,
    /// Activations of the largest micro-batch, and the buffers kernels work in.
    pub activations: u64,
    /// Token ids of all pairs, and what a checkpoint copies.
    pub data: u64,
    /// The trunk cache in memory.
    pub trunk_cache: u64,
    /// Packed rows of a micro-batch.
    pub micro_batch_rows: usize,
}

impl MemoryPlan {
    /// The sum.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.program
            + self.weights
            + self.optimizer
            + self.activations
            + self.data
            + self.trunk_cache
    }
}

/// What a plan depends on beside the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Pairs of the whole data set.
    pub n_pairs: usize,
    /// Pairs of one optimizer step.
    pub batch_pairs: usize,
    /// Whether training drops activations.
    pub has_dropout: bool,
}

/// Mean length of a side, as a share of the longest allowed, where nothing better is known: what
/// HH-RLHF has at 256 tokens.
const MEAN_FILL: f64 = 0.5;

/// A plan for training on the CPU; `None` for the mock model, which has no weights.
///
/// # Errors
/// When the model cannot be opened.
pub fn plan(settings: &OpenSettings, load: Load) -> Result<Option<MemoryPlan>, EngineError> {
    if settings.backbone == Backbone::Mock {
        return Ok(None);
    }
    let files = ModelFiles::open(&settings.backbone, settings.max_tokens)?;
    let (network, table) =
        Transformer::new(&files.config, &settings.tuning, settings.frozen_precision);
    let n = |store| table.n_values(store) as u64;
    let shape = micro_batch(settings, load);
    let activations = network.n_activation_values(shape, &settings.tuning, load.has_dropout);
    let tokens_a_pair = 2.0 * MEAN_FILL * settings.max_tokens as f64;
    let largest_tensor =
        table.entries().iter().map(|entry| entry.slot.span.len()).max().unwrap_or(0);
    Ok(Some(MemoryPlan {
        program: resident_bytes().unwrap_or(32 << 20),
        weights: 4 * (n(Store::Trained) + n(Store::Frozen)) + 2 * n(Store::Half),
        optimizer: 12 * n(Store::Trained),
        activations: 4 * activations as u64,
        data: (4.0 * tokens_a_pair * load.n_pairs as f64) as u64 + 4 * largest_tensor as u64,
        trunk_cache: trunk_cache(settings, &network, load),
        micro_batch_rows: shape.n_rows,
    }))
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

/// The largest micro-batch of a run: as many pairs as fit the setting, and at least one.
fn micro_batch(settings: &OpenSettings, load: Load) -> MicroBatchShape {
    let rows_a_pair = 2 * settings.max_tokens;
    let limit = match settings.micro_batch_tokens {
        0 => DEFAULT_ROWS,
        rows => rows,
    };
    let n_rows = limit.min(load.batch_pairs * rows_a_pair).max(rows_a_pair);
    // Sides of half the longest length are usual.
    MicroBatchShape { n_rows, n_rewards: 2 * n_rows.div_ceil(settings.max_tokens) }
}

/// The largest `micro_batch_tokens` whose plan stays within `available` bytes; `None` when not even
/// one pair at a time fits.
///
/// # Errors
/// As [`plan`].
pub fn fitting_micro_batch(
    settings: &OpenSettings,
    load: Load,
    available: u64,
) -> Result<Option<usize>, EngineError> {
    let smallest = 2 * settings.max_tokens;
    let mut rows = DEFAULT_ROWS.max(smallest);
    loop {
        let settings = OpenSettings { micro_batch_tokens: rows, ..settings.clone() };
        if plan(&settings, load)?.is_none_or(|plan| plan.total() <= available) {
            return Ok(Some(rows));
        }
        if rows == smallest {
            return Ok(None);
        }
        rows = (rows / 2).max(smallest);
    }
}

/// Bytes that can still be used without swapping: what the kernel says is available, or what the
/// container has left if that is less. `None` where neither is told.
#[must_use]
pub fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    let read = |name: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok()
    };
    let left = read("memory.max").zip(read("memory.current"));
    let left = left.map_or(u64::MAX, |(limit, used)| limit.saturating_sub(used));
    Some((kibibytes << 10).min(left))
}

/// Bytes of this process in memory.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model_spec::{LoraSpec, Precision};
    use crate::engine::Tuning;

    const LOAD: Load = Load { n_pairs: 100, batch_pairs: 32, has_dropout: false };

    fn total(settings: &OpenSettings) -> u64 {
        plan(settings, LOAD).unwrap().unwrap().total()
    }

    #[test]
    fn less_is_planned_for_less_training_and_smaller_micro_batches() {
        let full = OpenSettings::new(Backbone::Embedded, 256, 1);
        let with = |tuning| OpenSettings { tuning, ..full.clone() };
        let lora = with(Tuning::Lora(LoraSpec::default()));
        let half = OpenSettings { frozen_precision: Precision::Bf16, ..lora.clone() };
        let top = with(Tuning::TopLayers(1));
        let head = with(Tuning::Head);
        assert!(total(&lora) < total(&full));
        assert!(total(&half) < total(&lora));
        assert!(total(&head) < total(&top) && total(&top) < total(&full));
        let small = OpenSettings { micro_batch_tokens: 600, ..full.clone() };
        assert!(total(&small) < total(&full));
        assert!(plan(&OpenSettings::new(Backbone::Mock, 8, 1), LOAD).unwrap().is_none());
    }

    #[test]
    fn a_micro_batch_that_fits_is_found_or_nothing() {
        let settings = OpenSettings::new(Backbone::Embedded, 128, 1);
        let least = OpenSettings { micro_batch_tokens: 256, ..settings.clone() };
        // The plan holds what this process has in memory now, which moves while tests run.
        let slack = 64 << 20;
        let fitting = |bytes| fitting_micro_batch(&settings, LOAD, bytes).unwrap();
        assert_eq!(fitting(u64::MAX), Some(1536));
        assert!(fitting(total(&least) + slack).is_some());
        assert_eq!(fitting(0), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells_its_memory() {
        assert!(available_bytes().unwrap() > 1 << 20);
        assert!(resident_bytes().unwrap() > 1 << 20);
    }
}
