//! Attention of single rows to keys and values that are kept from one step to the next.
//!
//! What a sequence has read lies in two runs: one that it shares with other sequences (a prompt and
//! its answers) and one of its own. Both are packed when they are written, so that a step packs
//! nothing: the rows of all sequences that share a run meet its keys in one product. A score is one
//! chain of multiply-adds as in [`super::forward()`], and an output one chain for each run, so that
//! no other row changes it.

#![expect(unsafe_code, reason = "raw operands, and tasks that write to columns of shared rows")]
#![expect(clippy::inline_always, reason = "compiled with the instructions of a format")]

use std::cell::Cell;
use std::ops::Range;

use super::operand::{HIDDEN, Panels, Steps, load_seen, scores, weighted_sum};
use super::visible::Keys;
use super::{Compute, Heads, Kernel, profile};
use crate::domain::spec::Precision;
use crate::engine::cpu::kernel::format::{Format, Work, dispatch, panel};
use crate::engine::cpu::kernel::split::cut;
use crate::engine::cpu::kernel::vector::buffer::{self, Buffer};
use crate::engine::cpu::kernel::vector::lanes::Lanes;

/// Query rows that meet a shared run together: whole tiles.
const MAX_ROWS: usize = 24;

thread_local! {
    static ROOM: Cell<Buffer> = const { Cell::new(Buffer::new()) };
}

/// Keys and values of consecutive positions in every layer, keys already turned by their positions.
#[derive(Debug)]
pub struct Cached {
    n_heads: usize,
    width: usize,
    /// Positions it has room for, whole panels.
    capacity: usize,
    /// Positions written in every layer.
    n: usize,
    values: Buffer,
}

impl Cached {
    /// Bytes that a run of `capacity` positions takes in `n_layers` layers.
    #[must_use]
    pub fn n_bytes(heads: Heads, n_layers: usize, capacity: usize) -> usize {
        let capacity = capacity.next_multiple_of(panel());
        let wide = heads.width + heads.width.next_multiple_of(panel());
        4 * n_layers * heads.n_keys * capacity * wide
    }

    /// An empty run.
    #[must_use]
    pub fn new(heads: Heads, n_layers: usize, capacity: usize) -> Self {
        let mut values = Buffer::new();
        values.fit(Self::n_bytes(heads, n_layers, capacity) / 4);
        let capacity = capacity.next_multiple_of(panel());
        Self { n_heads: heads.n_keys, width: heads.width, capacity, n: 0, values }
    }

    /// How many positions are written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n
    }

    /// How many positions there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.n = 0;
    }

    /// Counts `n` more positions as written, after [`Cached::write`] in every layer.
    pub fn advance(&mut self, n: usize) {
        self.n += n;
    }

    /// Values of the keys, and of the values, of a head.
    fn sizes(&self) -> [usize; 2] {
        [self.width * self.capacity, self.width.next_multiple_of(panel()) * self.capacity]
    }

    /// Where keys and values of a head begin.
    fn parts(&self, layer: usize, head: usize) -> [usize; 2] {
        let [keys, values] = self.sizes();
        let start = (layer * self.n_heads + head) * (keys + values);
        [start, start + keys]
    }

    /// Writes a row `[keys | values]` of a layer, `place` positions behind those that are counted.
    ///
    /// # Panics
    /// When there is no room for it.
    pub fn write(&mut self, layer: usize, place: usize, row: &[f32]) {
        let (at, panel, width) = (self.n + place, panel(), self.width);
        assert!(at < self.capacity, "a run without room");
        let wide = self.n_heads * width;
        let n_values = self.sizes().iter().sum::<usize>();
        let (mut head_keys, mut head_values) = (&row[..wide], &row[wide..2 * wide]);
        for head in 0..self.n_heads {
            let [keys, values] = self.parts(layer, head);
            let end = keys + n_values;
            let to = &mut self.values.fit(end)[..end];
            let column = keys + at / panel * width * panel + at % panel;
            for (i, key) in head_keys[..width].iter().enumerate() {
                to[column + i * panel] = *key;
            }
            for (i, part) in head_values[..width].chunks(panel).enumerate() {
                let step = values + (i * self.capacity + at) * panel;
                to[step..step + part.len()].copy_from_slice(part);
            }
            (head_keys, head_values) = (&head_keys[width..], &head_values[width..]);
        }
    }

    fn start(&self, layer: usize, head: usize) -> [*mut f32; 2] {
        self.parts(layer, head).map(|part| self.values.start().wrapping_add(part).cast_mut())
    }
}

