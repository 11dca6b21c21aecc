//! [`Generator`]: texts continued by the stock Llama of `candle-transformers`, which keeps the keys and
//! values of what it has read, so that each new token is one row of work.

use std::collections::HashMap;

use candle_core::{DType, Device as CandleDevice, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::generation::LogitsProcessor;
use candle_transformers::models::llama;

use super::device;
use crate::domain::spec::Device;
use crate::engine::config::{DecoderConfig, DecoderFamily, ModelConfig};
use crate::engine::files::weights::ModelFiles;
use crate::engine::text::tokenize::PairTokenizer;
use crate::engine::{Backbone, EngineError, SamplingSettings, TextGenerator};

/// A Llama model that continues texts.
pub struct Generator {
    model: llama::Llama,
    config: llama::Config,
    device: CandleDevice,
    tokenizer: PairTokenizer,
    /// Where a text ends.
    end: Option<u32>,
    max_tokens: usize,
}

impl Generator {
    /// Opens the files of a Llama model; prompt and answer together stay within `max_tokens`.
    ///
    /// # Errors
    /// [`EngineError::CannotGenerate`] for another family, or a Llama model with a part that the stock
    /// one lacks; when the files cannot be read or the device refuses.
    pub fn open(
        backbone: &Backbone,
        max_tokens: usize,
        device: Device,
    ) -> Result<Self, EngineError> {
        let device = device::open(device)?;
        let files = ModelFiles::open(backbone, max_tokens)?;
        let refused = |what: &str| EngineError::CannotGenerate {
            backbone: backbone.to_string(),
            detail: what.to_owned(),
        };
        let config = match &files.config {
            ModelConfig::Decoder(config) if config.family == DecoderFamily::Llama => config,
            other => return Err(refused(&format!("`model_type` is `{}`", other.family()))),
        };
        if let Some(lacking) = lacking(config) {
            return Err(refused(&format!("it has {lacking}")));
        }
        files.check_language_head()?;
        let mut weights = HashMap::new();
        for name in files.weights.names() {
            let tensor = files.weights.tensor(name)?;
            let values = Tensor::from_vec(tensor.values, tensor.shape, &device)?;
            weights.insert(name.to_owned(), values);
        }
        let config = llama_config(config);
        let builder = VarBuilder::from_tensors(weights, DType::F32, &device);
        let model = llama::Llama::load(builder, &config)?;
        let tokenizer = files.tokenizer;
        let end = tokenizer.end_token().and_then(|token| tokenizer.id(&token));
        Ok(Self { model, config, device, tokenizer, end, max_tokens })
    }

    /// The token ids that follow `prompt`, without the end token.
    fn continuation(
        &self,
        prompt: &[u32],
        settings: &SamplingSettings,
    ) -> Result<Vec<u32>, EngineError> {
        let (n_tokens, limit) = (prompt.len(), self.max_tokens);
        if n_tokens >= limit {
            return Err(EngineError::PromptTooLong { n_tokens, limit });
        }
        let temperature = (settings.temperature > 0.0).then_some(settings.temperature);
        let mut next = LogitsProcessor::new(settings.rng_seed, temperature, None);
        let mut cache = llama::Cache::new(true, DType::F32, &self.config, &self.device)?;
        let mut tokens = prompt.to_vec();
        let mut n_read = 0;
        while tokens.len() < limit && tokens.len() - n_tokens < settings.n_tokens_max {
            // The whole prompt in the first step, then only the token drawn last; keys and values
            // of earlier tokens are cached.
            let new = Tensor::new(&tokens[n_read..], &self.device)?.unsqueeze(0)?;
            let logits = self.model.forward(&new, n_read, &mut cache)?.squeeze(0)?;
            n_read = tokens.len();
            let token = next.sample(&logits)?;
            if Some(token) == self.end {
                break;
            }
            tokens.push(token);
        }
        Ok(tokens.split_off(n_tokens))
    }
}

impl TextGenerator for Generator {
    fn generate(
        &mut self,
        prompt: &str,
        settings: &SamplingSettings,
    ) -> Result<String, EngineError> {
        let prompt = [self.tokenizer.start(), &self.tokenizer.encode_text(prompt)?].concat();
        self.tokenizer.decode(&self.continuation(&prompt, settings)?)
    }
}

/// The part of a model that the stock Llama does not compute; `None` where it computes everything.
pub fn lacking(config: &DecoderConfig) -> Option<&'static str> {
    if config.qkv_bias || config.mlp_bias {
        return Some("biases");
    }
    if config.rope_scaling.is_some() {
        return Some("scaled rotary positions");
    }
    (config.query_width() != config.hidden_size).then_some("a head width of its own")
}

/// The shape as the stock model takes it.
pub fn llama_config(config: &DecoderConfig) -> llama::Config {
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
