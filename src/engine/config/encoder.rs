//! Bidirectional encoders: BERT, RoBERTa, DistilBERT and DeBERTa, one computation with switches.

use super::keys::Keys;
use super::relative::{self, RelativePositions};
use crate::engine::EngineError;

/// Which export an encoder's files follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum EncoderFamily {
    /// BERT and MiniLM.
    Bert,
    /// RoBERTa and XLM-RoBERTa: positions start after the padding id; no segments.
    Roberta,
    /// DistilBERT: no segments, no pooler.
    #[strum(serialize = "distilbert")]
    DistilBert,
    /// DeBERTa v2 and v3: attention scores depend on relative positions, too.
    DebertaV2,
}

impl EncoderFamily {
    /// The name `model_type` has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The non-linearity of an encoder's feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Phi(x)` by the error function (Hendrycks and Gimpel 2016).
    Gelu,
    /// Its approximation by a hyperbolic tangent.
    GeluTanh,
}

/// Shape of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderConfig {
    /// Which export its files follow.
    pub family: EncoderFamily,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward block.
    pub intermediate_size: usize,
    pub n_layers: usize,
    pub n_heads: usize,
    /// Rows of the position table; a sequence may take those from `first_position` on. Without a
    /// table, the longest sequence.
    pub max_positions: usize,
    /// Whether there is a table of positions (DeBERTa v3 has none).
    pub has_position_table: bool,
    /// Row of the position table that the first token takes (RoBERTa: padding id + 1).
    pub first_position: usize,
    /// Rows of the token-type table; 0 when there is none.
    pub type_vocab_size: usize,
    /// Epsilon of every layer norm.
    pub layer_norm_eps: f32,
    /// The non-linearity of the feed-forward block.
    pub activation: Activation,
    /// The id that pads batches (never fed by this program).
    pub pad_token_id: u32,
    /// How far apart two tokens stand, as attention sees it (DeBERTa).
    pub relative: Option<RelativePositions>,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self {
            family: EncoderFamily::Bert,
            vocab_size: 64,
            hidden_size: 32,
            intermediate_size: 48,
            n_layers: 2,
            n_heads: 4,
            max_positions: 128,
            has_position_table: true,
            first_position: 0,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            activation: Activation::Gelu,
            pad_token_id: 0,
            relative: None,
        }
    }
}

impl EncoderConfig {
    /// Width of a head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.n_heads
    }

    /// Whether the model can mark the answer's tokens by a token type of 1; whether it does depends
    /// on the tokenizer.
    #[must_use]
    pub fn has_segments(&self) -> bool {
        self.type_vocab_size > 1
    }
}

/// The row of the position table that each token of a text takes, counted from `first`. A `<pad>`
/// that is written in the middle of a RoBERTa text (its id is `first - 1`) takes the row of its id,
/// and the tokens behind it keep their rows.
#[must_use]
pub fn position_rows(tokens: &[u32], first: usize) -> Vec<u32> {
    let (first, mut next) = (first as u32, first as u32);
    let row = |token: &u32| {
        if first.checked_sub(1) == Some(*token) {
            return *token;
        }
        next += 1;
        next - 1
    };
    tokens.iter().map(row).collect()
}

pub(super) fn parse(family: EncoderFamily, keys: &Keys<'_>) -> Result<EncoderConfig, EngineError> {
    match family {
        EncoderFamily::Bert | EncoderFamily::Roberta => bert(family, keys),
        EncoderFamily::DistilBert => distilbert(keys),
        EncoderFamily::DebertaV2 => deberta(keys),
    }
}

