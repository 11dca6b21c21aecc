//! The stages of a network, from the bottom up; tuning trains the tensors from one of them on.

use crate::domain::spec::Tuning;

/// A stage of a network, from the bottom up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Embedding,
    Block(usize),
    /// The last norm of a decoder.
    FinalNorm,
    /// The reward head, with the pooler of an encoder.
    Head,
}

impl Stage {
    /// The lowest stage whose own tensors are trained.
    #[must_use]
    pub fn lowest_whole(tuning: &Tuning, n_blocks: usize) -> Self {
        match tuning {
            Tuning::Full => Self::Embedding,
            Tuning::TopLayers(0) => Self::FinalNorm,
            Tuning::TopLayers(n) => Self::Block(n_blocks.saturating_sub(*n)),
            Tuning::Lora(_) | Tuning::Head => Self::Head,
        }
    }

    /// The lowest stage in which anything is trained.
    #[must_use]
    pub fn lowest(tuning: &Tuning, n_blocks: usize) -> Self {
        match tuning {
            Tuning::Lora(_) => Self::Block(0),
            _ => Self::lowest_whole(tuning, n_blocks),
        }
    }

    /// The first block that is not below this stage.
    #[must_use]
    pub fn first_block(self, n_blocks: usize) -> usize {
        match self {
            Self::Embedding => 0,
            Self::Block(block) => block,
            Self::FinalNorm | Self::Head => n_blocks,
        }
    }
}
