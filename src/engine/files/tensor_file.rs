//! Reading and writing safetensors files as plain `f32` buffers.
//!
//! The header is parsed and validated by the `safetensors` crate (its caps on header size, its
//! overflow and coverage checks); files are read, never mapped.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::Metadata;
use safetensors::{Dtype, View};

use crate::engine::EngineError;

/// The file with all weights.
pub(in crate::engine) const WEIGHTS: &str = "model.safetensors";
/// The list of the files that the weights are divided over.
pub(in crate::engine) const INDEX: &str = "model.safetensors.index.json";
/// The crate's own limit on the header, checked before it is read.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Bytes of the header length that opens every file.
const LENGTH_BYTES: usize = 8;

/// A dense tensor in row-major order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tensor {
    /// Sizes of the axes; empty for a scalar.
    pub shape: Vec<usize>,
    /// `shape.iter().product()` values.
    pub values: Vec<f32>,
}

/// Names, element types and shapes of a file, without its data.
pub(in crate::engine) struct Header {
    /// What the header says.
    pub metadata: Metadata,
    /// Where the data starts.
    pub data_start: usize,
}

impl Header {
    /// Reads the header of a file on disk and checks that the file is as long as it announces.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let mut file = File::open(path).map_err(EngineError::io("read", path))?;
        let n_bytes = file.metadata().map_err(EngineError::io("read", path))?.len();
        let mut start = vec![0; LENGTH_BYTES.min(n_bytes as usize)];
        file.read_exact(&mut start).map_err(EngineError::io("read", path))?;
        let header_bytes = header_length(path, &start, n_bytes)?;
        start.resize(LENGTH_BYTES + header_bytes, 0);
        file.read_exact(&mut start[LENGTH_BYTES..]).map_err(EngineError::io("read", path))?;
        Self::parse(path, &start, n_bytes)
    }

    /// Parses the first bytes of a file that has `n_bytes` in all. `path` is for messages.
    pub fn parse(path: &Path, start: &[u8], n_bytes: u64) -> Result<Self, EngineError> {
        let data_start = LENGTH_BYTES + header_length(path, start, n_bytes)?;
        let header = start.get(LENGTH_BYTES..data_start).unwrap_or_default();
        let metadata: Metadata = serde_json::from_slice(header)
            .map_err(|error| broken(path, format!("its header is damaged ({error})")))?;
        let expected = (data_start + metadata.data_len()) as u64;
        if n_bytes < expected {
            return Err(EngineError::CutShort { path: path.to_owned(), expected, found: n_bytes });
        }
        if n_bytes > expected {
            let detail = format!("{} bytes follow the last tensor", n_bytes - expected);
            return Err(broken(path, detail));
        }
        Ok(Self { metadata, data_start })
    }
}

/// Length of the header in bytes, checked against the file's length.
fn header_length(path: &Path, start: &[u8], n_bytes: u64) -> Result<usize, EngineError> {
    let Some(length) = start.first_chunk::<LENGTH_BYTES>() else {
        let expected = LENGTH_BYTES as u64;
        return Err(EngineError::CutShort { path: path.to_owned(), expected, found: n_bytes });
    };
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        return Err(broken(path, format!("its header announces {length} bytes")));
    }
    let expected = LENGTH_BYTES as u64 + length;
    if n_bytes < expected {
        return Err(EngineError::CutShort { path: path.to_owned(), expected, found: n_bytes });
    }
    Ok(length as usize)
}

pub(in crate::engine) fn broken(path: &Path, detail: String) -> EngineError {
    EngineError::BrokenTensors { path: path.to_owned(), detail }
}

/// Writes `(name, shape, values)` as an f32 safetensors file. Not atomic: see
/// [`super::checkpoint`] for the writer that is.
///
/// # Errors
/// When the file cannot be written, or a shape does not match its values.
pub fn write_tensors(
    path: &Path,
    tensors: &[(String, &[usize], &[f32])],
) -> Result<(), EngineError> {
    for (name, shape, values) in tensors {
        if shape.iter().product::<usize>() != values.len() {
            let detail = format!("`{name}` has shape {shape:?} but {} values", values.len());
            return Err(broken(path, detail));
        }
    }
    let views = tensors.iter().map(|(name, shape, values)| (name, FloatView { shape, values }));
    safetensors::serialize_to_file(views, None, path).map_err(|error| match error {
        safetensors::SafeTensorError::IoError(source) => {
            EngineError::Io { action: "write", path: path.to_owned(), source }
        }
        other => broken(path, other.to_string()),
    })
}

