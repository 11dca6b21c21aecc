//! Relative positions (DeBERTa): a table that every block turns into keys and queries.
//!
//! He et al. 2021 (arXiv:2006.03654), equation 4, with the projections of the tokens shared, as v2 and v3
//! do: `Kr = R Wk^T + bk`, `Qr = R Wq^T + bq` for the rows `R` of the table, after its norm. Only rows
//! that some distance of a batch selects are computed.

use super::context::Context;
use super::norm::LayerNorm;
use crate::engine::config::RelativePositions;
use crate::engine::cpu::kernel::attention::relative::Reach;
use crate::engine::cpu::kernel::rows::{gather_rows, scatter_rows};
use crate::engine::cpu::kernel::vector::math::fit;
use crate::engine::cpu::table::Slot;

/// The embeddings of relative positions that all blocks of a DeBERTa share.
#[derive(Debug, Clone, Copy)]
pub struct RelativeTable {
    /// `[2 * span, width]`.
    pub table: Slot,
    pub norm: Option<LayerNorm>,
    /// Which row a distance selects.
    pub positions: RelativePositions,
    /// Width of the stream.
    pub width: usize,
}

/// Rows of the table are numbered from here, so that their dropout masks differ from those of
/// tokens.
const FIRST_NUMBER: u32 = 1 << 31;

/// The rows that a batch reaches.
#[derive(Debug, Default)]
pub struct RelativeRows {
    /// Which of them a distance selects.
    pub reach: Reach,
    /// Their numbers, the keys of masks.
    pub numbers: Vec<u32>,
    /// `R`.
    rows: Vec<f32>,
    /// Whether training changes the table.
    pub is_trained: bool,
    /// Their places in the table.
    places: Vec<u32>,
    /// Before the norm.
    raw: Vec<f32>,
    moments: Vec<f32>,
}

impl RelativeRows {
    /// `R`, `[rows, width]`.
    #[must_use]
    pub fn values(&self, width: usize) -> &[f32] {
        &self.rows[..self.numbers.len() * width]
    }

    /// The buffers, for accounting.
    #[cfg(test)]
    pub fn buffers(&self) -> [&Vec<f32>; 3] {
        [&self.rows, &self.raw, &self.moments]
    }
}

impl RelativeTable {
    /// Reads the rows that the longest block of a batch reaches.
    pub fn forward(&self, cx: Context<'_>, to: &mut RelativeRows) {
        let longest = cx.batch.all.blocks.iter().map(|block| block.keys.len()).max().unwrap_or(0);
        if to.reach.longest() != longest {
            to.reach = Reach::new(longest, |distance| self.positions.row(distance));
            let first = self.positions.row(1 - longest as i64) as u32;
            to.places = (first..first + to.reach.n_rows() as u32).collect();
            to.numbers = to.places.iter().map(|place| FIRST_NUMBER + place).collect();
        }
        to.is_trained = self.table.is_trained();
        let n = to.places.len() * self.width;
        let (table, rows) = (cx.weights.matrix(self.table), fit(&mut to.rows, n));
        match self.norm {
            Some(norm) => {
                let raw = fit(&mut to.raw, n);
                gather_rows(cx.team(), table, self.width, &to.places, raw);
                norm.forward(cx, raw, rows, &mut to.moments);
            }
            None => gather_rows(cx.team(), table, self.width, &to.places, rows),
        }
    }

    /// Adds the gradients of the table and its norm, from that of the rows.
    pub fn backward(
        &self,
        cx: Context<'_>,
        gradient: &mut [f32],
        drows: &mut [f32],
        rows: &RelativeRows,
    ) {
        if let Some(norm) = self.norm {
            norm.backward(cx, gradient, drows, &rows.raw[..drows.len()], &rows.moments);
        }
        if let Some(dtable) = self.table.gradient(gradient) {
            scatter_rows(cx.team(), drows, self.width, &rows.places, dtable);
        }
    }
}
