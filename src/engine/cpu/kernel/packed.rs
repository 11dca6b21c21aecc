//! A weight that is packed once and multiplied many times, with the bits of [`super::linear`].
//!
//! [`super::Linear::forward`] packs its weight in each call, which costs as much as the product where
//! there are few rows. Here the panels are kept. Values that are bf16 numbers, as those of most
//! checkpoints are, are kept as such and widened where they are read, which changes no bit and halves
//! what few rows have to read from memory.

#![expect(unsafe_code, reason = "raw operands")]
#![expect(clippy::inline_always, reason = "compiled with the instructions of `Lanes::run`")]
#![expect(clippy::needless_range_loop, reason = "iterators are not inlined into vector code")]

use std::cell::Cell;

use super::format::{Format, Source, Tile, Work, dispatch, panel, store};
use super::product::pack::Grid;
use super::product::{block_along, slab_along};
use super::profile::{self, Kernel};
use super::split::cut;
use super::vector::buffer::{self, Buffer};
use super::vector::lanes::Lanes;
use super::{Compute, Linear, Weight, Write};
use crate::domain::spec::Precision;

/// Most rows of a task.
const MAX_ROWS: usize = 96;
/// Tasks that the panels of a product are divided into, if there are so many: they share a product
/// evenly, and their panels stay in the second cache while blocks of rows pass by.
const GROUPS: usize = 32;
/// Packed rows are rounded up to so many values, a multiple of every vector's steps.
const ALIGNED: usize = 32;
/// Panels that a single row is multiplied with at a time: as many streams from memory.
const STREAMS: usize = 4;

thread_local! {
    /// The packed rows of the left operand, on the thread that called.
    static LEFT: Cell<Buffer> = const { Cell::new(Buffer::new()) };
}

/// How the panels of a weight are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As the products of its precision read them.
    Steps,
    /// A step of a panel as one vector of pairs of bf16: the columns of the panel's first vector in the
    /// low halves, those of its second in the high ones.
    Halves,
}

/// A weight of shape `[output, input]` in panels.
#[derive(Debug)]
pub struct Packed {
    shape: Linear,
    precision: Precision,
    form: Form,
    /// Values between the beginnings of two panels.
    panel: usize,
    panels: Buffer,
}

impl Packed {
    /// Packs a weight for products of the precision of `on`.
    ///
    /// # Panics
    /// When the weight has another shape.
    #[must_use]
    pub fn new(on: Compute<'_>, shape: Linear, weight: Weight<'_>) -> Self {
        match weight {
            Weight::F32(weight) => Self::of(on, shape, weight),
            Weight::Bf16(weight) => Self::of(on, shape, weight),
        }
    }

    fn of<S: Source>(on: Compute<'_>, shape: Linear, weight: &[S]) -> Self {
        assert_eq!(weight.len(), shape.input * shape.output, "a weight of another shape");
        let is_half = weight.iter().all(|value| value.is_bf16());
        let (mut steps, mut form) = (0, Form::Steps);
        dispatch(on.precision, Layout { shape, is_half, steps: &mut steps, form: &mut form });
        let width = if form == Form::Halves { panel() / 2 } else { panel() };
        let (n_panels, panel_len) = (shape.output.div_ceil(panel()), steps * width);
        let mut panels = Buffer::new();
        let room = cut(panels.fit(n_panels * panel_len), panel_len);
        on.team.each_part(room, |index, to| {
            let grid = Grid { start: weight.as_ptr(), outer: shape.input, k: 1 };
            dispatch(on.precision, Pack { shape, form, index, grid, to });
        });
        Self { shape, precision: on.precision, form, panel: panel_len, panels }
    }

    /// `y (+)= x W^T`: `x` is `[rows, input]`, `y` `[rows, output]`.
    ///
    /// # Panics
    /// When a slice is too short, or the precision is not that of the packed weight.
    pub fn forward(&self, on: Compute<'_>, rows: usize, write: Write, y: &mut [f32], x: &[f32]) {
        let Linear { input, output } = self.shape;
        let _span = profile::span(Kernel::Linear, 2 * rows * input * output);
        assert!(x.len() >= rows * input && y.len() >= rows * output, "a slice is too short");
        assert_eq!(on.precision, self.precision, "packed for another precision");
        if rows == 0 {
            return;
        }
        let mut left = Left { start: x.as_ptr(), row: input };
        let mut is_stored = false;
        dispatch(on.precision, AsStored(&mut is_stored));
        if is_stored {
            self.run(on, rows, write, y, left);
            return;
        }
        let row = input.next_multiple_of(ALIGNED);
        buffer::with(&LEFT, rows * row, |room| {
            left = Left { start: room.as_ptr(), row };
            on.team.each_chunk(room, row, |index, to| {
                let x = &x[index * input..][..input];
                dispatch(on.precision, PackRow { x, to });
            });
            self.run(on, rows, write, y, left);
        });
    }

