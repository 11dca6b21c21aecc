//! The forward pass of attention.

#![expect(clippy::needless_range_loop, reason = "iterators are not inlined into vector code")]
#![expect(unsafe_code, reason = "tasks write to columns of shared rows")]

use std::cell::Cell;

use super::operand::{HIDDEN, Panels, Steps, load_seen, scores, weighted_sum};
use super::relative::products::{BEFORE_WRITTEN, BEHIND, multiply_shifted, turn};
use super::relative::{Packed, Relative};
use super::visible::{Keys, Mask};
use super::{
    Compute, Heads, Kernel, Pattern, Scratch, Task, check, operations, profile, share_queries,
};
use crate::engine::cpu::kernel::format::{Format, Work, dispatch};
use crate::engine::cpu::kernel::product::pack::Grid;
use crate::engine::cpu::kernel::split::cut;
use crate::engine::cpu::kernel::vector::buffer::{self, Buffer};
use crate::engine::cpu::kernel::vector::lanes::Lanes;

/// Query rows worked on at a time: whole tiles; keys after the last of them are skipped.
const CHUNK: usize = 24;

/// Query rows of a task.
const MAX_ROWS: usize = 480;

/// Query rows that meet the keys' relative positions at a time: several chunks, since a product that
/// moves from row to row computes more than it needs at both ends.
const GROUP: usize = 5 * CHUNK;

/// Distance between rows of a group's scores, whose rows are keys.
const TURNED: usize = BEFORE_WRITTEN + GROUP + 40;

thread_local! {
    static ROOM: Cell<Buffer> = const { Cell::new(Buffer::new()) };
}

/// Attends. All slices are row-major:
///
/// * `queries` and `output`: `[rows, query heads * width]`; the output is written;
/// * `keys_values`: `[key rows, 2 * key heads * width]`, a row `[keys | values]`;
/// * `log_sums`: `[query heads, rows]`, written: the log-sum-exp of the scaled scores, in nats.
///
/// Rows are those of `pattern.places`, key rows go up to the end of the last block's keys. Rows of no
/// block are left as they are.
///
/// # Panics
/// When a buffer is too short for the pattern, or blocks share query rows.
#[expect(clippy::too_many_arguments, reason = "who, what, three inputs, two outputs")]
pub fn forward(
    on: Compute<'_>,
    heads: Heads,
    pattern: Pattern<'_>,
    relative: Option<Relative<'_>>,
    queries: &[f32],
    keys_values: &[f32],
    output: &mut [f32],
    log_sums: &mut [f32],
    scratch: &mut Scratch,
) {
    let n_products = if relative.is_some() { 4 } else { 2 };
    let _span = profile::span(Kernel::Attention, operations(heads, pattern, n_products));
    check(heads, pattern, &[queries, output], &[keys_values], log_sums);
    assert!(!share_queries(pattern.blocks), "blocks share query rows");
    let Scratch { tasks, tables } = scratch;
    let tasks = tasks.cut_rows(heads, pattern, MAX_ROWS);
    let relative = relative.map(|relative| {
        relative.check(heads, pattern);
        tables.pack(on, heads, relative, None).0
    });
    // Only where the slices start is used: a task writes to the columns of its heads.
    let (output, log_sums) = (cut(output, 1), cut(log_sums, 1));
    on.team.each(tasks.len(), |index| {
        let Task { blocks, rows, head, .. } = &tasks[index];
        let block = &pattern.blocks[blocks.start];
        let n_keys = block.keys.len();
        let packed = Panels::room(n_keys, heads.width.next_multiple_of(32));
        let row = heads.width.next_multiple_of(16);
        // Margins, rows of keys and turned scores for relative positions only.
        let (before, behind, extra) = match relative {
            Some(_) => (BEFORE_WRITTEN, BEHIND, n_keys.next_multiple_of(16) * (row + TURNED)),
            None => (0, 16, 0),
        };
        let stride = before + n_keys.next_multiple_of(32) + behind;
        let n = 2 * packed + CHUNK * (stride + row) + extra;
        buffer::with(&ROOM, n, |room| {
            let work = Forward {
                heads,
                scale: heads.scale(relative.is_some()),
                relative,
                mask: Mask::new(heads, block),
                places: &pattern.places[rows.clone()],
                n_keys,
                head: *head,
                n_rows: pattern.places.len(),
                queries: queries[rows.start * heads.query_width()..].as_ptr(),
                keys_values: keys_values[block.keys.start * heads.key_value_width()..].as_ptr(),
                output: output.start().wrapping_add(rows.start * heads.query_width()),
                log_sums: log_sums.start().wrapping_add(rows.start),
                room: room.as_mut_ptr(),
                packed,
                before,
                stride,
            };
            dispatch(on.precision, work);
        });
    });
}

