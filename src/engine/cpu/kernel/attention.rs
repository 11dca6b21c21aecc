//! Multi-head attention over packed sequences, forward and backward.
//!
//! A [`Block`] is a run of rows that attend among themselves: one sequence, or a tree such as
//! `[shared prefix | rest of a | rest of b]`, in which a branch sees the prefix and itself but no
//! branch before it (these are its *hole*). The forward pass saves only the log-sum-exp of each row; the backward pass
//! recomputes the probabilities from it (Dao et al. 2022, with whole rows of scores, since sequences
//! here are short). With `S = Q K^T`, `c = 1 / sqrt(d)`, `D = rowsum(dO * O)`:
//!
//! `P = exp(c S - lse)`, `dV += P^T dO`, `dP = dO V^T`, `dS = c P (dP - D)`, `dQ = dS K`,
//! `dK += dS^T Q`. Query heads that share a key head (GQA) add into the same `dK` and `dV`.
//!
//! One task is a block and a key head: its keys and values are packed once for all query heads that
//! share them, and no other task adds to their gradients. Long blocks are cut by query rows in the
//! forward pass.
//!
//! Scores may depend on the distance between query and key, too: see [`relative`].

use std::ops::Range;

use super::Compute;
use super::profile::{self, Kernel};
use relative::Tables;

mod backward;
pub mod cached;
mod forward;
mod operand;
pub mod relative;
mod visible;

#[cfg(test)]
mod tests;

pub use backward::{Saved, backward};
pub use forward::forward;

/// Head counts and widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
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

    /// `1 / sqrt(d)`; with the two terms of relative positions `1 / sqrt(3 d)`.
    fn scale(&self, is_relative: bool) -> f32 {
        let n_terms = if is_relative { 3 } else { 1 };
        1.0 / ((n_terms * self.width) as f32).sqrt()
    }

    /// The query heads that read key head `head`.
    fn sharing(&self, head: usize) -> Range<usize> {
        let n = self.n_queries / self.n_keys;
        head * n..(head + 1) * n
    }
}

/// Rows that attend among themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Rows of the query buffer.
    pub queries: Range<usize>,
    /// Rows of the key buffer. Blocks that are trained on share none.
    pub keys: Range<usize>,
    /// Places at which the branches behind a shared prefix start, ascending; the first is the length
    /// of the prefix. Empty for a plain sequence.
    pub branches: Vec<usize>,
}

/// Which rows ask which keys.
#[derive(Debug, Clone, Copy)]
pub struct Pattern<'a> {
    pub blocks: &'a [Block],
    /// For each query row, its place within its block; ascending within a block.
    pub places: &'a [u32],
}

/// The tasks of a call and its tables, kept so that steps stop allocating.
#[derive(Debug, Default)]
pub struct Scratch {
    tasks: Tasks,
    tables: Tables,
}

#[cfg(test)]
impl Scratch {
    /// Bytes of the tables.
    #[must_use]
    pub fn n_table_bytes(&self) -> usize {
        4 * self.tables.n_values()
    }
}

/// Some query rows of a block, or a run of whole blocks, and one key head.
#[derive(Debug, Clone)]
struct Task {
    /// Number of the run.
    run: usize,
    blocks: Range<usize>,
    rows: Range<usize>,
    head: usize,
}

#[derive(Debug, Default)]
struct Tasks(Vec<Task>);

impl Tasks {
    /// Makes the tasks of `pattern`: every block is cut into runs of at most `max_rows` query rows.
    fn cut_rows(&mut self, heads: Heads, pattern: Pattern<'_>, max_rows: usize) -> &[Task] {
        let runs = pattern.blocks.iter().enumerate().flat_map(|(block, Block { queries, .. })| {
            let rows = move |start: usize| start..queries.end.min(start.saturating_add(max_rows));
            queries.clone().step_by(max_rows).map(move |start| (block..block + 1, rows(start)))
        });
        self.take_turns(heads, &runs.collect::<Vec<_>>())
    }

