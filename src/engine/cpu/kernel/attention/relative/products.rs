//! Products with a table whose column moves by one from row to row.
//!
//! A matrix `M` of scores of rows against columns takes from the table, in row `r` and column `c`, the
//! entry `first - r + c`. Seen along the table, each row of `M` is moved by one against the row above:
//! a matrix in memory whose rows lie one value further apart. So the tiles of plain products serve,
//! with that distance. A tile of several rows covers entries that some of its rows do not have; these
//! fall into a margin beside `M`, which takes anything when `M` is written and holds zeros when it is
//! read.

#![expect(unsafe_code, reason = "raw operands")]
#![expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
#![expect(clippy::needless_range_loop, reason = "iterators are not inlined into vector code")]

use crate::engine::cpu::kernel::attention::operand::{Panels, Steps};
use crate::engine::cpu::kernel::format::{Format, Tile};
use crate::engine::cpu::kernel::vector::lanes::Lanes;

/// Most rows of a tile in any format (AVX-512); margins and room below count with it.
const TILE: usize = 12;

/// Values before a row that is written: a panel, and the rows of a tile.
pub(in super::super) const BEFORE_WRITTEN: usize = 48;

/// Values before a row that is only read.
pub(in super::super) const BEFORE_READ: usize = 16;

/// Values behind a row, whatever is done with it: the rows of a tile, and what keeps rows from lying
/// in the same places of a cache.
pub(in super::super) const BEHIND: usize = 32;

/// Steps that the products of gradients pack for rows of `n` columns.
pub(in super::super) fn room(n: usize) -> usize {
    TILE * (n + 2 * TILE).next_multiple_of(16) + 16 * (n + 2 * TILE)
}

/// `to[row][c] (+)= rows[row] . table[first - row + c]` for `c` below `n`.
///
/// # Safety
/// `rows` has `n_rows` rows of `width` values in steps, and the table columns up to `first + n`; at
/// `to`, `n_rows` rows `stride` apart must be writable from [`BEFORE_WRITTEN`] values before each
/// to [`BEHIND`] values behind its `n`.
#[inline(always)]
pub(in super::super) unsafe fn multiply_shifted<F: Format>(
    format: F,
    (rows, n_rows, width): (Steps, usize, usize),
    (table, first): (Panels, usize),
    n: usize,
    (to, stride, add): (*mut f32, usize, bool),
) {
    let mut row = 0;
    while row < n_rows {
        let last = row + TILE.min(n_rows - row) - 1;
        let end = first - row + n;
        let mut column = (first - last) / F::PANEL * F::PANEL;
        let mut n_done = 1;
        while column < end {
            let tile = Tile {
                a: rows.start.wrapping_add(row * rows.row),
                a_row: rows.row,
                a_step: rows.step,
                b: table.start.wrapping_add(column / F::PANEL * table.panel),
                n_steps: width.div_ceil(F::K),
                c: to.wrapping_add(row * stride + column).wrapping_sub(first - row),
                c_row: stride + 1,
                columns: F::PANEL.min(end - column),
                add,
            };
            // SAFETY: the tile ends at or before row `n_rows`. Its first column is up to a panel and a tile
            // before the row's, its last is `n - 1`: what lies outside lies in the margins.
            n_done = unsafe { format.tile(n_rows - row, &tile) };
            column += F::PANEL;
        }
        row += n_done;
    }
}

/// `to[row] (+)= sum over c of m[row][c] table[first - row + c]`: the gradient of what met the table.
///
/// # Safety
/// `m` has `n_rows` rows of `n` values, `stride` apart, with zeros in the [`BEFORE_READ`] values
/// before each and the [`BEHIND`] values behind it; the table has steps up to `first + n`;
/// `room(n)` values at `room` and `n_rows` rows of `width` values, `to_stride` apart, at `to` must
/// be writable.
#[inline(always)]
pub(in super::super) unsafe fn add_rows_of_table<F: Format>(
    format: F,
    room: *mut f32,
    (m, stride, [n_rows, n]): (*const f32, usize, [usize; 2]),
    (table, first): (Panels, usize),
    (to, to_stride, width, add): (*mut f32, usize, usize, bool),
) {
    let mut row = 0;
    while row < n_rows {
        let height = TILE.min(n_rows - row);
        // Steps of bf16 start with an even entry.
        let start = (first - (row + height - 1)) / F::K * F::K;
        let n_entries = first - row + n - start;
        let corner = m.wrapping_add(row * stride + start).wrapping_sub(first - row);
        // SAFETY: `height` rows below `n_rows`; entries before and behind a row's own lie in its margins,
        // which are zero. `room` has space for a tile's rows of `n + 2 * TILE` steps.
        let moved = unsafe { Steps::rows(format, room, corner, stride + 1, [height, n_entries]) };
        let mut n_done = 1;
        let mut column = 0;
        while column < width {
            let panel = table.start.wrapping_add(column / F::PANEL * table.panel);
            let tile = Tile {
                a: moved.start,
                a_row: moved.row,
                a_step: moved.step,
                b: panel.wrapping_add(start / F::K * F::PANEL),
                n_steps: n_entries.div_ceil(F::K),
                c: to.wrapping_add(row * to_stride + column),
                c_row: to_stride,
                columns: F::PANEL.min(width - column),
                add,
            };
            // SAFETY: the tile ends at or before row `n_rows` and column `width` of `to`; entries end below
            // `first - row + n`, which the table has.
            n_done = unsafe { format.tile(n_rows - row, &tile) };
            column += F::PANEL;
        }
        row += n_done;
    }
}

