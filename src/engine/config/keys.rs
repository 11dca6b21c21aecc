//! Look-ups in a `config.json`, each with a message that names file, key and value.

use std::path::Path;

use serde_json::{Map, Value};

use crate::engine::EngineError;

/// Larger counts are refused as damage. The limit also keeps products of two sizes far from
/// overflow.
const MAX_COUNT: u64 = 1 << 24;

/// The keys of an object of the file.
pub(super) struct Keys<'a> {
    /// For messages.
    pub path: &'a Path,
    pub keys: &'a Map<String, Value>,
}

impl<'a> Keys<'a> {
    /// The value of a key; `null` counts as absent.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    /// The keys of an object within this one.
    pub fn object(&self, key: &'static str) -> Result<Option<Keys<'a>>, EngineError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(keys)) => Ok(Some(Keys { path: self.path, keys })),
            Some(_) => Err(self.bad(key, "an object or `null`".into())),
        }
    }

    fn require(&self, key: &'static str) -> Result<&'a Value, EngineError> {
        self.get(key).ok_or_else(|| EngineError::MissingKey { path: self.path.to_owned(), key })
    }

    /// The refusal of a key's value.
    pub fn bad(&self, key: &'static str, expected: String) -> EngineError {
        let value = match self.keys.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "missing".into(),
        };
        EngineError::BadValue { path: self.path.to_owned(), key, value, expected }
    }

    /// The text that a key must have.
    pub fn text(&self, key: &'static str) -> Result<&'a str, EngineError> {
        self.require(key)?.as_str().ok_or_else(|| self.bad(key, "a text".into()))
    }

    /// Refuses every text but the expected one.
    pub fn expect_text(&self, key: &'static str, expected: &str) -> Result<(), EngineError> {
        if self.text(key)? == expected {
            Ok(())
        } else {
            Err(self.bad(key, format!("`{expected}`")))
        }
    }

    /// A truth value, or its default where the key is absent.
    pub fn flag(&self, key: &'static str, default: bool) -> Result<bool, EngineError> {
        self.get(key).map_or(Ok(default), |value| {
            value.as_bool().ok_or_else(|| self.bad(key, "`true` or `false`".into()))
        })
    }

    /// Refuses what asks for a feature that the engine lacks.
    pub fn expect_absent_or_false(&self, key: &'static str) -> Result<(), EngineError> {
        if self.flag(key, false)? { Err(self.bad(key, "`false`".into())) } else { Ok(()) }
    }

    /// The count from 1 that a key must have.
    pub fn count(&self, key: &'static str) -> Result<usize, EngineError> {
        self.require(key)?;
        self.optional_count(key).map(Option::unwrap_or_default)
    }

    /// A count from 1, where the key is there.
    pub fn optional_count(&self, key: &'static str) -> Result<Option<usize>, EngineError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_u64() {
            Some(count) if (1..=MAX_COUNT).contains(&count) => Ok(Some(count as usize)),
            _ => Err(self.bad(key, format!("a whole number from 1 to {MAX_COUNT}"))),
        }
    }

    /// As [`Keys::optional_count`], with 0 among the counts.
    pub fn count_or_zero(&self, key: &'static str, default: usize) -> Result<usize, EngineError> {
        match self.get(key).map(Value::as_u64) {
            None => Ok(default),
            Some(Some(0)) => Ok(0),
            Some(_) => Ok(self.optional_count(key)?.unwrap_or(default)),
        }
    }

    /// The number above 0 that a key must have.
    pub fn float(&self, key: &'static str) -> Result<f32, EngineError> {
        self.require(key)?;
        self.optional_float(key).map(Option::unwrap_or_default)
    }

    /// A number above 0, where the key is there.
    pub fn optional_float(&self, key: &'static str) -> Result<Option<f32>, EngineError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_f64() {
            Some(number) if number > 0.0 && (number as f32).is_finite() => Ok(Some(number as f32)),
            _ => Err(self.bad(key, "a number above 0".into())),
        }
    }

    /// A token id; of a list (several ends of a chat model) the first.
    pub fn token_id(&self, key: &'static str) -> Result<Option<u32>, EngineError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let first = value.as_array().map_or(Some(value), |list| list.first());
        match first.and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()) {
            Some(id) => Ok(Some(id)),
            None => Err(self.bad(key, "a token id".into())),
        }
    }

    /// The id that pads batches. A negative id pads nothing, so it counts as none; an id beyond the
    /// vocabulary is refused, as transformers cannot open such a model.
    pub fn padding_id(&self, vocab_size: usize) -> Result<Option<u32>, EngineError> {
        let key = "pad_token_id";
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_i64() {
            Some(id) if id < 0 => Ok(None),
            Some(id) if (id as u64) < vocab_size as u64 => Ok(u32::try_from(id).ok()),
            _ => Err(self.bad(key, format!("`null` or a token id below {vocab_size}"))),
        }
    }
}
