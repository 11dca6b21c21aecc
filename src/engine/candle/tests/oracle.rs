//! The third opinion of the tests: the stock models of `candle-transformers`, inference only.
//!
//! Their forward passes share no line with `cpu` or with the rest of this module. They are not
//! trained: candle's fused operations detach silently, and a training loop over these models runs,
//! its loss falls, and most weights get no gradient. What they lack (biases of Llama, windows as
//! Mistral means them, the exact GELU of DistilBERT) is refused.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, IndexOp, Tensor as CandleTensor};
use candle_nn::{Activation as CandleActivation, VarBuilder};
use candle_transformers::models::{
    bert, debertav2, distilbert, llama, mistral, qwen2, qwen3, xlm_roberta,
};
use serde_json::json;

use crate::engine::EngineError;
use crate::engine::config::{
    Activation, DecoderConfig, DecoderFamily, EncoderConfig, EncoderFamily, ModelConfig,
};
use crate::engine::files::layout::Layout;
use crate::engine::files::weights::Tensor;

/// Rewards by an independent forward pass on the CPU.
pub struct Oracle {
    model: Model,
    device: Device,
}

enum Model {
    Llama { model: llama::Llama, config: llama::Config },
    Mistral(mistral::Model),
    Qwen2 { model: qwen2::Model, score: CandleTensor },
    Qwen3 { model: qwen3::Model, score: CandleTensor },
    Bert { model: bert::BertModel, pooler: Dense, classifier: Dense },
    Roberta(xlm_roberta::XLMRobertaForSequenceClassification),
    DistilBert { model: distilbert::DistilBertModel, pooler: Dense, classifier: Dense },
    DebertaV2 { model: Box<debertav2::DebertaV2SeqClassificationModel>, has_segments: bool },
}

/// `x W^T + b`.
struct Dense {
    weight: CandleTensor,
    bias: CandleTensor,
}

impl Dense {
    fn new(weights: &Weights, stem: &str) -> Result<Self, EngineError> {
        Ok(Self {
            weight: take(weights, &format!("{stem}.weight"))?,
            bias: take(weights, &format!("{stem}.bias"))?,
        })
    }

    fn forward(&self, x: &CandleTensor) -> candle_core::Result<CandleTensor> {
        x.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)
    }
}

impl Oracle {
    /// Builds the stock model from weights under their Hugging Face names (with or without the
    /// family's prefix), reward head included.
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
    /// `answer_start` on (BERT only).
    ///
    /// # Errors
    /// [`EngineError::Candle`] when the sequence is empty, too long or holds an unknown id.
    pub fn reward(&self, tokens: &[u32], answer_start: usize) -> Result<f32, EngineError> {
        let row = |values: Vec<u32>| CandleTensor::new(values, &self.device)?.unsqueeze(0);
        let last = tokens.len().saturating_sub(1);
        let ids = row(tokens.to_vec())?;
        let reward = match &self.model {
            // The head of the first two is row 0 of the output matrix (see `with_output`); models
            // are cloned for their caches of keys, which start empty.
            Model::Llama { model, config } => {
                let mut cache = llama::Cache::new(false, DType::F32, config, &self.device)?;
                model.forward(&ids, 0, &mut cache)?.i((0, 0))?
            }
            Model::Mistral(model) => model.clone().forward(&ids, 0)?.i((0, 0, 0))?,
            Model::Qwen2 { model, score } => {
                let hidden = model.clone().forward(&ids, 0, None)?;
                (hidden.i((0, last))? * score.i(0)?)?.sum_all()?
            }
            Model::Qwen3 { model, score } => {
                let hidden = model.clone().forward(&ids, 0)?;
                (hidden.i((0, last))? * score.i(0)?)?.sum_all()?
            }
            Model::Bert { model, pooler, classifier } => {
                let types = (0..tokens.len()).map(|i| u32::from(i >= answer_start)).collect();
                let hidden = model.forward(&ids, &row(types)?, None)?;
                let pooled = pooler.forward(&hidden.i((.., 0))?.contiguous()?)?.tanh()?;
                classifier.forward(&pooled)?.i((0, 0))?
            }
            Model::Roberta(model) => {
                let mask = row(vec![1; tokens.len()])?;
                model.forward(&ids, &mask, &row(vec![0; tokens.len()])?)?.i((0, 0))?
            }
            Model::DistilBert { model, pooler, classifier } => {
                // Here a mask says what is hidden.
                let hidden = model.forward(&ids, &row(vec![0; tokens.len()])?)?;
                let pooled = pooler.forward(&hidden.i((.., 0))?.contiguous()?)?.relu()?;
                classifier.forward(&pooled)?.i((0, 0))?
            }
            Model::DebertaV2 { model, has_segments } => {
                let types = |i: usize| u32::from(*has_segments && i >= answer_start);
                let types = row((0..tokens.len()).map(types).collect())?;
                model.forward(&ids, Some(types), None)?.i((0, 0))?
            }
        };
        Ok(reward.to_scalar()?)
    }
}

