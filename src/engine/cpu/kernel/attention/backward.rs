//! The backward pass of attention.

#![expect(clippy::needless_range_loop, reason = "iterators are not inlined into vector code")]
#![expect(unsafe_code, reason = "tasks write to columns of shared rows")]

use std::cell::Cell;

use super::forward::steps_in_place;
use super::operand::{Panels, Steps, load_seen, prefetch, scores, weighted_sum};
use super::relative::products::{BEFORE_WRITTEN, BEHIND, room};
use super::relative::{Packed as Tables, Relative, n_runs};
use super::visible::{Keys, Mask};
use super::{
    Compute, Heads, Kernel, Pattern, Scratch, Task, check, operations, profile, share_keys,
    share_queries,
};
use crate::engine::cpu::kernel::format::{Format, Tile, Work, dispatch};
use crate::engine::cpu::kernel::product::pack::Grid;
use crate::engine::cpu::kernel::split::cut;
use crate::engine::cpu::kernel::vector::buffer::{self, Buffer};
use crate::engine::cpu::kernel::vector::lanes::Lanes;
use relative::{TURNED, TURNED_GRADIENT};

mod relative;

/// Query rows worked on at a time: they are what the products into `dK` and `dV` sum over.
const CHUNK: usize = 48;

thread_local! {
    static ROOM: Cell<Buffer> = const { Cell::new(Buffer::new()) };
}

/// What [`backward`] reads of the forward pass.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// Queries, after the rotary turn: `[rows, query heads * width]`.
    pub queries: &'a [f32],
    /// `[keys | values]`, keys after the rotary turn: `[key rows, 2 * key heads * width]`.
    pub keys_values: &'a [f32],
    /// Output of the forward pass: `[rows, query heads * width]`.
    pub output: &'a [f32],
    /// Log-sum-exp of the forward pass, in nats: `[query heads, rows]`.
    pub log_sums: &'a [f32],
}