/// `to[first - row + c] += m[row][c] rows[row]`: the gradient of the table.
///
/// # Safety
/// `m` has `n_rows` rows of `n` values, `stride` apart, with zeros in the [`BEFORE_READ`] values
/// before each and the [`BEHIND`] values behind it; `rows` has `width` columns with `n_rows` steps;
/// `room(n)` values at `room`, and the rows `first + 1 - n_rows` to `first + n - 1` of `width`
/// values, `to_stride` apart, at `to` must be writable.
#[inline(always)]
pub(in super::super) unsafe fn add_to_table<F: Format>(
    format: F,
    room: *mut f32,
    (m, stride, [n_rows, n]): (*const f32, usize, [usize; 2]),
    (rows, first): (Panels, usize),
    (to, to_stride, width): (*mut f32, usize, usize),
) {
    let (mut entry, end) = (first + 1 - n_rows, first + n);
    while entry < end {
        let height = TILE.min(end - entry);
        // The rows that have one of the tile's entries.
        let low = (first + 1).saturating_sub(entry + height) / F::K * F::K;
        let high = n_rows.min(end - entry);
        let corner = m.wrapping_add(low * stride + entry + low).wrapping_sub(first);
        // SAFETY: rows `low..high` are below `n_rows`; columns outside of a row's `n` lie in its margins,
        // which are zero. `room` has space for as many steps of a tile's columns.
        let moved = unsafe { across(format, room, corner, stride + 1, high - low) };
        let mut n_done = 1;
        let mut column = 0;
        while column < width {
            let panel = rows.start.wrapping_add(column / F::PANEL * rows.panel);
            let tile = Tile {
                a: moved.start,
                a_row: moved.row,
                a_step: moved.step,
                b: panel.wrapping_add(low / F::K * F::PANEL),
                n_steps: (high - low).div_ceil(F::K),
                c: to.wrapping_add(entry * to_stride + column),
                c_row: to_stride,
                columns: F::PANEL.min(width - column),
                add: true,
            };
            // SAFETY: the tile ends at or before entry `end = first + n` and column `width` of `to`; both
            // operands hold the rows `low..high`.
            n_done = unsafe { format.tile(end - entry, &tile) };
            column += F::PANEL;
        }
        entry += n_done;
    }
}

/// The transpose of `k` rows of [`TILE`] columns, `stride` apart, as a left operand: read in place,
/// or packed to `to`, where a step takes 16 values. The rows must be readable up to whole vectors.
#[inline(always)]
unsafe fn across<F: Format>(
    format: F,
    to: *mut f32,
    values: *const f32,
    stride: usize,
    k: usize,
) -> Steps {
    if format.is_stored() {
        return Steps { start: values, row: 1, step: stride };
    }
    for step in 0..k.div_ceil(F::K) {
        let from = values.wrapping_add(step * F::K * stride);
        let has_below = F::K > 1 && step * F::K + 1 < k;
        let mut lane = 0;
        while lane < TILE {
            let below = from.wrapping_add(stride + lane);
            let below = if has_below { below } else { std::ptr::null() };
            // SAFETY: `lane < TILE`, and a row is readable up to the vector that holds the last of
            // its `TILE` columns; `step` is below `k / K` rounded up, and `to` has 16 values for
            // each step.
            unsafe {
                let values = format.across(from.wrapping_add(lane), below, TILE - lane);
                format.lanes().store(to.add(step * 16 + lane), values);
            }
            lane += F::L::N;
        }
    }
    Steps { start: to, row: 1, step: 16 }
}

/// `to[c][row] = from[row][c]` for `n` columns; rows from `n_there` on count as zeros.
///
/// # Safety
/// `n_there` rows of `n` values rounded up to whole vectors, `stride` apart, must be readable at
/// `from`; `n` rows of `n_rows` values rounded up to whole vectors, `to_stride` apart, must be
/// writable at `to`.
#[inline(always)]
pub(in super::super) unsafe fn turn<L: Lanes>(
    lanes: L,
    (from, stride): (*const f32, usize),
    [n_rows, n_there, n]: [usize; 3],
    (to, to_stride): (*mut f32, usize),
) {
    for row in (0..n_rows).step_by(L::N) {
        for column in (0..n).step_by(L::N) {
            let mut vectors = [lanes.splat(0.0); 16];
            for i in 0..L::N.min(n_there.saturating_sub(row)) {
                // SAFETY: `row + i < n_there`, and `column + L::N` is at most `n` rounded up to
                // whole vectors, up to which the row is readable.
                vectors[i] = unsafe { lanes.load(from.add((row + i) * stride + column)) };
            }
            let to = to.wrapping_add(column * to_stride + row);
            // SAFETY: the rows `column` to `n - 1` of `to` get a vector each from `row` on, which
            // ends at or below `n_rows` rounded up to whole vectors.
            unsafe { lanes.store_transposed(&vectors, to, to_stride, L::N.min(n - column)) };
        }
    }
}

/// Writes zeros.
///
/// # Safety
/// `n` values must be writable at `to`.
#[inline(always)]
pub(in super::super) unsafe fn clear(to: *mut f32, n: usize) {
    // SAFETY: the caller vouches for `n` values at `to`, and zero bytes are the number 0.
    unsafe { to.write_bytes(0, n) };
}
