//! How much memory a run will need, from the shapes of its model alone, and what fits.

use super::cpu::LanguageModel;
use super::cpu::micro_batch::DEFAULT_ROWS;
use super::cpu::network::Transformer;
use super::cpu::network::memory::MicroBatchShape;
use super::cpu::table::Store;
use super::files::weights::ModelFiles;
use super::{Backbone, Device, EncodedPair, EngineError, OpenSettings, Tuning};
use crate::domain::spec::ExperimentSpec;
use crate::domain::teacher::second_view::View;

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
    /// Whether the pretrained backbone is opened beside the model, to ask it for likelihoods.
    pub has_second_view: bool,
}

impl Load {
    /// The load of a spec on a data set of so many pairs.
    #[must_use]
    pub fn of_spec(spec: &ExperimentSpec, n_pairs: usize) -> Self {
        Self {
            n_pairs,
            batch_pairs: spec.train.batch_pairs as usize,
            has_dropout: spec.train.dropout > 0.0,
            has_second_view: spec.selection.cross_fits()
                && spec.selection.second_view.asks(View::Likelihood),
        }
    }
}

/// Mean length of a side, as a share of the longest allowed, where nothing better is known: what
/// HH-RLHF has at 256 tokens.
const MEAN_FILL: f64 = 0.5;

/// Rows of a pair as a share of two longest sides: their mean, and their standard deviation.
struct Fill {
    mean: f64,
    deviation: f64,
}

/// What HH-RLHF (helpful) has at 256 tokens a side.
const APART: Fill = Fill { mean: 0.44, deviation: 0.23 };
/// The same where a decoder reads the prompt once for both answers.
const SHARED: Fill = Fill { mean: 0.32, deviation: 0.14 };

/// A plan for training on the CPU; `None` for the mock model, which has no weights.
///
/// # Errors
/// When the model cannot be opened.
pub fn plan(settings: &OpenSettings, load: Load) -> Result<Option<MemoryPlan>, EngineError> {
    if settings.backbone == Backbone::Mock {
        return Ok(None);
    }
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
    let is_asked = load.has_second_view && LanguageModel::can_read(&files.config);
    // Its gradient and moments are never written, so they take no memory.
    let n_asked = n(Store::Trained) + n(Store::Frozen) + n(Store::Half);
    Ok(Some(MemoryPlan {
        program: resident_bytes().unwrap_or(32 << 20),
        weights: 4 * (n(Store::Trained) + n(Store::Frozen))
            + 2 * n(Store::Half)
            + if is_asked { 4 * n_asked } else { 0 },
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

/// The largest micro-batch of a run as it usually is: as many pairs as fit the setting, at least one,
/// and no more than a batch of pairs that are longer than usual by two standard deviations.
fn micro_batch(settings: &OpenSettings, load: Load, shares_prompts: bool) -> MicroBatchShape {
    let rows_a_pair = 2 * settings.max_tokens;
    let limit = match settings.micro_batch_tokens {
        0 => DEFAULT_ROWS,
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

/// Refuses a run on the CPU whose plan is larger than `limit` bytes, with a micro-batch that would
/// fit; without a limit nothing is refused.
///
/// # Errors
/// [`EngineError::TooLarge`], or as [`plan`].
pub fn check(settings: &OpenSettings, load: Load, limit: Option<u64>) -> Result<(), EngineError> {
    let Some(limit) = limit.filter(|_| settings.device == Device::Cpu) else { return Ok(()) };
    match plan(settings, load)? {
        Some(plan) if plan.total() > limit => Err(EngineError::TooLarge {
            backbone: settings.backbone.to_string(),
            needed: plan.total(),
            limit,
            micro_batch_tokens: plan.micro_batch_rows,
            fitting: fitting_micro_batch(settings, load, limit)?,
            is_full: settings.tuning == Tuning::Full,
        }),
        _ => Ok(()),
    }
}

/// Bytes that can still be used without swapping: what the kernel says is available, or what the
/// container has left if that is less. `None` where neither is told.
#[must_use]
pub fn available_bytes() -> Option<u64> {
    let left = control_group("memory.max").zip(control_group("memory.current"));
    let left = left.map_or(u64::MAX, |(limit, used)| limit.saturating_sub(used));
    Some(proc_bytes("/proc/meminfo", "MemAvailable:")?.min(left))
}

/// Bytes of the machine, or of the container if that has less.
#[must_use]
pub fn total_bytes() -> Option<u64> {
    let limit = control_group("memory.max").unwrap_or(u64::MAX);
    Some(proc_bytes("/proc/meminfo", "MemTotal:")?.min(limit))
}

fn control_group(name: &str) -> Option<u64> {
    std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok()
}

/// A line `NAME: n kB` of a file of the kernel.
fn proc_bytes(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

/// Bytes of this process in memory.
fn resident_bytes() -> Option<u64> {
    proc_bytes("/proc/self/status", "VmRSS:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::model::{LoraSpec, Precision};

    const LOAD: Load =
        Load { n_pairs: 100, batch_pairs: 32, has_dropout: false, has_second_view: false };

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
        assert_eq!(fitting(u64::MAX), Some(DEFAULT_ROWS));
        assert!(fitting(total(&least) + slack).is_some());
        assert_eq!(fitting(0), None);
    }

    #[test]
    fn what_cannot_fit_is_refused_with_what_would() {
        let settings = OpenSettings::new(Backbone::Embedded, 128, 1);
        assert!(check(&settings, LOAD, Some(u64::MAX)).is_ok());
        assert!(check(&settings, LOAD, None).is_ok());
        let error = check(&settings, LOAD, Some(1 << 20)).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("`embedded` needs "), "{text}");
        assert!(text.ends_with("but there is 1.0 MiB"), "{text}");
        assert!(error.hint().unwrap().contains("`model.tuning = \"lora\"`"));
        let half = total(&settings) - (total(&settings) - resident_bytes().unwrap()) / 3;
        let hint = check(&settings, LOAD, Some(half)).unwrap_err().hint().unwrap();
        assert!(hint.contains("train.micro_batch_tokens ="), "{hint}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells_its_memory() {
        assert!(available_bytes().unwrap() > 1 << 20);
        assert!(resident_bytes().unwrap() > 1 << 20);
    }
}
