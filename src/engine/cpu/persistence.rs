//! What training changes, as files.
//!
//! `weights.safetensors` holds the trained tensors under their Hugging Face names (adapters under
//! those of PEFT). `optimizer.safetensors` holds the moments as `first.NAME` and `second.NAME`,
//! absent while they are zero, and `step`, the step count as two digits in base 2^20, since the
//! format's floats hold integers only up to 2^24. When there are frozen tensors, `base.sha256`
//! holds their digest: the files continue that base and no other.

use std::collections::BTreeMap;
use std::path::Path;

use super::parameters::Parameters;
use crate::engine::EngineError;
use crate::engine::weights::{Tensor, read_tensors, write_tensors};

/// The weights' file name.
pub const WEIGHTS: &str = "weights.safetensors";
/// The optimizer's file name.
pub const OPTIMIZER: &str = "optimizer.safetensors";

/// The name of the file with the digest of the frozen base.
pub const BASE: &str = "base.sha256";

const STEP: &str = "step";
const STEP_BASE: u64 = 1 << 20;

/// Writes the files into `dir`.
///
/// # Errors
/// When a file cannot be written.
pub fn save(parameters: &Parameters, dir: &Path) -> Result<(), EngineError> {
    let tensors = |prefix: &str, values| named(parameters, prefix, values);
    write_tensors(&dir.join(WEIGHTS), &tensors("", &parameters.values))?;
    let digits = [(parameters.n_steps % STEP_BASE) as f32, (parameters.n_steps / STEP_BASE) as f32];
    let mut state = vec![(STEP.to_owned(), [2].as_slice(), digits.as_slice())];
    if parameters.n_steps > 0 {
        state.extend(tensors("first.", &parameters.first_moments));
        state.extend(tensors("second.", &parameters.second_moments));
    }
    write_tensors(&dir.join(OPTIMIZER), &state)?;
    if parameters.base_digest().is_empty() {
        return Ok(());
    }
    let path = dir.join(BASE);
    std::fs::write(&path, parameters.base_digest()).map_err(EngineError::io("write", path))
}

fn named<'a>(
    parameters: &'a Parameters,
    prefix: &str,
    values: &'a [f32],
) -> Vec<(String, &'a [usize], &'a [f32])> {
    parameters
        .trained()
        .map(|entry| {
            let values = entry.slot.span.of(values);
            (format!("{prefix}{}", entry.name), entry.shape.as_slice(), values)
        })
        .collect()
}

/// Restores what [`save`] wrote. Everything is read and checked before anything is changed.
///
/// # Errors
/// When a file is missing, damaged or belongs to another model.
pub fn load(parameters: &mut Parameters, dir: &Path) -> Result<(), EngineError> {
    check_base(parameters, dir)?;
    let weights_path = dir.join(WEIGHTS);
    let optimizer_path = dir.join(OPTIMIZER);
    let weights = read_tensors(&weights_path)?;
    let mut state = read_tensors(&optimizer_path)?;
    let mismatch =
        |path: &Path, problems| EngineError::TensorMismatch { path: path.into(), problems };
    let step = state.remove(STEP).filter(|tensor| tensor.values.len() == 2);
    let Some(step) = step else {
        return Err(mismatch(&optimizer_path, vec![format!("`{STEP}` is missing")]));
    };
    let n_steps = step.values[0] as u64 + step.values[1] as u64 * STEP_BASE;
    let problems = check(parameters, &weights, &[""]);
    if !problems.is_empty() {
        return Err(mismatch(&weights_path, problems));
    }
    let prefixes: &[&str] = if n_steps > 0 { &["first.", "second."] } else { &[] };
    let problems = check(parameters, &state, prefixes);
    if !problems.is_empty() {
        return Err(mismatch(&optimizer_path, problems));
    }
    let Parameters { table, values, gradient, first_moments, second_moments, .. } = parameters;
    gradient.fill(0.0);
    first_moments.fill(0.0);
    second_moments.fill(0.0);
    for entry in table.entries().iter().filter(|entry| entry.slot.is_trained()) {
        let parts: [(&str, &mut Vec<f32>, &BTreeMap<String, Tensor>); 3] = [
            ("", &mut *values, &weights),
            ("first.", &mut *first_moments, &state),
            ("second.", &mut *second_moments, &state),
        ];
        for (prefix, target, source) in parts {
            if let Some(tensor) = source.get(&format!("{prefix}{}", entry.name)) {
                entry.slot.span.of_mut(target).copy_from_slice(&tensor.values);
            }
        }
    }
    parameters.n_steps = n_steps;
    Ok(())
}

/// Refuses files that continue another base.
fn check_base(parameters: &Parameters, dir: &Path) -> Result<(), EngineError> {
    let path = dir.join(BASE);
    let found = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        found => found.map_err(EngineError::io("read", &path))?,
    };
    if found == parameters.base_digest() {
        return Ok(());
    }
    let detail = if found.is_empty() {
        "it holds a model trained in full, not a part of one".to_owned()
    } else {
        format!("it continues other frozen weights (digest `{found}`)")
    };
    Err(EngineError::BrokenCheckpoint { path: dir.to_owned(), detail })
}

/// Every missing, misshapen or unexpected tensor of a file.
fn check(
    parameters: &Parameters,
    found: &BTreeMap<String, Tensor>,
    prefixes: &[&str],
) -> Vec<String> {
    let mut expected = BTreeMap::new();
    for prefix in prefixes {
        for entry in parameters.trained() {
            expected.insert(format!("{prefix}{}", entry.name), &entry.shape);
        }
    }
    let mut problems = Vec::new();
    for (name, shape) in &expected {
        match found.get(name) {
            None => problems.push(format!("`{name}` is missing")),
            Some(tensor) if tensor.shape != **shape => {
                let found = &tensor.shape;
                problems.push(format!("`{name}` has shape {found:?}, expected {shape:?}"));
            }
            Some(_) => {}
        }
    }
    let unexpected = found.keys().filter(|name| !expected.contains_key(*name));
    problems.extend(unexpected.map(|name| format!("`{name}` is unexpected")));
    problems
}
