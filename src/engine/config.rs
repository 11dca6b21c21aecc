//! The shapes of the supported model families, as read from `config.json`.

/// A supported architecture with its shape.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelConfig {
    /// A causal decoder (`model_type` `llama`).
    Llama(LlamaConfig),
    /// A bidirectional encoder (`model_type` `bert`).
    Bert(BertConfig),
}

/// Shape of a Llama-family decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct LlamaConfig {
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the SwiGLU block.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads (grouped-query attention when fewer than `n_heads`).
    pub n_kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Longest position the model was made for.
    pub max_positions: usize,
    /// Epsilon of RMS norm.
    pub rms_norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// Whether `lm_head` shares the embedding table (only language modelling reads it).
    pub tied_embeddings: bool,
    /// First token of every sequence, if the model wants one.
    pub bos_token_id: Option<u32>,
    /// Token appended to the answer; its position is where the reward is read.
    pub eos_token_id: Option<u32>,
}

/// Shape of a BERT-family encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct BertConfig {
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward block.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Rows of the position table.
    pub max_positions: usize,
    /// Rows of the token-type table.
    pub type_vocab_size: usize,
    /// Epsilon of layer norm.
    pub layer_norm_eps: f32,
}
