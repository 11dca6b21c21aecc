//! The same models from differentiable candle operations: training on GPUs, and the oracle of the
//! CPU engine's tests.
//!
//! Nothing here is shared with `cpu` but names and shapes, so that equal rewards and gradients mean
//! both are right. Candle's fused operations (`rms_norm`, `layer_norm`, `softmax_last_dim`, `rope`)
//! detach silently, so every formula is written out in `operations`, and a test asks for the
//! gradient of every variable. Sequences are padded and their masks added to the attention scores;
//! a shared prefix is computed on both sides.
//!
//! [`Oracle`] is a third opinion: the stock models of `candle-transformers`, inference only.

pub mod adamw;
pub mod batch;
pub mod decoder;
pub mod device;
pub mod dropout;
pub mod encoder;
pub mod linear;
pub mod loss;
pub mod model;
pub mod network;
pub mod operations;
mod oracle;
pub mod parameters;
pub mod persistence;
pub mod relative;
#[cfg(test)]
pub(super) mod tests;
pub mod trainer;

use super::EngineError;

pub use model::CandleModel;
pub use oracle::Oracle;

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        Self::Candle { detail: error.to_string() }
    }
}
