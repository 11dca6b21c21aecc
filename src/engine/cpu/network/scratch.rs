//! The buffers that every block uses anew.

use super::adapter::LowRank;
use super::attention::AttentionScratch;

/// Buffers whose content every block overwrites.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Gradient of the residual stream.
    pub dstream: Vec<f32>,
    pub normed: Vec<f32>,
    pub dnormed: Vec<f32>,
    /// Output of a part before the residual sum, or its gradient.
    pub branch: Vec<f32>,
    /// The wide side of the feed-forward part after its nonlinearity, or its gradient.
    pub activated: Vec<f32>,
    pub low_rank: LowRank,
    pub attention: AttentionScratch,
}
