//! What the distance between two tokens adds to their score.
//!
//! DeBERTa (He et al. 2021, arXiv:2006.03654, equations 2-4; v3: arXiv:2111.09543) scores a query `i`
//! and a key `j` by `q_i.k_j + q_i.Kr[delta(i, j)] + k_j.Qr[delta(i, j)]`, over `sqrt(3 d)`: content to
//! content, content to position, position to content. `Kr` and `Qr` have a row for each bucket of
//! distances.
//!
//! Here the rows are spread into tables with a row for *every* distance of the longest block. Then
//! `q_i.Kr` is a product whose column moves by one from row to row (`products`), and nothing has to be
//! gathered: the table of keys is ordered by `j - i`, that of queries by `i - j`. The gradients of all
//! distances of a bucket are added up at the end.

use std::cell::Cell;

use super::operand::Panels;
use super::{Compute, Heads, Pattern};
use crate::engine::cpu::kernel::format::{Format, Work, dispatch};
use crate::engine::cpu::kernel::product::pack::Grid;
use crate::engine::cpu::kernel::split::{Cut, cut};
use crate::engine::cpu::kernel::vector::buffer::{self, Buffer};
use crate::engine::cpu::kernel::vector::math::fit_zeroed;
use crate::engine::cpu::kernel::vector::simd::kernel;
use crate::engine::cpu::kernel::{Team, rows_per_task};

pub(super) mod products;
#[cfg(test)]
mod tests;

/// Runs of blocks whose gradients of the tables are added up apart, so that several threads work on a
/// head. Part of what a sum is: never a function of the number of threads.
const MAX_RUNS: usize = 8;

thread_local! {
    static ROWS: Cell<Buffer> = const { Cell::new(Buffer::new()) };
}

/// Which row of `Kr` and `Qr` each distance within a block selects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Tokens of the longest block.
    longest: usize,
    /// For distances from `1 - longest` to `longest - 1`: its row, ascending from 0.
    rows: Vec<u32>,
    /// Where the distances of each row start in `rows`, and their end.
    starts: Vec<usize>,
}

impl Reach {
    /// Of blocks of up to `longest` tokens; `row` ascends with the distance.
    #[must_use]
    pub fn new(longest: usize, row: impl Fn(i64) -> usize) -> Self {
        let n = longest as i64;
        let first = row(1 - n);
        let rows: Vec<u32> = (1 - n..n).map(|distance| (row(distance) - first) as u32).collect();
        let mut starts = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            while starts.len() <= *row as usize {
                starts.push(index);
            }
        }
        starts.push(rows.len());
        Self { longest, rows, starts }
    }

    /// Tokens of the longest block.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Rows of `Kr` and `Qr`, from the first to the last that some distance selects.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    fn n_distances(&self) -> usize {
        self.rows.len()
    }
}

/// Keys and queries of relative positions.
#[derive(Debug, Clone, Copy)]
pub struct Relative<'a> {
    /// `Kr`, `[rows, query width]`.
    pub keys: &'a [f32],
    /// `Qr`, `[rows, query width]`.
    pub queries: &'a [f32],
    /// Which row a distance selects.
    pub reach: &'a Reach,
}

impl Relative<'_> {
    /// Refuses what the kernels cannot read.
    pub(super) fn check(&self, heads: Heads, pattern: Pattern<'_>) {
        let n = self.reach.n_rows() * heads.query_width();
        assert!(self.keys.len() >= n && self.queries.len() >= n, "too few relative rows");
        assert!(heads.n_queries == heads.n_keys && !heads.is_causal, "no relative positions here");
        for block in pattern.blocks {
            assert!(block.branches.is_empty(), "branches in relative positions");
            assert!(block.keys.len() <= self.reach.longest, "a block out of reach");
            let places = &pattern.places[block.queries.clone()];
            assert!(places.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a gap between rows");
        }
    }
}

/// Buffers that a thread reuses from one block to the next.
#[derive(Debug, Default)]
pub(super) struct Tables {
    packed: Buffer,
    partial: Vec<f32>,
}

/// The tables of all heads, packed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<'a> {
    values: &'a [f32],
    /// Room of one table.
    room: usize,
    /// Tables of a head.
    n_tables: usize,
    width: usize,
    n_distances: usize,
    /// Column of distance 0.
    pub middle: usize,
}

impl Packed<'_> {
    fn table(&self, head: usize, which: usize, panel: usize) -> Panels {
        let start = self.values[(head * self.n_tables + which) * self.room..].as_ptr();
        Panels { start: start.cast_mut(), panel }
    }

    /// Columns are keys by `j - i`.
    pub(super) fn keys<F: Format>(&self, head: usize) -> Panels {
        self.table(head, 0, self.width.div_ceil(F::K) * F::PANEL)
    }

    /// Columns are queries by `i - j`.
    pub(super) fn queries<F: Format>(&self, head: usize) -> Panels {
        self.table(head, 1, self.width.div_ceil(F::K) * F::PANEL)
    }

    /// Columns are components of the keys, steps go along `j - i`.
    pub(super) fn key_components<F: Format>(&self, head: usize) -> Panels {
        self.table(head, 2, self.n_distances.div_ceil(F::K) * F::PANEL)
    }

    /// Columns are components of the queries, steps go along `i - j`.
    pub(super) fn query_components<F: Format>(&self, head: usize) -> Panels {
        self.table(head, 3, self.n_distances.div_ceil(F::K) * F::PANEL)
    }
}

impl Tables {
    #[cfg(test)]
    pub(super) fn n_values(&self) -> usize {
        self.packed.len() + self.partial.capacity()
    }