    fn run(&self, on: Compute<'_>, rows: usize, write: Write, y: &mut [f32], left: Left) {
        let n_panels = self.shape.output.div_ceil(panel());
        let group = n_panels.div_ceil(GROUPS).next_multiple_of(if rows == 1 { STREAMS } else { 1 });
        let n_groups = n_panels.div_ceil(group);
        let n_blocks = rows.div_ceil(MAX_ROWS);
        // Even blocks of whole tiles.
        let block = rows.div_ceil(n_blocks).next_multiple_of(12).min(MAX_ROWS);
        let n_blocks = rows.div_ceil(block);
        let y = cut(y, 1);
        on.team.each(n_groups * n_blocks, |task| {
            let (first, start) = (task / n_blocks * group, task % n_blocks * block);
            let work = Multiply {
                packed: self,
                panels: self.panels.start(),
                left: left.from(start),
                n_rows: block.min(rows - start),
                write,
                columns: first..(first + group).min(n_panels),
                y: y.start().wrapping_add(start * self.shape.output),
            };
            dispatch(on.precision, work);
        });
    }
}

/// Asks the format of a precision for the shape of its panels.
struct Layout<'a> {
    shape: Linear,
    /// Whether all values are bf16 numbers.
    is_half: bool,
    steps: &'a mut usize,
    form: &'a mut Form,
}

impl Work for Layout<'_> {
    #[inline(always)]
    fn run<F: Format>(self, format: F) {
        *self.steps = self.shape.input.div_ceil(F::K);
        // A format that rounds makes bf16 numbers of all values.
        let is_half = self.is_half || !format.is_stored();
        *self.form = if F::K == 1 && is_half { Form::Halves } else { Form::Steps };
    }
}

struct AsStored<'a>(&'a mut bool);

impl Work for AsStored<'_> {
    #[inline(always)]
    fn run<F: Format>(self, format: F) {
        *self.0 = format.is_stored();
    }
}

/// Packs one panel.
struct Pack<'a, S> {
    shape: Linear,
    form: Form,
    index: usize,
    grid: Grid<S>,
    to: &'a mut [f32],
}

impl<S: Source> Work for Pack<'_, S> {
    #[inline(always)]
    fn run<F: Format>(self, format: F) {
        let Linear { input, output } = self.shape;
        let column = self.index * F::PANEL;
        let n = F::PANEL.min(output - column);
        let grid = self.grid.from(column, 0);
        // SAFETY: the panel's columns are below `output` and have `input` values each. `to` holds the
        // steps of `input` values, `PANEL` wide, or half as wide for halves; then they are packed a few
        // at a time into `some` first, which has room for 16 steps of 32 columns.
        unsafe {
            if self.form == Form::Steps {
                grid.steps(format, self.to.as_mut_ptr(), F::PANEL, n, input);
                return;
            }
            let mut some = [0.0_f32; 16 * 32];
            let mut k = 0;
            while k < input {
                let n_steps = 16.min(input - k);
                grid.from(0, k).steps(format, some.as_mut_ptr(), F::PANEL, n, n_steps);
                for step in 0..n_steps {
                    for lane in 0..F::L::N {
                        let low = some[step * F::PANEL + lane].to_bits() >> 16;
                        let high = some[step * F::PANEL + F::L::N + lane].to_bits() & 0xffff_0000;
                        let to = (k + step) * F::L::N + lane;
                        self.to[to] = f32::from_bits(high | low);
                    }
                }
                k += n_steps;
            }
        }
    }
}

/// Packs a row of the left operand.
struct PackRow<'a> {
    x: &'a [f32],
    to: &'a mut [f32],
}

impl Work for PackRow<'_> {
    #[inline(always)]
    fn run<F: Format>(self, format: F) {
        let (k, stride) = (self.x.len(), self.to.len());
        let grid = Grid { start: self.x.as_ptr(), outer: k, k: 1 };
        // SAFETY: the row has `k` values, and `to` has room for their steps rounded up to whole
        // vectors: it is `k` rounded up to `ALIGNED`, a multiple of every vector.
        unsafe { grid.rows(format, self.to.as_mut_ptr(), stride, 1, k) };
    }
}

/// Rows of steps.
#[derive(Debug, Clone, Copy)]
struct Left {
    start: *const f32,
    /// Distance between rows.
    row: usize,
}

