//! The same models from differentiable candle operations: training on GPUs, and the oracle of the
//! CPU engine's tests.
//!
//! Nothing here is shared with `cpu` but names and shapes, so that equal rewards and gradients mean
//! both are right. The layers are those of `candle-nn`. Its fused operations detach silently, so a
//! training pass takes the versions that differentiate (see [`operations::Form`]), and a test asks for
//! the gradient of every variable. Sequences are padded and their masks added to the attention scores;
//! a shared prefix is computed on both sides.
//!
//! The tests hold everything here to the stock models of `candle-transformers`, a third opinion.

pub mod adamw;
pub mod batch;
pub mod decoder;
pub mod device;
pub mod dropout;
pub mod encoder;
mod implementation;
pub mod language_model;
pub mod linear;
pub mod loss;
pub mod model;
pub mod network;
pub mod operations;
pub mod parameters;
mod pass;
pub mod persistence;
pub mod relative;
#[cfg(test)]
pub(super) mod tests;
pub mod trainer;

use super::EngineError;

pub use implementation::Candle;
#[cfg(test)]
pub use model::CandleModel;

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        Self::Candle { detail: error.to_string() }
    }
}
