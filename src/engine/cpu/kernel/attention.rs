//! Multi-head attention over packed sequences, forward and backward.
//!
//! A [`Block`] is a run of rows that attend among themselves: one sequence, or the tree
//! `[shared prefix | rest of a | rest of b]` of a pair, in which `b` does not see the rest of `a`
//! (the *hole*). The forward pass saves only the log-sum-exp of each row; the backward pass
//! recomputes the probabilities from it (Dao et al. 2022, without the tiling of keys, since
//! sequences here are short). With `S = Q K^T`, `c = 1 / sqrt(d)`, `D = rowsum(dO * O)`:
//!
//! `P = exp(c S - lse)`, `dV += P^T dO`, `dP = dO V^T`, `dS = c P (dP - D)`, `dQ = dS K`,
//! `dK += dS^T Q`. Query heads that share a key head (GQA) add into the same `dK` and `dV`.

use std::ops::Range;

use super::profile::{self, Kernel};
use super::simd::kernel;
use super::{Compute, math};
use super::{Matrix, Write};

#[expect(unsafe_code, reason = "the gemm crate takes raw pointers")]
fn multiply(
    [m, n, k]: [usize; 3],
    write: Write,
    destination: &mut [f32],
    stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
) {
    assert!((m - 1) * stride + n <= destination.len(), "destination too short");
    assert!(a.holds(m, k) && b.holds(k, n), "operand too short");
    let add = write == Write::Add;
    // SAFETY: the asserts bound every element that is read or written by its slice.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            destination.as_mut_ptr(),
            1,
            stride as isize,
            add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            if add { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Query rows worked on at a time; under a causal mask, keys after the last of them are skipped.
const CHUNK: usize = 64;

/// Head counts and widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub n_queries: usize,
    /// Key and value heads; divides `n_queries`.
    pub n_keys: usize,
    /// Width of a head.
    pub width: usize,
    /// Whether a row sees only itself and what stands before it.
    pub is_causal: bool,
    /// Causal only: a row at position `p` of its sequence sees positions above `p - window`.
    pub window: Option<usize>,
}

impl Heads {
    /// Columns of the query and output buffers.
    #[must_use]
    pub fn query_width(&self) -> usize {
        self.n_queries * self.width
    }

    /// Columns of the buffer that holds `[keys | values]`.
    #[must_use]
    pub fn key_value_width(&self) -> usize {
        2 * self.n_keys * self.width
    }

    /// Where the keys and the values of the head that `query_head` reads start in a row.
    fn key_value_columns(&self, query_head: usize) -> (usize, usize) {
        let column = query_head / (self.n_queries / self.n_keys) * self.width;
        (column, self.n_keys * self.width + column)
    }
}

/// Rows that attend among themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Rows of the query buffer.
    pub queries: Range<usize>,
    /// Rows of the key buffer.
    pub keys: Range<usize>,
    /// Keys, counted within the block, that rows after them do not see; empty for a plain sequence.
    pub hole: Range<usize>,
}

/// Which rows ask which keys.
#[derive(Debug, Clone, Copy)]
pub struct Pattern<'a> {
    /// The blocks.
    pub blocks: &'a [Block],
    /// For each query row, its place within its block; ascending within a block.
    pub places: &'a [u32],
}

/// Two reused square buffers.
#[derive(Debug, Default)]
pub struct Scratch {
    scores: Vec<f32>,
    gradients: Vec<f32>,
}

/// What the rows of a chunk see, and the scale of their scores.
#[derive(Debug, Clone, Copy)]
struct Mask {
    n_keys: usize,
    is_causal: bool,
    window: usize,
    hole: (usize, usize),
    scale: f32,
}

impl Mask {
    fn new(heads: Heads, chunk: &Chunk<'_>) -> Self {
        Self {
            n_keys: chunk.n_keys,
            is_causal: heads.is_causal,
            window: heads.window.filter(|_| heads.is_causal).unwrap_or(usize::MAX),
            hole: (chunk.hole.start, chunk.hole.end),
            scale: 1.0 / (heads.width as f32).sqrt(),
        }
    }

    /// The two ranges of keys that a row at `place` sees.
    #[expect(clippy::inline_always, reason = "part of kernels compiled for wider vectors")]
    #[inline(always)]
    fn visible(self, place: u32) -> [(usize, usize); 2] {
        let end = if self.is_causal { place as usize + 1 } else { self.n_keys };
        let (hole_start, hole_end) = self.hole;
        if hole_start < hole_end && end > hole_end {
            // Behind the hole, positions continue those before it.
            let n_hidden = hole_end - hole_start;
            let lowest = (end - n_hidden).saturating_sub(self.window);
            let first = (lowest.min(hole_start), hole_start);
            [first, (hole_end.max(lowest + n_hidden), end)]
        } else {
            [(end.saturating_sub(self.window), end), (end, end)]
        }
    }
}

