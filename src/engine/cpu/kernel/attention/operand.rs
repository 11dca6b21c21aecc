//! Operands of the products of attention: keys and values packed in panels, scores as steps.

#![expect(unsafe_code, reason = "raw operands")]
#![expect(clippy::inline_always, reason = "compiled with the instructions of a format")]

use crate::engine::cpu::kernel::format::{Format, Tile};
use crate::engine::cpu::kernel::product::pack::Grid;
use crate::engine::cpu::kernel::vector::lanes::Lanes;

use super::visible::Keys;

/// A packed right operand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels {
    pub start: *mut f32,
    pub panel: usize,
}

impl Panels {
    /// Values that `n` columns of `k` values take at most, in any format.
    pub(super) fn room(n: usize, k: usize) -> usize {
        n.next_multiple_of(32) * k.next_multiple_of(2)
    }

    /// Packs `n` columns of `k` values.
    ///
    /// # Safety
    /// `n` by `k` values of `grid` must be readable, and `room(n, k)` values at `to` writable.
    #[inline(always)]
    pub(super) unsafe fn pack<F: Format>(
        format: F,
        to: *mut f32,
        grid: Grid<f32>,
        n: usize,
        k: usize,
    ) -> Self {
        let panels = Self { start: to, panel: k.div_ceil(F::K) * F::PANEL };
        for (index, column) in (0..n).step_by(F::PANEL).enumerate() {
            let to = to.wrapping_add(index * panels.panel);
            // SAFETY: the panel has the columns from `column` on that are below `n`, with `k`
            // values each, which the caller vouches for; its steps end at or below `room(n, k)`.
            unsafe {
                let n = F::PANEL.min(n - column);
                grid.from(column, 0).steps(format, to, F::PANEL, n, k);
            }
        }
        panels
    }

    /// Packs those of `n` columns of `k` values that lie in `spans`; the room of the others is left
    /// as it is.
    ///
    /// # Safety
    /// The values of `grid` in `spans` must be readable, and `room(n, k)` values at `to` writable.
    #[inline(always)]
    pub(super) unsafe fn pack_columns<F: Format>(
        format: F,
        to: *mut f32,
        grid: Grid<f32>,
        [n, k]: [usize; 2],
        spans: Keys,
    ) -> Self {
        let panels = Self { start: to, panel: k.div_ceil(F::K) * F::PANEL };
        for (start, end) in [spans.first, spans.second] {
            let end = end.min(n);
            let mut column = start;
            while column < end {
                let to = to.wrapping_add(column / F::PANEL * panels.panel);
                // SAFETY: `column < end <= n`, and `k` values of each column are the caller's; the panel's
                // steps lie below `room(n, k)`.
                unsafe {
                    let n = F::PANEL.min(n - column);
                    grid.from(column, 0).steps(format, to, F::PANEL, n, k);
                }
                column += F::PANEL;
            }
        }
        panels
    }

    /// Packs `n` columns, but of their `k` values only the steps that lie in `spans`.
    ///
    /// # Safety
    /// The values of `grid` in `spans` must be readable, and `room(n, k)` values at `to` writable.
    #[inline(always)]
    pub(super) unsafe fn pack_steps<F: Format>(
        format: F,
        to: *mut f32,
        grid: Grid<f32>,
        [n, k]: [usize; 2],
        spans: Keys,
    ) -> Self {
        let panels = Self { start: to, panel: k.div_ceil(F::K) * F::PANEL };
        for (start, end) in [spans.first, spans.second] {
            let end = end.min(k);
            let mut column = 0;
            while column < n && start < end {
                let to =
                    to.wrapping_add(column / F::PANEL * panels.panel + start / F::K * F::PANEL);
                // SAFETY: `column < n` and `start < end <= k`, so values of `grid` in `spans` are
                // read, and the steps `start / K` to `end / K` of this panel are written, below
                // `room(n, k)`.
                unsafe {
                    let n = F::PANEL.min(n - column);
                    grid.from(column, start).steps(format, to, F::PANEL, n, end - start);
                }
                column += F::PANEL;
            }
        }
        panels
    }
}

/// A left operand: its steps start at `start`, rows lie `row` values apart and steps `step` values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    pub start: *const f32,
    pub row: usize,
    pub step: usize,
}

impl Steps {
    /// `n` rows of `k` values that lie `stride` apart, packed to `to` unless they can be read in
    /// place.
    ///
    /// # Safety
    /// `n` rows of `k` values, `stride` apart, must be readable at `values`; at `to`, `n` rows of
    /// `k` steps, rounded up to whole vectors, must be writable.
    #[inline(always)]
    pub(super) unsafe fn rows<F: Format>(
        format: F,
        to: *mut f32,
        values: *const f32,
        stride: usize,
        [n, k]: [usize; 2],
    ) -> Self {
        if format.is_stored() {
            return Self { start: values, row: stride, step: 1 };
        }
        let row = k.div_ceil(F::K).next_multiple_of(F::L::N);
        let grid = Grid { start: values, outer: stride, k: 1 };
        // SAFETY: the caller vouches for `n` rows of `k` values and for `n` rows of `row` steps at `to`.
        unsafe { grid.rows(format, to, row, n, k) };
        Self { start: to, row, step: 1 }
    }
}