/// Rows that share a run: sequences that read the same prompt.
#[derive(Debug)]
pub struct Group<'a> {
    /// What they share.
    pub shared: &'a Cached,
    /// What each has of its own, with the position of the row itself written but not counted.
    pub own: Vec<&'a Cached>,
    /// The row of the first; those of the others follow.
    pub first_row: usize,
}

/// Attends in one layer: `queries` and `output` are `[rows, query heads * width]`, and each row of the
/// groups sees all that is counted in its two runs, itself included, as far as its window goes.
///
/// # Panics
/// When a slice is too short.
pub fn attend(
    on: Compute<'_>,
    heads: Heads,
    layer: usize,
    groups: &[Group<'_>],
    queries: &[f32],
    output: &mut [f32],
) {
    let _span = profile::span(Kernel::Attention, operations(heads, groups));
    let wide = heads.query_width();
    let fits = |group: &Group<'_>| {
        (group.first_row + group.own.len()) * wide <= queries.len().min(output.len())
            && group.own.iter().all(|run| run.n < run.capacity)
    };
    assert!(groups.iter().all(fits), "a group outside its rows");
    let sharing = heads.n_queries / heads.n_keys;
    let at_a_time = (MAX_ROWS / sharing).max(1);
    let mut tasks: Vec<(usize, Range<usize>)> = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        let n = group.own.len();
        let runs = (0..n).step_by(at_a_time).map(|start| (i, start..n.min(start + at_a_time)));
        tasks.extend(runs);
    }
    let output = cut(output, 1);
    on.team.each(tasks.len() * heads.n_keys, |index| {
        let (group, own) = &tasks[index / heads.n_keys];
        let group = &groups[*group];
        let work = Attend::new(heads, layer, index % heads.n_keys, group, own.clone());
        let row = (group.first_row + own.start) * wide;
        buffer::with(&ROOM, work.n_values(), |room| {
            let room = room.as_mut_ptr();
            let (queries, output) = (queries[row..].as_ptr(), output.start().wrapping_add(row));
            dispatch(Precision::F32, InRoom { work, queries, output, room });
        });
    });
}

fn operations(heads: Heads, groups: &[Group<'_>]) -> usize {
    if !profile::is_on() {
        return 0;
    }
    let of =
        |group: &Group<'_>| group.own.iter().map(|own| group.shared.n + own.n + 1).sum::<usize>();
    4 * heads.query_width() * groups.iter().map(of).sum::<usize>()
}

/// One key head of some sequences of a group.
struct Attend<'a> {
    heads: Heads,
    layer: usize,
    head: usize,
    shared: &'a Cached,
    own: &'a [&'a Cached],
    /// Keys of the shared run that some row sees, whole panels from the first on.
    span: Keys,
    /// Where scores of own keys begin.
    own_start: usize,
    /// Distance between rows of scores.
    stride: usize,
}

/// The keys from `low` to `high` as whole panels and vectors.
fn span(low: usize, high: usize) -> Keys {
    let start = low / panel() * panel();
    // A panel is two vectors.
    let end = if low < high { high.next_multiple_of(panel() / 2) } else { start };
    Keys { first: (start, end), second: (end, end) }
}

impl<'a> Attend<'a> {
    fn new(
        heads: Heads,
        layer: usize,
        head: usize,
        group: &'a Group<'a>,
        sequences: Range<usize>,
    ) -> Self {
        let (shared, own) = (group.shared, &group.own[sequences]);
        let lowest = own.iter().map(|own| seen(heads, shared, own)[0].start).min();
        let span = span(lowest.unwrap_or(0), shared.n);
        let own_start = span.first.1.next_multiple_of(panel());
        let longest = own.iter().map(|own| own.n + 1).max().unwrap_or(0);
        let stride = own_start + longest.next_multiple_of(panel()) + panel() / 2;
        Self { heads, layer, head, shared, own, span, own_start, stride }
    }

