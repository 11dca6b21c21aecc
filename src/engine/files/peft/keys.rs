//! The settings of an adapter, key by key.
//!
//! What PEFT 0.21.2 does with each key was found by running it
//! (`tests/fixtures/engine/make_adapters.py`). A key is either read, or known to change no reward
//! of a model that is not trained further, or must be unset; an unknown key must be unset too.

use std::path::Path;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::{Map, Value};

use super::error::MERGE;
use super::modules::{ByModule, Names, Targets, end_of, within};
use super::{ADAPTER_CONFIG, AdapterError};
use crate::engine::EngineError;

/// The rank that PEFT takes where the file gives none.
const RANK_DEFAULT: u64 = 8;
/// The alpha that PEFT takes where the file gives none.
const ALPHA_DEFAULT: f64 = 8.0;

/// Keys that are read here.
const READ: [&str; 15] = [
    "alpha_pattern",
    "base_model_name_or_path",
    "exclude_modules",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "modules_to_save",
    "peft_type",
    "r",
    "rank_pattern",
    "revision",
    "target_modules",
    "task_type",
    "use_rslora",
];

/// Keys that change no reward, whatever their value: those for training, for kinds of layers that
/// no model here has (`fan_in_fan_out`, `use_qalora`: PEFT switches them off for linear layers),
/// for an initialization (which `init_lora_weights` names), or for a sampler that is idle outside
/// training.
const HARMLESS: [&str; 16] = [
    "auto_mapping",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "fan_in_fan_out",
    "inference_mode",
    "loftq_config",
    "lora_dropout",
    "lora_ga_config",
    "megatron_core",
    "monteclora_config",
    "peft_version",
    "qalora_group_size",
    "runtime_config",
    "use_qalora",
    "velora_config",
];

/// Keys that must be unset, with the reason and the way out.
const REFUSED: [(&str, &str, &str); 12] = [
    (
        "alora_invocation_tokens",
        "its updates count only after these tokens (activated LoRA), so that they are no part of the weights",
        "train an adapter without `alora_invocation_tokens`",
    ),
    (
        "arrow_config",
        "it chooses among several adapters for each token (Arrow)",
        "name one of the adapters that it chooses from",
    ),
    (
        "layer_replication",
        "it repeats layers of the base model",
        "write the repeated layers into a base model of their own, and name that",
    ),
    ("lora_bias", "its updates have biases", MERGE),
    ("kasa_config", "the base model is changed when PEFT puts it over (KaSA)", MERGE),
    (
        "megatron_config",
        "it belongs to the layers of Megatron",
        "save it from the model of transformers",
    ),
    ("target_parameters", "it updates parameters that are no layers", MERGE),
    ("trainable_token_indices", "it holds new vectors of single tokens", MERGE),
    ("use_bdlora", "its matrices are stored as diagonal blocks (BD-LoRA)", MERGE),
    ("use_dora", "the lengths of the columns are trained apart (DoRA)", MERGE),
    // A key of PEFT before version 0.3.
    ("enable_lora", "its updates share one matrix", MERGE),
    (
        "merge_weights",
        "its updates are in the base model already",
        "name that model without the adapter",
    ),
];

/// Kinds of adapters that PEFT itself cannot merge.
const UNMERGEABLE: [&str; 9] = [
    "ADAPTION_PROMPT",
    "CARTRIDGE",
    "CPT",
    "MULTITASK_PROMPT_TUNING",
    "POLY",
    "PREFIX_TUNING",
    "PROMPT_TUNING",
    "P_TUNING",
    "XLORA",
];

/// The hint for an adapter whose base is not the one that the file names.
const CONVERT: &str = "where it was trained, merge it (`merge_and_unload()`) and save the whole model, \
     or save it as an ordinary adapter (`path_initial_model_for_weight_conversion`)";
/// The hint for a value that PEFT could not read either.
const FIX: &str = "correct `adapter_config.json`";

/// The settings of an adapter that are used.
#[derive(Debug)]
pub(super) struct Settings {
    /// The value of `base_model_name_or_path`.
    pub base: String,
    /// `revision`: of the base.
    pub revision: Option<String>,
    pub ranks: ByModule,
    pub alphas: ByModule,
    /// Whether the scale is alpha over the root of the rank.
    pub is_rank_stabilized: bool,
    /// Which modules have an update.
    pub targets: Targets,
    /// Whether an update that is missing from the file is random instead of zero.
    pub starts_random: bool,
}

/// A file's keys, with the text for messages.
struct Keys<'a> {
    path: &'a Path,
    keys: Map<String, Value>,
}