impl Left {
    /// The rows from `row` on.
    fn from(self, row: usize) -> Self {
        Self { start: self.start.wrapping_add(row * self.row), ..self }
    }
}

// SAFETY: tasks only read through it, from rows that the caller borrows until all tasks are done.
unsafe impl Sync for Left {}

/// Some rows times some panels.
struct Multiply<'a> {
    packed: &'a Packed,
    panels: *const f32,
    left: Left,
    n_rows: usize,
    write: Write,
    columns: std::ops::Range<usize>,
    /// Where the rows' results begin.
    y: *mut f32,
}

impl Work for Multiply<'_> {
    #[inline(always)]
    fn run<F: Format>(self, format: F) {
        let halves = self.packed.form == Form::Halves;
        let mut index = self.columns.start;
        while index < self.columns.end {
            let n = if self.n_rows == 1 { STREAMS.min(self.columns.end - index) } else { 1 };
            // The blocks along `k` of an unpacked product, so that values are the same sums.
            let k_all = self.packed.shape.input;
            let mut slab = 0;
            while slab < k_all {
                let k_slab = slab_along(k_all - slab);
                let block = block_along(k_slab, F::K);
                let mut k = 0;
                while k < k_slab {
                    let n_steps = block.min(k_slab - k).div_ceil(F::K);
                    // SAFETY: panels `index..index + n` and steps from `(slab + k) / K` on exist; slabs
                    // and blocks begin at even values.
                    unsafe { self.block(format, (index, n), (slab + k) / F::K, n_steps, halves) };
                    k += block;
                }
                slab += k_slab;
            }
            index += n;
        }
    }
}

impl Multiply<'_> {
    /// Adds the part of the product along `n_steps` steps from `step` on, for all rows and the `n`
    /// panels from `index` on.
    #[inline(always)]
    unsafe fn block<F: Format>(
        &self,
        format: F,
        (index, n): (usize, usize),
        step: usize,
        n_steps: usize,
        halves: bool,
    ) {
        let (output, add) = (self.packed.shape.output, self.write == Write::Add || step > 0);
        let width = if halves { F::PANEL / 2 } else { F::PANEL };
        let tile = |row: usize, index: usize| {
            let b = self.panels.wrapping_add(index * self.packed.panel + step * width);
            let (a, c) = (row * self.left.row + step, row * output + index * F::PANEL);
            Tile {
                a: self.left.start.wrapping_add(a),
                a_row: self.left.row,
                a_step: 1,
                b,
                n_steps,
                c: self.y.wrapping_add(c),
                c_row: output,
                columns: F::PANEL.min(output - index * F::PANEL),
                add,
            }
        };
        // SAFETY: rows are below `n_rows` and panels below `columns.end`, whose steps and results the
        // caller vouches for; no other task writes to them.
        unsafe {
            if halves && self.n_rows == 1 && n == STREAMS {
                let first = tile(0, index);
                let tiles = std::array::from_fn(|i| tile(0, index + i));
                streams::<F::L, STREAMS>(format.lanes(), &first, &tiles);
                return;
            }
            for index in index..index + n {
                let mut row = 0;
                while row < self.n_rows {
                    let (tile, rows) = (tile(row, index), self.n_rows - row);
                    row += if halves {
                        halves_tile(format.lanes(), rows, &tile)
                    } else {
                        format.tile(rows, &tile)
                    };
                }
            }
        }
    }
}

/// Computes a tile whose panel is kept in halves; returns how many of `rows` rows it did.
#[inline(always)]
unsafe fn halves_tile<L: Lanes>(lanes: L, rows: usize, tile: &Tile) -> usize {
    // SAFETY: the chosen tile has at most `rows` rows, whose operands and result the caller vouches
    // for.
    unsafe {
        if L::N == 16 && rows >= 12 {
            halves_of::<L, 12>(lanes, tile);
            return 12;
        }
        if L::N == 16 && rows >= 8 {
            halves_of::<L, 8>(lanes, tile);
            return 8;
        }
        if L::N == 8 && rows >= 6 {
            halves_of::<L, 6>(lanes, tile);
            return 6;
        }
        if rows >= 4 {
            halves_of::<L, 4>(lanes, tile);
            return 4;
        }
        if rows >= 2 {
            halves_of::<L, 2>(lanes, tile);
            return 2;
        }
        halves_of::<L, 1>(lanes, tile);
    }
    1
}

