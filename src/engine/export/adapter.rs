//! Low-rank updates as a PEFT adapter: `adapter_config.json` and `adapter_model.safetensors`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::metadata::write_json;
use super::tensors::write_plain;
use crate::engine::cpu::parameters::Parameters;
use crate::engine::cpu::table::Entry;
use crate::engine::layout::{Kind, Layout, Part, TensorSpec, adapter_names, whole_name};
use crate::engine::peft::{ADAPTER, ADAPTER_CONFIG};
use crate::engine::{EngineError, LoraSpec};

/// Writes both files for the base model in `base`; returns how many parameters they are.
pub(super) fn write(
    dir: &Path,
    layout: &Layout,
    parameters: &Parameters,
    lora: &LoraSpec,
    base: &Path,
) -> Result<u64, EngineError> {
    // Adapters have PEFT's names already; what is trained whole beside them gets its own.
    let named: Vec<(String, &Entry)> = parameters
        .trained()
        .map(|entry| {
            let is_whole = layout.get(&entry.name).is_some();
            (if is_whole { whole_name(&entry.name) } else { entry.name.clone() }, entry)
        })
        .collect();
    let n_parameters = write_plain(&dir.join(ADAPTER), parameters, &named)?;
    let adapted: BTreeSet<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    let is_adapted = |spec: &TensorSpec| {
        adapter_names(&spec.name).iter().all(|name| adapted.contains(name.as_str()))
    };
    let keys = json!({
        "peft_type": "LORA",
        "task_type": "SEQ_CLS",
        "base_model_name_or_path": base.to_string_lossy(),
        "r": lora.rank,
        "lora_alpha": number(lora.alpha),
        "lora_dropout": lora.dropout,
        "target_modules": targets(layout, is_adapted),
        "modules_to_save": heads(layout),
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

/// A whole number where it is one: PEFT's own files have whole alphas.
fn number(value: f32) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

fn stem(spec: &TensorSpec) -> &str {
    spec.name.strip_suffix(".weight").unwrap_or(&spec.name)
}

/// The adapted layers for `target_modules`, where PEFT takes a name for all layers that end in it:
/// short names (`q_proj`) as far as they mean these layers and no other, else whole ones.
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
