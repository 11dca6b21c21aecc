//! The tensors of a model as a file, low-rank updates merged, one tensor in memory at a time.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::{Dtype, View};

use super::exported::Task;
use crate::engine::files::layout::{Layout, Part, adapter_names};
use crate::engine::files::tensor_file::{Tensor, broken};
use crate::engine::low_rank::add_low_rank;
use crate::engine::{EngineError, ModelTensor};

/// A tensor of a model and what is added to it.
struct Merged<'a> {
    tensor: &'a ModelTensor<'a>,
    adapter: Option<[&'a ModelTensor<'a>; 2]>,
    scale: f32,
    /// The shape of the written tensor; it may have more rows than the table, and these are zeros.
    shape: Vec<usize>,
}

impl Merged<'_> {
    fn values(&self) -> Vec<f32> {
        let mut values = self.tensor.values.to_f32();
        if let Some(adapter) = self.adapter {
            let [a, b] = adapter.map(|tensor| tensor.values.to_f32());
            add_low_rank(&mut values, self.tensor.shape[0], [&a, &b], self.scale);
        }
        values.resize(self.shape.iter().product(), 0.0);
        values
    }
}

impl View for &Merged<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values().iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        4 * self.shape.iter().product::<usize>()
    }
}

/// Writes every tensor that the task depends on, in `f32`, with `n_rows_added` rows of zeros at the
/// end of the word embeddings; returns the number of parameters written.
pub(super) fn write_merged(
    layout: &Layout,
    tensors: &[ModelTensor<'_>],
    scale: f32,
    n_rows_added: usize,
    (path, task): (&Path, Task),
) -> Result<u64, EngineError> {
    let by_name: BTreeMap<&str, &ModelTensor<'_>> =
        tensors.iter().map(|tensor| (tensor.name, tensor)).collect();
    let mut merged = Vec::new();
    for spec in layout.tensors().iter().filter(|spec| task.has(spec.part)) {
        let Some(tensor) = by_name.get(spec.name.as_str()).copied() else {
            return Err(broken(path, format!("the model has no `{}`", spec.name)));
        };
        let [a, b] = adapter_names(&spec.name).map(|name| by_name.get(name.as_str()).copied());
        let mut shape = tensor.shape.to_vec();
        if spec.part == Part::Words {
            shape[0] += n_rows_added;
        }
        let adapter = pair(a, b);
        merged.push((&spec.name, Merged { tensor, adapter, scale, shape }));
    }
    let n_parameters = merged.iter().map(|(_, tensor)| (tensor.data_len() / 4) as u64).sum();
    write(path, merged.iter().map(|(name, tensor)| (*name, tensor)))?;
    Ok(n_parameters)
}

/// Writes tensors as they are; returns how many parameters they are.
pub(super) fn write_plain(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<u64, EngineError> {
    write(path, tensors.iter().map(|(name, tensor)| (name, Plain(tensor))))?;
    Ok(tensors.values().map(|tensor| tensor.values.len() as u64).sum())
}

/// A tensor as it is.
struct Plain<'a>(&'a Tensor);

impl View for Plain<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.0.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        4 * self.0.values.len()
    }
}

fn pair<'a>(
    a: Option<&'a ModelTensor<'a>>,
    b: Option<&'a ModelTensor<'a>>,
) -> Option<[&'a ModelTensor<'a>; 2]> {
    Some([a?, b?])
}

fn write<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (&'a String, impl View)>,
) -> Result<(), EngineError> {
    // transformers refuses a file that does not say which framework wrote its layout.
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let io = |source| EngineError::Io { action: "write", path: path.to_owned(), source };
    // The library writes a private temporary file and renames it; other users are to read a model as
    // they read the files beside it.
    let shared = std::fs::File::create(path).and_then(|file| file.metadata()).map_err(io)?;
    safetensors::serialize_to_file(tensors, Some(format), path).map_err(|error| match error {
        safetensors::SafeTensorError::IoError(source) => io(source),
        other => broken(path, other.to_string()),
    })?;
    std::fs::set_permissions(path, shared.permissions()).map_err(io)
}
