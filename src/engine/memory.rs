//! How much memory a run will need, from the shapes of its model alone, and what fits.

use super::open::implementation;
use super::{EngineError, OpenSettings};
use crate::domain::spec::{Device, ExperimentSpec, Tuning};
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
    /// All parts together, in bytes.
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

/// A plan for training; `None` for the mock model, which has no weights, and on a device whose use of
/// memory is not known from shapes alone.
///
/// # Errors
/// When the model cannot be opened.
pub fn plan(settings: &OpenSettings, load: Load) -> Result<Option<MemoryPlan>, EngineError> {
    implementation(settings).plan(settings, load)
}

/// Packed rows of a micro-batch unless a setting says otherwise: with fewer the packing of weights is
/// paid for more often, with more the activations leave the caches (`ser bench --set
/// train.micro_batch_tokens=N` shows both).
pub(super) const DEFAULT_MICRO_BATCH_ROWS: usize = 2304;

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
    let mut rows = DEFAULT_MICRO_BATCH_ROWS.max(smallest);
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
pub(super) fn resident_bytes() -> Option<u64> {
    proc_bytes("/proc/self/status", "VmRSS:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::{LoraSpec, Precision};
    use crate::engine::Backbone;

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
        assert_eq!(fitting(u64::MAX), Some(DEFAULT_MICRO_BATCH_ROWS));
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
