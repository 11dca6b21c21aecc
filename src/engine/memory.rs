//! How much memory a run needs, by purpose, and how much the machine has.

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

/// Packed rows of a micro-batch unless a setting says otherwise: with fewer the packing of weights is
/// paid for more often, with more the activations leave the caches (`ser bench --set
/// train.micro_batch_tokens=N` shows both).
pub(super) const DEFAULT_MICRO_BATCH_ROWS: usize = 2304;

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

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells_its_memory() {
        assert!(available_bytes().unwrap() > 1 << 20);
        assert!(resident_bytes().unwrap() > 1 << 20);
    }
}
