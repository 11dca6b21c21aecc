//! The matrix product: blocks, packing and tasks.
//!
//! The right operand is packed once by the whole team; then each task packs a block of rows of the
//! left one and multiplies it with every panel. A panel's part along `k` stays in the first cache
//! while the rows of the block, in the second, pass by.
//!
//! A value of the result is the sum of one chain for each block along `k`, in order; blocks along `k`
//! depend on `k` alone. So neither threads nor neighbors can change it.

#![expect(unsafe_code, reason = "raw operands")]

pub(crate) mod pack;
pub(crate) mod partial;

use super::Write;
use super::format::{Format, Source, Tile, Work, dispatch, panel};
use super::team::Team;
use super::vector::buffer::{self, Buffer};
use super::vector::lanes::Lanes;
use crate::domain::spec::Precision;
use pack::Grid;
use std::cell::Cell;

/// Steps along `k` in a block, so that a panel's part stays in the first cache. A value of the
/// result is one sum for each block, so changing it changes the last bits of every product.
const K_STEPS: usize = 384;

/// Steps between the packed rows of a left operand: a vector more than a block, so that rows do not
/// share the places of the first cache.
const LEFT_ROW: usize = K_STEPS + 16;

/// Steps of the packed right operand at a time: 8 MiB.
const PACKED: usize = 1 << 21;

/// Tasks that a product is cut into if it has the rows; it bounds how many threads can share one
/// product.
const TASKS: usize = 12;

/// Rows of a task are multiples of this, which the heights of all full tiles (12, 8, 6 and 4 rows)
/// divide.
const ROWS: usize = 24;
/// Most rows of a task: their packed block has to stay in the second cache while all panels pass
/// by.
const MAX_ROWS: usize = 96;

thread_local! {
    /// The packed right operand, on the thread that called.
    static RIGHT: Cell<Buffer> = const { Cell::new(Buffer::new()) };
    /// The packed block of the left operand of each thread.
    static LEFT: Cell<Buffer> = const { Cell::new(Buffer::new()) };
}

/// `C (+)= A B`, `C` of shape `[m, n]` in rows `stride` apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product<S> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub write: Write,
    pub c: *mut f32,
    pub stride: usize,
    /// `A`; `outer` is the distance of rows.
    pub a: Grid<f32>,
    /// `B`; `outer` is the distance of columns.
    pub b: Grid<S>,
}

// SAFETY: tasks only read `a` and `b`, and each writes the rows and panels of `c` that belong to
// its number alone.
unsafe impl<S: Sync> Sync for Product<S> {}
// SAFETY: the pointers are those of slices that `run`'s caller borrows until all tasks are done.
unsafe impl<S: Sync> Send for Product<S> {}

/// Values along `k` that are multiplied before the next ones are packed: as many as fit the buffer.
pub(super) fn slab_along(k: usize) -> usize {
    k.clamp(1, PACKED / 512)
}

/// Values along `k` in one block: even parts of at most [`K_STEPS`] steps.
pub(super) fn block_along(k: usize, values_a_step: usize) -> usize {
    let n_blocks = k.div_ceil(K_STEPS * values_a_step).max(1);
    k.div_ceil(n_blocks).next_multiple_of(2).max(2)
}

impl<S: Source> Product<S> {
    /// Computes the product.
    ///
    /// # Safety
    /// `m` by `k` values of `A` and `k` by `n` values of `B` must be readable; `m` rows of `n`
    /// values, `stride` apart, must be writable at `C` and overlap neither operand.
    pub(super) unsafe fn run(self, team: &Team, precision: Precision) {
        if self.m == 0 || self.n == 0 {
            return;
        }
        // Slabs of the right operand that fit the buffer.
        let k_slab = slab_along(self.k);
        let n_slab = (PACKED / k_slab / panel() * panel()).min(self.n.next_multiple_of(panel()));
        buffer::with(&RIGHT, k_slab.next_multiple_of(2) * n_slab, |packed| {
            for k in (0..self.k.max(1)).step_by(k_slab) {
                for n in (0..self.n).step_by(n_slab) {
                    let slab = Self {
                        n: n_slab.min(self.n - n),
                        k: k_slab.min(self.k - k),
                        write: if k > 0 { Write::Add } else { self.write },
                        c: self.c.wrapping_add(n),
                        a: self.a.from(0, k),
                        b: self.b.from(n, k),
                        ..self
                    };
                    slab.run_slab(team, precision, packed);
                }
            }
        });
    }

    fn run_slab(self, team: &Team, precision: Precision, packed: &mut [f32]) {
        let n_panels = self.n.div_ceil(panel());
        let right =
            Right { start: packed.as_mut_ptr(), panel: self.k.next_multiple_of(2) * panel() };
        team.each(Pack::n_tasks(&self), |index| {
            dispatch(precision, Pack { product: self, right, index });
        });
        // Rows of a task: enough tasks, whole tiles, and no more than the second cache holds.
        let rows = self.m.div_ceil(TASKS).next_multiple_of(ROWS).min(MAX_ROWS);
        let n_blocks = self.m.div_ceil(rows);
        // Few rows: cut the columns as well.
        let n_groups = TASKS.div_ceil(n_blocks).min(n_panels.div_ceil(4)).max(1);
        let group = n_panels.div_ceil(n_groups);
        let n_groups = n_panels.div_ceil(group);
        team.each(n_blocks * n_groups, |task| {
            let (block, first) = (task / n_groups, task % n_groups * group);
            let panels = first..(first + group).min(n_panels);
            let rows = block * rows..((block + 1) * rows).min(self.m);
            buffer::with(&LEFT, LEFT_ROW * MAX_ROWS, |left| {
                let left = left.as_mut_ptr();
                dispatch(precision, Block { product: self, right, rows, panels, left });
            });
        });
    }
}