impl Settings {
    /// Reads `adapter_config.json` and refuses what cannot be merged.
    pub fn read(dir: &Path) -> Result<Self, EngineError> {
        let path = &dir.join(ADAPTER_CONFIG);
        let bytes = std::fs::read(path).map_err(EngineError::io("read", path))?;
        let json = |error| EngineError::json(path, &error);
        let keys = Keys { path, keys: serde_json::from_slice(&bytes).map_err(json)? };
        keys.check()?;
        let patterns: Patterns = serde_json::from_slice(&bytes).map_err(json)?;
        Ok(keys.read(patterns)?)
    }
}

impl Keys<'_> {
    fn bad(&self, key: &str, problem: &'static str, hint: &'static str) -> AdapterError {
        let value = self.keys.get(key).map_or_else(|| "missing".to_owned(), Value::to_string);
        let value: String = value.trim_matches('"').chars().take(60).collect();
        AdapterError::Key { path: self.path.to_owned(), key: key.to_owned(), value, problem, hint }
    }

    fn set(&self, key: &str) -> Option<&Value> {
        self.keys.get(key).filter(|value| is_set(value))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.set(key)?.as_str()
    }

    /// Refuses kinds, tasks, initializations and keys that do not merge.
    fn check(&self) -> Result<(), AdapterError> {
        match self.text("peft_type") {
            Some("LORA") => {}
            Some(kind) if UNMERGEABLE.contains(&kind) => {
                return Err(self.bad(
                    "peft_type",
                    "it is no change of weights",
                    "train a `LORA` adapter, or the whole model",
                ));
            }
            _ => return Err(self.bad("peft_type", "only `LORA` is merged here", MERGE)),
        }
        match self.text("task_type") {
            None | Some("SEQ_CLS" | "CAUSAL_LM" | "FEATURE_EXTRACTION") => {}
            Some(_) => {
                return Err(self.bad(
                    "task_type",
                    "its head gives no reward of a text",
                    "use an adapter that was trained as `SEQ_CLS` with one label",
                ));
            }
        }
        self.check_start()?;
        if self.text("bias").is_some_and(|bias| bias != "none") {
            return Err(self.bad("bias", "it changes biases of the base model", MERGE));
        }
        for (key, problem, hint) in REFUSED {
            if self.set(key).is_some() {
                return Err(self.bad(key, problem, hint));
            }
        }
        let is_known = |key: &&String| {
            READ.contains(&key.as_str()) || HARMLESS.contains(&key.as_str()) || *key == "bias"
        };
        match self.keys.keys().filter(|key| self.set(key).is_some()).find(|key| !is_known(key)) {
            Some(key) => Err(self.bad(key, "the key is not known here", MERGE)),
            None => Ok(()),
        }
    }

    /// Checks `init_lora_weights`: only initializations that leave the base model unchanged are
    /// accepted.
    fn check_start(&self) -> Result<(), AdapterError> {
        const KEY: &str = "init_lora_weights";
        let Some(start) = self.set(KEY) else { return Ok(()) };
        let Some(name) = start.as_str() else {
            return match start {
                Value::Bool(_) => Ok(()),
                _ => Err(self.bad(KEY, "expected a name, `true` or `false`", MERGE)),
            };
        };
        // PEFT reads these two names in any case of letters, and the others exactly.
        let lower = name.to_ascii_lowercase();
        if lower == "gaussian" || lower == "mica" || matches!(name, "eva" | "orthogonal") {
            return Ok(());
        }
        let changes_base = lower == "olora" || name == "lora_ga" || {
            ["pissa", "corda"].iter().any(|start| name.starts_with(start))
        };
        if changes_base {
            let problem =
                "it was trained over a base model changed at its start, not over the one it names";
            return Err(self.bad(KEY, problem, CONVERT));
        }
        if name == "loftq" {
            return Err(self.bad(
                KEY,
                "it was trained over a base model rounded at its start (LoftQ)",
                "where it was trained, merge it (`merge_and_unload()`) and save the whole model",
            ));
        }
        Err(self.bad(KEY, "the initialization is not known here", MERGE))
    }

    fn read(&self, patterns: Patterns) -> Result<Settings, AdapterError> {
        const NUMBER: &str = "expected a number";
        let rank = match self.keys.get("r") {
            None => Some(RANK_DEFAULT),
            Some(rank) => rank.as_u64().filter(|rank| *rank > 0),
        };
        let rank = rank.ok_or_else(|| self.bad("r", "expected a whole number above 0", FIX))?;
        let alpha = match self.keys.get("lora_alpha") {
            None => Some(ALPHA_DEFAULT),
            Some(alpha) => alpha.as_f64(),
        };
        let alpha = alpha.ok_or_else(|| self.bad("lora_alpha", NUMBER, FIX))?;
        let by_module = |key: &str, default: f64, patterns: Option<Ordered>| {
            let patterns = patterns.unwrap_or_default().0.into_iter();
            let values = patterns.map(|(name, value)| Some((name, value.as_f64()?)));
            let values: Option<Vec<(String, f64)>> = values.collect();
            let values = values.ok_or_else(|| self.bad(key, "expected names with numbers", FIX))?;
            ByModule::new(default, values).map_err(|text| self.bad_expression(key, &text))
        };
        let is_rank_stabilized = match self.keys.get("use_rslora") {
            None | Some(Value::Null) => false,
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.bad("use_rslora", "expected `true` or `false`", FIX))?,
        };
        let base = self.text("base_model_name_or_path").ok_or_else(|| {
            self.bad(
                "base_model_name_or_path",
                "it names no base model",
                "write the base model's folder, or its name on the Hub, there",
            )
        })?;
        Ok(Settings {
            base: base.to_owned(),
            revision: self.text("revision").map(str::to_owned),
            ranks: by_module("rank_pattern", rank as f64, patterns.rank_pattern)?,
            alphas: by_module("alpha_pattern", alpha, patterns.alpha_pattern)?,
            is_rank_stabilized,
            targets: self.targets()?,
            starts_random: self.keys.contains_key("init_lora_weights")
                && self.set("init_lora_weights").is_none(),
        })
    }

    fn bad_expression(&self, key: &str, text: &str) -> AdapterError {
        AdapterError::Key {
            path: self.path.to_owned(),
            key: key.to_owned(),
            value: text.chars().take(60).collect(),
            problem: "it is no regular expression that is read here",
            hint: MERGE,
        }
    }

    fn targets(&self) -> Result<Targets, AdapterError> {
        let expressions = |key: &str, of: fn(&str) -> Result<_, String>| {
            let names = self.list(key)?.unwrap_or_default();
            let all: Result<Vec<_>, String> = names.iter().map(|name| of(name)).collect();
            all.map_err(|text| self.bad_expression(key, &text))
        };
        let layers = match self.set("layers_to_transform").or_else(|| {
            // Block 0 counts as a value; the general rule would take 0 for an unset key.
            self.keys.get("layers_to_transform").filter(|value| value.is_u64())
        }) {
            None => Some(Vec::new()),
            Some(Value::Array(all)) => all.iter().map(Value::as_u64).collect(),
            Some(one) => one.as_u64().map(|one| vec![one]),
        };
        let layers = layers
            .ok_or_else(|| self.bad("layers_to_transform", "expected numbers of blocks", FIX))?;
        Ok(Targets {
            named: self.names("target_modules")?.unwrap_or(Names::All),
            excluded: self.names("exclude_modules")?,
            saved: expressions("modules_to_save", within)?,
            layers,
            lists: expressions("layers_pattern", end_of)?,
        })
    }

    fn names(&self, key: &str) -> Result<Option<Names>, AdapterError> {
        match self.set(key) {
            Some(Value::String(all)) if all == "all-linear" => Ok(Some(Names::All)),
            Some(Value::String(text)) => {
                Names::matching(text).map(Some).map_err(|text| self.bad_expression(key, &text))
            }
            _ => Ok(self.list(key)?.map(Names::EndingIn)),
        }
    }

    /// A list of texts, or one text.
    fn list(&self, key: &str) -> Result<Option<Vec<String>>, AdapterError> {
        let texts = match self.set(key) {
            None => return Ok(None),
            Some(Value::String(one)) => Some(vec![one.clone()]),
            Some(Value::Array(all)) => {
                all.iter().map(|text| text.as_str().map(str::to_owned)).collect()
            }
            Some(_) => None,
        };
        let bad = || self.bad(key, "expected a list of names", FIX);
        texts.map(Some).ok_or_else(bad)
    }
}

/// Whether a value says something: not `null`, `false`, zero or empty.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(value) => value.as_f64() != Some(0.0),
        Value::String(value) => !value.is_empty(),
        Value::Array(value) => !value.is_empty(),
        Value::Object(value) => !value.is_empty(),
    }
}

/// The two keys whose order counts.
#[derive(Deserialize)]
struct Patterns {
    rank_pattern: Option<Ordered>,
    alpha_pattern: Option<Ordered>,
}

/// The entries of an object as the file has them.
#[derive(Default)]
struct Ordered(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("names with numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