type Weights = HashMap<String, CandleTensor>;

fn take(weights: &Weights, name: &str) -> Result<CandleTensor, EngineError> {
    let missing = || EngineError::Candle { detail: format!("`{name}` is missing") };
    weights.get(name).cloned().ok_or_else(missing)
}

fn unknown(what: &str) -> EngineError {
    EngineError::Candle { detail: format!("the stock model knows no {what}") }
}

/// A model that gives only logits reads the reward head as the first row of an untied output matrix
/// whose other rows are 0.
fn with_output(config: &DecoderConfig, mut weights: Weights) -> Result<Weights, EngineError> {
    let score = take(&weights, "score.weight")?;
    let shape = (config.vocab_size - 1, config.hidden_size);
    let rest = CandleTensor::zeros(shape, DType::F32, score.device())?;
    weights.insert("lm_head.weight".into(), CandleTensor::cat(&[score, rest], 0)?);
    Ok(weights)
}

fn decoder(
    config: &DecoderConfig,
    weights: Weights,
    device: &Device,
) -> Result<Model, EngineError> {
    if config.sliding_window.is_some() {
        // Candle's sees one position more than transformers'.
        return Err(unknown("sliding window of this meaning"));
    }
    if config.rope_scaling.is_some() {
        return Err(unknown("scaled rotary positions"));
    }
    match config.family {
        DecoderFamily::Llama => {
            if let Some(lacking) = lacking(config) {
                return Err(unknown(lacking));
            }
            let weights = with_output(config, weights)?;
            let config = llama::Config { tie_word_embeddings: false, ..llama_config(config) };
            let builder = VarBuilder::from_tensors(weights, DType::F32, device);
            Ok(Model::Llama { model: llama::Llama::load(builder, &config)?, config })
        }
        DecoderFamily::Mistral => {
            let weights = with_output(config, weights)?;
            let config = mistral_config(config);
            let builder = VarBuilder::from_tensors(weights, DType::F32, device);
            Ok(Model::Mistral(mistral::Model::new(&config, builder)?))
        }
        DecoderFamily::Qwen2 => {
            let score = take(&weights, "score.weight")?;
            let builder = VarBuilder::from_tensors(weights, DType::F32, device);
            Ok(Model::Qwen2 { model: qwen2::Model::new(&qwen2_config(config), builder)?, score })
        }
        DecoderFamily::Qwen3 => {
            let score = take(&weights, "score.weight")?;
            let builder = VarBuilder::from_tensors(weights, DType::F32, device);
            Ok(Model::Qwen3 { model: qwen3::Model::new(&qwen3_config(config), builder)?, score })
        }
    }
}

