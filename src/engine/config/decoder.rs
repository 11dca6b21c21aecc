//! Causal decoders: Llama, Mistral, Qwen2 and Qwen3, one computation with switches.

use serde_json::Value;

use super::keys::Keys;
use super::rope::{self, RopeScaling};
use crate::engine::EngineError;

/// Which export a decoder's files follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum DecoderFamily {
    /// Llama 2 and 3, TinyLlama, SmolLM2.
    Llama,
    /// Mistral: a sliding window over the keys.
    Mistral,
    /// Qwen2 and Qwen2.5: biases on queries, keys and values.
    Qwen2,
    /// Qwen3: every head's queries and keys pass an RMS norm before they are rotated.
    Qwen3,
}

impl DecoderFamily {
    /// The name `model_type` has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Shape of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// Which export its files follow.
    pub family: DecoderFamily,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the `SwiGLU` block.
    pub intermediate_size: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    /// Key and value heads (grouped-query attention when fewer than `n_heads`).
    pub n_kv_heads: usize,
    /// Width of a head; `n_heads * head_dim` may differ from `hidden_size`.
    pub head_dim: usize,
    /// Longest position the model was made for.
    pub max_positions: usize,
    /// Epsilon of every RMS norm.
    pub rms_norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// How the rotary frequencies are stretched.
    pub rope_scaling: Option<RopeScaling>,
    /// A row at position `p` sees positions above `p - sliding_window` only.
    pub sliding_window: Option<usize>,
    /// The first so many blocks use no window (Qwen's `max_window_layers`).
    pub n_full_layers: usize,
    /// Queries, keys and values have biases.
    pub qkv_bias: bool,
    /// The output projection of attention has a bias.
    pub output_bias: bool,
    /// The three matrices of the `SwiGLU` block have biases.
    pub mlp_bias: bool,
    /// Queries and keys pass an RMS norm over each head.
    pub query_key_norm: bool,
    /// Whether `lm_head` shares the embedding table (only language modeling reads it).
    pub tied_embeddings: bool,
    /// First token of every sequence, if the model wants one.
    pub bos_token_id: Option<u32>,
    /// Token appended to the answer.
    pub eos_token_id: Option<u32>,
    /// Token that pads batches: a stored head's reward is read at the last other one.
    pub pad_token_id: Option<u32>,
}

impl Default for DecoderConfig {
    /// A tiny Llama without windows, biases, scaled positions or special tokens.
    fn default() -> Self {
        Self {
            family: DecoderFamily::Llama,
            vocab_size: 64,
            hidden_size: 32,
            intermediate_size: 48,
            n_layers: 2,
            n_heads: 4,
            n_kv_heads: 4,
            head_dim: 8,
            max_positions: 256,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            rope_scaling: None,
            sliding_window: None,
            n_full_layers: 0,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            query_key_norm: false,
            tied_embeddings: true,
            bos_token_id: None,
            eos_token_id: None,
            pad_token_id: None,
        }
    }
}