/// The gradients of [`super::forward()`]. All slices are row-major and in units of the loss:
///
/// * `doutput` and `dqueries`: `[rows, query heads * width]`; `dqueries` is *written*;
/// * `dkeys_values`: `[key rows, 2 * key heads * width]`, a row `[keys | values]`, *added* to;
/// * beside `relative`, the gradients of its keys and queries, `[reached rows, query heads * width]`
///   each, *written*.
///
/// # Panics
/// When a buffer is too short for the pattern, or blocks share query rows or keys.
#[expect(clippy::too_many_arguments, reason = "who, what, three inputs, three outputs")]
pub fn backward(
    on: Compute<'_>,
    heads: Heads,
    pattern: Pattern<'_>,
    relative: Option<(Relative<'_>, [&mut [f32]; 2])>,
    saved: Saved<'_>,
    doutput: &[f32],
    dqueries: &mut [f32],
    dkeys_values: &mut [f32],
    scratch: &mut Scratch,
) {
    let n_products = if relative.is_some() { 11 } else { 5 };
    let _span = profile::span(Kernel::AttentionBackward, operations(heads, pattern, n_products));
    let of_queries = [saved.queries, saved.output, doutput, dqueries];
    check(heads, pattern, &of_queries, &[saved.keys_values, dkeys_values], saved.log_sums);
    assert!(!share_queries(pattern.blocks), "blocks share query rows");
    assert!(!share_keys(pattern.blocks), "blocks share keys");
    let Scratch { tasks, tables } = scratch;
    let n_runs = relative.as_ref().map(|_| n_runs(pattern.blocks.len()));
    let tasks = tasks.cut_blocks(heads, pattern, n_runs.unwrap_or(pattern.blocks.len()));
    let packed = match &relative {
        Some((relative, _)) => {
            relative.check(heads, pattern);
            Some(tables.pack(on, heads, *relative, n_runs))
        }
        None => None,
    };
    // Only where the slices start is used: a task writes to the columns of its heads.
    let (dqueries, dkeys_values) = (cut(dqueries, 1), cut(dkeys_values, 1));
    let (wide, kv_wide) = (heads.query_width(), heads.key_value_width());
    on.team.each(tasks.len(), |index| {
        let Task { run, blocks, head, .. } = &tasks[index];
        for block in &pattern.blocks[blocks.clone()] {
            let (rows, n_keys) = (block.queries.clone(), block.keys.len());
            let layout = Layout::new(n_keys, heads.width, packed.is_some());
            buffer::with(&ROOM, layout.len(), |room| {
                let relative = packed.as_ref().map(|(tables, sums)| {
                    let start = head * heads.width;
                    (*tables, sums.of(*run).map(|sums| sums.wrapping_add(start)))
                });
                let work = Backward {
                    heads,
                    scale: heads.scale(relative.is_some()),
                    relative,
                    mask: Mask::new(heads, block),
                    places: &pattern.places[rows.clone()],
                    n_keys,
                    head: *head,
                    n_rows: pattern.places.len(),
                    queries: saved.queries[rows.start * wide..].as_ptr(),
                    keys_values: saved.keys_values[block.keys.start * kv_wide..].as_ptr(),
                    output: saved.output[rows.start * wide..].as_ptr(),
                    log_sums: saved.log_sums[rows.start..].as_ptr(),
                    doutput: doutput[rows.start * wide..].as_ptr(),
                    dqueries: dqueries.start().wrapping_add(rows.start * wide),
                    dkeys_values: dkeys_values.start().wrapping_add(block.keys.start * kv_wide),
                    room: room.as_mut_ptr(),
                    layout,
                };
                dispatch(on.precision, work);
            });
        }
    });
    if let (Some((relative, to)), Some(n_runs)) = (relative, n_runs) {
        tables.add_up(on.team, (relative.reach, n_runs), to);
    }
}

/// Sizes of the parts of a task's room.
#[derive(Debug, Clone, Copy)]
struct Layout {
    /// Keys, or values, packed in panels.
    packed: usize,
    /// A chunk of queries, packed either way.
    rows: usize,
    /// Margin before a row of scores.
    before: usize,
    /// Distance between rows of scores.
    stride: usize,
    /// Relative positions only: rows of keys, turned scores, their gradients, steps of these.
    key_rows: usize,
    turned: usize,
    turned_gradient: usize,
    steps: usize,
}

impl Layout {
    fn new(n_keys: usize, width: usize, is_relative: bool) -> Self {
        let n = n_keys.next_multiple_of(16);
        let only = |size| if is_relative { size } else { 0 };
        let (before, behind) = if is_relative { (BEFORE_WRITTEN, BEHIND) } else { (0, 16) };
        Self {
            packed: Panels::room(n_keys, width.next_multiple_of(32)),
            rows: Panels::room(width, CHUNK) + 16 * CHUNK,
            before,
            stride: before + n_keys.next_multiple_of(32) + behind,
            key_rows: only(n * width.next_multiple_of(16)),
            turned: only(n * TURNED),
            turned_gradient: only(n * TURNED_GRADIENT),
            steps: only(room(n_keys.max(CHUNK))),
        }
    }

    /// Keys twice and values; queries and gradients of the output, both twice; scores and their
    /// gradients, both also transposed.
    fn plain_len(self) -> usize {
        3 * self.packed + 4 * self.rows + 4 * CHUNK * self.stride
    }

    fn len(self) -> usize {
        self.plain_len() + self.key_rows + self.turned + self.turned_gradient + self.steps
    }
}

/// One task; pointers start at its first row or key.
struct Backward<'a> {
    heads: Heads,
    scale: f32,
    /// The tables, and where their gradients are added up: of keys and of queries.
    relative: Option<(Tables<'a>, [*mut f32; 2])>,
    mask: Mask<'a>,
    places: &'a [u32],
    n_keys: usize,
    head: usize,
    /// Rows of the whole pattern.
    n_rows: usize,
    queries: *const f32,
    keys_values: *const f32,
    output: *const f32,
    log_sums: *const f32,
    doutput: *const f32,
    dqueries: *mut f32,
    dkeys_values: *mut f32,
    room: *mut f32,
    layout: Layout,
}

/// The packed operands that all chunks of a task share.
#[derive(Debug, Clone, Copy)]
struct Packed {
    /// Columns are keys.
    keys: Panels,
    /// Columns are values.
    values: Panels,
    /// Columns are components of the keys.
    key_components: Panels,
}

impl Work for Backward<'_> {
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    fn run<F: Format>(self, format: F) {
        let Heads { width, n_keys: n_heads, .. } = self.heads;
        let kv_wide = self.heads.key_value_width();
        // SAFETY: `check` bounds keys and values: a row below `n_keys` and a column below
        // `2 * n_heads * width` lie inside `keys_values`. `Layout` made room for three packed operands of
        // `n_keys` by `width`, rounded up to panels of 32. `chunk` gets rows below `places.len()` and
        // heads below the query heads; `share_keys` and the tasks' heads see to it that no other task
        // adds to these keys' columns.
        unsafe {
            let keys = self.keys_values.add(self.head * width);
            let values = keys.add(n_heads * width);
            let room = |i: usize| self.room.wrapping_add(i * self.layout.packed);
            let by_key = |start| Grid { start, outer: kv_wide, k: 1 };
            let by_component = Grid { start: keys, outer: 1, k: kv_wide };
            let packed = Packed {
                keys: Panels::pack(format, room(0), by_key(keys), self.n_keys, width),
                values: Panels::pack(format, room(1), by_key(values), self.n_keys, width),
                key_components: Panels::pack(format, room(2), by_component, width, self.n_keys),
            };
            let key_rows = self.enter_relative(format);
            for head in self.heads.sharing(self.head) {
                let mut row = 0;
                while row < self.places.len() {
                    let n_rows = CHUNK.min(self.places.len() - row);
                    self.chunk(format, head, row, n_rows, (packed, key_rows));
                    row += n_rows;
                }
            }
        }
    }
}