    /// Makes the tasks of `pattern`: its blocks are divided into `n_runs` runs of whole blocks.
    fn cut_blocks(&mut self, heads: Heads, pattern: Pattern<'_>, n_runs: usize) -> &[Task] {
        let (n_blocks, mut runs) = (pattern.blocks.len(), Vec::with_capacity(n_runs));
        for run in 0..n_runs {
            let blocks = run * n_blocks / n_runs..(run + 1) * n_blocks / n_runs;
            let rows = pattern.blocks[blocks.start].queries.start
                ..pattern.blocks[blocks.end - 1].queries.end;
            runs.push((blocks, rows));
        }
        self.take_turns(heads, &runs)
    }

    /// Interleaves runs of several blocks, so that threads work on different rows. Neighboring
    /// heads of one row share cache lines, and two threads that write to these would wait for each
    /// other.
    fn take_turns(&mut self, heads: Heads, runs: &[(Range<usize>, Range<usize>)]) -> &[Task] {
        /// Runs that are interleaved with each other. The order of tasks changes no result.
        const TURNS: usize = 8;
        self.0.clear();
        for (turn, turns) in runs.chunks(TURNS).enumerate() {
            for head in 0..heads.n_keys {
                self.0.extend(turns.iter().enumerate().map(|(i, (blocks, rows))| Task {
                    run: turn * TURNS + i,
                    blocks: blocks.clone(),
                    rows: rows.clone(),
                    head,
                }));
            }
        }
        &self.0
    }
}

/// Panics when a buffer is too short for the pattern, since the kernels read and write through
/// pointers. Each slice is given with its shape as in [`forward()`].
fn check(heads: Heads, pattern: Pattern<'_>, queries: &[&[f32]], keys: &[&[f32]], sums: &[f32]) {
    let n_rows = pattern.places.len();
    let n_keys = pattern.blocks.iter().map(|block| block.keys.end).max().unwrap_or(0);
    assert!(heads.n_queries.is_multiple_of(heads.n_keys), "query heads do not share key heads");
    assert!(pattern.blocks.iter().all(|block| block.queries.end <= n_rows), "too few places");
    assert!(
        pattern.blocks.iter().all(|block| block.branches.is_sorted()
            && block.branches.last().is_none_or(|start| *start <= block.keys.len())
            && block.queries.clone().all(|row| (pattern.places[row] as usize) < block.keys.len())),
        "a place outside its block"
    );
    let holds = |buffers: &[&[f32]], n: usize| buffers.iter().all(|buffer| buffer.len() >= n);
    assert!(holds(queries, n_rows * heads.query_width()), "query buffer too short");
    assert!(holds(keys, n_keys * heads.key_value_width()), "key buffer too short");
    assert!(sums.len() >= n_rows * heads.n_queries, "sums too short");
}

/// Whether two blocks share query rows: two tasks would write to one place of the output.
fn share_queries(blocks: &[Block]) -> bool {
    share(blocks, |block| &block.queries)
}

/// Whether two blocks share keys: reading them is fine, adding up their gradients is not.
fn share_keys(blocks: &[Block]) -> bool {
    share(blocks, |block| &block.keys)
}

fn share(blocks: &[Block], of: fn(&Block) -> &Range<usize>) -> bool {
    let is_sorted = blocks.windows(2).all(|pair| of(&pair[0]).end <= of(&pair[1]).start);
    !is_sorted
        && blocks.iter().enumerate().any(|(i, a)| {
            blocks[..i].iter().any(|b| of(a).start < of(b).end && of(b).start < of(a).end)
        })
}

/// Floating-point operations of `n_products` products over the keys that are seen, for a profile.
fn operations(heads: Heads, pattern: Pattern<'_>, n_products: usize) -> usize {
    if !profile::is_on() {
        return 0;
    }
    let seen = |block: &Block| -> usize {
        let mask = visible::Mask::new(heads, block);
        let places = &pattern.places[block.queries.clone()];
        places.iter().map(|place| mask.row(*place).len()).sum()
    };
    let n_pairs: usize = pattern.blocks.iter().map(seen).sum();
    2 * n_products * n_pairs * heads.n_queries * heads.width
}
