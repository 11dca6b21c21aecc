//! The shapes of the supported model families, as read from `config.json`.
//!
//! Values are looked up one by one rather than derived with serde, so that every refusal can name
//! the file, the key and the value, and so that variants this program does not compute (scaled
//! rotary positions, attention biases, other activations) are refused instead of ignored.

use std::path::Path;

use serde_json::{Map, Value};

use super::EngineError;

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
    /// Width of the `SwiGLU` block.
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

impl ModelConfig {
    /// Parses the bytes of a `config.json`. `path` is for messages.
    ///
    /// # Errors
    /// Names the file and the line, key or value that is wrong.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, EngineError> {
        let keys: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| EngineError::json(path, &error))?;
        let keys = Keys { path, keys: &keys };
        match keys.text("model_type")? {
            "llama" => llama(&keys).map(Self::Llama),
            "bert" => bert(&keys).map(Self::Bert),
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
            Self::Llama(_) => "llama",
            Self::Bert(_) => "bert",
        }
    }

    /// Rows of the embedding table.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Llama(config) => config.vocab_size,
            Self::Bert(config) => config.vocab_size,
        }
    }

    /// Width of the residual stream.
    #[must_use]
    pub fn hidden_size(&self) -> usize {
        match self {
            Self::Llama(config) => config.hidden_size,
            Self::Bert(config) => config.hidden_size,
        }
    }

    /// Longest sequence the model can read.
    #[must_use]
    pub fn max_positions(&self) -> usize {
        match self {
            Self::Llama(config) => config.max_positions,
            Self::Bert(config) => config.max_positions,
        }
    }
}

fn llama(keys: &Keys<'_>) -> Result<LlamaConfig, EngineError> {
    keys.expect_text("hidden_act", "silu")?;
    keys.expect_absent_or_false("attention_bias")?;
    keys.expect_absent_or_false("mlp_bias")?;
    let hidden_size = keys.count("hidden_size")?;
    let n_heads = keys.count("num_attention_heads")?;
    let n_kv_heads = keys.optional_count("num_key_value_heads")?.unwrap_or(n_heads);
    if !n_heads.is_multiple_of(n_kv_heads) {
        return Err(keys.bad("num_key_value_heads", format!("a divisor of {n_heads}")));
    }
    let head_dim = match keys.optional_count("head_dim")? {
        Some(head_dim) => head_dim,
        None if hidden_size.is_multiple_of(n_heads) => hidden_size / n_heads,
        None => return Err(keys.bad("num_attention_heads", format!("a divisor of {hidden_size}"))),
    };
    if !head_dim.is_multiple_of(2) {
        let key = if keys.get("head_dim").is_some() { "head_dim" } else { "num_attention_heads" };
        return Err(keys.bad(key, "an even head width (rotary positions turn pairs)".into()));
    }
    Ok(LlamaConfig {
        vocab_size: keys.count("vocab_size")?,
        hidden_size,
        intermediate_size: keys.count("intermediate_size")?,
        n_layers: keys.count("num_hidden_layers")?,
        n_heads,
        n_kv_heads,
        head_dim,
        max_positions: keys.count("max_position_embeddings")?,
        rms_norm_eps: keys.optional_float("rms_norm_eps")?.unwrap_or(1e-6),
        rope_theta: rope_theta(keys)?,
        tied_embeddings: keys.flag("tie_word_embeddings", false)?,
        bos_token_id: keys.token_id("bos_token_id")?,
        eos_token_id: keys.token_id("eos_token_id")?,
    })
}

/// The rotary base. Since transformers 5 it stands in `rope_parameters` beside the scaling kind;
/// before, at the top with `rope_scaling` for the rest.
fn rope_theta(keys: &Keys<'_>) -> Result<f32, EngineError> {
    const DEFAULT: f32 = 10_000.0;
    let is_plain = |rope: &Map<String, Value>| {
        let kind = rope.get("rope_type").or_else(|| rope.get("type")).and_then(Value::as_str);
        kind == Some("default")
    };
    match keys.get("rope_scaling") {
        None => {}
        Some(Value::Object(rope)) if is_plain(rope) => {}
        Some(_) => return Err(keys.bad("rope_scaling", "`null`".into())),
    }
    match keys.get("rope_parameters") {
        None => Ok(keys.optional_float("rope_theta")?.unwrap_or(DEFAULT)),
        Some(Value::Object(rope)) if is_plain(rope) => {
            let nested = Keys { path: keys.path, keys: rope };
            Ok(nested.optional_float("rope_theta")?.unwrap_or(DEFAULT))
        }
        Some(_) => Err(keys.bad("rope_parameters", "`rope_type` `default`".into())),
    }
}