    fn n_rows(&self) -> usize {
        self.own.len() * (self.heads.n_queries / self.heads.n_keys)
    }

    /// Values of its room: scores, queries, output and sum of each row.
    fn n_values(&self) -> usize {
        self.n_rows() * (self.stride + 2 * self.heads.width.next_multiple_of(panel()) + 1)
    }
}

/// Positions of the shared run, and of its own, that the last row of a sequence sees.
fn seen(heads: Heads, shared: &Cached, own: &Cached) -> [Range<usize>; 2] {
    let n = shared.n + own.n + 1;
    let low = n.saturating_sub(heads.window.unwrap_or(usize::MAX));
    [low.min(shared.n)..shared.n, low.saturating_sub(shared.n)..own.n + 1]
}

struct InRoom<'a> {
    work: Attend<'a>,
    /// The rows of the first sequence.
    queries: *const f32,
    output: *mut f32,
    room: *mut f32,
}

impl Work for InRoom<'_> {
    #[inline(always)]
    fn run<F: Format>(self, format: F) {
        // SAFETY: the room holds `n_rows` rows of scores, `stride` apart, then as many of queries and of
        // output, a head's width rounded up to a panel apart, and a sum for each. Rows of the caller's
        // queries and output are those of `own`, whose columns of this head no other task has.
        unsafe {
            self.score(format);
            self.weigh(format);
            self.write(format);
        }
    }
}

impl InRoom<'_> {
    /// Distance between rows of queries and of output in the room.
    fn row_width(&self) -> usize {
        self.work.heads.width.next_multiple_of(panel())
    }

    /// Queries, output and sums in the room.
    fn parts(&self) -> [*mut f32; 3] {
        let (n_rows, row) = (self.work.n_rows(), self.row_width());
        let queries = self.room.wrapping_add(n_rows * self.work.stride);
        let output = queries.wrapping_add(n_rows * row);
        [queries, output, output.wrapping_add(n_rows * row)]
    }

    /// Distance from the caller's first row to the query of a row of the room.
    fn place(&self, row: usize) -> usize {
        let Heads { n_queries, n_keys, width, .. } = self.work.heads;
        let sharing = n_queries / n_keys;
        let query = self.work.head * sharing + row % sharing;
        row / sharing * self.work.heads.query_width() + query * width
    }

    /// Scores of both runs, turned into weights, and the sum of each row.
    #[inline(always)]
    unsafe fn score<F: Format>(&self, format: F) {
        let Attend { heads, layer, head, shared, own, span, own_start, stride } = self.work;
        let (width, row_width) = (heads.width, self.row_width());
        let (n_rows, sharing) = (self.work.n_rows(), heads.n_queries / heads.n_keys);
        let (s, [q, _, totals]) = (self.room, self.parts());
        // SAFETY: rows are below `n_rows`, for which the room has scores and queries; cached keys are panels
        // of `width` steps, and spans end at or below their capacity, which a row of scores has room for.
        unsafe {
            for row in 0..n_rows {
                let from = self.queries.add(self.place(row));
                from.copy_to_nonoverlapping(q.add(row * row_width), width);
            }
            let rows = |start: usize, n: usize| {
                let start = q.cast_const().add(start * row_width);
                (Steps { start, row: row_width, step: 1 }, n, width)
            };
            let [keys, _] = panels::<F>(shared, layer, head);
            scores(format, rows(0, n_rows), keys, span, (s, stride, false));
            for (i, own) in own.iter().enumerate() {
                let [keys, _] = panels::<F>(own, layer, head);
                let to = s.add(i * sharing * stride + own_start);
                let span = own_span(heads, shared, own);
                scores(format, rows(i * sharing, sharing), keys, span, (to, stride, false));
            }
            for row in 0..n_rows {
                let own = own[row / sharing];
                let seen = seen(heads, shared, own).map(|it| keys_of(&it));
                let spans = [span, own_span(heads, shared, own)];
                let scores = s.add(row * stride);
                let both = [scores, scores.add(own_start)];
                let total = softmax(format.lanes(), both, seen, spans, heads.scale(false));
                totals.add(row).write(total);
            }
        }
    }

    /// The weighted sums of the values of both runs, not yet divided.
    #[inline(always)]
    unsafe fn weigh<F: Format>(&self, format: F) {
        let Attend { heads, layer, head, shared, own, span, own_start, stride } = self.work;
        let (width, row_width) = (heads.width, self.row_width());
        let (n_rows, sharing) = (self.work.n_rows(), heads.n_queries / heads.n_keys);
        let (s, [_, o, _]) = (self.room, self.parts());
        let weights = |start: *mut f32| Steps { start, row: stride, step: 1 };
        // SAFETY: rows are below `n_rows`, for which the room has scores and output; cached values are panels
        // of `capacity` steps, at or below which spans end.
        unsafe {
            let to = |row: usize, add| (o.add(row * row_width), row_width, width, add);
            let [_, values] = panels::<F>(shared, layer, head);
            weighted_sum(format, (weights(s), n_rows), (values, shared.n), span, to(0, false));
            let has_shared = span.first.0 < span.first.1;
            for (i, own) in own.iter().enumerate() {
                let [_, values] = panels::<F>(own, layer, head);
                let from = weights(s.add(i * sharing * stride + own_start));
                let (span, n) = (own_span(heads, shared, own), own.n + 1);
                let to = to(i * sharing, has_shared);
                weighted_sum(format, (from, sharing), (values, n), span, to);
            }
        }
    }

    /// Divides by the sums and writes the rows to their places.
    #[inline(always)]
    unsafe fn write<F: Format>(&self, format: F) {
        let (lanes, width, row_width) = (format.lanes(), self.work.heads.width, self.row_width());
        let [_, o, totals] = self.parts();
        // SAFETY: rows are below `n_rows`, for which the room has output and a sum; of each row `width` values
        // are read, and written to columns of the caller's output that no other task has.
        unsafe {
            for row in 0..self.work.n_rows() {
                let inverse = lanes.splat(1.0 / *totals.add(row));
                let output = self.output.add(self.place(row));
                let mut column = 0;
                while column < width {
                    let n = width - column;
                    let value = lanes.load_first(o.add(row * row_width + column), n);
                    lanes.store_first(output.add(column), n, lanes.mul(value, inverse));
                    column += F::L::N;
                }
            }
        }
    }
}

