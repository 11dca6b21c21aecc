//! What training changes, as files: the form every implementation of the engine shares.
//!
//! `weights.safetensors` holds the trained tensors under their Hugging Face names (adapters under
//! those of PEFT). `optimizer.safetensors` holds the moments as `first.NAME` and `second.NAME`,
//! absent while they are zero, and `step`, the step count as two digits in base 2^20, since the
//! format's floats hold integers only up to 2^24. When there are frozen tensors, `base.sha256`
//! holds their digest: the files continue that base and no other.

use std::collections::BTreeMap;
use std::path::Path;

use super::EngineError;
use super::weights::{Tensor, read_tensors, write_tensors};

/// The weights' file name.
pub const WEIGHTS: &str = "weights.safetensors";
/// The optimizer's file name.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// The name of the file with the digest of the frozen base.
pub const BASE: &str = "base.sha256";

const STEP: &str = "step";
const STEP_BASE: u64 = 1 << 20;
/// Of the names of the two moments.
const MOMENTS: [&str; 2] = ["first.", "second."];

/// A trained tensor: its values and the optimizer's two moments.
#[derive(Debug, Clone, Copy)]
pub struct TunedTensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its shape.
    pub shape: &'a [usize],
    /// The values.
    pub values: &'a [f32],
    /// First and second moments.
    pub moments: [&'a [f32]; 2],
}

/// What [`read`] found.
#[derive(Debug)]
pub struct TunedState {
    /// Values by name.
    pub values: BTreeMap<String, Tensor>,
    /// First and second moments by name; empty after no steps.
    pub moments: [BTreeMap<String, Tensor>; 2],
    /// Optimizer steps.
    pub n_steps: u64,
}

/// Writes the files into `dir`; an empty `base_digest` means that nothing is frozen.
///
/// # Errors
/// When a file cannot be written.
pub fn write(
    dir: &Path,
    tensors: &[TunedTensor<'_>],
    n_steps: u64,
    base_digest: &str,
) -> Result<(), EngineError> {
    let values: Vec<_> = tensors.iter().map(|t| (t.name.to_owned(), t.shape, t.values)).collect();
    write_tensors(&dir.join(WEIGHTS), &values)?;
    let digits = [(n_steps % STEP_BASE) as f32, (n_steps / STEP_BASE) as f32];
    let mut state = vec![(STEP.to_owned(), [2].as_slice(), digits.as_slice())];
    if n_steps > 0 {
        for (i, prefix) in MOMENTS.into_iter().enumerate() {
            state.extend(
                tensors.iter().map(|t| (format!("{prefix}{}", t.name), t.shape, t.moments[i])),
            );
        }
    }
    write_tensors(&dir.join(OPTIMIZER), &state)?;
    if base_digest.is_empty() {
        return Ok(());
    }
    let path = dir.join(BASE);
    std::fs::write(&path, base_digest).map_err(EngineError::io("write", path))
}

/// Reads what [`write`] wrote and checks it against the names and shapes of the trained tensors and
/// the digest of the frozen ones.
///
/// # Errors
/// When a file is missing, damaged or belongs to another model.
pub fn read(
    dir: &Path,
    expected: &BTreeMap<&str, &[usize]>,
    base_digest: &str,
) -> Result<TunedState, EngineError> {
    check_base(dir, base_digest)?;
    let (weights_path, optimizer_path) = (dir.join(WEIGHTS), dir.join(OPTIMIZER));
    let values = read_tensors(&weights_path)?;
    let mut state = read_tensors(&optimizer_path)?;
    check(&weights_path, "", &values, expected)?;
    let step = state.remove(STEP).filter(|tensor| tensor.values.len() == 2);
    let Some(step) = step else {
        let problems = vec![format!("`{STEP}` is missing")];
        return Err(EngineError::TensorMismatch { path: optimizer_path, problems });
    };
    let n_steps = step.values[0] as u64 + step.values[1] as u64 * STEP_BASE;
    let mut moments = [BTreeMap::new(), BTreeMap::new()];
    for (found, prefix) in moments.iter_mut().zip(MOMENTS) {
        let names: Vec<String> =
            state.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        for name in names {
            if let Some(tensor) = state.remove(&name) {
                found.insert(name[prefix.len()..].to_owned(), tensor);
            }
        }
        let nothing = BTreeMap::new();
        check(&optimizer_path, prefix, found, if n_steps > 0 { expected } else { &nothing })?;
    }
    check(&optimizer_path, "", &state, &BTreeMap::new())?;
    Ok(TunedState { values, moments, n_steps })
}

/// Refuses files that continue another base.
fn check_base(dir: &Path, base_digest: &str) -> Result<(), EngineError> {
    let path = dir.join(BASE);
    let found = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        found => found.map_err(EngineError::io("read", &path))?,
    };
    if found == base_digest {
        return Ok(());
    }
    let detail = if found.is_empty() {
        "it holds a model trained in full, not a part of one".to_owned()
    } else {
        format!("it continues other frozen weights (digest `{found}`)")
    };
    Err(EngineError::BrokenCheckpoint { path: dir.to_owned(), detail })
}

/// Refuses a file with any missing, misshapen or unexpected tensor, naming all of them.
fn check(
    path: &Path,
    prefix: &str,
    found: &BTreeMap<String, Tensor>,
    expected: &BTreeMap<&str, &[usize]>,
) -> Result<(), EngineError> {
    let mut problems = Vec::new();
    for (name, shape) in expected {
        match found.get(*name) {
            None => problems.push(format!("`{prefix}{name}` is missing")),
            Some(tensor) if tensor.shape != **shape => {
                let found = &tensor.shape;
                let problem = format!("`{prefix}{name}` has shape {found:?}, expected {shape:?}");
                problems.push(problem);
            }
            Some(_) => {}
        }
    }
    let unexpected = found.keys().filter(|name| !expected.contains_key(name.as_str()));
    problems.extend(unexpected.map(|name| format!("`{prefix}{name}` is unexpected")));
    if problems.is_empty() {
        return Ok(());
    }
    Err(EngineError::TensorMismatch { path: path.to_owned(), problems })
}