impl Backward<'_> {
    /// Works on the rows `row..row + n_rows` of the task, at most [`CHUNK`], of one query head:
    /// writes their `dQ`, `[n_rows, width]`, and adds their share of `dK` and `dV`, `[n_keys,
    /// width]` each.
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    unsafe fn chunk<F: Format>(
        &self,
        format: F,
        head: usize,
        row: usize,
        n_rows: usize,
        (packed, key_rows): (Packed, Steps),
    ) {
        let Layout { rows: row_room, stride, before, .. } = self.layout;
        let (width, wide) = (self.heads.width, self.heads.query_width());
        let places = &self.places[row..row + n_rows];
        let spans = self.mask.rows(places).in_panels(F::PANEL, F::L::N);
        let column = row * wide + head * width;
        // SAFETY: rows of queries, output and their gradients are below `places.len()` and columns below
        // the query width, `wide`; rows of `dk` and `dv` are below `n_keys`. Behind three packed operands
        // the room holds four parts of `row_room` values for `CHUNK` rows of `width`, and four of `CHUNK`
        // rows of scores `stride` apart, each with its margins and `n_keys` rounded up to 32. Spans end
        // at or below that.
        unsafe {
            // The room's parts: queries and dO packed along rows and along components; S, dS, P^T, dS^T.
            let s = self.room.add(3 * self.layout.packed + 4 * row_room + before);
            let ds = s.add(CHUNK * stride);
            let room = |i: usize| self.room.wrapping_add(3 * self.layout.packed + i * row_room);
            let (q, d_o) = (self.queries.add(column), self.doutput.add(column));
            let shape = [n_rows, width];
            // Rows lie far apart: without this the processor would wait for each of them in turn.
            prefetch(format.lanes(), self.output.add(column), wide, shape);
            // S = Q K^T, after what the distances add.
            let rows = Steps::rows(format, room(0), q, wide, shape);
            let is_relative = self.relative.is_some();
            self.relative_scores(format, (rows, n_rows), places, key_rows, s);
            scores(format, (rows, n_rows, width), packed.keys, spans, (s, stride, is_relative));
            // dP = dO V^T.
            let rows = Steps::rows(format, room(1), d_o, wide, shape);
            scores(format, (rows, n_rows, width), packed.values, spans, (ds, stride, false));
            // P = exp(c S - lse) and dS = c P (dP - D), each over its scores.
            self.probabilities(format, head, row, places, spans, [s, ds]);

            // dV += P^T dO and dK += dS^T Q: keys are rows here, query rows are summed over.
            let p_t = transposed(format, ds.add(CHUNK * stride), s, stride, n_rows, spans);
            let ds_t = transposed(format, ds.add(2 * CHUNK * stride), ds, stride, n_rows, spans);
            let by_component = |start| Grid { start, outer: 1, k: wide };
            let d_o = Panels::pack(format, room(2), by_component(d_o), width, n_rows);
            let q = Panels::pack(format, room(3), by_component(q), width, n_rows);
            let dk = self.dkeys_values.add(self.head * width);
            let dv = dk.add(self.heads.n_keys * width);
            self.add_to_keys(format, (p_t, d_o, n_rows), spans, dv);
            self.add_to_keys(format, (ds_t, q, n_rows), spans, dk);

            // dQ = dS K, after what the distances add.
            let dq = self.dqueries.add(column);
            let operands = (q, packed.key_components);
            self.relative_gradients(format, (ds.cast_const(), n_rows), places, operands, [dq, dk]);
            let ds = steps_in_place(format, ds, stride, n_rows, spans);
            let keys = (packed.key_components, self.n_keys);
            weighted_sum(format, (ds, n_rows), keys, spans, (dq, wide, width, is_relative));
        }
    }

    /// Turns scores at `s` into probabilities, and `dP` at `ds` into `dS`, in place. Both are
    /// `[places.len(), stride]`; keys that a row does not see get exactly 0.
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    unsafe fn probabilities<F: Format>(
        &self,
        format: F,
        head: usize,
        row: usize,
        places: &[u32],
        spans: Keys,
        [s, ds]: [*mut f32; 2],
    ) {
        let (lanes, scale) = (format.lanes(), self.scale);
        let (width, wide) = (self.heads.width, self.heads.query_width());
        for i in 0..places.len() {
            let column = (row + i) * wide + head * width;
            // SAFETY: `row + i` is below the task's rows and `head` below the query heads, so that `width`
            // values from `column` on lie in output and gradient, and one log-sum-exp at `head * n_rows`
            // and the row. Vectors of scores end inside the row: spans are whole vectors.
            unsafe {
                let (s, ds) = (s.add(i * self.layout.stride), ds.add(i * self.layout.stride));
                let d = dot(lanes, self.output.add(column), self.doutput.add(column), width);
                let log_sum = *self.log_sums.add(head * self.n_rows + row + i);
                let (offset, d) = (lanes.splat(-log_sum), lanes.splat(d));
                let (factor, seen) = (lanes.splat(scale), self.mask.row(places[i]));
                for (start, end) in [spans.first, spans.second] {
                    let mut key = start;
                    while key < end {
                        let score = load_seen(lanes, s, key, seen);
                        let p = lanes.exp(lanes.fma(score, factor, offset));
                        let g = lanes.sub(lanes.load(ds.add(key)), d);
                        lanes.store(s.add(key), p);
                        lanes.store(ds.add(key), lanes.mul(lanes.mul(p, factor), g));
                        key += F::L::N;
                    }
                }
            }
        }
    }

    /// Adds `weights^T rows` to the rows of the keys in `spans`, `width` columns each from `to` on;
    /// `weights` is `[keys, n_rows]`, `rows` `n_rows` steps of `width` columns.
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    unsafe fn add_to_keys<F: Format>(
        &self,
        format: F,
        (weights, rows, n_rows): (Steps, Panels, usize),
        spans: Keys,
        to: *mut f32,
    ) {
        let (width, kv_wide) = (self.heads.width, self.heads.key_value_width());
        for (start, end) in [spans.first, spans.second] {
            let end = end.min(self.n_keys);
            let mut column = 0;
            while column < width {
                let mut key = start;
                while key < end {
                    let tile = Tile {
                        a: weights.start.wrapping_add(key * weights.row),
                        a_row: weights.row,
                        a_step: weights.step,
                        b: rows.start.wrapping_add(column / F::PANEL * rows.panel),
                        n_steps: n_rows.div_ceil(F::K),
                        c: to.wrapping_add(key * kv_wide + column),
                        c_row: kv_wide,
                        columns: F::PANEL.min(width - column),
                        add: true,
                    };
                    // SAFETY: a tile ends at `end <= n_keys` and at column `width` of one key head, and no
                    // other task writes there; steps are as many as `n_rows`, which both operands hold.
                    key += unsafe { format.tile(end - key, &tile) };
                }
                column += F::PANEL;
            }
        }
    }
}

