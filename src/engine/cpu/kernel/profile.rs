//! Where the time goes: calls, time and floating-point operations by kind of kernel.
//!
//! Off by default; a kernel then pays one relaxed load. Time is that of the thread that called the
//! kernel, so the entries of one step add up to its length (less what runs between kernels).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::{Compute, Linear, Weight, Write};
use crate::engine::implementation::Usage;

static IS_ON: AtomicBool = AtomicBool::new(false);
static COUNTERS: [Counter; Kernel::ALL.len()] = [const { Counter::new() }; Kernel::ALL.len()];

/// The kinds of kernels that a profile tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
pub enum Kernel {
    /// Forward products of linear layers.
    Linear,
    /// Gradients of their inputs.
    LinearInput,
    /// Gradients of their weights.
    LinearWeight,
    Product,
    Attention,
    AttentionBackward,
    Norm,
    Activation,
    /// Rotary positions, both directions.
    Rotary,
    /// Moving and adding rows.
    Rows,
    /// Gradient norm and `AdamW`.
    Optimizer,
}

impl Kernel {
    /// All kinds, in the order of a profile.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Its name in a profile.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::LinearInput => "linear dX",
            Self::LinearWeight => "linear dW",
            Self::Product => "product",
            Self::Attention => "attention",
            Self::AttentionBackward => "attention backward",
            Self::Norm => "norm",
            Self::Activation => "activation",
            Self::Rotary => "rotary",
            Self::Rows => "rows",
            Self::Optimizer => "optimizer",
        }
    }
}

/// The floating-point operations a second that matrix products reach on this machine: the best of
/// several linear layers whose shapes suit it, each run several times. Takes some tenths of a
/// second.
#[must_use]
pub fn product_peak(on: Compute<'_>) -> f64 {
    /// How often each layer is run; the fastest run counts.
    const RUNS: usize = 12;
    /// Rows, input, output: all operands stay within the caches, or the weight does.
    const SHAPES: [[usize; 3]; 2] = [[1536, 768, 384], [2048, 1024, 1024]];
    let rates = SHAPES.map(|[rows, input, output]| {
        let layer = Linear { input, output };
        let (x, weight) = (vec![0.5; rows * input], vec![0.25; input * output]);
        let mut y = vec![0.0; rows * output];
        let mut best = f64::INFINITY;
        on.team.install(|| {
            for _ in 0..RUNS {
                let start = Instant::now();
                layer.forward(on, rows, Write::Replace, &mut y, &x, Weight::F32(&weight));
                best = best.min(start.elapsed().as_secs_f64());
            }
        });
        (2 * rows * input * output) as f64 / best
    });
    rates.into_iter().fold(0.0, f64::max)
}

#[derive(Debug)]
struct Counter {
    n_calls: AtomicU64,
    nanoseconds: AtomicU64,
    operations: AtomicU64,
}

impl Counter {
    const fn new() -> Self {
        Self {
            n_calls: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
            operations: AtomicU64::new(0),
        }
    }
}

/// Clears all counters and starts counting.
pub fn start() {
    for counter in &COUNTERS {
        counter.n_calls.store(0, Ordering::Relaxed);
        counter.nanoseconds.store(0, Ordering::Relaxed);
        counter.operations.store(0, Ordering::Relaxed);
    }
    IS_ON.store(true, Ordering::Relaxed);
}

/// Stops counting; what was counted stays readable.
pub fn stop() {
    IS_ON.store(false, Ordering::Relaxed);
}

pub(super) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// What was used since [`start`], kinds without a call left out.
#[must_use]
pub fn profile() -> Vec<Usage> {
    let usage = |kernel: &Kernel| {
        let counter = &COUNTERS[*kernel as usize];
        Usage {
            name: kernel.name(),
            n_calls: counter.n_calls.load(Ordering::Relaxed),
            nanoseconds: counter.nanoseconds.load(Ordering::Relaxed),
            operations: counter.operations.load(Ordering::Relaxed),
        }
    };
    Kernel::ALL.iter().map(usage).filter(|usage| usage.n_calls > 0).collect()
}

/// Measures from its making to its end.
#[derive(Debug)]
pub(super) struct Span {
    kernel: Kernel,
    operations: u64,
    start: Option<Instant>,
}

/// Starts the clock of one call that does `operations` floating-point operations.
pub(super) fn span(kernel: Kernel, operations: usize) -> Span {
    let start = is_on().then(Instant::now);
    Span { kernel, operations: operations as u64, start }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(start) = self.start {
            let counter = &COUNTERS[self.kernel as usize];
            let nanoseconds = start.elapsed().as_nanos() as u64;
            counter.n_calls.fetch_add(1, Ordering::Relaxed);
            counter.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
            counter.operations.fetch_add(self.operations, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_a_rate() {
        use crate::domain::spec::Precision;
        use crate::engine::cpu::kernel::Team;
        let team = Team::new(1).unwrap();
        let peak = product_peak(Compute { team: &team, precision: Precision::F32 });
        assert!(peak > 1e8 && peak.is_finite(), "{peak}");
    }

    #[test]
    fn spans_count_only_between_start_and_stop() {
        // Other tests may run kernels meanwhile, so only lower bounds can be checked.
        start();
        drop(span(Kernel::Product, 700));
        stop();
        let usage = profile().into_iter().find(|usage| usage.name == "product").unwrap();
        assert!(usage.n_calls >= 1 && usage.operations >= 700, "{usage:?}");
        assert!(Kernel::ALL.iter().enumerate().all(|(i, kernel)| *kernel as usize == i));
    }
}
