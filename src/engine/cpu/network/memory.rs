//! How many values a pass keeps: the sum of the buffers that [`Workspace`](super::Workspace) and the
//! tapes grow to, from shapes alone.

use super::Transformer;
use super::block::Norms;
use super::stage::Stage;
use crate::domain::spec::Tuning;
use crate::engine::cpu::kernel::attention::relative::n_table_values;

/// The largest micro-batch of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MicroBatchShape {
    /// Packed rows.
    pub n_rows: usize,
    /// Rows whose hidden state becomes a reward.
    pub n_rewards: usize,
    /// Tokens of the longest sequence.
    pub longest: usize,
}

impl Transformer {
    /// Values (of four bytes) that a training step holds beside the parameters.
    #[must_use]
    pub fn n_activation_values(
        &self,
        shape: MicroBatchShape,
        tuning: &Tuning,
        has_dropout: bool,
    ) -> usize {
        let MicroBatchShape { n_rows: n, n_rewards, .. } = shape;
        let (width, first) = (self.width(), self.first_top_block());
        let n_kept = self.blocks.len() - first;
        let asking = |block: usize| if block + 1 == self.blocks.len() { n_rewards } else { n };
        let mut values = 0;
        // Tapes: one for every block that keeps one, or a single one that the trunk's blocks share.
        for block in first..self.blocks.len() {
            values += self.n_tape_values(block, n, asking(block));
        }
        if n_kept == 0 || first > 0 {
            // The widest tape of the trunk; the first kept block may reuse its buffers.
            let in_first_slot =
                if n_kept == 0 { 0 } else { self.n_tape_values(first, n, asking(first)) };
            let trunk = (0..first).map(|it| self.n_tape_values(it, n, asking(it))).max();
            values += trunk.unwrap_or(0).saturating_sub(in_first_slot);
        }
        // Streams: the input of every kept block and the last output, but at least two.
        values += n_kept.max(1) * n * width;
        values += if n_kept > 1 { n_rewards * width } else { n * width };
        values += self.n_embedding_values(n) + self.n_relative_values(shape);
        values + self.n_scratch_values(n, n_rewards, tuning, has_dropout)
    }

    /// Relative positions: their rows and the gradient of these; keys and queries of every kept
    /// block, and their gradients; the tables of attention.
    fn n_relative_values(&self, shape: MicroBatchShape) -> usize {
        let (Some(relative), Some(block)) = (self.relative, self.blocks.first()) else { return 0 };
        let (heads, longest) = (block.attention.heads, shape.longest);
        let rows = (2 * longest - 1).min(relative.positions.n_rows());
        let n_tapes = (self.blocks.len() - self.first_top_block()).max(1);
        rows * (3 * self.width() + 2 * (n_tapes + 1) * heads.query_width())
            + n_table_values(heads, longest, shape.n_rewards)
    }

    fn n_embedding_values(&self, n: usize) -> usize {
        if self.embeddings.norm.is_some() { n * (self.width() + 2) } else { 0 }
    }

    fn n_tape_values(&self, block: usize, n: usize, m: usize) -> usize {
        let Some(it) = self.blocks.get(block) else { return 0 };
        let (heads, width) = (it.attention.heads, self.width());
        let attention = n * heads.key_value_width() + 2 * m * heads.query_width();
        let scales = if it.attention.head_norms.is_some() {
            m * heads.n_queries + n * heads.n_keys
        } else {
            0
        };
        let sums = m * heads.n_queries;
        let expanded = m * it.feed.up.shape.output;
        let norms = match it.norms {
            Norms::Before(_) => n + m,
            Norms::After(_) => m * width + 4 * m,
        };
        attention + scales + sums + expanded + m * width + norms
    }

    fn n_scratch_values(
        &self,
        n: usize,
        n_rewards: usize,
        tuning: &Tuning,
        has_dropout: bool,
    ) -> usize {
        let width = self.width();
        let Some(block) = self.blocks.first() else { return 0 };
        let heads = block.attention.heads;
        // Only in the last block fewer rows send queries than there are.
        let m = if self.blocks.len() > 1 { n } else { n_rewards };
        let is_before = matches!(block.norms, Norms::Before(_));
        // `normed`; the rows that send queries are copied only in the last block.
        let mut values = if is_before { n } else { m } * width + n_rewards * width;
        values += m * block.feed.down.shape.input; // activated
        let has_branch = has_dropout || self.embeddings.positions.is_some();
        if self.lowest != Stage::Head {
            values += n * width; // dstream
            values += if is_before { n * width } else { 0 }; // dnormed
            values += 2 * m * heads.query_width() + n * heads.key_value_width();
            if block.attention.head_norms.is_some() {
                values += (n * heads.key_value_width()).max(m * heads.query_width());
            }
        }
        // `branch` also holds the gradient of the last block's rows, spread over all rows.
        if has_branch || self.lowest < Stage::FinalNorm {
            values += n * width;
        }
        if let Tuning::Lora(lora) = tuning {
            values += n * lora.rank as usize;
            if lora.dropout > 0.0 {
                values += n * block.feed.up.shape.output.max(width);
            }
        }
        values
    }
}