    /// Packs the tables of all heads: two for the forward pass, four for the backward pass, which
    /// also gets zeroed sums for each of `n_runs` runs of blocks.
    pub(super) fn pack(
        &mut self,
        on: Compute<'_>,
        heads: Heads,
        relative: Relative<'_>,
        n_runs: Option<usize>,
    ) -> (Packed<'_>, Sums<'_>) {
        let (width, n_distances) = (heads.width, relative.reach.n_distances());
        let room = Panels::room(n_distances, width.next_multiple_of(32));
        let n_tables = if n_runs.is_some() { 4 } else { 2 };
        let values = self.packed.fit(heads.n_queries * n_tables * room);
        on.team.each_chunk(values, n_tables * room, |head, to| {
            buffer::with(&ROWS, 2 * n_distances * width, |rows| {
                spread(heads, head, relative, rows);
                dispatch(on.precision, Pack { rows, to, room, width, n_distances });
            });
        });
        let middle = relative.reach.longest.saturating_sub(1);
        let packed = Packed { values, room, n_tables, width, n_distances, middle };
        let n = n_distances * heads.query_width();
        let partial = fit_zeroed(&mut self.partial, 2 * n * n_runs.unwrap_or(0));
        (packed, Sums { values: cut(partial, 2 * n), table: n })
    }

    /// Writes the gradients of `Kr` and `Qr` from the sums of all runs, in one order.
    pub(super) fn add_up(
        &self,
        team: &Team,
        (reach, n_runs): (&Reach, usize),
        [keys, queries]: [&mut [f32]; 2],
    ) {
        let n_rows = reach.n_rows();
        let width = keys.len() / n_rows.max(1);
        let n = reach.n_distances();
        let rows = rows_per_task(width);
        for (which, to) in [keys, queries].into_iter().enumerate() {
            team.each_chunk(&mut to[..n_rows * width], rows * width, |task, to| {
                for (i, to) in to.chunks_exact_mut(width).enumerate() {
                    let row = task * rows + i;
                    to.fill(0.0);
                    for run in self.partial.chunks_exact(2 * n * width).take(n_runs) {
                        for distance in reach.starts[row]..reach.starts[row + 1] {
                            // The table of keys goes the other way.
                            let place = if which == 0 { n - 1 - distance } else { n + distance };
                            add(to, &run[place * width..][..width]);
                        }
                    }
                }
            });
        }
    }
}

kernel! {
    fn add(to: &mut [f32], from: &[f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to += from;
        }
    }
}

/// Gradients of the tables, by run of blocks.
pub(super) struct Sums<'a> {
    values: Cut<'a, f32>,
    /// Values of one table, all heads.
    table: usize,
}

impl Sums<'_> {
    /// Where those of a run start, of keys and of queries; only the place is used.
    pub(super) fn of(&self, run: usize) -> [*mut f32; 2] {
        let start = self.values.start().wrapping_add(2 * run * self.table);
        [start, start.wrapping_add(self.table)]
    }
}

/// How many runs so many blocks are cut into.
pub(in crate::engine::cpu) fn n_runs(n_blocks: usize) -> usize {
    n_blocks.min(MAX_RUNS)
}

/// Values that [`Tables`] grow to in a training step.
pub(in crate::engine::cpu) fn n_table_values(
    heads: Heads,
    longest: usize,
    n_blocks: usize,
) -> usize {
    let n_distances = 2 * longest - 1;
    let packed = 4 * Panels::room(n_distances, heads.width.next_multiple_of(32)) * heads.n_queries;
    packed + 2 * n_distances * heads.query_width() * n_runs(n_blocks)
}

/// The rows of one head for every distance: of keys by `j - i`, then of queries by `i - j`.
fn spread(heads: Heads, head: usize, relative: Relative<'_>, to: &mut [f32]) {
    let (width, wide) = (heads.width, heads.query_width());
    let (keys, queries) = to.split_at_mut(relative.reach.n_distances() * width);
    let rows = &relative.reach.rows;
    let row = |from: &[f32], row: u32, to: &mut [f32]| {
        to.copy_from_slice(&from[row as usize * wide + head * width..][..width]);
    };
    for (from, to) in rows.iter().rev().zip(keys.chunks_exact_mut(width)) {
        row(relative.keys, *from, to);
    }
    for (from, to) in rows.iter().zip(queries.chunks_exact_mut(width)) {
        row(relative.queries, *from, to);
    }
}

/// Packs the tables of one head.
struct Pack<'a> {
    rows: &'a [f32],
    to: &'a mut [f32],
    room: usize,
    width: usize,
    n_distances: usize,
}

impl Work for Pack<'_> {
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    #[expect(unsafe_code, reason = "raw operands")]
    fn run<F: Format>(self, format: F) {
        let (width, n) = (self.width, self.n_distances);
        let (keys, queries) = self.rows.split_at(n * width);
        for (i, to) in self.to.chunks_exact_mut(self.room).enumerate() {
            let rows = if i % 2 == 0 { keys } else { queries };
            let to = to.as_mut_ptr();
            // SAFETY: the rows hold `n` by `width` values, and each table has room for them packed
            // either way.
            unsafe {
                if i < 2 {
                    let grid = Grid { start: rows.as_ptr(), outer: width, k: 1 };
                    Panels::pack(format, to, grid, n, width);
                } else {
                    let grid = Grid { start: rows.as_ptr(), outer: 1, k: width };
                    Panels::pack(format, to, grid, width, n);
                }
            }
        }
    }
}
