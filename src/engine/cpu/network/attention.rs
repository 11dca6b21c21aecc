//! The attention part: queries, keys and values, optional norms of their heads, rotary or relative
//! positions, attention, output projection. It adds to the residual stream.

use super::adapter::LowRank;
use super::affine::Affine;
use super::branch::Branch;
use super::context::Context;
use super::relative::RelativeRows;
use crate::engine::cpu::batch::Queries;
use crate::engine::cpu::dropout::Site;
use crate::engine::cpu::kernel::attention::relative::Relative;
use crate::engine::cpu::kernel::attention::{self, Heads, Saved, Scratch};
use crate::engine::cpu::kernel::head_norm::{head_rms_backward, head_rms_forward};
use crate::engine::cpu::kernel::rotary::RotaryTable;
use crate::engine::cpu::kernel::vector::math::{fit, fit_zeroed};
use crate::engine::cpu::kernel::{Weight, Write, rows};
use crate::engine::cpu::table::Slot;

/// RMS norm over each head of the queries or the keys.
#[derive(Debug, Clone, Copy)]
pub struct HeadNorm {
    /// As long as a head is wide.
    pub weight: Slot,
    /// Added to the mean square.
    pub epsilon: f32,
}

/// The attention part of a block.
#[derive(Debug, Clone)]
pub struct Attention {
    /// Head counts and widths.
    pub heads: Heads,
    pub query: Affine,
    /// Keys and values, one matrix.
    pub key_value: Affine,
    /// Back to the width of the stream.
    pub output: Affine,
    /// Of queries and of keys.
    pub head_norms: Option<(HeadNorm, HeadNorm)>,
    /// The layer that makes the keys of relative positions, with the parameters of the tokens'
    /// keys. Their queries are made by the layer of the tokens' queries.
    pub relative_key: Option<Affine>,
}

/// Turns queries of one row of each sequence, and the rows' own keys and values, into what they take from
/// all rows of their sequences.
pub type AttendRows<'a> = dyn FnMut(&[f32], &[f32], &mut [f32]) + 'a;

/// What the forward pass saves.
#[derive(Debug, Default)]
pub struct AttentionTape {
    /// Queries as attention reads them.
    queries: Vec<f32>,
    /// `[keys | values]` as attention reads them.
    keys_values: Vec<f32>,
    /// Scales of the head norms.
    query_scales: Vec<f32>,
    key_scales: Vec<f32>,
    log_sums: Vec<f32>,
    attended: Vec<f32>,
    /// Keys and queries of relative positions.
    relative: [Vec<f32>; 2],
}

/// Buffers that attention reuses from one block to the next.
#[derive(Debug, Default)]
pub struct AttentionScratch {
    /// The rows that send queries, or their gradient.
    asking: Vec<f32>,
    dattended: Vec<f32>,
    dqueries: Vec<f32>,
    dkeys_values: Vec<f32>,
    /// A head norm's output before the rotary rotation.
    unturned: Vec<f32>,
    /// Gradients of keys and queries of relative positions.
    drelative: [Vec<f32>; 2],
    /// Gradient of the rows of relative positions, added up over all blocks.
    pub drelative_rows: Vec<f32>,
    products: Scratch,
}

impl AttentionTape {
    /// `[keys | values]` as attention reads them, of the last pass.
    #[must_use]
    pub fn keys_values(&self) -> &[f32] {
        &self.keys_values
    }
}

#[cfg(test)]
impl AttentionTape {
    /// The buffers, for accounting.
    pub fn buffers(&self) -> [&Vec<f32>; 8] {
        let [relative_keys, relative_queries] = &self.relative;
        [
            &self.queries,
            &self.keys_values,
            &self.query_scales,
            &self.key_scales,
            &self.log_sums,
            &self.attended,
            relative_keys,
            relative_queries,
        ]
    }
}

#[cfg(test)]
impl AttentionScratch {
    /// The buffers, for accounting.
    pub fn buffers(&self) -> [&Vec<f32>; 8] {
        let [drelative_keys, drelative_queries] = &self.drelative;
        [
            &self.asking,
            &self.dattended,
            &self.dqueries,
            &self.dkeys_values,
            &self.unturned,
            drelative_keys,
            drelative_queries,
            &self.drelative_rows,
        ]
    }

    /// Bytes of the tables of relative positions.
    #[must_use]
    pub fn n_table_bytes(&self) -> usize {
        self.products.n_table_bytes()
    }
}

