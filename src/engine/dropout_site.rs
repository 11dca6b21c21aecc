//! Where in a model values are dropped: the number of a site is part of what its masks are drawn from,
//! so that every implementation draws the same ones.

use crate::domain::spec::LoraTarget;

/// Where in a model a mask is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Site {
    /// The output of the embeddings.
    Embedding = 1,
    /// The output of an attention block, before the residual sum.
    Attention = 2,
    /// The output of a feed-forward block, before the residual sum.
    FeedForward = 3,
    /// The input of a low-rank adapter, one site for each matrix of a block.
    AdapterQuery = 4,
    AdapterKey = 5,
    AdapterValue = 6,
    AdapterOutput = 7,
    AdapterGate = 8,
    AdapterUp = 9,
    AdapterDown = 10,
}

impl Site {
    /// The input of an update.
    #[must_use]
    pub fn of_target(target: LoraTarget) -> Self {
        match target {
            LoraTarget::Query => Self::AdapterQuery,
            LoraTarget::Key => Self::AdapterKey,
            LoraTarget::Value => Self::AdapterValue,
            LoraTarget::Output => Self::AdapterOutput,
            LoraTarget::Gate => Self::AdapterGate,
            LoraTarget::Up => Self::AdapterUp,
            LoraTarget::Down => Self::AdapterDown,
        }
    }
}