fn bert(family: EncoderFamily, keys: &Keys<'_>) -> Result<EncoderConfig, EngineError> {
    if keys.get("position_embedding_type").is_some() {
        keys.expect_text("position_embedding_type", "absolute")?;
    }
    keys.expect_absent_or_false("is_decoder")?;
    let is_roberta = family == EncoderFamily::Roberta;
    let default_pad = u32::from(is_roberta);
    let pad_token_id = keys.token_id("pad_token_id")?.unwrap_or(default_pad);
    let first_position = if is_roberta { pad_token_id as usize + 1 } else { 0 };
    let max_positions = keys.count("max_position_embeddings")?;
    if max_positions <= first_position {
        let expected = format!("more than {first_position}");
        return Err(keys.bad("max_position_embeddings", expected));
    }
    let (hidden_size, n_heads) = heads(keys, "hidden_size", "num_attention_heads")?;
    Ok(EncoderConfig {
        family,
        vocab_size: keys.count("vocab_size")?,
        hidden_size,
        intermediate_size: keys.count("intermediate_size")?,
        n_layers: keys.count("num_hidden_layers")?,
        n_heads,
        max_positions,
        has_position_table: true,
        first_position,
        type_vocab_size: keys.optional_count("type_vocab_size")?.unwrap_or(2),
        layer_norm_eps: keys.optional_float("layer_norm_eps")?.unwrap_or(1e-12),
        activation: activation(keys, "hidden_act")?,
        pad_token_id,
        relative: None,
    })
}

/// DistilBERT has names of its own for the same keys. Its positions may have started as sinusoids
/// (`sinusoidal_pos_embds`); the table is in the weights all the same.
fn distilbert(keys: &Keys<'_>) -> Result<EncoderConfig, EngineError> {
    let (hidden_size, n_heads) = heads(keys, "dim", "n_heads")?;
    Ok(EncoderConfig {
        family: EncoderFamily::DistilBert,
        vocab_size: keys.count("vocab_size")?,
        hidden_size,
        intermediate_size: keys.count("hidden_dim")?,
        n_layers: keys.count("n_layers")?,
        n_heads,
        max_positions: keys.count("max_position_embeddings")?,
        has_position_table: true,
        first_position: 0,
        type_vocab_size: 0,
        layer_norm_eps: 1e-12,
        activation: activation(keys, "activation")?,
        pad_token_id: keys.token_id("pad_token_id")?.unwrap_or(0),
        relative: None,
    })
}

/// DeBERTa v2 and v3 (He et al. 2021). Refused are the variants that no v3 model uses: a convolution
/// beside the first block, embeddings of another width, a pooler of another kind.
fn deberta(keys: &Keys<'_>) -> Result<EncoderConfig, EngineError> {
    if keys.get("conv_kernel_size").is_some_and(|size| size.as_i64() != Some(0)) {
        return Err(keys.bad("conv_kernel_size", "`0` (no convolution)".into()));
    }
    let (hidden_size, n_heads) = heads(keys, "hidden_size", "num_attention_heads")?;
    for (key, expected) in [
        ("embedding_size", hidden_size),
        ("pooler_hidden_size", hidden_size),
        ("attention_head_size", hidden_size / n_heads),
    ] {
        if keys.optional_count(key)?.is_some_and(|size| size != expected) {
            return Err(keys.bad(key, format!("`{expected}`")));
        }
    }
    if keys.get("pooler_hidden_act").is_some() {
        keys.expect_text("pooler_hidden_act", "gelu")?;
    }
    let max_positions = keys.count("max_position_embeddings")?;
    Ok(EncoderConfig {
        family: EncoderFamily::DebertaV2,
        vocab_size: keys.count("vocab_size")?,
        hidden_size,
        intermediate_size: keys.count("intermediate_size")?,
        n_layers: keys.count("num_hidden_layers")?,
        n_heads,
        max_positions,
        has_position_table: keys.flag("position_biased_input", true)?,
        first_position: 0,
        type_vocab_size: keys.count_or_zero("type_vocab_size", 0)?,
        layer_norm_eps: keys.optional_float("layer_norm_eps")?.unwrap_or(1e-7),
        activation: activation(keys, "hidden_act")?,
        pad_token_id: keys.token_id("pad_token_id")?.unwrap_or(0),
        relative: Some(relative::parse(keys, max_positions)?),
    })
}

fn heads(
    keys: &Keys<'_>,
    width: &'static str,
    heads: &'static str,
) -> Result<(usize, usize), EngineError> {
    let (hidden_size, n_heads) = (keys.count(width)?, keys.count(heads)?);
    if hidden_size.is_multiple_of(n_heads) {
        Ok((hidden_size, n_heads))
    } else {
        Err(keys.bad(heads, format!("a divisor of {hidden_size}")))
    }
}

fn activation(keys: &Keys<'_>, key: &'static str) -> Result<Activation, EngineError> {
    match keys.text(key)? {
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        _ => Err(keys.bad(key, "`gelu` or `gelu_new`".into())),
    }
}
