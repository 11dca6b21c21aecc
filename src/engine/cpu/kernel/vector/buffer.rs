//! Scratch memory of the threads, aligned to cache lines.

use std::cell::Cell;

/// One cache line, and one AVX-512 register.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Steps of packed operands, or scores. Grows and is never cleared: users write before they read.
#[derive(Debug, Default)]
pub(in crate::engine::cpu::kernel) struct Buffer(Vec<Line>);

impl Buffer {
    pub(in crate::engine::cpu::kernel) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Where the values start.
    pub(in crate::engine::cpu::kernel) fn start(&self) -> *const f32 {
        self.0.as_ptr().cast()
    }

    #[cfg(test)]
    pub(in crate::engine::cpu::kernel) fn len(&self) -> usize {
        16 * self.0.len()
    }

    /// The first `n` values, whatever they are.
    #[expect(unsafe_code, reason = "sees lines as values")]
    pub(in crate::engine::cpu::kernel) fn fit(&mut self, n: usize) -> &mut [f32] {
        let n_lines = n.div_ceil(16);
        if self.0.len() < n_lines {
            self.0.resize(n_lines, Line([0.0; 16]));
        }
        // SAFETY: the vector holds at least `n_lines` lines of 16 values without padding, and `n`
        // is at most `16 * n_lines`.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), n) }
    }
}

/// Named buffers of a thread.
pub(in crate::engine::cpu::kernel) type Slot = std::thread::LocalKey<Cell<Buffer>>;

/// Lends `f` the buffer of this thread in `slot`, with room for `n` values. A nested call for the
/// same slot gets a fresh one.
pub(in crate::engine::cpu::kernel) fn with<R>(
    slot: &'static Slot,
    n: usize,
    f: impl FnOnce(&mut [f32]) -> R,
) -> R {
    let mut buffer = slot.take();
    let result = f(buffer.fit(n));
    slot.set(buffer);
    result
}