impl DecoderConfig {
    /// Values of a row's queries, all heads together.
    #[must_use]
    pub fn query_width(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Values of a row's keys, all heads together.
    #[must_use]
    pub fn key_width(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }

    /// The window of a block.
    #[must_use]
    pub fn window(&self, layer: usize) -> Option<usize> {
        self.sliding_window.filter(|_| layer >= self.n_full_layers)
    }

    /// The frequency of each pair of a head's values, in radians a position.
    #[must_use]
    pub fn rope_frequencies(&self) -> Vec<f64> {
        rope::frequencies(self.head_dim, self.rope_theta, self.rope_scaling)
    }
}

pub(super) fn parse(family: DecoderFamily, keys: &Keys<'_>) -> Result<DecoderConfig, EngineError> {
    keys.expect_text("hidden_act", "silu")?;
    // A decoder that was turned into an encoder (LLM2Vec): transformers then attends in both
    // directions.
    if !keys.flag("is_causal", true)? {
        return Err(
            keys.bad("is_causal", "`true`, as decoders here attend to what comes before".into())
        );
    }
    // transformers takes such a checkpoint for another architecture (`ministral`).
    if family == DecoderFamily::Mistral && keys.get("layer_types").is_some() {
        return Err(keys.bad("layer_types", "none, as Mistral's blocks are all alike".into()));
    }
    let hidden_size = keys.count("hidden_size")?;
    let n_heads = keys.count("num_attention_heads")?;
    let n_kv_heads = keys.optional_count("num_key_value_heads")?.unwrap_or(n_heads);
    if !n_heads.is_multiple_of(n_kv_heads) {
        return Err(keys.bad("num_key_value_heads", format!("a divisor of {n_heads}")));
    }
    let n_layers = keys.count("num_hidden_layers")?;
    let vocab_size = keys.count("vocab_size")?;
    let (rope_theta, rope_scaling) = rope::parse(keys)?;
    let (sliding_window, n_full_layers) = window(family, keys, n_layers)?;
    let attention_bias = match family {
        DecoderFamily::Llama | DecoderFamily::Qwen3 => keys.flag("attention_bias", false)?,
        DecoderFamily::Mistral | DecoderFamily::Qwen2 => false,
    };
    Ok(DecoderConfig {
        family,
        vocab_size,
        hidden_size,
        intermediate_size: keys.count("intermediate_size")?,
        n_layers,
        n_heads,
        n_kv_heads,
        head_dim: head_dim(family, keys, hidden_size, n_heads)?,
        max_positions: keys.count("max_position_embeddings")?,
        rms_norm_eps: keys.optional_float("rms_norm_eps")?.unwrap_or(1e-6),
        rope_theta,
        rope_scaling,
        sliding_window,
        n_full_layers,
        qkv_bias: attention_bias || family == DecoderFamily::Qwen2,
        output_bias: attention_bias,
        mlp_bias: family == DecoderFamily::Llama && keys.flag("mlp_bias", false)?,
        query_key_norm: family == DecoderFamily::Qwen3,
        tied_embeddings: keys.flag("tie_word_embeddings", false)?,
        bos_token_id: keys.token_id("bos_token_id")?,
        eos_token_id: keys.token_id("eos_token_id")?,
        pad_token_id: keys.padding_id(vocab_size)?,
    })
}

fn head_dim(
    family: DecoderFamily,
    keys: &Keys<'_>,
    hidden_size: usize,
    n_heads: usize,
) -> Result<usize, EngineError> {
    // Qwen2 computes it, whatever an export says; Qwen3's is not derived from the others.
    let given = match family {
        DecoderFamily::Qwen2 => None,
        DecoderFamily::Qwen3 => Some(keys.optional_count("head_dim")?.unwrap_or(128)),
        _ => keys.optional_count("head_dim")?,
    };
    let (key, head_dim) = match given {
        Some(head_dim) => ("head_dim", head_dim),
        None if hidden_size.is_multiple_of(n_heads) => {
            ("num_attention_heads", hidden_size / n_heads)
        }
        None => return Err(keys.bad("num_attention_heads", format!("a divisor of {hidden_size}"))),
    };
    if head_dim.is_multiple_of(2) {
        Ok(head_dim)
    } else {
        Err(keys.bad(key, "an even head width (rotary positions turn pairs)".into()))
    }
}

/// The sliding window, and how many of the first blocks do not use it.
fn window(
    family: DecoderFamily,
    keys: &Keys<'_>,
    n_layers: usize,
) -> Result<(Option<usize>, usize), EngineError> {
    let window = match family {
        DecoderFamily::Llama => None,
        DecoderFamily::Mistral => keys.optional_count("sliding_window")?,
        DecoderFamily::Qwen2 | DecoderFamily::Qwen3 => {
            let is_used = keys.flag("use_sliding_window", false)?;
            keys.optional_count("sliding_window")?.filter(|_| is_used)
        }
    };
    if window.is_none() || family == DecoderFamily::Mistral {
        return Ok((window, 0));
    }
    let n_full = match keys.get("layer_types") {
        // The default value of transformers' configuration classes.
        None => keys.count_or_zero("max_window_layers", 28)?.min(n_layers),
        Some(types) => full_layers(types, n_layers).ok_or_else(|| {
            let expected = format!(
                "{n_layers} entries, `full_attention` ones before `sliding_attention` ones"
            );
            keys.bad("layer_types", expected)
        })?,
    };
    Ok(if n_full == n_layers { (None, 0) } else { (window, n_full) })
}

/// How many of the first blocks attend to everything; `None` when later blocks do so too, or the
/// list cannot be read.
fn full_layers(types: &Value, n_layers: usize) -> Option<usize> {
    let types: Option<Vec<&str>> = types.as_array()?.iter().map(Value::as_str).collect();
    let types = types.filter(|types| types.len() == n_layers)?;
    let n_full = types.iter().take_while(|kind| **kind == "full_attention").count();
    types[n_full..].iter().all(|kind| *kind == "sliding_attention").then_some(n_full)
}
