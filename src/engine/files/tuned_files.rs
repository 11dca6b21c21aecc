//! Training results as files, in the form that every implementation of the engine shares.
//!
//! `weights.safetensors` holds the trained tensors under their Hugging Face names (adapters under
//! those of PEFT). `optimizer.safetensors` holds the moments as `first.NAME` and `second.NAME`,
//! absent while they are zero, and `step`, the step count as two digits in base 2^20, since the
//! format's floats hold integers only up to 2^24. When there are frozen tensors, `base.sha256`
//! holds their digest: the files continue that base and no other.

use std::collections::BTreeMap;
use std::path::Path;

use super::stored::StoredTensors;
use super::tensor_file::write_tensors;
use crate::engine::EngineError;

/// The weights' file name.
pub const WEIGHTS: &str = "weights.safetensors";
/// The optimizer's file name.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// The name of the file with the digest of the frozen base.
pub const BASE: &str = "base.sha256";

const STEP: &str = "step";
/// The base of the two digits of the step count: both stay below 2^24, up to which `f32` holds
/// every integer.
const STEP_BASE: u64 = 1 << 20;
/// Prefixes of the names of the two moments.
const MOMENTS: [&str; 2] = ["first.", "second."];

/// A trained tensor: its values and the optimizer's two moments.
#[derive(Debug, Clone, Copy)]
pub struct TunedTensor<'a> {
    pub name: &'a str,
    pub shape: &'a [usize],
    pub values: &'a [f32],
    /// First and second moments.
    pub moments: [&'a [f32]; 2],
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

/// Reads what [`write()`] wrote, one tensor at a time, so that resuming a run takes little more
/// memory than running it.
pub struct TunedReader {
    weights: StoredTensors,
    optimizer: StoredTensors,
    /// Optimizer steps; after none, the moments are zero and not in the files.
    pub n_steps: u64,
}

impl TunedReader {
    /// Opens the files and checks them against the names and shapes of the trained tensors and the
    /// digest of the frozen ones.
    ///
    /// # Errors
    /// When a file is missing, cut short, damaged or belongs to another model.
    pub fn open(
        dir: &Path,
        expected: &BTreeMap<&str, &[usize]>,
        base_digest: &str,
    ) -> Result<Self, EngineError> {
        check_base(dir, base_digest)?;
        let (weights_path, optimizer_path) = (dir.join(WEIGHTS), dir.join(OPTIMIZER));
        let weights = StoredTensors::open(&weights_path)?;
        let optimizer = StoredTensors::open(&optimizer_path)?;
        check(&weights_path, "", &weights.shapes(), expected)?;
        let mut state = optimizer.shapes();
        if state.remove(STEP).is_none_or(|shape| shape != [2]) {
            let problems = vec![format!("`{STEP}` is missing")];
            return Err(EngineError::TensorMismatch { path: optimizer_path, problems });
        }
        let mut digits = [0.0; 2];
        optimizer.read(STEP, &mut digits)?;
        let n_steps = digits[0] as u64 + digits[1] as u64 * STEP_BASE;
        let nothing = BTreeMap::new();
        for prefix in MOMENTS {
            let names: Vec<String> =
                state.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
            let found: BTreeMap<String, Vec<usize>> = names
                .into_iter()
                .filter_map(|name| Some((name[prefix.len()..].to_owned(), state.remove(&name)?)))
                .collect();
            check(&optimizer_path, prefix, &found, if n_steps > 0 { expected } else { &nothing })?;
        }
        check(&optimizer_path, "", &state, &nothing)?;
        Ok(Self { weights, optimizer, n_steps })
    }

    /// Writes the values of a trained tensor into `target`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn values(&self, name: &str, target: &mut [f32]) -> Result<(), EngineError> {
        self.weights.read(name, target)
    }

    /// Writes its first and second moments into `targets`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn moments(&self, name: &str, targets: [&mut [f32]; 2]) -> Result<(), EngineError> {
        for (prefix, target) in MOMENTS.into_iter().zip(targets) {
            if self.n_steps == 0 {
                target.fill(0.0);
            } else {
                self.optimizer.read(&format!("{prefix}{name}"), target)?;
            }
        }
        Ok(())
    }
}

/// Refuses files that were trained on another base model.
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
    found: &BTreeMap<String, Vec<usize>>,
    expected: &BTreeMap<&str, &[usize]>,
) -> Result<(), EngineError> {
    let mut problems = Vec::new();
    for (name, shape) in expected {
        match found.get(*name) {
            None => problems.push(format!("`{prefix}{name}` is missing")),
            Some(found) if found != *shape => {
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