/// One chunk of query rows of one block.
struct Chunk<'a> {
    rows: Range<usize>,
    /// Keys the chunk can see: all, or those up to its last row.
    n_keys: usize,
    first_key: usize,
    hole: &'a Range<usize>,
}

fn chunks(pattern: Pattern<'_>, is_causal: bool) -> impl Iterator<Item = Chunk<'_>> {
    pattern.blocks.iter().flat_map(move |block| {
        block.queries.clone().step_by(CHUNK).map(move |start| {
            let end = (start + CHUNK).min(block.queries.end);
            let n_keys =
                if is_causal { pattern.places[end - 1] as usize + 1 } else { block.keys.len() };
            Chunk { rows: start..end, n_keys, first_key: block.keys.start, hole: &block.hole }
        })
    })
}

/// Writes the attended values to `output` and the log-sum-exp of head `h` and row `i` to
/// `log_sums[h * rows + i]`.
#[expect(clippy::too_many_arguments, reason = "who, what, two inputs, two outputs")]
pub fn forward(
    on: Compute<'_>,
    heads: Heads,
    pattern: Pattern<'_>,
    queries: &[f32],
    keys_values: &[f32],
    output: &mut [f32],
    log_sums: &mut [f32],
    scratch: &mut Scratch,
) {
    debug_assert!(on.team.n_threads() > 0);
    let _span = profile::span(Kernel::Attention, 0);
    let (wide, kv_wide, width) = (heads.query_width(), heads.key_value_width(), heads.width);
    let n_rows = pattern.places.len();
    for chunk in chunks(pattern, heads.is_causal) {
        let (m, n) = (chunk.rows.len(), chunk.n_keys);
        let scores = math::fit(&mut scratch.scores, m * n);
        for head in 0..heads.n_queries {
            let start = chunk.rows.start * wide + head * width;
            let (key, value) = heads.key_value_columns(head);
            let first = chunk.first_key * kv_wide;
            let q = Matrix::rows(&queries[start..], wide);
            let k = Matrix::rows(&keys_values[first + key..], kv_wide);
            let v = Matrix::rows(&keys_values[first + value..], kv_wide);
            multiply([m, n, width], Write::Replace, scores, n, q, k.transposed());
            let sums = head * n_rows;
            softmax_rows(
                scores,
                Mask::new(heads, &chunk),
                &pattern.places[chunk.rows.clone()],
                &mut log_sums[sums + chunk.rows.start..sums + chunk.rows.end],
            );
            let p = Matrix::rows(scores, n);
            multiply([m, width, n], Write::Replace, &mut output[start..], wide, p, v);
        }
    }
}

/// What [`backward`] reads.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// Queries, after the rotary turn.
    pub queries: &'a [f32],
    /// `[keys | values]`, keys after the rotary turn.
    pub keys_values: &'a [f32],
    /// Output of the forward pass.
    pub output: &'a [f32],
    /// Log-sum-exp of the forward pass.
    pub log_sums: &'a [f32],
}

/// Writes the gradient of the queries and *adds* that of keys and values.
#[expect(clippy::too_many_arguments, reason = "who, what, two inputs, two outputs")]
pub fn backward(
    on: Compute<'_>,
    heads: Heads,
    pattern: Pattern<'_>,
    saved: Saved<'_>,
    doutput: &[f32],
    dqueries: &mut [f32],
    dkeys_values: &mut [f32],
    scratch: &mut Scratch,
) {
    debug_assert!(on.team.n_threads() > 0);
    let _span = profile::span(Kernel::AttentionBackward, 0);
    let (wide, kv_wide, width) = (heads.query_width(), heads.key_value_width(), heads.width);
    let n_rows = pattern.places.len();
    for chunk in chunks(pattern, heads.is_causal) {
        let (m, n) = (chunk.rows.len(), chunk.n_keys);
        let scores = math::fit(&mut scratch.scores, m * n);
        let gradients = math::fit(&mut scratch.gradients, m * n);
        for head in 0..heads.n_queries {
            let start = chunk.rows.start * wide + head * width;
            let (key, value) = heads.key_value_columns(head);
            let first = chunk.first_key * kv_wide;
            let q = Matrix::rows(&saved.queries[start..], wide);
            let k = Matrix::rows(&saved.keys_values[first + key..], kv_wide);
            let v = Matrix::rows(&saved.keys_values[first + value..], kv_wide);
            let d_o = Matrix::rows(&doutput[start..], wide);
            multiply([m, n, width], Write::Replace, scores, n, q, k.transposed());
            multiply([m, n, width], Write::Replace, gradients, n, d_o, v.transposed());
            let sums = head * n_rows;
            softmax_rows_backward(
                scores,
                gradients,
                Mask::new(heads, &chunk),
                &pattern.places[chunk.rows.clone()],
                &saved.log_sums[sums + chunk.rows.start..sums + chunk.rows.end],
                (&saved.output[start..], &doutput[start..]),
                (wide, width),
            );
            let p_t = Matrix::rows(scores, n).transposed();
            let d_s = Matrix::rows(gradients, n);
            let d_v = &mut dkeys_values[first + value..];
            multiply([n, width, m], Write::Add, d_v, kv_wide, p_t, d_o);
            let d_k = &mut dkeys_values[first + key..];
            multiply([n, width, m], Write::Add, d_k, kv_wide, d_s.transposed(), q);
            multiply([m, width, n], Write::Replace, &mut dqueries[start..], wide, d_s, k);
        }
    }
}

