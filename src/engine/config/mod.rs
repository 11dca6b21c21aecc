//! The shapes of the supported model families, as read from `config.json`.
//!
//! Values are looked up one by one rather than derived with serde, so that every refusal can name
//! the file, the key and the value, and so that variants this program does not compute (other
//! rotary scalings, other activations, mixed layer types) are refused instead of ignored.

use std::path::Path;

use serde_json::{Map, Value};

use self::keys::Keys;
use super::EngineError;

mod decoder;
mod encoder;
mod keys;
mod relative;
mod rope;
#[cfg(test)]
mod tests;

pub use self::decoder::{DecoderConfig, DecoderFamily};
pub use self::encoder::{Activation, EncoderConfig, EncoderFamily, position_rows};
pub use self::relative::RelativePositions;
pub use self::rope::RopeScaling;

/// A supported architecture with its shape.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelConfig {
    Decoder(DecoderConfig),
    Encoder(EncoderConfig),
}

impl ModelConfig {
    /// Parses the bytes of a `config.json`. `path` is for messages.
    ///
    /// # Errors
    /// Names the file and the line, key or value that is wrong.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, EngineError> {
        let keys: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| EngineError::json(path, &error))?;
        let keys = Keys { path, keys: &keys };
        if keys.get("quantization_config").is_some() {
            // Its tensors have other names, types and shapes: say so before listing them all.
            return Err(keys.bad("quantization_config", "weights that are not quantized".into()));
        }
        let decoder = |family| decoder::parse(family, &keys).map(Self::Decoder);
        let encoder = |family| encoder::parse(family, &keys).map(Self::Encoder);
        match keys.text("model_type")? {
            "llama" => decoder(DecoderFamily::Llama),
            "mistral" => decoder(DecoderFamily::Mistral),
            "qwen2" => decoder(DecoderFamily::Qwen2),
            "qwen3" => decoder(DecoderFamily::Qwen3),
            "bert" => encoder(EncoderFamily::Bert),
            "roberta" | "xlm-roberta" => encoder(EncoderFamily::Roberta),
            "distilbert" => encoder(EncoderFamily::DistilBert),
            "deberta-v2" => encoder(EncoderFamily::DebertaV2),
            other => Err(EngineError::UnsupportedArchitecture {
                path: path.to_owned(),
                model_type: other.to_owned(),
            }),
        }
    }

    /// The name of the family, as `model_type` spells it.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self {
            Self::Decoder(config) => config.family.name(),
            Self::Encoder(config) => config.family.name(),
        }
    }

    /// Whether a token sees only those before it, so that a shared prefix is computed once.
    #[must_use]
    pub fn is_causal(&self) -> bool {
        matches!(self, Self::Decoder(_))
    }

    /// Rows of the embedding table.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Decoder(config) => config.vocab_size,
            Self::Encoder(config) => config.vocab_size,
        }
    }

    /// The same with another number of rows in the embedding table.
    #[must_use]
    pub fn with_vocab_size(mut self, rows: usize) -> Self {
        match &mut self {
            Self::Decoder(config) => config.vocab_size = rows,
            Self::Encoder(config) => config.vocab_size = rows,
        }
        self
    }

    /// Width of the residual stream.
    #[must_use]
    pub fn hidden_size(&self) -> usize {
        match self {
            Self::Decoder(config) => config.hidden_size,
            Self::Encoder(config) => config.hidden_size,
        }
    }

    /// How many transformer blocks the model stacks.
    #[must_use]
    pub fn n_layers(&self) -> usize {
        match self {
            Self::Decoder(config) => config.n_layers,
            Self::Encoder(config) => config.n_layers,
        }
    }

    /// Longest sequence the model can read, in tokens.
    #[must_use]
    pub fn max_positions(&self) -> usize {
        match self {
            Self::Decoder(config) => config.max_positions,
            Self::Encoder(config) => config.max_positions - config.first_position,
        }
    }
}