/// One task; pointers start at its first row or key.
struct Forward<'a> {
    heads: Heads,
    scale: f32,
    relative: Option<Packed<'a>>,
    mask: Mask<'a>,
    places: &'a [u32],
    n_keys: usize,
    head: usize,
    /// Rows of the whole pattern.
    n_rows: usize,
    queries: *const f32,
    keys_values: *const f32,
    output: *mut f32,
    log_sums: *mut f32,
    /// Packed keys, packed values, scores, packed queries; rows of keys, turned scores.
    room: *mut f32,
    /// Room of the packed keys, and of the packed values.
    packed: usize,
    /// Margin before a row of scores.
    before: usize,
    /// Distance between rows of scores.
    stride: usize,
}

impl Work for Forward<'_> {
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    fn run<F: Format>(self, format: F) {
        let Heads { width, n_keys: n_heads, .. } = self.heads;
        let kv_wide = self.heads.key_value_width();
        // SAFETY: `check` bounds keys and values: a row below `n_keys` and a column below
        // `2 * n_heads * width` lie inside `keys_values`. The room was made for `packed` values twice:
        // `n_keys` columns of `width` steps, and `width` columns of `n_keys` steps, rounded up to
        // panels of 32. `meet_keys` and `chunk` get rows below `places.len()` and heads below the
        // query heads, and no other task has this head and these rows.
        unsafe {
            let keys = self.keys_values.add(self.head * width);
            let values = keys.add(n_heads * width);
            // Only what some row of the task sees: a block may hold long runs that are hidden.
            let spans = self.mask.rows(self.places).in_panels(F::PANEL, F::L::N);
            let n = [self.n_keys, width];
            let keys = Grid { start: keys, outer: kv_wide, k: 1 };
            let keys = Panels::pack_columns(format, self.room, keys, n, spans);
            let values = Grid { start: values, outer: 1, k: kv_wide };
            let room = self.room.add(self.packed);
            let values = Panels::pack_steps(format, room, values, [width, self.n_keys], spans);
            for head in self.heads.sharing(self.head) {
                let mut row = 0;
                while row < self.places.len() {
                    if row % GROUP == 0 {
                        self.meet_keys(format, row);
                    }
                    let n_rows = CHUNK.min(self.places.len() - row);
                    self.chunk(format, head, row, n_rows, keys, values);
                    row += n_rows;
                }
            }
        }
    }
}

impl Forward<'_> {
    /// Where the turned scores of a group stand.
    fn turned(&self) -> *mut f32 {
        let row = self.heads.width.next_multiple_of(16);
        let chunk = CHUNK * (self.stride + row);
        let keys = self.n_keys.next_multiple_of(16) * row;
        self.room.wrapping_add(2 * self.packed + chunk + keys + BEFORE_WRITTEN)
    }

    /// Scores all keys against the relative positions of the group of queries from `row` on.
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    unsafe fn meet_keys<F: Format>(&self, format: F, row: usize) {
        let Some(relative) = self.relative else { return };
        let (width, turned) = (self.heads.width, self.turned());
        let keys = self.n_keys.next_multiple_of(16) * width.next_multiple_of(16);
        let n = GROUP.min(self.places.len() - row);
        // SAFETY: keys are read at rows below `n_keys` and columns of one head below `width`. In the
        // room, behind the chunk's part, `keys` values stand before the turned scores, whose rows are
        // keys below `n_keys` rounded up to 16, `TURNED` apart: `n <= GROUP` columns and the margins
        // on both sides fit one. The table has a row for every distance of two places of the block.
        unsafe {
            let room = turned.wrapping_sub(BEFORE_WRITTEN + keys);
            let start = self.keys_values.add(self.head * width);
            let kv_wide = self.heads.key_value_width();
            let keys = Steps::rows(format, room, start, kv_wide, [self.n_keys, width]);
            let first = relative.middle + self.places[row] as usize;
            let table = (relative.queries::<F>(self.head), first);
            let rows = (keys, self.n_keys, width);
            multiply_shifted(format, rows, table, n, (turned, TURNED, false));
        }
    }

    /// Works on the rows `row..row + n_rows` of the task, at most [`CHUNK`] and inside one
    /// [`GROUP`], of one query head: writes their output, `[n_rows, width]`, and their
    /// log-sum-exps, `[n_rows]`, from the packed keys and values.
    #[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
    #[inline(always)]
    unsafe fn chunk<F: Format>(
        &self,
        format: F,
        head: usize,
        row: usize,
        n_rows: usize,
        keys: Panels,
        values: Panels,
    ) {
        let (width, wide, stride) = (self.heads.width, self.heads.query_width(), self.stride);
        let lanes = format.lanes();
        let places = &self.places[row..row + n_rows];
        let spans = self.mask.rows(places).in_panels(F::PANEL, F::L::N);
        // SAFETY: rows of queries and output are below `places.len()` and columns below the query width,
        // `wide`. The room holds, behind the packed operands, `CHUNK` rows of scores `stride` apart, each
        // with its margins and `n_keys` rounded up to 32, then `CHUNK` rows of packed queries of `width`
        // rounded up to 16. Spans end at or below `n_keys` rounded up to a panel of at most 32.
        unsafe {
            // The room's parts: scores behind the packed operands, queries behind the scores.
            let s = self.room.add(2 * self.packed);
            let packed_queries = s.add(CHUNK * stride);
            let s = s.add(self.before);
            let start = self.queries.add(row * wide + head * width);
            let queries = Steps::rows(format, packed_queries, start, wide, [n_rows, width]);
            let rows = (queries, n_rows, width);
            // S starts with what the distances add: position to content, then content to position.
            if let Some(relative) = self.relative {
                let turned = self.turned().add(row % GROUP).cast_const();
                let n = [self.n_keys, self.n_keys, n_rows];
                turn(lanes, (turned, TURNED), n, (s, stride));
                let table = (relative.keys::<F>(head), relative.middle - places[0] as usize);
                multiply_shifted(format, rows, table, self.n_keys, (s, stride, true));
            }
            // S = Q K^T, of the keys that some row of the chunk sees.
            scores(format, rows, keys, spans, (s, stride, self.relative.is_some()));
            // S becomes exp(c S - max), each row with its maximum and its sum beside it.
            let mut peaks = [(0.0_f32, 0.0_f32); CHUNK];
            for i in 0..n_rows {
                let seen = self.mask.row(places[i]);
                peaks[i] = softmax(lanes, s.add(i * stride), seen, spans, self.scale);
            }
            // O = P V, still without the division by the sums.
            let weights = steps_in_place(format, s, stride, n_rows, spans);
            let output = self.output.add(row * wide + head * width);
            let to = (output, wide, width, false);
            weighted_sum(format, (weights, n_rows), (values, self.n_keys), spans, to);
            // The division: `width` values a row are fewer than the scores.
            for i in 0..n_rows {
                let inverse = lanes.splat(1.0 / peaks[i].1);
                let mut column = 0;
                while column < width {
                    let (to, n) = (output.add(i * wide + column), width - column);
                    lanes.store_first(to, n, lanes.mul(lanes.load_first(to, n), inverse));
                    column += F::L::N;
                }
            }
            // lse = max + ln(sum), all the backward pass needs of P.
            for i in 0..n_rows {
                let (highest, total) = peaks[i];
                *self.log_sums.add(head * self.n_rows + row + i) = highest + total.ln();
            }
        }
    }
}