/// Zeroes what a row does not see.
#[expect(clippy::inline_always, reason = "part of kernels compiled for wider vectors")]
#[inline(always)]
fn clear_hidden(row: &mut [f32], [first, second]: [(usize, usize); 2]) {
    row[..first.0].fill(0.0);
    row[first.1..second.0].fill(0.0);
    row[second.1..].fill(0.0);
}

kernel! {
    /// Scores to probabilities; hidden keys get exactly 0.
    fn softmax_rows(
        scores: &mut [f32],
        mask: Mask,
        places: &[u32],
        log_sums: &mut [f32],
    ) {
        let scale = mask.scale;
        for ((row, place), log_sum) in
            scores.chunks_exact_mut(mask.n_keys).zip(places).zip(log_sums.iter_mut())
        {
            let ranges = mask.visible(*place);
            let mut highest = f32::NEG_INFINITY;
            for (start, end) in ranges {
                highest = highest.max(math::max(&row[start..end]));
            }
            highest *= scale;
            let mut total = 0.0;
            for (start, end) in ranges {
                let part = &mut row[start..end];
                for s in part.iter_mut() {
                    *s = math::exp(*s * scale - highest);
                }
                total += math::sum(part);
            }
            let inverse = 1.0 / total;
            for (start, end) in ranges {
                for p in &mut row[start..end] {
                    *p *= inverse;
                }
            }
            clear_hidden(row, ranges);
            *log_sum = highest + total.ln();
        }
    }
}