/// What the forward and the backward pass of the part both need.
#[derive(Debug, Clone, Copy)]
pub struct Where<'a> {
    /// Number of the block.
    pub layer: usize,
    /// The rows that ask.
    pub queries: &'a Queries,
    /// Turns queries and keys by their positions.
    pub rotary: Option<&'a RotaryTable>,
    /// What keys and queries of relative positions are made of.
    pub relative: Option<&'a RelativeRows>,
}

impl Attention {
    /// Whether training changes anything here.
    #[must_use]
    pub fn is_trained(&self) -> bool {
        let norms = self.head_norms.is_some_and(|(norm, _)| norm.weight.is_trained());
        norms || [&self.query, &self.key_value, &self.output].iter().any(|it| it.is_trained())
    }

    /// Whether the matrices that read the part's input are trained.
    #[must_use]
    pub fn reads_input_in_backward(&self) -> bool {
        self.query.is_trained() || self.key_value.is_trained()
    }

    /// Adds the part's output to `stream`, which has one row for each row that sends queries.
    pub fn forward(
        &self,
        cx: Context<'_>,
        at: Where<'_>,
        (input, stream): (&[f32], &mut [f32]),
        tape: &mut AttentionTape,
        (scratch, branch, low_rank): (&mut AttentionScratch, &mut Vec<f32>, &mut LowRank),
    ) {
        let (heads, all, queries) = (self.heads, &cx.batch.all, at.queries);
        let (n, m) = (all.len(), queries.len());
        let (wide, kv_wide) = (heads.query_width(), heads.key_value_width());
        let kv = fit(&mut tape.keys_values, n * kv_wide);
        self.key_value.forward(cx, &all.numbers, Write::Replace, kv, input, low_rank);
        let asking = asking_rows(cx, input, self.query.shape.input, queries, &mut scratch.asking);
        let q = fit(&mut tape.queries, m * wide);
        self.query.forward(cx, &queries.numbers, Write::Replace, q, asking, low_rank);
        if let Some((query_norm, key_norm)) = self.head_norms {
            let scales = fit(&mut tape.query_scales, m * heads.n_queries);
            query_norm.forward(cx, q, (wide, heads.n_queries), scales);
            let scales = fit(&mut tape.key_scales, n * heads.n_keys);
            key_norm.forward(cx, kv, (kv_wide, heads.n_keys), scales);
        }
        if let Some(rotary) = at.rotary {
            rotary.turn(cx.team(), q, wide, heads.n_queries, &queries.positions);
            rotary.turn(cx.team(), kv, kv_wide, heads.n_keys, &all.positions);
        }
        let attended = fit(&mut tape.attended, m * wide);
        let sums = fit(&mut tape.log_sums, m * heads.n_queries);
        let relative = self.relative_forward(cx, at, &mut tape.relative, low_rank);
        let (pattern, products) = (queries.pattern(), &mut scratch.products);
        attention::forward(
            cx.attention(),
            heads,
            pattern,
            relative,
            q,
            kv,
            attended,
            sums,
            products,
        );
        let branching = Branch { site: (at.layer, Site::Attention), numbers: &queries.numbers };
        branching.join(cx, &self.output, attended, stream, branch, low_rank);
    }

    /// Adds the part's output to `stream`, for one row of each sequence.
    pub fn step(
        &self,
        cx: Context<'_>,
        rotary: Option<&RotaryTable>,
        (input, stream): (&[f32], &mut [f32]),
        tape: &mut AttentionTape,
        (branch, low_rank): (&mut Vec<f32>, &mut LowRank),
        attend: &mut AttendRows<'_>,
    ) {
        let (heads, rows) = (self.heads, &cx.batch.all);
        let n = rows.len();
        let (wide, kv_wide) = (heads.query_width(), heads.key_value_width());
        let kv = fit(&mut tape.keys_values, n * kv_wide);
        self.key_value.forward(cx, &rows.numbers, Write::Replace, kv, input, low_rank);
        let q = fit(&mut tape.queries, n * wide);
        self.query.forward(cx, &rows.numbers, Write::Replace, q, input, low_rank);
        if let Some((query_norm, key_norm)) = self.head_norms {
            let scales = fit(&mut tape.query_scales, n * heads.n_queries);
            query_norm.forward(cx, q, (wide, heads.n_queries), scales);
            let scales = fit(&mut tape.key_scales, n * heads.n_keys);
            key_norm.forward(cx, kv, (kv_wide, heads.n_keys), scales);
        }
        if let Some(rotary) = rotary {
            rotary.turn(cx.team(), q, wide, heads.n_queries, &rows.positions);
            rotary.turn(cx.team(), kv, kv_wide, heads.n_keys, &rows.positions);
        }
        let attended = fit(&mut tape.attended, n * wide);
        attend(q, kv, attended);
        let branching = Branch { site: (0, Site::Attention), numbers: &rows.numbers };
        branching.join(cx, &self.output, attended, stream, branch, low_rank);
    }

