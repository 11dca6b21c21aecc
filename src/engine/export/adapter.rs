//! Low-rank updates as a PEFT adapter: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! If the run's base was an adapter itself, one adapter over the base of both is written: the sum
//! of two updates, `s1 B1 A1 + s2 B2 A2`, is the product of `[s1 B1, s2 B2]` with `A1` stacked on
//! `A2`. Its rank is the sum of both ranks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::exported::Task;
use super::metadata::write_json;
use super::tensors::write_plain;
use crate::domain::spec::LoraSpec;
use crate::engine::files::layout::{Kind, Layout, Part, TensorSpec, adapter_names, whole_name};
use crate::engine::files::peft::{ADAPTER, ADAPTER_CONFIG};
use crate::engine::files::stored::{StoredTensors, Update};
use crate::engine::files::tensor_file::Tensor;
use crate::engine::low_rank::add_low_rank;
use crate::engine::{EngineError, ModelTensor};

/// Writes both files for the base model in `base`, over which `first` has put another adapter, if any;
/// returns how many parameters they are.
pub(super) fn write(
    dir: &Path,
    layout: &Layout,
    tensors: &[ModelTensor<'_>],
    lora: &LoraSpec,
    (base, first): (&Path, Option<&StoredTensors>),
    task: Task,
) -> Result<u64, EngineError> {
    let modules_to_save = if task == Task::Reward { heads(layout) } else { Vec::new() };
    let mut both = Both { alpha: lora.alpha, modules_to_save, ..Both::default() };
    let is_written = |name: &str| layout.get(name).is_none_or(|spec| task.has(spec.part));
    // Adapters have PEFT's names already; what is trained whole beside them gets its own.
    for tensor in tensors.iter().filter(|it| it.is_trained && is_written(it.name)) {
        let is_whole = layout.get(tensor.name).is_some();
        let name = if is_whole { whole_name(tensor.name) } else { tensor.name.to_owned() };
        let (shape, values) = (tensor.shape.to_vec(), tensor.values.to_f32());
        both.tensors.insert(name, Tensor { shape, values });
    }
    if let Some(first) = first {
        both.put_over(layout, lora, first, task);
    }
    let n_parameters = write_plain(&dir.join(ADAPTER), &both.tensors)?;
    let is_adapted = |spec: &TensorSpec| {
        adapter_names(&spec.name).iter().all(|name| both.tensors.contains_key(name))
    };
    let keys = json!({
        "peft_type": "LORA",
        "task_type": task.peft_name(),
        "base_model_name_or_path": base.to_string_lossy(),
        "r": lora.rank,
        "lora_alpha": number(both.alpha),
        "rank_pattern": both.ranks,
        "alpha_pattern": both.ranks,
        "lora_dropout": lora.dropout,
        "target_modules": targets(layout, is_adapted),
        "modules_to_save": (!both.modules_to_save.is_empty()).then_some(&both.modules_to_save),
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "use_rslora": false,
        "use_dora": false,
    });
    let keys: Map<String, Value> = keys.as_object().cloned().unwrap_or_default();
    write_json(&dir.join(ADAPTER_CONFIG), &keys)?;
    Ok(n_parameters)
}

/// The trained tensors of a run, joined with the adapter that the run started from.
#[derive(Default)]
struct Both {
    tensors: BTreeMap<String, Tensor>,
    /// The value of `lora_alpha`.
    alpha: f32,
    /// Modules whose rank differs from the run's. Their alpha equals that rank, so that their scale
    /// is 1.
    ranks: BTreeMap<String, usize>,
    modules_to_save: Vec<String>,
}

impl Both {
    fn put_over(&mut self, layout: &Layout, lora: &LoraSpec, first: &StoredTensors, task: Task) {
        let own = lora.alpha / lora.rank as f32;
        self.alpha = lora.rank as f32;
        let matrices = layout.tensors().iter().filter(|spec| task.has(spec.part));
        for spec in matrices {
            let whole = first.replaced().get(&spec.name);
            let mut updates: Vec<Update> =
                first.updates().get(&spec.name).cloned().into_iter().collect();
            updates.extend(self.take(spec, own));
            match whole {
                Some(_) if self.tensors.contains_key(&whole_name(&spec.name)) => {}
                // PEFT saves a layer either whole or as an update, never both.
                Some(whole) => {
                    let mut whole = whole.clone();
                    for Update { a, b, rows, scale } in &updates {
                        add_low_rank(&mut whole.values, *rows, [a, b], *scale);
                    }
                    self.tensors.insert(whole_name(&spec.name), whole);
                    // PEFT loads a whole embedding table in place of the base's without being
                    // asked, whatever its size.
                    if spec.part != Part::Words {
                        self.modules_to_save.push(module(spec).to_owned());
                    }
                }
                None if updates.is_empty() => {}
                None => self.insert(spec, &updates, lora.rank as usize),
            }
        }
        self.modules_to_save.sort();
        self.modules_to_save.dedup();
    }

    /// The run's own update of a matrix.
    fn take(&mut self, spec: &TensorSpec, scale: f32) -> Option<Update> {
        let [a, b] = adapter_names(&spec.name).map(|name| self.tensors.remove(&name));
        Some(Update { a: a?.values, b: b?.values, rows: spec.shape[0], scale })
    }

    fn insert(&mut self, spec: &TensorSpec, updates: &[Update], usual_rank: usize) {
        let (rows, columns) = (spec.shape[0], spec.shape[1]);
        let rank = updates.iter().map(|update| update.b.len() / rows).sum();
        let a = updates.iter().flat_map(|update| update.a.iter().copied()).collect();
        let mut b = Vec::with_capacity(rows * rank);
        for row in 0..rows {
            for update in updates {
                let n = update.b.len() / rows;
                b.extend(update.b[row * n..][..n].iter().map(|value| update.scale * value));
            }
        }
        let [a_name, b_name] = adapter_names(&spec.name);
        self.tensors.insert(a_name, Tensor { shape: vec![rank, columns], values: a });
        self.tensors.insert(b_name, Tensor { shape: vec![rows, rank], values: b });
        if rank != usual_rank {
            self.ranks.insert(stem(spec).to_owned(), rank);
        }
    }
}

/// The module of a weight or a bias.
fn module(spec: &TensorSpec) -> &str {
    spec.name.rsplit_once('.').map_or(spec.name.as_str(), |(module, _)| module)
}

/// A whole number as an integer, as PEFT's own files write alpha.
fn number(value: f32) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

fn stem(spec: &TensorSpec) -> &str {
    spec.name.strip_suffix(".weight").unwrap_or(&spec.name)
}

/// The adapted layers for `target_modules`. PEFT adapts every layer whose name ends in an entry, so
/// short names (`q_proj`) are used as long as they match these layers and no others, and full names
/// otherwise.
fn targets(layout: &Layout, is_adapted: impl Fn(&TensorSpec) -> bool) -> Vec<String> {
    let matrices = || layout.tensors().iter().filter(|spec| spec.kind == Kind::Matrix);
    let short = |spec: &TensorSpec| stem(spec).rsplit('.').next().unwrap_or_default().to_owned();
    let taken: BTreeSet<String> = matrices().filter(|spec| !is_adapted(spec)).map(short).collect();
    let names: BTreeSet<String> = matrices()
        .filter(|spec| is_adapted(spec))
        .map(|spec| if taken.contains(&short(spec)) { stem(spec).to_owned() } else { short(spec) })
        .collect();
    names.into_iter().collect()
}

/// The modules of the head for `modules_to_save`, by the names of their outermost ones:
/// `score`; `classifier` and `pooler`.
fn heads(layout: &Layout) -> Vec<String> {
    let parts = layout.tensors().iter().filter(|spec| spec.part.is_head());
    let names: BTreeSet<String> = parts
        .map(|spec| {
            let pieces: Vec<&str> = stem(spec).trim_end_matches(".bias").split('.').collect();
            match (spec.part, pieces.as_slice()) {
                // `bert.pooler.dense`: the module is `pooler`, inside the backbone.
                (Part::Pooler, [_, module, _]) => (*module).to_owned(),
                (_, [first, ..]) => (*first).to_owned(),
                (_, []) => String::new(),
            }
        })
        .collect();
    names.into_iter().collect()
}