kernel! {
    /// Scores to probabilities, and `dP` to `dS`, both in place.
    fn softmax_rows_backward(
        scores: &mut [f32],
        gradients: &mut [f32],
        mask: Mask,
        places: &[u32],
        log_sums: &[f32],
        outputs: (&[f32], &[f32]),
        columns: (usize, usize),
    ) {
        let (wide, width) = columns;
        let scale = mask.scale;
        for (i, ((row, gradient), log_sum)) in scores
            .chunks_exact_mut(mask.n_keys)
            .zip(gradients.chunks_exact_mut(mask.n_keys))
            .zip(log_sums)
            .enumerate()
        {
            let columns = i * wide..i * wide + width;
            let d = math::dot(&outputs.0[columns.clone()], &outputs.1[columns]);
            let ranges = mask.visible(places[i]);
            for (start, end) in ranges {
                for (s, g) in row[start..end].iter_mut().zip(&mut gradient[start..end]) {
                    let p = math::exp(*s * scale - log_sum);
                    *s = p;
                    *g = scale * p * (*g - d);
                }
            }
            clear_hidden(row, ranges);
            clear_hidden(gradient, ranges);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::kernel::{Precision, Team};
    use crate::engine::cpu::tests::differences::{assert_close, central_difference, noise};

    struct Case {
        heads: Heads,
        blocks: Vec<Block>,
        places: Vec<u32>,
        n_keys: usize,
    }

    fn cases() -> Vec<Case> {
        let heads =
            |is_causal| Heads { n_queries: 4, n_keys: 2, width: 6, is_causal, window: None };
        let block = |queries, keys, hole| Block { queries, keys, hole };
        vec![
            Case {
                heads: heads(false),
                blocks: vec![block(0..3, 0..3, 0..0), block(3..8, 3..8, 0..0)],
                places: vec![0, 1, 2, 0, 1, 2, 3, 4],
                n_keys: 8,
            },
            Case {
                heads: heads(true),
                blocks: vec![block(0..7, 0..7, 3..5), block(7..8, 7..8, 0..0)],
                places: vec![0, 1, 2, 3, 4, 5, 6, 0],
                n_keys: 8,
            },
            // Only the last rows of both answers of a tree ask.
            Case {
                heads: heads(true),
                blocks: vec![block(0..2, 0..7, 3..5)],
                places: vec![4, 6],
                n_keys: 7,
            },
            // More rows than one chunk.
            Case {
                heads: Heads { n_queries: 1, n_keys: 1, width: 3, is_causal: true, window: None },
                blocks: vec![block(0..70, 0..70, 50..60)],
                places: (0..70).collect(),
                n_keys: 70,
            },
        ]
    }

    fn run(case: &Case, q: &[f32], kv: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let n = case.places.len();
        let mut output = vec![0.0; n * case.heads.query_width()];
        let mut sums = vec![0.0; n * case.heads.n_queries];
        let pattern = Pattern { blocks: &case.blocks, places: &case.places };
        let team = Team::new(2).unwrap();
        let on = Compute { team: &team, precision: Precision::F32 };
        forward(on, case.heads, pattern, q, kv, &mut output, &mut sums, &mut Scratch::default());
        (output, sums)
    }

    /// Attention from its definition, one row and head at a time in `f64`.
    fn plain(case: &Case, q: &[f32], kv: &[f32]) -> Vec<f32> {
        let heads = case.heads;
        let (wide, kv_wide, d) = (heads.query_width(), heads.key_value_width(), heads.width);
        let mut output = vec![0.0; case.places.len() * wide];
        for block in &case.blocks {
            for row in block.queries.clone() {
                let place = case.places[row] as usize;
                let seen: Vec<usize> = (0..block.keys.len())
                    .filter(|key| !heads.is_causal || *key <= place)
                    .filter(|key| place < block.hole.end || !block.hole.contains(key))
                    .collect();
                for head in 0..heads.n_queries {
                    let (key, value) = heads.key_value_columns(head);
                    let at = |k: usize, column: usize| {
                        let start = (block.keys.start + k) * kv_wide + column;
                        &kv[start..start + d]
                    };
                    let q = &q[row * wide + head * d..][..d];
                    let score = |k: usize| {
                        let s: f64 = q.iter().zip(at(k, key)).map(|(a, b)| f64::from(a * b)).sum();
                        (s / (d as f64).sqrt()).exp()
                    };
                    let total: f64 = seen.iter().map(|k| score(*k)).sum();
                    for i in 0..d {
                        output[row * wide + head * d + i] =
                            seen.iter()
                                .map(|k| score(*k) / total * f64::from(at(*k, value)[i]))
                                .sum::<f64>() as f32;
                    }
                }
            }
        }
        output
    }

    #[test]
    fn forward_matches_the_definition() {
        for case in cases() {
            let q = noise(case.places.len() * case.heads.query_width(), 1);
            let kv = noise(case.n_keys * case.heads.key_value_width(), 2);
            assert_close(&run(&case, &q, &kv).0, &plain(&case, &q, &kv), 1e-5);
        }
    }

    #[test]
    fn backward_agrees_with_differences() {
        for case in cases() {
            let n = case.places.len();
            let q = noise(n * case.heads.query_width(), 1);
            let kv = noise(case.n_keys * case.heads.key_value_width(), 2);
            let g = noise(q.len(), 3);
            let objective = |q: &[f32], kv: &[f32]| {
                let (o, _) = run(&case, q, kv);
                o.iter().zip(&g).map(|(o, g)| f64::from(*o) * f64::from(*g)).sum::<f64>()
            };
            let (output, log_sums) = run(&case, &q, &kv);
            let (mut dq, mut dkv) = (vec![0.0; q.len()], vec![0.0; kv.len()]);
            let saved =
                Saved { queries: &q, keys_values: &kv, output: &output, log_sums: &log_sums };
            let pattern = Pattern { blocks: &case.blocks, places: &case.places };
            let mut scratch = Scratch::default();
            let team = Team::new(2).unwrap();
            let on = Compute { team: &team, precision: Precision::F32 };
            backward(on, case.heads, pattern, saved, &g, &mut dq, &mut dkv, &mut scratch);
            assert_close(&dq, &central_difference(&q, |q| objective(q, &kv)), 3e-3);
            assert_close(&dkv, &central_difference(&kv, |kv| objective(&q, kv)), 3e-3);
        }
    }
}