fn bert(keys: &Keys<'_>) -> Result<BertConfig, EngineError> {
    keys.expect_text("hidden_act", "gelu")?;
    if keys.get("position_embedding_type").is_some() {
        keys.expect_text("position_embedding_type", "absolute")?;
    }
    keys.expect_absent_or_false("is_decoder")?;
    let hidden_size = keys.count("hidden_size")?;
    let n_heads = keys.count("num_attention_heads")?;
    if !hidden_size.is_multiple_of(n_heads) {
        return Err(keys.bad("num_attention_heads", format!("a divisor of {hidden_size}")));
    }
    Ok(BertConfig {
        vocab_size: keys.count("vocab_size")?,
        hidden_size,
        intermediate_size: keys.count("intermediate_size")?,
        n_layers: keys.count("num_hidden_layers")?,
        n_heads,
        max_positions: keys.count("max_position_embeddings")?,
        type_vocab_size: keys.optional_count("type_vocab_size")?.unwrap_or(2),
        layer_norm_eps: keys.optional_float("layer_norm_eps")?.unwrap_or(1e-12),
    })
}

/// Above this a shape is taken for damage; keeps products of two sizes far from overflow.
const MAX_COUNT: u64 = 1 << 24;

/// Look-ups with messages.
struct Keys<'a> {
    path: &'a Path,
    keys: &'a Map<String, Value>,
}