    /// Keys and queries of relative positions.
    fn relative_forward<'a>(
        &self,
        cx: Context<'_>,
        at: Where<'a>,
        [keys, queries]: &'a mut [Vec<f32>; 2],
        low_rank: &mut LowRank,
    ) -> Option<Relative<'a>> {
        let (key, rows) = (self.relative_key.as_ref()?, at.relative?);
        let (numbers, values) = (&rows.numbers, rows.values(self.query.shape.input));
        let keys = fit(keys, numbers.len() * key.shape.output);
        key.forward(cx, numbers, Write::Replace, keys, values, low_rank);
        let queries = fit(queries, numbers.len() * self.query.shape.output);
        self.query.forward(cx, numbers, Write::Replace, queries, values, low_rank);
        Some(Relative { keys, queries, reach: &rows.reach })
    }

    /// Computes the gradient of the rows of relative positions from those of their keys and
    /// queries, and adds the gradients of the layers between.
    fn relative_backward(
        &self,
        cx: Context<'_>,
        at: Where<'_>,
        gradient: &mut [f32],
        scratch: &mut AttentionScratch,
        low_rank: &mut LowRank,
    ) {
        let (Some(key), Some(rows)) = (&self.relative_key, at.relative) else { return };
        let (numbers, width) = (&rows.numbers, self.query.shape.input);
        let AttentionScratch { drelative: [dkeys, dqueries], drelative_rows, .. } = scratch;
        for (layer, dy) in [(key, &*dkeys), (&self.query, &*dqueries)] {
            let dy = &dy[..numbers.len() * layer.shape.output];
            layer.add_gradients(cx, numbers, gradient, dy, rows.values(width), low_rank);
            if rows.is_trained {
                let drows = &mut drelative_rows[..numbers.len() * width];
                layer.input_gradient(cx, numbers, Write::Add, drows, dy, low_rank);
            }
        }
    }

    /// Computes the gradients of queries, keys and values, which stay in `scratch`, from that of
    /// the part's output; adds the gradients of the parameters behind them.
    pub fn backward(
        &self,
        cx: Context<'_>,
        at: Where<'_>,
        gradient: &mut [f32],
        doutput: &[f32],
        tape: &AttentionTape,
        (scratch, low_rank): (&mut AttentionScratch, &mut LowRank),
    ) {
        let (heads, all, queries) = (self.heads, &cx.batch.all, at.queries);
        let (n, m) = (all.len(), queries.len());
        let (wide, kv_wide) = (heads.query_width(), heads.key_value_width());
        let saved = Saved {
            queries: &tape.queries[..m * wide],
            keys_values: &tape.keys_values[..n * kv_wide],
            output: &tape.attended[..m * wide],
            log_sums: &tape.log_sums[..m * heads.n_queries],
        };
        let numbers = &queries.numbers;
        self.output.add_gradients(cx, numbers, gradient, doutput, saved.output, low_rank);
        let dattended = fit(&mut scratch.dattended, m * wide);
        self.output.input_gradient(cx, numbers, Write::Replace, dattended, doutput, low_rank);
        let dq = fit(&mut scratch.dqueries, m * wide);
        let dkv = fit_zeroed(&mut scratch.dkeys_values, n * kv_wide);
        let (pattern, products) = (queries.pattern(), &mut scratch.products);
        let relative = at.relative.filter(|_| self.relative_key.is_some()).map(|rows| {
            let n = rows.numbers.len() * wide;
            let [keys, queries] = tape.relative.each_ref().map(|it| &it[..n]);
            let gradients = scratch.drelative.each_mut().map(|it| fit(it, n));
            (Relative { keys, queries, reach: &rows.reach }, gradients)
        });
        attention::backward(
            cx.attention(),
            heads,
            pattern,
            relative,
            saved,
            dattended,
            dq,
            dkv,
            products,
        );
        self.relative_backward(cx, at, gradient, scratch, low_rank);
        let dq = &mut scratch.dqueries[..m * wide];
        let dkv = &mut scratch.dkeys_values[..n * kv_wide];
        if let Some(rotary) = at.rotary {
            rotary.turn_back(cx.team(), dq, wide, heads.n_queries, &queries.positions);
            rotary.turn_back(cx.team(), dkv, kv_wide, heads.n_keys, &all.positions);
        }
        let Some((query_norm, key_norm)) = self.head_norms else { return };
        for (norm, dy, y, positions, shape, scales) in [
            (
                query_norm,
                dq,
                saved.queries,
                &queries.positions,
                (wide, heads.n_queries),
                &tape.query_scales,
            ),
            (
                key_norm,
                dkv,
                saved.keys_values,
                &all.positions,
                (kv_wide, heads.n_keys),
                &tape.key_scales,
            ),
        ] {
            let unturned = fit(&mut scratch.unturned, y.len());
            unturned.copy_from_slice(y);
            if let Some(rotary) = at.rotary {
                rotary.turn_back(cx.team(), unturned, shape.0, shape.1, positions);
            }
            norm.backward(cx, gradient, (dy, unturned), shape, scales);
        }
    }

    /// Adds the gradients of the matrices that read `input`; must run after
    /// [`Attention::backward`].
    pub fn add_input_weight_gradients(
        &self,
        cx: Context<'_>,
        at: Where<'_>,
        gradient: &mut [f32],
        input: &[f32],
        (scratch, low_rank): (&mut AttentionScratch, &mut LowRank),
    ) {
        let (all, queries) = (&cx.batch.all, at.queries);
        let dkv = &scratch.dkeys_values[..all.len() * self.key_value.shape.output];
        let dq = &scratch.dqueries[..queries.len() * self.query.shape.output];
        self.key_value.add_gradients(cx, &all.numbers, gradient, dkv, input, low_rank);
        let asking = asking_rows(cx, input, self.query.shape.input, queries, &mut scratch.asking);
        self.query.add_gradients(cx, &queries.numbers, gradient, dq, asking, low_rank);
    }

    /// Computes the gradient of the part's input, for all rows; must run after
    /// [`Attention::backward`].
    pub fn input_gradient(
        &self,
        cx: Context<'_>,
        at: Where<'_>,
        write: Write,
        dinput: &mut [f32],
        (scratch, low_rank): (&mut AttentionScratch, &mut LowRank),
    ) {
        let (all, queries, width) = (&cx.batch.all, at.queries, self.query.shape.input);
        let dkv = &scratch.dkeys_values[..all.len() * self.key_value.shape.output];
        let dq = &scratch.dqueries[..queries.len() * self.query.shape.output];
        self.key_value.input_gradient(cx, &all.numbers, write, dinput, dkv, low_rank);
        if queries.covers_all {
            self.query.input_gradient(cx, &queries.numbers, Write::Add, dinput, dq, low_rank);
        } else {
            let dasking = fit(&mut scratch.asking, queries.len() * width);
            let numbers = &queries.numbers;
            self.query.input_gradient(cx, numbers, Write::Replace, dasking, dq, low_rank);
            rows::scatter_rows(cx.team(), dasking, width, &queries.rows, dinput);
        }
    }
}