/// The scalar product of `n` values at `a` and at `b`, which must be readable.
#[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
#[inline(always)]
unsafe fn dot<L: Lanes>(lanes: L, a: *const f32, b: *const f32, n: usize) -> f32 {
    let mut sum = lanes.splat(0.0);
    let mut i = 0;
    while i < n {
        // SAFETY: `i < n`, and at most the `n - i` values behind `a + i` and `b + i` are read,
        // which the caller vouches for.
        unsafe {
            let (a, b) = (lanes.load_first(a.add(i), n - i), lanes.load_first(b.add(i), n - i));
            sum = lanes.fma(a, b, sum);
        }
        i += L::N;
    }
    lanes.sum(sum)
}

/// Scores, `n_rows` rows `stride` apart, as a left operand whose rows are the keys of `spans`: read in
/// place, or packed to `to`, which has the same size.
#[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
#[inline(always)]
unsafe fn transposed<F: Format>(
    format: F,
    to: *mut f32,
    scores: *const f32,
    stride: usize,
    n_rows: usize,
    spans: Keys,
) -> Steps {
    if format.is_stored() {
        return Steps { start: scores, row: 1, step: stride };
    }
    for (start, end) in [spans.first, spans.second] {
        let mut row = 0;
        while row < n_rows {
            let mut key = start;
            while key < end {
                // SAFETY: `row` and the row below are under `n_rows`, `key` under the end of a span of whole
                // vectors inside the row; `to` has as many rows, `stride` apart, as there are steps.
                unsafe {
                    let from = scores.add(row * stride + key);
                    let has_below = F::K > 1 && row + 1 < n_rows;
                    let below = if has_below { from.add(stride) } else { std::ptr::null() };
                    let step = format.across(from, below, F::L::N);
                    format.lanes().store(to.add(row / F::K * stride + key), step);
                }
                key += F::L::N;
            }
            row += F::K;
        }
    }
    Steps { start: to, row: 1, step: stride }
}
