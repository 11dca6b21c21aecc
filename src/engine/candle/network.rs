//! A model's computation: padded tokens in, rewards out.

use candle_core::{Result, Tensor};

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::parameters::Parameters;
use super::pass::Pass;
use crate::domain::spec::Tuning;
use crate::engine::EngineError;
use crate::engine::config::ModelConfig;
use crate::engine::files::layout::Layout;

/// One of the two kinds.
#[derive(Debug)]
pub enum Network {
    Decoder(Decoder),
    Encoder(Encoder),
}

impl Network {
    /// Binds the computation of a configuration to its parameters.
    ///
    /// # Errors
    /// When a tensor is missing.
    pub fn new(
        config: &ModelConfig,
        layout: &Layout,
        parameters: &Parameters,
        tuning: &Tuning,
    ) -> std::result::Result<Self, EngineError> {
        Ok(match config {
            ModelConfig::Decoder(config) => {
                Self::Decoder(Decoder::new(config, layout, parameters, tuning)?)
            }
            ModelConfig::Encoder(config) => {
                Self::Encoder(Encoder::new(config, layout, parameters, tuning)?)
            }
        })
    }

    /// The reward of each sequence of a batch, `[sequences]`.
    pub fn rewards(&self, pass: &Pass<'_>) -> Result<Tensor> {
        match self {
            Self::Decoder(decoder) => decoder.rewards(pass),
            Self::Encoder(encoder) => encoder.rewards(pass),
        }
    }
}