impl HeadNorm {
    fn forward(self, cx: Context<'_>, x: &mut [f32], shape: (usize, usize), scales: &mut [f32]) {
        let weight = cx.weights.vector(self.weight);
        head_rms_forward(cx.team(), x, shape.0, shape.1, weight, self.epsilon, scales);
    }

    fn backward(
        self,
        cx: Context<'_>,
        gradient: &mut [f32],
        (dy, y): (&mut [f32], &[f32]),
        shape: (usize, usize),
        scales: &[f32],
    ) {
        let weight = cx.weights.vector(self.weight);
        let scales = &scales[..dy.len() / shape.0 * shape.1];
        let dweight = self.weight.gradient(gradient);
        head_rms_backward(cx.team(), dy, y, shape.0, shape.1, weight, scales, dweight);
    }
}

/// The rows that send queries: `all` itself, or copies in `buffer`.
fn asking_rows<'a>(
    cx: Context<'_>,
    all: &'a [f32],
    width: usize,
    queries: &Queries,
    buffer: &'a mut Vec<f32>,
) -> &'a [f32] {
    if queries.covers_all {
        return all;
    }
    let some = fit(buffer, queries.len() * width);
    rows::gather_rows(cx.team(), Weight::F32(all), width, &queries.rows, some);
    some
}
