//! The embeddings: a row for each token and, for encoders, for its position and its type, summed
//! and normed.

use super::context::Context;
use super::norm::LayerNorm;
use super::workspace::Workspace;
use crate::engine::cpu::dropout::Site;
use crate::engine::cpu::kernel::rows::{add, gather_rows, scatter_rows};
use crate::engine::cpu::kernel::vector::math::fit;
use crate::engine::cpu::table::Slot;

/// The tables that turn token ids into the first activations.
#[derive(Debug, Clone)]
pub struct Embeddings {
    /// A row for each token: `[vocabulary, width]`.
    pub words: Slot,
    /// A row for each position: `[positions, width]`.
    pub positions: Option<Slot>,
    /// A row for each token type: `[types, width]`.
    pub types: Option<Slot>,
    /// Of the sum.
    pub norm: Option<LayerNorm>,
    /// Width of the stream.
    pub width: usize,
}

/// The key of the masks of the embeddings.
const SITE: (usize, Site) = (0, Site::Embedding);

impl Embeddings {
    /// Which rows of which tables are summed.
    fn tables<'a>(&self, cx: Context<'a>) -> impl Iterator<Item = (Slot, &'a [u32])> {
        let rows: [(Option<Slot>, &'a [u32]); 3] = [
            (Some(self.words), &cx.batch.tokens),
            (self.positions, &cx.batch.all.positions),
            (self.types, &cx.batch.token_types),
        ];
        rows.into_iter().filter_map(|(slot, rows)| Some((slot?, rows)))
    }

    /// Writes the stream that the first block reads to `work.streams[slot]`.
    pub fn forward(&self, cx: Context<'_>, slot: usize, work: &mut Workspace) {
        let (width, n) = (self.width, cx.batch.n_rows() * self.width);
        let Workspace { streams, embedded, embedded_moments, scratch, .. } = work;
        let stream = fit(&mut streams[slot], n);
        let sum = match self.norm {
            Some(_) => fit(embedded, n),
            None => &mut *stream,
        };
        for (i, (table, rows)) in self.tables(cx).enumerate() {
            let table = cx.weights.matrix(table);
            if i == 0 {
                gather_rows(cx.team(), table, width, rows, sum);
            } else {
                let part = fit(&mut scratch.branch, n);
                gather_rows(cx.team(), table, width, rows, part);
                add(cx.team(), sum, part);
            }
        }
        if let Some(norm) = self.norm {
            norm.forward(cx, &embedded[..n], stream, embedded_moments);
        }
        cx.pass.dropout.apply(cx.team(), stream, width, SITE, &cx.batch.all.numbers);
    }

    /// Adds the gradients of the tables, from that of the stream in `work.scratch.dstream`.
    pub fn backward(&self, cx: Context<'_>, gradient: &mut [f32], work: &mut Workspace) {
        let n = cx.batch.n_rows() * self.width;
        let dstream = &mut work.scratch.dstream[..n];
        cx.pass.dropout.apply(cx.team(), dstream, self.width, SITE, &cx.batch.all.numbers);
        if let Some(norm) = self.norm {
            norm.backward(cx, gradient, dstream, &work.embedded[..n], &work.embedded_moments);
        }
        for (table, rows) in self.tables(cx) {
            if let Some(dtable) = table.gradient(gradient) {
                scatter_rows(cx.team(), dstream, self.width, rows, dtable);
            }
        }
    }
}
