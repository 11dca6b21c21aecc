//! The oracle of the tests: the stock models of `candle-transformers`, inference only.
//!
//! Their forward passes share no line with `cpu`, so that equal rewards mean both are right. They
//! are not trained: candle's fused operations detach silently, and a training loop over these
//! models runs, its loss falls, and most weights get no gradient.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, IndexOp, Tensor as CandleTensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{bert, llama};

use crate::engine::EngineError;
use crate::engine::config::{DecoderConfig, EncoderConfig, ModelConfig};
use crate::engine::layout::Layout;
use crate::engine::weights::Tensor;

/// Rewards by an independent forward pass on the CPU.
pub struct Oracle {
    model: Model,
    device: Device,
}

enum Model {
    Decoder { model: llama::Llama, config: llama::Config },
    Encoder { model: bert::BertModel, pooler: Dense, classifier: Dense },
}

/// `x W^T + b`.
struct Dense {
    weight: CandleTensor,
    bias: CandleTensor,
}

impl Dense {
    fn forward(&self, x: &CandleTensor) -> candle_core::Result<CandleTensor> {
        x.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)
    }
}

impl Oracle {
    /// Builds the stock model from weights under their Hugging Face names (with or without the
    /// family's prefix), reward head included: `score.weight` of a decoder, `pooler.dense` and
    /// `classifier` of an encoder.
    ///
    /// # Errors
    /// [`EngineError::Candle`] when a tensor is missing or misshapen, or the shape is one the stock
    /// model does not know.
    pub fn new(
        config: &ModelConfig,
        tensors: &BTreeMap<String, Tensor>,
    ) -> Result<Self, EngineError> {
        let device = Device::Cpu;
        let layout = Layout::of(config);
        let mut weights = HashMap::new();
        for (name, tensor) in tensors {
            let values = CandleTensor::from_slice(&tensor.values, tensor.shape.as_slice(), &device);
            weights.insert(layout.canonical(name), values?);
        }
        let model = match config {
            ModelConfig::Decoder(config) => decoder(config, weights, &device)?,
            ModelConfig::Encoder(config) => encoder(config, weights, &device)?,
        };
        Ok(Self { model, device })
    }

    /// The reward of one sequence of token ids, special tokens included. Token types are 1 from
    /// `answer_start` on (encoders only).
    ///
    /// # Errors
    /// [`EngineError::Candle`] when the sequence is empty, too long or holds an unknown id.
    pub fn reward(&self, tokens: &[u32], answer_start: usize) -> Result<f32, EngineError> {
        let ids = CandleTensor::new(tokens, &self.device)?.unsqueeze(0)?;
        match &self.model {
            Model::Decoder { model, config } => {
                let mut cache = llama::Cache::new(false, DType::F32, config, &self.device)?;
                // The head is row 0 of the output matrix (see `decoder`).
                Ok(model.forward(&ids, 0, &mut cache)?.i((0, 0))?.to_scalar()?)
            }
            Model::Encoder { model, pooler, classifier } => {
                let types: Vec<u32> =
                    (0..tokens.len()).map(|i| u32::from(i >= answer_start)).collect();
                let types = CandleTensor::new(types, &self.device)?.unsqueeze(0)?;
                let first = model.forward(&ids, &types, None)?.i((.., 0))?.contiguous()?;
                let pooled = pooler.forward(&first)?.tanh()?;
                Ok(classifier.forward(&pooled)?.i((0, 0))?.to_scalar()?)
            }
        }
    }
}

type Weights = HashMap<String, CandleTensor>;

fn take(weights: &Weights, name: &str) -> Result<CandleTensor, EngineError> {
    let missing = || EngineError::Candle { detail: format!("`{name}` is missing") };
    weights.get(name).cloned().ok_or_else(missing)
}

/// The stock decoder gives only logits, so the reward head takes the place of the first row of an
/// untied output matrix whose other rows are 0.
fn decoder(
    config: &DecoderConfig,
    weights: Weights,
    device: &Device,
) -> Result<Model, EngineError> {
    if config.head_dim * config.n_heads != config.hidden_size {
        let detail = format!("the stock decoder knows no head width of {}", config.head_dim);
        return Err(EngineError::Candle { detail });
    }
    let rest =
        CandleTensor::zeros((config.vocab_size - 1, config.hidden_size), DType::F32, device)?;
    let output = CandleTensor::cat(&[take(&weights, "score.weight")?, rest], 0)?;
    let mut named = weights;
    named.insert("lm_head.weight".into(), output);
    let config = llama::Config {
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        vocab_size: config.vocab_size,
        num_hidden_layers: config.n_layers,
        num_attention_heads: config.n_heads,
        num_key_value_heads: config.n_kv_heads,
        use_flash_attn: false,
        rms_norm_eps: f64::from(config.rms_norm_eps),
        rope_theta: config.rope_theta,
        bos_token_id: None,
        eos_token_id: None,
        rope_scaling: None,
        max_position_embeddings: config.max_positions,
        tie_word_embeddings: false,
    };
    let model = llama::Llama::load(VarBuilder::from_tensors(named, DType::F32, device), &config)?;
    Ok(Model::Decoder { model, config })
}

fn encoder(
    config: &EncoderConfig,
    weights: Weights,
    device: &Device,
) -> Result<Model, EngineError> {
    let dense = |stem: &str| {
        Ok::<Dense, EngineError>(Dense {
            weight: take(&weights, &format!("{stem}.weight"))?,
            bias: take(&weights, &format!("{stem}.bias"))?,
        })
    };
    let (pooler, classifier) = (dense("bert.pooler.dense")?, dense("classifier")?);
    let config = bert::Config {
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size,
        num_hidden_layers: config.n_layers,
        num_attention_heads: config.n_heads,
        intermediate_size: config.intermediate_size,
        hidden_act: bert::HiddenAct::Gelu,
        max_position_embeddings: config.max_positions,
        type_vocab_size: config.type_vocab_size,
        layer_norm_eps: f64::from(config.layer_norm_eps),
        ..bert::Config::default()
    };
    let builder = VarBuilder::from_tensors(weights, DType::F32, device);
    let model = bert::BertModel::load(builder, &config)?;
    Ok(Model::Encoder { model, pooler, classifier })
}

#[cfg(test)]
#[path = "oracle_tests.rs"]
mod tests;
