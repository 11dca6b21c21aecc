//! Relative positions of DeBERTa: a table that every block turns into keys and queries (He et al. 2021,
//! arXiv:2006.03654, equations 2-4).

use candle_core::{D, DType, Result, Tensor};

use super::linear::{Linear, Norm};
use super::pass::Pass;
use crate::engine::config::RelativePositions;

/// The embeddings of relative positions that all blocks of a DeBERTa share.
#[derive(Debug)]
pub struct RelativeTable {
    /// `[2 * span, width]`.
    pub table: Tensor,
    pub norm: Option<Norm>,
    /// Which row a distance selects.
    pub positions: RelativePositions,
}

/// The table as the blocks of a pass read it.
pub struct Relative {
    /// Its rows, `[2 * span, width]`.
    rows: Tensor,
    /// Their numbers, the keys of masks.
    numbers: Vec<u32>,
    /// `delta(i, j)` in row `i` and column `j`, `[1, 1, positions, positions]`.
    selected: Tensor,
}

/// Rows of the table are numbered from here, so that their dropout masks differ from those of
/// tokens.
const FIRST_NUMBER: u32 = 1 << 31;

impl RelativeTable {
    /// Computes the rows, and which of them each pair of positions selects.
    pub fn enter(&self, pass: &Pass<'_>, epsilon: f32) -> Result<Relative> {
        let mut rows = pass.value(&self.table).to_dtype(DType::F32)?;
        if let Some(norm) = &self.norm {
            let (weight, bias) = (pass.value(&norm.weight), pass.value(&norm.bias));
            rows = pass.form().layer_norm(&rows, &weight, &bias, epsilon)?;
        }
        let n_rows = self.positions.n_rows() as u32;
        let n = pass.batch.width;
        let selected: Vec<u32> = (0..n * n)
            .map(|i| self.positions.row((i / n) as i64 - (i % n) as i64) as u32)
            .collect();
        Ok(Relative {
            rows,
            numbers: (0..n_rows).map(|row| FIRST_NUMBER + row).collect(),
            selected: Tensor::from_vec(selected, (1, 1, n, n), pass.device)?,
        })
    }
}

impl Relative {
    /// The part of the scores that depends on distances, `[sequences, heads, positions,
    /// positions]`: content to position plus position to content.
    pub fn scores(
        &self,
        pass: &Pass<'_>,
        (query, key): (&Linear, &Linear),
        (queries, keys): (&Tensor, &Tensor),
    ) -> Result<Tensor> {
        let content_to_position = self.select(pass, queries, key, &self.selected)?;
        let turned = self.selected.transpose(2, 3)?.contiguous()?;
        let position_to_content = self.select(pass, keys, query, &turned)?;
        content_to_position + position_to_content.transpose(2, 3)?
    }

    /// `x[i] . (R W^T + b)[selected(i, j)]`
    fn select(
        &self,
        pass: &Pass<'_>,
        x: &Tensor,
        layer: &Linear,
        selected: &Tensor,
    ) -> Result<Tensor> {
        let (n_sequences, n_heads, n, width) = x.dims4()?;
        let n_rows = self.numbers.len();
        let rows = layer.forward_rows(pass, &self.rows, &self.numbers)?;
        // [heads, width, rows]
        let rows = rows.reshape((n_rows, n_heads, width))?.permute((1, 2, 0))?.contiguous()?;
        let rows =
            rows.unsqueeze(0)?.expand((n_sequences, n_heads, width, n_rows))?.contiguous()?;
        let all = pass.arithmetic.multiply(x, &rows)?;
        let selected = selected.expand((n_sequences, n_heads, n, n))?.contiguous()?;
        all.contiguous()?.gather(&selected, D::Minus1)
    }
}