fn mistral_config(config: &DecoderConfig) -> mistral::Config {
    mistral::Config {
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        num_hidden_layers: config.n_layers,
        num_attention_heads: config.n_heads,
        head_dim: Some(config.head_dim),
        num_key_value_heads: config.n_kv_heads,
        hidden_act: CandleActivation::Silu,
        max_position_embeddings: config.max_positions,
        rms_norm_eps: f64::from(config.rms_norm_eps),
        rope_theta: f64::from(config.rope_theta),
        sliding_window: None,
        use_flash_attn: false,
    }
}

fn qwen2_config(config: &DecoderConfig) -> qwen2::Config {
    qwen2::Config {
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        num_hidden_layers: config.n_layers,
        num_attention_heads: config.n_heads,
        num_key_value_heads: config.n_kv_heads,
        max_position_embeddings: config.max_positions,
        // Read whatever `use_sliding_window` says.
        sliding_window: config.max_positions,
        max_window_layers: config.n_layers,
        tie_word_embeddings: config.tied_embeddings,
        rope_theta: f64::from(config.rope_theta),
        rms_norm_eps: f64::from(config.rms_norm_eps),
        use_sliding_window: false,
        hidden_act: CandleActivation::Silu,
    }
}

fn qwen3_config(config: &DecoderConfig) -> qwen3::Config {
    qwen3::Config {
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        num_hidden_layers: config.n_layers,
        num_attention_heads: config.n_heads,
        head_dim: config.head_dim,
        attention_bias: config.qkv_bias,
        num_key_value_heads: config.n_kv_heads,
        max_position_embeddings: config.max_positions,
        sliding_window: None,
        max_window_layers: config.n_layers,
        tie_word_embeddings: config.tied_embeddings,
        rope_theta: f64::from(config.rope_theta),
        rms_norm_eps: f64::from(config.rms_norm_eps),
        use_sliding_window: false,
        hidden_act: CandleActivation::Silu,
    }
}

fn encoder(
    config: &EncoderConfig,
    weights: Weights,
    device: &Device,
) -> Result<Model, EngineError> {
    let is_exact = config.activation == Activation::Gelu;
    match config.family {
        EncoderFamily::Bert => {
            let pooler = Dense::new(&weights, "bert.pooler.dense")?;
            let classifier = Dense::new(&weights, "classifier")?;
            let act =
                if is_exact { bert::HiddenAct::Gelu } else { bert::HiddenAct::GeluApproximate };
            let builder = VarBuilder::from_tensors(weights, DType::F32, device);
            let model = bert::BertModel::load(builder, &bert_config(config, act))?;
            Ok(Model::Bert { model, pooler, classifier })
        }
        EncoderFamily::Roberta => {
            let act =
                if is_exact { CandleActivation::Gelu } else { CandleActivation::GeluPytorchTanh };
            let builder = VarBuilder::from_tensors(weights, DType::F32, device);
            let config = roberta_config(config, act);
            Ok(Model::Roberta(xlm_roberta::XLMRobertaForSequenceClassification::new(
                1, &config, builder,
            )?))
        }
        EncoderFamily::DistilBert if is_exact => Err(unknown("exact GELU")),
        EncoderFamily::DistilBert => {
            let pooler = Dense::new(&weights, "pre_classifier")?;
            let classifier = Dense::new(&weights, "classifier")?;
            let builder = VarBuilder::from_tensors(weights, DType::F32, device);
            let model = distilbert::DistilBertModel::load(builder, &distilbert_config(config)?)?;
            Ok(Model::DistilBert { model, pooler, classifier })
        }
        EncoderFamily::DebertaV2 => {
            let builder = VarBuilder::from_tensors(weights, DType::F32, device).pp("deberta");
            let label = HashMap::from([(0, "LABEL_0".to_owned())]);
            let stock = deberta_config(config)?;
            let model =
                debertav2::DebertaV2SeqClassificationModel::load(builder, &stock, Some(label))?;
            Ok(Model::DebertaV2 { model: Box::new(model), has_segments: config.has_segments() })
        }
    }
}