/// Writes `(name, shape, values)` as an f16 safetensors file, half the size: for weights that ship
/// with the program.
///
/// # Errors
/// As [`write_tensors`].
pub fn write_half_tensors(
    path: &Path,
    tensors: &[(String, &[usize], &[f32])],
) -> Result<(), EngineError> {
    let halves: Vec<(&String, Vec<u8>, &[usize])> = tensors
        .iter()
        .map(|(name, shape, values)| {
            let bytes = values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
            (name, bytes, *shape)
        })
        .collect();
    let mut views = Vec::with_capacity(halves.len());
    for (name, bytes, shape) in &halves {
        let view = safetensors::tensor::TensorView::new(Dtype::F16, shape.to_vec(), bytes)
            .map_err(|error| broken(path, error.to_string()))?;
        views.push((*name, view));
    }
    safetensors::serialize_to_file(views, None, path)
        .map_err(|error| broken(path, error.to_string()))
}

/// Hands floats to the serializer one tensor at a time, so that only one is held as bytes.
struct FloatView<'a> {
    shape: &'a [usize],
    values: &'a [f32],
}

impl View for FloatView<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.values.len() * 4
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use crate::engine::files::stored::read_tensors;

    use super::*;

    #[test]
    fn floats_survive_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        let values = [1.5, -0.0, f32::MIN_POSITIVE / 4.0, f32::NAN, f32::INFINITY, 3.0e-7];
        let empty: [f32; 0] = [];
        write_tensors(&path, &[("b".into(), &[2, 3], &values), ("a".into(), &[0], &empty)])
            .unwrap();
        let read = read_tensors(&path).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(read["b"].shape, [2, 3]);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read["b"].values), bits(&values));
    }

    #[test]
    fn half_precision_is_widened_exactly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("h.safetensors");
        let half: Vec<u8> = [f16::from_f32(0.25), f16::from_f32(-3.5)]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let brain: Vec<u8> = [bf16::from_f32(0.5), bf16::from_f32(128.0)]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let view = |dtype, data| safetensors::tensor::TensorView::new(dtype, vec![2], data);
        let tensors =
            [("h", view(Dtype::F16, &half).unwrap()), ("b", view(Dtype::BF16, &brain).unwrap())];
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
        let read = read_tensors(&path).unwrap();
        assert_eq!(read["h"].values, [0.25, -3.5]);
        assert_eq!(read["b"].values, [0.5, 128.0]);
    }

    #[test]
    fn a_cut_file_is_named_with_both_lengths() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        write_tensors(&path, &[("x".into(), &[64], &[1.0; 64])]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for n_kept in [0, 5, 8, 20, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..n_kept]).unwrap();
            for error in [read_tensors(&path).err(), Header::open(&path).err()] {
                let Some(EngineError::CutShort { found, expected, .. }) = error else {
                    panic!("{n_kept} bytes: {error:?}");
                };
                assert_eq!(found, n_kept as u64);
                assert!(expected > found && expected <= bytes.len() as u64);
            }
        }
    }

    #[test]
    fn garbage_and_integers_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        std::fs::write(&path, [0xff; 64]).unwrap();
        let message = read_tensors(&path).unwrap_err().to_string();
        assert!(message.contains("t.safetensors") && message.contains("header"), "{message}");
        let data = 7_i64.to_le_bytes();
        let view = safetensors::tensor::TensorView::new(Dtype::I64, vec![1], &data).unwrap();
        safetensors::serialize_to_file([("n", view)], None, &path).unwrap();
        let message = read_tensors(&path).unwrap_err().to_string();
        assert!(message.contains("`n`") && message.contains("I64"), "{message}");
        let wrong = write_tensors(&path, &[("x".into(), &[3], &[1.0; 2])]);
        assert!(matches!(wrong, Err(EngineError::BrokenTensors { .. })));
    }
}