/// Starts to fetch `n_rows` rows of `width` values, `stride` apart, into the cache; nothing is
/// read.
#[inline(always)]
pub(super) fn prefetch<L: Lanes>(
    lanes: L,
    from: *const f32,
    stride: usize,
    [n_rows, width]: [usize; 2],
) {
    for i in 0..n_rows {
        for column in (0..width).step_by(16) {
            lanes.prefetch(from.wrapping_add(i * stride + column));
        }
    }
}

/// `scores[row][key] (+)= rows . keys` for the keys of `spans`; those behind the last key score 0.
///
/// # Safety
/// `rows` has `n_rows` rows of `width` values in steps, `keys` the columns of `spans` with as many;
/// `n_rows` rows of scores, `stride` apart, must be writable up to the end of `spans`.
#[inline(always)]
pub(super) unsafe fn scores<F: Format>(
    format: F,
    (rows, n_rows, width): (Steps, usize, usize),
    keys: Panels,
    spans: Keys,
    (scores, stride, add): (*mut f32, usize, bool),
) {
    for (start, end) in [spans.first, spans.second] {
        let mut key = start;
        while key < end {
            let mut row = 0;
            while row < n_rows {
                let tile = Tile {
                    a: rows.start.wrapping_add(row * rows.row),
                    a_row: rows.row,
                    a_step: rows.step,
                    b: keys.start.wrapping_add(key / F::PANEL * keys.panel),
                    n_steps: width.div_ceil(F::K),
                    c: scores.wrapping_add(row * stride + key),
                    c_row: stride,
                    columns: F::PANEL.min(end - key),
                    add,
                };
                // SAFETY: the tile ends at or before row `n_rows` and key `end`, which the scores hold; the
                // rows have `width` steps, and the panel of `key` was packed for the same spans.
                row += unsafe { format.tile(n_rows - row, &tile) };
            }
            key += F::PANEL;
        }
    }
}

/// `output[row] (+)= sum over keys of weights[row][key] values[key]`, for the keys of `spans` below
/// `n_keys`.
///
/// # Safety
/// `weights` has `n_rows` rows of steps for the keys of `spans`, `values` `width` columns with
/// steps for the keys below `n_keys`; `n_rows` rows of `width` values, `stride` apart, must be
/// writable at `output`.
#[inline(always)]
pub(super) unsafe fn weighted_sum<F: Format>(
    format: F,
    (weights, n_rows): (Steps, usize),
    (values, n_keys): (Panels, usize),
    spans: Keys,
    (output, stride, width, mut add): (*mut f32, usize, usize, bool),
) {
    for (start, end) in [spans.first, spans.second] {
        if start == end {
            continue;
        }
        let mut column = 0;
        while column < width {
            let mut row = 0;
            while row < n_rows {
                let step = start / F::K;
                let tile = Tile {
                    a: weights.start.wrapping_add(row * weights.row + step * weights.step),
                    a_row: weights.row,
                    a_step: weights.step,
                    b: values
                        .start
                        .wrapping_add(column / F::PANEL * values.panel + step * F::PANEL),
                    n_steps: (end.min(n_keys) - start).div_ceil(F::K),
                    c: output.wrapping_add(row * stride + column),
                    c_row: stride,
                    columns: F::PANEL.min(width - column),
                    add,
                };
                // SAFETY: the tile ends at or before row `n_rows` and column `width`, which the output holds;
                // steps run from `start` to `end.min(n_keys)`, which weights and values have.
                row += unsafe { format.tile(n_rows - row, &tile) };
            }
            column += F::PANEL;
        }
        add = true;
    }
}

/// The score of a hidden key: its probability is exactly 0, since the exponential of a number so
/// far below any score is 0 in `f32`. Negative infinity would give NaN in a row that sees no key.
pub(super) const HIDDEN: f32 = -1e30;

/// The scores from `key` on, [`HIDDEN`] where the row does not see them.
///
/// # Safety
/// `L::N` values must be readable at `row + key`.
#[inline(always)]
pub(super) unsafe fn load_seen<L: Lanes>(
    lanes: L,
    row: *const f32,
    key: usize,
    seen: Keys,
) -> L::V {
    // SAFETY: the caller vouches for `L::N` values at `row + key`.
    let scores = unsafe { lanes.load(row.add(key)) };
    let covers = |(start, end): (usize, usize)| start <= key && key + L::N <= end;
    if covers(seen.first) || covers(seen.second) {
        return scores;
    }
    let (first, second) = (seen.first, seen.second);
    let within = |at: usize| at.saturating_sub(key).min(L::N);
    lanes.keep(
        scores,
        [within(first.0)..within(first.1), within(second.0)..within(second.1)],
        lanes.splat(HIDDEN),
    )
}
