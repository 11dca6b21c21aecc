//! What a model's files say about answering: `generation_config.json`, as transformers reads it.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::engine::EngineError;
use crate::engine::files::source::Source;
use crate::engine::generation::sampling::{Filters, Sampling};

const FILE: &str = "generation_config.json";
const CONFIG: &str = "config.json";

/// Settings of `generation_config.json` that change answers and are not applied here, with the value
/// that changes nothing.
const OTHERS: [(&str, f64); 12] = [
    ("repetition_penalty", 1.0),
    ("no_repeat_ngram_size", 0.0),
    ("typical_p", 1.0),
    ("epsilon_cutoff", 0.0),
    ("eta_cutoff", 0.0),
    ("num_beams", 1.0),
    ("min_length", 0.0),
    ("min_new_tokens", 0.0),
    ("guidance_scale", 1.0),
    ("penalty_alpha", 0.0),
    ("diversity_penalty", 0.0),
    ("top_h", 1.0),
];
/// Those that are lists or texts.
const LISTS: [&str; 6] = [
    "bad_words_ids",
    "suppress_tokens",
    "begin_suppress_tokens",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "sequence_bias",
];

/// How a model is meant to answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GenerationDefaults {
    /// Tokens that end an answer: those of `generation_config.json`, else of `config.json`.
    pub ends: Vec<u32>,
    /// Greedy unless the file says `do_sample`; filters are those of the file.
    pub sampling: Option<Sampling>,
    /// `max_new_tokens`.
    pub n_tokens_max: Option<usize>,
    /// The file, where it is there.
    pub file: Option<PathBuf>,
    /// Settings of the file that are not applied, with their values.
    pub ignored: Vec<(String, String)>,
}

impl GenerationDefaults {
    /// Reads the files of a model.
    ///
    /// # Errors
    /// When a file is no JSON object, or a value is not what it should be.
    pub fn read(source: &Source<'_>) -> Result<Self, EngineError> {
        let config = Keys::read(source, CONFIG)?;
        if !source.has(FILE) {
            return Ok(Self { ends: config.ends()?.unwrap_or_default(), ..Self::default() });
        }
        let keys = Keys::read(source, FILE)?;
        let ends = match keys.ends()? {
            Some(ends) => ends,
            None => config.ends()?.unwrap_or_default(),
        };
        let n_tokens_max = keys.number("max_new_tokens")?.map(|n| n as usize);
        let (sampling, ignored) = (Some(keys.sampling()?), keys.ignored());
        Ok(Self { ends, sampling, n_tokens_max, file: Some(keys.path), ignored })
    }
}

/// The keys of a file.
struct Keys {
    path: PathBuf,
    keys: Map<String, Value>,
}

impl Keys {
    fn read(source: &Source<'_>, file: &'static str) -> Result<Self, EngineError> {
        let path = source.path(file);
        Self::parse(&path, &source.read(file)?)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, EngineError> {
        let keys =
            serde_json::from_slice(bytes).map_err(|error| EngineError::json(path, &error))?;
        Ok(Self { path: path.to_owned(), keys })
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    fn bad(&self, key: &'static str, value: &Value, expected: &str) -> EngineError {
        EngineError::BadValue {
            path: self.path.clone(),
            key,
            value: value.to_string(),
            expected: expected.to_owned(),
        }
    }

    /// A number that is not below 0.
    fn number(&self, key: &'static str) -> Result<Option<f64>, EngineError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_f64().filter(|number| *number >= 0.0) {
            Some(number) => Ok(Some(number)),
            None => Err(self.bad(key, value, "a number that is not below 0")),
        }
    }

    /// `eos_token_id`: one id or several.
    fn ends(&self) -> Result<Option<Vec<u32>>, EngineError> {
        let key = "eos_token_id";
        let Some(value) = self.get(key) else { return Ok(None) };
        let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        match list.iter().map(id).collect() {
            Some(ends) => Ok(Some(ends)),
            None => Err(self.bad(key, value, "a token id or a list of them")),
        }
    }

    fn sampling(&self) -> Result<Sampling, EngineError> {
        let is_drawn = match self.get("do_sample") {
            None => false,
            Some(Value::Bool(is_drawn)) => *is_drawn,
            Some(other) => return Err(self.bad("do_sample", other, "`true` or `false`")),
        };
        if !is_drawn {
            return Ok(Sampling::Greedy);
        }
        let defaults = Filters::default();
        let sampling = Sampling::Drawn(Filters {
            temperature: self.number("temperature")?.unwrap_or(defaults.temperature),
            top_k: self.number("top_k")?.map_or(defaults.top_k, |k| k as usize),
            top_p: self.number("top_p")?.unwrap_or(defaults.top_p),
            min_p: self.number("min_p")?.unwrap_or(defaults.min_p),
        });
        match sampling.problem() {
            None => Ok(sampling),
            Some((key, value, expected)) => Err(self.bad(key, &value.into(), expected)),
        }
    }

    fn ignored(&self) -> Vec<(String, String)> {
        let numbers = OTHERS.iter().filter_map(|(key, neutral)| {
            let value = self.get(key)?;
            (value.as_f64() != Some(*neutral)).then(|| ((*key).to_owned(), value.to_string()))
        });
        let is_empty = |value: &&Value| !value.as_array().is_some_and(Vec::is_empty);
        let lists = LISTS.iter().filter_map(|key| {
            let value = self.get(key).filter(is_empty)?;
            Some(((*key).to_owned(), value.to_string()))
        });
        numbers.chain(lists).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Keys {
        Keys::parse(Path::new("generation_config.json"), text.as_bytes()).unwrap()
    }

    #[test]
    fn the_file_is_read_as_transformers_reads_it() {
        let qwen = keys(
            r#"{"do_sample": true, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "min_p": null,
                "repetition_penalty": 1.1, "eos_token_id": [151645, 151643], "num_beams": 1}"#,
        );
        let filters = Filters { temperature: 0.7, top_k: 20, top_p: 0.8, min_p: 0.0 };
        assert_eq!(qwen.sampling().unwrap(), Sampling::Drawn(filters));
        assert_eq!(qwen.ends().unwrap(), Some(vec![151_645, 151_643]));
        assert_eq!(qwen.ignored(), [("repetition_penalty".to_owned(), "1.1".to_owned())]);
        let plain = keys(r#"{"temperature": 0.6, "eos_token_id": 2}"#);
        assert_eq!(plain.sampling().unwrap(), Sampling::Greedy, "temperature alone draws nothing");
        assert_eq!(plain.ends().unwrap(), Some(vec![2]));
        for (text, part) in [
            (r#"{"eos_token_id": "x"}"#, "`eos_token_id` `\"x\"`"),
            (r#"{"do_sample": true, "top_p": 1.5}"#, "`top_p` `1.5`"),
            (r#"{"do_sample": true, "temperature": 0}"#, "`temperature` `0"),
            (r#"{"do_sample": 1}"#, "`do_sample` `1`"),
        ] {
            let keys = keys(text);
            let error = keys.ends().err().or(keys.sampling().err()).unwrap().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