#[inline(always)]
fn keys_of(range: &Range<usize>) -> Keys {
    Keys { first: (range.start, range.end), second: (range.end, range.end) }
}

#[inline(always)]
fn own_span(heads: Heads, shared: &Cached, own: &Cached) -> Keys {
    let [_, seen] = seen(heads, shared, own);
    span(seen.start, seen.end)
}

/// Keys and values of a head.
#[inline(always)]
fn panels<F: Format>(run: &Cached, layer: usize, head: usize) -> [Panels; 2] {
    let [keys, values] = run.start(layer, head);
    [
        Panels { start: keys, panel: run.width * F::PANEL },
        Panels { start: values, panel: run.capacity * F::PANEL },
    ]
}

/// Turns the scores of one row in both runs into `exp(scale * score - highest)`, in place; hidden keys
/// get exactly 0. Returns the sum.
///
/// # Safety
/// Whole vectors of the spans must be readable and writable at each of `rows`.
#[inline(always)]
unsafe fn softmax<L: Lanes>(
    lanes: L,
    rows: [*mut f32; 2],
    seen: [Keys; 2],
    spans: [Keys; 2],
    scale: f32,
) -> f32 {
    let mut highest = lanes.splat(HIDDEN);
    for i in 0..2 {
        let (mut key, end) = spans[i].first;
        while key < end {
            // SAFETY: spans are whole vectors, which the caller vouches for.
            highest = lanes.max(highest, unsafe { load_seen(lanes, rows[i], key, seen[i]) });
            key += L::N;
        }
    }
    let offset = lanes.splat(-(lanes.highest(highest) * scale));
    let (factor, mut total) = (lanes.splat(scale), lanes.splat(0.0));
    for i in 0..2 {
        let (mut key, end) = spans[i].first;
        while key < end {
            // SAFETY: spans are whole vectors, which the caller vouches for.
            unsafe {
                let score = load_seen(lanes, rows[i], key, seen[i]);
                let p = lanes.exp(lanes.fma(score, factor, offset));
                lanes.store(rows[i].add(key), p);
                total = lanes.add(total, p);
            }
            key += L::N;
        }
    }
    lanes.sum(total)
}