impl<'a> Keys<'a> {
    /// The value of a key; `null` counts as absent.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    fn require(&self, key: &'static str) -> Result<&'a Value, EngineError> {
        self.get(key).ok_or_else(|| EngineError::MissingKey { path: self.path.to_owned(), key })
    }

    fn bad(&self, key: &'static str, expected: String) -> EngineError {
        let value = match self.keys.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "missing".into(),
        };
        EngineError::BadValue { path: self.path.to_owned(), key, value, expected }
    }

    fn text(&self, key: &'static str) -> Result<&'a str, EngineError> {
        self.require(key)?.as_str().ok_or_else(|| self.bad(key, "a text".into()))
    }

    fn expect_text(&self, key: &'static str, expected: &str) -> Result<(), EngineError> {
        if self.text(key)? == expected {
            Ok(())
        } else {
            Err(self.bad(key, format!("`{expected}`")))
        }
    }

    fn flag(&self, key: &'static str, default: bool) -> Result<bool, EngineError> {
        self.get(key).map_or(Ok(default), |value| {
            value.as_bool().ok_or_else(|| self.bad(key, "`true` or `false`".into()))
        })
    }

    fn expect_absent_or_false(&self, key: &'static str) -> Result<(), EngineError> {
        if self.flag(key, false)? { Err(self.bad(key, "`false`".into())) } else { Ok(()) }
    }

    fn count(&self, key: &'static str) -> Result<usize, EngineError> {
        self.require(key)?;
        self.optional_count(key).map(Option::unwrap_or_default)
    }

    fn optional_count(&self, key: &'static str) -> Result<Option<usize>, EngineError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_u64() {
            Some(count) if (1..=MAX_COUNT).contains(&count) => Ok(Some(count as usize)),
            _ => Err(self.bad(key, format!("a whole number from 1 to {MAX_COUNT}"))),
        }
    }

    fn optional_float(&self, key: &'static str) -> Result<Option<f32>, EngineError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_f64() {
            Some(number) if number > 0.0 && (number as f32).is_finite() => Ok(Some(number as f32)),
            _ => Err(self.bad(key, "a number above 0".into())),
        }
    }

    /// A token id; of a list (several ends of a chat model) the first.
    fn token_id(&self, key: &'static str) -> Result<Option<u32>, EngineError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let first = value.as_array().map_or(Some(value), |list| list.first());
        match first.and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()) {
            Some(id) => Ok(Some(id)),
            None => Err(self.bad(key, "a token id".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LLAMA: &str = r#"{"model_type": "llama", "hidden_act": "silu", "vocab_size": 512,
        "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 5,
        "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 512,
        "rms_norm_eps": 1e-05, "bos_token_id": 1, "eos_token_id": [2, 9], "rope_scaling": null}"#;
    const BERT: &str = r#"{"model_type": "bert", "hidden_act": "gelu", "vocab_size": 100,
        "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 12, "max_position_embeddings": 64, "layer_norm_eps": 1e-12}"#;

    fn parse(text: &str) -> Result<ModelConfig, EngineError> {
        ModelConfig::parse(Path::new("dir/config.json"), text.as_bytes())
    }

    fn with(text: &str, key: &str, value: &str) -> String {
        let mut keys: Map<String, Value> = serde_json::from_str(text).unwrap();
        keys.insert(key.into(), serde_json::from_str(value).unwrap());
        Value::Object(keys).to_string()
    }

    #[test]
    fn both_families_parse() {
        let ModelConfig::Llama(llama) = parse(LLAMA).unwrap() else { panic!() };
        assert_eq!((llama.head_dim, llama.n_kv_heads, llama.rope_theta), (8, 4, 10_000.0));
        assert_eq!((llama.bos_token_id, llama.eos_token_id), (Some(1), Some(2)));
        assert!(!llama.tied_embeddings);
        let ModelConfig::Bert(bert) = parse(BERT).unwrap() else { panic!() };
        assert_eq!((bert.type_vocab_size, bert.layer_norm_eps), (2, 1e-12));
    }

    #[test]
    fn keys_of_newer_exports_are_understood() {
        let text = with(LLAMA, "rope_parameters", r#"{"rope_type": "default", "rope_theta": 5e5}"#);
        let ModelConfig::Llama(llama) = parse(&text).unwrap() else { panic!() };
        assert_eq!(llama.rope_theta, 5e5);
        let ModelConfig::Llama(llama) = parse(&with(LLAMA, "head_dim", "32")).unwrap() else {
            panic!()
        };
        assert_eq!(llama.head_dim, 32);
    }

    #[test]
    fn unusable_values_are_named() {
        let cases = [
            (LLAMA, "hidden_act", r#""gelu""#, "`hidden_act` `gelu`, expected `silu`"),
            (BERT, "hidden_act", r#""relu""#, "`hidden_act` `relu`, expected `gelu`"),
            (LLAMA, "rope_scaling", r#"{"rope_type": "llama3"}"#, "`rope_scaling`"),
            (LLAMA, "rope_parameters", r#"{"rope_type": "yarn"}"#, "`rope_parameters`"),
            (LLAMA, "attention_bias", "true", "`attention_bias` `true`, expected `false`"),
            (LLAMA, "num_key_value_heads", "3", "expected a divisor of 8"),
            (BERT, "num_attention_heads", "7", "expected a divisor of 48"),
            (LLAMA, "head_dim", "7", "`head_dim` `7`, expected an even head width"),
            (LLAMA, "hidden_size", "0", "`hidden_size` `0`, expected a whole number"),
            (LLAMA, "hidden_size", "-4", "`hidden_size` `-4`"),
            (LLAMA, "vocab_size", "1e30", "`vocab_size`"),
            (LLAMA, "rms_norm_eps", "0", "expected a number above 0"),
            (BERT, "position_embedding_type", r#""relative_key""#, "expected `absolute`"),
            (LLAMA, "eos_token_id", r#""x""#, "expected a token id"),
            (LLAMA, "tie_word_embeddings", r#""yes""#, "expected `true` or `false`"),
        ];
        for (base, key, value, expected) in cases {
            let error = parse(&with(base, key, value)).unwrap_err();
            let message = error.to_string();
            assert!(message.contains("dir/config.json") && message.contains(expected), "{message}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn other_architectures_are_refused_with_the_list() {
        let error = parse(r#"{"model_type": "gpt_neox"}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`dir/config.json` has `model_type` `gpt_neox`, which is not supported"
        );
        assert_eq!(error.hint().unwrap(), "supported architectures: llama, bert");
    }

    #[test]
    fn broken_json_names_its_line_and_missing_keys_their_name() {
        let message = parse("{\n \"model_type\": \"llama\",\n oops}").unwrap_err().to_string();
        assert!(message.starts_with("`dir/config.json`, line 3, column 2: "), "{message}");
        assert!(!message.contains(" at line "), "{message}");
        let message = parse("[1]").unwrap_err().to_string();
        assert!(message.contains("line 1"), "{message}");
        for key in ["model_type", "hidden_size", "num_hidden_layers", "hidden_act"] {
            let message = parse(&with(LLAMA, key, "null")).unwrap_err().to_string();
            assert_eq!(message, format!("`dir/config.json` has no `{key}`"));
        }
    }
}
