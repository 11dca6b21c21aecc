//! The buffers a pass works in. They grow to the largest micro-batch seen and are then reused, so a
//! training step allocates nothing per token.

use super::block::Tape;
use super::relative::RelativeRows;
use super::scratch::Scratch;

/// All buffers of a trainer.
#[derive(Debug, Default)]
pub struct Workspace {
    /// One tape for each block that a backward pass goes through; a single one where there is no
    /// such pass.
    pub tapes: Vec<Tape>,
    /// Input of each block, and the output of the last: one more than tapes, at least two.
    pub streams: Vec<Vec<f32>>,
    /// The summed embeddings before their norm.
    pub embedded: Vec<f32>,
    /// Moments of that norm.
    pub embedded_moments: Vec<f32>,
    /// What keys and queries of relative positions are made of.
    pub relative: RelativeRows,
    /// Scales of the last norm.
    pub final_scales: Vec<f32>,
    /// Hidden states that the head reads.
    pub hidden: Vec<f32>,
    pub dhidden: Vec<f32>,
    /// Output of the head's dense layer, before and after its nonlinearity, and its gradient.
    pub pooled: [Vec<f32>; 3],
    /// Rewards, in the order of the batch.
    pub rewards: Vec<f32>,
    pub drewards: Vec<f32>,
    /// Logits of some rows (language modeling).
    pub logits: Vec<f32>,
    /// Buffers of the block that is being computed.
    pub scratch: Scratch,
}

impl Workspace {
    /// Makes room for so many kept blocks.
    pub fn reserve(&mut self, n_kept: usize) {
        let (n_tapes, n_streams) = (n_kept.max(1), n_kept.max(1) + 1);
        self.tapes.resize_with(n_tapes.max(self.tapes.len()), Tape::default);
        self.streams.resize_with(n_streams.max(self.streams.len()), Vec::new);
    }

    /// Bytes held by all buffers but the square ones of attention.
    #[cfg(test)]
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let Scratch { dstream, normed, dnormed, branch, activated, low_rank, attention } =
            &self.scratch;
        let [first, second, third] = &self.pooled;
        let own = [
            &self.embedded,
            &self.embedded_moments,
            &self.final_scales,
            &self.hidden,
            &self.dhidden,
            first,
            second,
            third,
            &self.rewards,
            &self.drewards,
            &self.logits,
            dstream,
            normed,
            dnormed,
            branch,
            activated,
        ];
        let floats = own.into_iter().chain(&self.streams).chain(attention.buffers());
        4 * floats.chain(self.relative.buffers()).map(Vec::capacity).sum::<usize>()
            + attention.n_table_bytes()
            + low_rank.n_bytes()
            + self.tapes.iter().map(Tape::n_bytes).sum::<usize>()
    }
}