/// The packed right operand.
#[derive(Debug, Clone, Copy)]
struct Right {
    start: *mut f32,
    panel: usize,
}

// SAFETY: each panel is written by one task, in a region that ends before any task reads it.
unsafe impl Sync for Right {}
// SAFETY: it points into the buffer that `run` holds until all tasks are done.
unsafe impl Send for Right {}

/// Packs a part of the right operand: a panel, or if its rows touch, some rows of all panels, so
/// that memory is read in the order in which it lies.
struct Pack<S> {
    product: Product<S>,
    right: Right,
    index: usize,
}

impl<S: Source> Pack<S> {
    /// Rows of a task, and rows after which it moves to the next panel.
    const ROWS: usize = 128;
    const RUN: usize = 16;

    fn n_tasks(product: &Product<S>) -> usize {
        if product.b.outer == 1 {
            product.k.div_ceil(Self::ROWS)
        } else {
            product.n.div_ceil(panel())
        }
    }

    /// Packs `n_values` values along `k`, from `k` on, of the panel that begins at `column`.
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    fn pack<F: Format>(&self, format: F, column: usize, k: usize, n_values: usize) {
        let Product { n, b, .. } = self.product;
        let to = self.right.start.wrapping_add(column / F::PANEL * self.right.panel);
        let to = to.wrapping_add(k / F::K * F::PANEL);
        let n = F::PANEL.min(n - column);
        // SAFETY: `column < n` and `k + n_values` is at most the product's `k`, which `run`'s caller vouches
        // for; a panel has `k` rounded up to 2 times its width of room, and these steps are this task's.
        unsafe { b.from(column, k).steps(format, to, F::PANEL, n, n_values) };
    }
}

impl<S: Source> Work for Pack<S> {
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    fn run<F: Format>(self, format: F) {
        let Product { n, k, b, .. } = self.product;
        if b.outer != 1 {
            self.pack(format, self.index * F::PANEL, 0, k);
            return;
        }
        let mut row = self.index * Self::ROWS;
        let end = k.min(row + Self::ROWS);
        while row < end {
            let mut column = 0;
            while column < n {
                self.pack(format, column, row, Self::RUN.min(end - row));
                column += F::PANEL;
            }
            row += Self::RUN;
        }
    }
}

struct Block<S> {
    product: Product<S>,
    right: Right,
    rows: std::ops::Range<usize>,
    panels: std::ops::Range<usize>,
    /// Room for the packed rows.
    left: *mut f32,
}

impl<S: Source> Work for Block<S> {
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    fn run<F: Format>(self, format: F) {
        let block = block_along(self.product.k, F::K);
        for k in (0..self.product.k.max(1)).step_by(block) {
            let n_values = block.min(self.product.k - k);
            // SAFETY: rows are below `m` and `k + n_values` is at most the product's `k`; `left` holds
            // `MAX_ROWS` rows of `LEFT_ROW` steps, a block at its longest.
            unsafe { self.run_block(format, k, n_values) };
        }
    }
}

impl<S: Source> Block<S> {
    /// Adds the part of the product that sums `n_values` values along `k`, from `k` on.
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    unsafe fn run_block<F: Format>(&self, format: F, k: usize, n_values: usize) {
        let left = self.left;
        let Product { n, a, c, stride: c_row, write, .. } = self.product;
        let n_rows = self.rows.len();
        let a = a.from(self.rows.start, k);
        // SAFETY: `n_rows` rows from the task's first are below `m`, `n_values` from `k` on below the
        // product's `k`; packed they take `n_rows * LEFT_ROW` steps at most.
        let (a_row, a_step) = unsafe {
            if a.k == 1 {
                a.rows(format, left, LEFT_ROW, n_rows, n_values);
                (LEFT_ROW, 1)
            } else {
                let width = n_rows.next_multiple_of(F::L::N);
                a.steps(format, left, width, n_rows, n_values);
                (1, width)
            }
        };
        for index in self.panels.clone() {
            let column = index * F::PANEL;
            let b = self.right.start.wrapping_add(index * self.right.panel + k / F::K * F::PANEL);
            let mut row = 0;
            while row < n_rows {
                let tile = Tile {
                    a: left.wrapping_add(row * a_row),
                    a_row,
                    a_step,
                    b,
                    n_steps: n_values.div_ceil(F::K),
                    c: c.wrapping_add((self.rows.start + row) * c_row + column),
                    c_row,
                    columns: F::PANEL.min(n - column),
                    add: write == Write::Add || k > 0,
                };
                // SAFETY: the tile ends at or before the task's last row, below `m`, and column `n`; both
                // operands hold `n_values` packed steps, and no other task writes to this tile.
                row += unsafe { format.tile(n_rows - row, &tile) };
            }
        }
    }
}
