//! PEFT adapters as models: the base model that `adapter_config.json` names, with the low-rank
//! updates of `adapter_model.safetensors` merged into its matrices as they are read.
//!
//! What PEFT can do beyond `W + scale * B A` and whole heads (`modules_to_save`) is refused by its
//! key or tensor name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::layout::{Layout, TensorSpec};
use super::stored::{StoredTensors, Update};
use super::tensor_file::broken;
use super::weights::{Tensor, read_tensors};
use super::{Backbone, EngineError};

/// The name of the settings' file.
pub(super) const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The name of the tensors' file.
pub(super) const ADAPTER: &str = "adapter_model.safetensors";
/// What stands before the name that a tensor has in the base model.
const PREFIX: &str = "base_model.model.";

/// An adapter directory, its settings read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Adapter {
    dir: PathBuf,
    /// Where the base model is.
    pub base: PathBuf,
    alpha: f32,
    is_rank_stabilized: bool,
}

/// The two matrices of an update, as far as they have been found.
#[derive(Default)]
struct Found {
    a: Option<Tensor>,
    b: Option<Tensor>,
}

impl Adapter {
    /// The adapter in a directory; `None` for a backbone that is something else.
    pub fn of(backbone: &Backbone) -> Result<Option<Self>, EngineError> {
        match backbone {
            Backbone::Directory(dir) if dir.join(ADAPTER_CONFIG).is_file() => {
                Self::read(dir).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn read(dir: &Path) -> Result<Self, EngineError> {
        let path = dir.join(ADAPTER_CONFIG);
        let bytes = std::fs::read(&path).map_err(EngineError::io("read", &path))?;
        let keys: Map<String, Value> =
            serde_json::from_slice(&bytes).map_err(|error| EngineError::json(&path, &error))?;
        let bad = |key: &'static str, expected: &str| {
            let value = keys.get(key).map_or_else(|| "missing".to_owned(), Value::to_string);
            let value = value.trim_matches('"').to_owned();
            EngineError::BadValue { path: path.clone(), key, value, expected: expected.to_owned() }
        };
        if keys.get("peft_type").and_then(Value::as_str) != Some("LORA") {
            return Err(bad("peft_type", "`LORA`"));
        }
        for key in ["use_dora", "fan_in_fan_out", "lora_bias"] {
            if keys.get(key).is_some_and(|value| value.as_bool() == Some(true)) {
                return Err(bad(key, "`false`"));
            }
        }
        let pattern = keys.get("alpha_pattern").and_then(Value::as_object);
        if pattern.is_some_and(|pattern| !pattern.is_empty()) {
            return Err(bad("alpha_pattern", "one `lora_alpha` for all layers"));
        }
        if keys.get("bias").and_then(Value::as_str).is_some_and(|bias| bias != "none") {
            return Err(bad("bias", "`none`"));
        }
        let alpha = keys.get("lora_alpha").and_then(Value::as_f64);
        let alpha = alpha.ok_or_else(|| bad("lora_alpha", "a number"))? as f32;
        let named = keys.get("base_model_name_or_path").and_then(Value::as_str);
        let named = named.ok_or_else(|| bad("base_model_name_or_path", "a model directory"))?;
        // As PEFT does, from the current folder; else beside the adapter.
        let places = [PathBuf::from(named), dir.join(named)];
        let base = places.into_iter().find(|place| place.is_dir());
        let base =
            base.ok_or_else(|| bad("base_model_name_or_path", "the directory of the base model"))?;
        let is_rank_stabilized =
            keys.get("use_rslora").and_then(Value::as_bool).unwrap_or_default();
        Ok(Self { dir: dir.to_owned(), base, alpha, is_rank_stabilized })
    }

    /// The file of the tensors.
    pub fn file(&self) -> PathBuf {
        self.dir.join(ADAPTER)
    }

    /// Puts the adapter's tensors over those of the base model.
    pub fn put_over(
        &self,
        weights: &mut StoredTensors,
        layout: &Layout,
    ) -> Result<(), EngineError> {
        let path = self.file();
        let mut updates: BTreeMap<String, Found> = BTreeMap::new();
        let mut problems = Vec::new();
        for (raw_name, tensor) in read_tensors(&path)? {
            let name = raw_name.strip_prefix(PREFIX).unwrap_or(&raw_name);
            let name = name.replace(".modules_to_save.default.", ".").replace(".default.", ".");
            let pieces = [".lora_A.weight", ".lora_B.weight"].map(|end| name.strip_suffix(end));
            let (stem, is_a) = match pieces {
                [Some(stem), _] => (stem, true),
                [_, Some(stem)] => (stem, false),
                [None, None] => {
                    match layout.get(&layout.canonical(&name)) {
                        Some(spec) if spec.shape == tensor.shape => {
                            weights.replace(&spec.name, tensor);
                        }
                        Some(spec) => problems.push(misshapen(&raw_name, &tensor, &spec.shape)),
                        None => problems.push(format!("`{raw_name}` is unexpected")),
                    }
                    continue;
                }
            };
            let found = updates.entry(layout.canonical(&format!("{stem}.weight"))).or_default();
            *(if is_a { &mut found.a } else { &mut found.b }) = Some(tensor);
        }
        for (name, found) in updates {
            match self.update(&name, found, layout.get(&name)) {
                Ok(update) => weights.add_update(&name, update),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(broken(&path, problems.join("; ")))
    }

    fn update(
        &self,
        name: &str,
        found: Found,
        target: Option<&TensorSpec>,
    ) -> Result<Update, String> {
        let target = target.ok_or_else(|| format!("the base model has no `{name}` to update"))?;
        let (Some(a), Some(b)) = (found.a, found.b) else {
            return Err(format!("one of the two matrices beside `{name}` is missing"));
        };
        let rank = a.shape.first().copied().unwrap_or_default();
        let &[rows, columns] = target.shape.as_slice() else {
            return Err(format!("`{name}` is no matrix"));
        };
        if rank == 0 || a.shape != [rank, columns] || b.shape != [rows, rank] {
            let (a, b) = (&a.shape, &b.shape);
            return Err(format!(
                "the matrices beside `{name}` have shapes {a:?} and {b:?}, which do not fit \
                 {rows} x {columns}"
            ));
        }
        let rank = rank as f32;
        let scale =
            if self.is_rank_stabilized { self.alpha / rank.sqrt() } else { self.alpha / rank };
        Ok(Update { a: a.values, b: b.values, rows, scale })
    }
}

fn misshapen(name: &str, tensor: &Tensor, expected: &[usize]) -> String {
    format!("`{name}` has shape {:?}, expected {expected:?}", tensor.shape)
}
