//! What a forward and its backward pass have in common.

use crate::domain::spec::Precision;
use crate::engine::cpu::batch::{Batch, Queries};
use crate::engine::cpu::dropout::Dropout;
use crate::engine::cpu::kernel::{Compute, Team};
use crate::engine::cpu::parameters::Weights;

/// Which rows of the last block are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Those that become rewards.
    Pooled,
    /// All, for next-token prediction.
    All,
}

/// What a pass is for, and what it keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pass {
    /// Rows read from the last block.
    pub reading: Reading,
    /// Whether a backward pass follows.
    pub keeps: bool,
    /// The dropout of the step.
    pub dropout: Dropout,
    /// Whether attention is computed in `f32` whatever the precision of the products, as decoding one
    /// token at a time computes it: what a policy is trained on is then what was drawn.
    pub attends_exactly: bool,
}

impl Pass {
    /// A pass that only computes rewards.
    #[must_use]
    pub fn scoring() -> Self {
        let (reading, dropout) = (Reading::Pooled, Dropout::off());
        Self { reading, keeps: false, dropout, attends_exactly: false }
    }

    /// A pass that a backward pass follows.
    #[must_use]
    pub fn training(reading: Reading, dropout: Dropout) -> Self {
        Self { reading, keeps: true, dropout, attends_exactly: false }
    }

    /// The same with attention in `f32`.
    #[must_use]
    pub fn attending_exactly(self) -> Self {
        Self { attends_exactly: true, ..self }
    }
}

/// Makes the context of each micro-batch.
#[derive(Debug, Clone, Copy)]
pub struct Maker<'a> {
    pub on: Compute<'a>,
    pub weights: Weights<'a>,
}

impl<'a> Maker<'a> {
    /// Everything a pass over `batch` reads.
    #[must_use]
    pub fn context(self, batch: &'a Batch, pass: Pass) -> Context<'a> {
        Context { on: self.on, weights: self.weights, batch, pass }
    }
}

/// Everything a pass reads beside its activations.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Who computes, and how precisely.
    pub on: Compute<'a>,
    /// Trained and frozen values.
    pub weights: Weights<'a>,
    pub batch: &'a Batch,
    pub pass: Pass,
}

impl<'a> Context<'a> {
    /// The threads that the kernels are spread over.
    #[must_use]
    pub fn team(&self) -> &'a Team {
        self.on.team
    }

    /// The same with matrix products in `f32`.
    #[must_use]
    pub fn exact(self) -> Self {
        Self { on: Compute { precision: Precision::F32, ..self.on }, ..self }
    }

    /// Who computes attention, and how precisely.
    #[must_use]
    pub fn attention(self) -> Compute<'a> {
        if self.pass.attends_exactly { self.exact().on } else { self.on }
    }

    /// The same without dropout, for frozen layers.
    #[must_use]
    pub fn undropped(self) -> Self {
        Self { pass: Pass { dropout: Dropout::off(), ..self.pass }, ..self }
    }

    /// The rows that send queries in a block; in the last block these may be only the rows that are
    /// read.
    #[must_use]
    pub fn queries(&self, is_last: bool) -> &'a Queries {
        if is_last && self.pass.reading == Reading::Pooled {
            &self.batch.pooled
        } else {
            &self.batch.all
        }
    }
}