#[inline(always)]
unsafe fn halves_of<L: Lanes, const R: usize>(lanes: L, tile: &Tile) {
    let mut sums = [[lanes.splat(0.0); 2]; R];
    let (mut a, mut b) = (tile.a, tile.b);
    for _ in 0..tile.n_steps {
        // SAFETY: fewer than `n_steps` steps lie before `a` and `b`, so the caller vouches for `R`
        // values `a_row` apart at `a`, and for the vector of pairs at `b`.
        unsafe {
            let columns = lanes.split_pairs(b);
            for i in 0..R {
                let value = lanes.splat(*a.add(i * tile.a_row));
                sums[i][0] = lanes.fma(value, columns[0], sums[i][0]);
                sums[i][1] = lanes.fma(value, columns[1], sums[i][1]);
            }
            (a, b) = (a.add(1), b.add(L::N));
        }
    }
    // SAFETY: rows are below `R`, and of each only `columns` values are read and written, which the
    // caller vouches for.
    unsafe {
        if tile.columns > L::N {
            store(lanes, &sums, tile);
        } else {
            store(lanes, &sums.map(|[first, _]| [first]), tile);
        }
    }
}

/// One row times `P` panels kept in halves, a step of all of them at a time.
#[inline(always)]
unsafe fn streams<L: Lanes, const P: usize>(lanes: L, first: &Tile, tiles: &[Tile; P]) {
    let mut sums = [[lanes.splat(0.0); 2]; P];
    for step in 0..first.n_steps {
        // SAFETY: `step` is below the steps of the row and of all panels, which the caller vouches for;
        // what is fetched ahead need not be readable.
        unsafe {
            let value = lanes.splat(*first.a.add(step));
            for i in 0..P {
                let b = tiles[i].b.add(step * L::N);
                lanes.prefetch(b.wrapping_add(16 * L::N));
                let columns = lanes.split_pairs(b);
                sums[i][0] = lanes.fma(value, columns[0], sums[i][0]);
                sums[i][1] = lanes.fma(value, columns[1], sums[i][1]);
            }
        }
    }
    for i in 0..P {
        // SAFETY: of each panel only `columns` values are read and written, which the caller vouches for.
        unsafe {
            if tiles[i].columns > L::N {
                store(lanes, &[sums[i]], &tiles[i]);
            } else {
                store(lanes, &[[sums[i][0]]], &tiles[i]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::engine::cpu::kernel::Team;
    use crate::engine::cpu::kernel::vector::simd::at_every_level;
    use crate::engine::cpu::tests::differences::noise;

    /// A product of so many rows has the bits of the product that packs its weight.
    fn check(on: Compute<'_>, shape: Linear, rows: usize, is_half: bool, context: &str) {
        let Linear { input, output } = shape;
        let (x, mut weight) = (noise(rows * input, 1), noise(input * output, 2));
        if is_half {
            for w in &mut weight {
                *w = bf16::from_f32(*w).to_f32();
            }
        }
        let halves: Vec<bf16> = weight.iter().map(|w| bf16::from_f32(*w)).collect();
        let mut kept = vec![Weight::F32(&weight)];
        if is_half {
            kept.push(Weight::Bf16(&halves));
        }
        for weight in kept {
            let packed = Packed::new(on, shape, weight);
            for write in [Write::Replace, Write::Add] {
                let (mut expected, mut found) =
                    (vec![0.5; rows * output], vec![0.5; rows * output]);
                shape.forward(on, rows, write, &mut expected, &x, weight);
                packed.forward(on, rows, write, &mut found, &x);
                let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
                assert!(bits(&expected) == bits(&found), "{context} {shape:?} {rows} {write:?}");
            }
        }
    }

    #[test]
    fn a_packed_weight_gives_the_bits_of_an_unpacked_one_at_every_level() {
        let team = Team::new(1).unwrap();
        for (input, output) in [(7, 5), (64, 200), (901, 33), (2, 16)] {
            at_every_level(|level| {
                for precision in [Precision::F32, Precision::Bf16] {
                    for (rows, is_half) in [(1, true), (1, false), (3, true), (13, false)] {
                        let on = Compute { team: &team, precision };
                        let shape = Linear { input, output };
                        check(on, shape, rows, is_half, &format!("{level:?} {precision:?}"));
                    }
                }
            });
        }
    }

    #[test]
    fn a_packed_weight_gives_the_bits_of_an_unpacked_one_over_blocks_and_slabs() {
        let team = Team::new(2).unwrap();
        for precision in [Precision::F32, Precision::Bf16] {
            let on = Compute { team: &team, precision };
            for (input, output, rows) in [(576, 192, 32), (1536, 576, 100), (5001, 70, 3)] {
                for is_half in [true, false] {
                    check(on, Linear { input, output }, rows, is_half, "blocks");
                }
            }
        }
    }
}