fn bert_config(config: &EncoderConfig, hidden_act: bert::HiddenAct) -> bert::Config {
    bert::Config {
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size,
        num_hidden_layers: config.n_layers,
        num_attention_heads: config.n_heads,
        intermediate_size: config.intermediate_size,
        hidden_act,
        max_position_embeddings: config.max_positions,
        type_vocab_size: config.type_vocab_size,
        layer_norm_eps: f64::from(config.layer_norm_eps),
        ..bert::Config::default()
    }
}

fn roberta_config(config: &EncoderConfig, hidden_act: CandleActivation) -> xlm_roberta::Config {
    xlm_roberta::Config {
        hidden_size: config.hidden_size,
        layer_norm_eps: f64::from(config.layer_norm_eps),
        attention_probs_dropout_prob: 0.0,
        hidden_dropout_prob: 0.0,
        num_attention_heads: config.n_heads,
        position_embedding_type: "absolute".into(),
        intermediate_size: config.intermediate_size,
        hidden_act,
        num_hidden_layers: config.n_layers,
        vocab_size: config.vocab_size,
        max_position_embeddings: config.max_positions,
        type_vocab_size: config.type_vocab_size,
        pad_token_id: config.pad_token_id,
    }
}

fn deberta_config(config: &EncoderConfig) -> Result<debertav2::Config, EngineError> {
    let relative = config.relative.ok_or_else(|| unknown("absence of relative positions"))?;
    let keys = json!({
        "vocab_size": config.vocab_size, "hidden_size": config.hidden_size,
        "num_hidden_layers": config.n_layers, "num_attention_heads": config.n_heads,
        "intermediate_size": config.intermediate_size, "layer_norm_eps": config.layer_norm_eps,
        "hidden_act": if config.activation == Activation::Gelu { "gelu" } else { "gelu_approximate" },
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
        "max_position_embeddings": config.max_positions, "initializer_range": 0.02,
        "type_vocab_size": config.type_vocab_size, "pad_token_id": config.pad_token_id,
        "position_biased_input": config.has_position_table, "relative_attention": true,
        "pos_att_type": "p2c|c2p", "share_att_key": true,
        "max_relative_positions": relative.max_distance,
        "position_buckets": if relative.n_buckets > 0 { relative.n_buckets as i64 } else { -1 },
        "norm_rel_ebd": if relative.has_norm { "layer_norm" } else { "none" },
        "pooler_dropout": 0.0, "pooler_hidden_act": "gelu", "pooler_hidden_size": config.hidden_size,
    });
    serde_json::from_value(keys).map_err(|error| EngineError::json("config.json", &error))
}

/// Its fields are private.
fn distilbert_config(config: &EncoderConfig) -> Result<distilbert::Config, EngineError> {
    let keys = json!({
        "vocab_size": config.vocab_size, "dim": config.hidden_size, "n_layers": config.n_layers,
        "n_heads": config.n_heads, "hidden_dim": config.intermediate_size, "activation": "gelu",
        "max_position_embeddings": config.max_positions, "initializer_range": 0.02,
        "pad_token_id": config.pad_token_id, "model_type": "distilbert",
    });
    serde_json::from_value(keys).map_err(|error| EngineError::json("config.json", &error))
}

/// The part of a model that the stock Llama does not compute; `None` where it computes everything.
fn lacking(config: &DecoderConfig) -> Option<&'static str> {
    if config.qkv_bias || config.mlp_bias {
        return Some("biases");
    }
    if config.rope_scaling.is_some() {
        return Some("scaled rotary positions");
    }
    (config.query_width() != config.hidden_size).then_some("a head width of its own")
}

/// The shape as the stock model takes it.
fn llama_config(config: &DecoderConfig) -> llama::Config {
    llama::Config {
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
        tie_word_embeddings: config.tied_embeddings,
    }
}