/// Turns the scores of one row, `row[key]` for the keys of `spans`, into `exp(scale * score -
/// highest)`, in place; hidden keys get exactly 0. Returns the highest scaled score, in nats, and
/// the sum. The caller divides by the sum and takes its logarithm, because the call of a logarithm
/// here would empty the vector registers.
#[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
#[inline(always)]
unsafe fn softmax<L: Lanes>(
    lanes: L,
    row: *mut f32,
    seen: Keys,
    spans: Keys,
    scale: f32,
) -> (f32, f32) {
    // SAFETY: `key` is below the end of a span, and spans are whole vectors inside the row: `key + L::N`
    // is at most `n_keys` rounded up to 32, which the caller's row holds.
    unsafe {
        let mut highest = lanes.splat(HIDDEN);
        for (start, end) in [spans.first, spans.second] {
            let mut key = start;
            while key < end {
                highest = lanes.max(highest, load_seen(lanes, row, key, seen));
                key += L::N;
            }
        }
        let highest = lanes.highest(highest) * scale;
        let (factor, offset) = (lanes.splat(scale), lanes.splat(-highest));
        let mut total = lanes.splat(0.0);
        for (start, end) in [spans.first, spans.second] {
            let mut key = start;
            while key < end {
                let score = load_seen(lanes, row, key, seen);
                let p = lanes.exp(lanes.fma(score, factor, offset));
                lanes.store(row.add(key), p);
                total = lanes.add(total, p);
                key += L::N;
            }
        }
        (highest, lanes.sum(total))
    }
}

/// Turns `n_rows` rows of values, `stride` apart, into rows of steps in place, for the keys of
/// `spans`; rows are readable and writable up to the end of `spans`.
#[expect(clippy::inline_always, reason = "compiled with the instructions of a format")]
#[inline(always)]
pub(super) unsafe fn steps_in_place<F: Format>(
    format: F,
    values: *mut f32,
    stride: usize,
    n_rows: usize,
    spans: Keys,
) -> Steps {
    if !format.is_stored() {
        for i in 0..n_rows {
            for (start, end) in [spans.first, spans.second] {
                let mut key = start;
                while key < end {
                    // SAFETY: `i < n_rows`, and `key` is below the end of a span inside the row. A vector
                    // of steps goes to `key / K`, at or before the values it is made of, which later
                    // keys do not read again.
                    unsafe {
                        let row = values.add(i * stride);
                        let steps = format.along(row.add(key).cast_const(), end - key);
                        format.lanes().store(row.add(key / F::K), steps);
                    }
                    key += F::K * F::L::N;
                }
            }
        }
    }
    Steps { start: values, row: stride, step: 1 }
}
