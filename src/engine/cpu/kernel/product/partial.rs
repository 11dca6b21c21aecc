//! Sums over the tasks of a region, formed in one order.

use std::cell::Cell;

use crate::engine::cpu::kernel::split::{Cut, cut};

thread_local! {
    /// The partial sums of the last call, kept so that steps stop allocating.
    static BUFFER: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Runs `region` with zeroed sums for each of `n_tasks` tasks, each as long as all of `totals`
/// together, and then adds them to `totals`, the first task's first.
pub(in crate::engine::cpu::kernel) fn summed(
    totals: &mut [&mut [f32]],
    n_tasks: usize,
    region: impl FnOnce(Cut<'_, f32>),
) {
    let width: usize = totals.iter().map(|total| total.len()).sum();
    let mut buffer = BUFFER.take();
    buffer.clear();
    buffer.resize(n_tasks * width, 0.0);
    region(cut(&mut buffer, width));
    for mut part in buffer.chunks_exact(width.max(1)) {
        for total in totals.iter_mut() {
            let (own, rest) = part.split_at(total.len());
            part = rest;
            for (total, own) in total.iter_mut().zip(own) {
                *total += own;
            }
        }
    }
    BUFFER.set(buffer);
}
