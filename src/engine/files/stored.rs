//! Tensors that stay in their files until they are asked for, one at a time.
//!
//! Opening reads headers only. [`StoredTensors::read`] reads the bytes of one tensor from its place
//! in the file and converts them block by block, so a model of any size is loaded with one block of
//! extra memory. Files are read, not memory-mapped: a file that is truncated while it is mapped
//! would kill the process.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::Dtype;

use super::tensor_file::{Header, Tensor, broken};
use crate::engine::EngineError;
use crate::engine::low_rank::add_low_rank;

/// Bytes read at a time, a multiple of every element size.
const BLOCK: usize = 1 << 20;

/// Tensors by name, still in their files.
#[derive(Debug, Default)]
pub struct StoredTensors {
    files: Vec<StoredFile>,
    tensors: BTreeMap<String, Stored>,
    /// Tensors that replace those in the files.
    replaced: BTreeMap<String, Tensor>,
    /// What is added to a matrix when it is read.
    updates: BTreeMap<String, Update>,
}

/// A low-rank update of a matrix (an adapter's).
#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) struct Update {
    /// The matrix `A`, `[rank, columns]`.
    pub a: Vec<f32>,
    /// The matrix `B`, `[rows, rank]`.
    pub b: Vec<f32>,
    /// Rows of the matrix.
    pub rows: usize,
    /// What their product is multiplied by.
    pub scale: f32,
}

#[derive(Debug)]
struct StoredFile {
    path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Open(File),
    /// Compiled into the program.
    Static(&'static [u8]),
}

/// Where a tensor lies.
#[derive(Debug)]
struct Stored {
    /// Which of the files.
    file: usize,
    start: u64,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl Stored {
    fn n_values(&self) -> usize {
        self.shape.iter().product()
    }
}

impl StoredTensors {
    /// All tensors of a file on disk.
    ///
    /// # Errors
    /// As [`StoredTensors::add_file`].
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let mut all = Self::default();
        all.add_file(path, |name| Some(name.to_owned()))?;
        Ok(all)
    }

    /// Adds the tensors of a file on disk under the names that `rename` gives them; those without
    /// one are passed over.
    ///
    /// # Errors
    /// When the file cannot be read, is cut short, is damaged, or holds integers under a wanted
    /// name or a name that is already there.
    pub fn add_file(
        &mut self,
        path: &Path,
        rename: impl Fn(&str) -> Option<String>,
    ) -> Result<(), EngineError> {
        let header = Header::open(path)?;
        let file = File::open(path).map_err(EngineError::io("read", path))?;
        self.add(path, &header, Content::Open(file), rename)
    }

    /// As [`StoredTensors::add_file`], for bytes compiled into the program.
    ///
    /// # Errors
    /// As [`StoredTensors::add_file`].
    pub fn add_static(
        &mut self,
        path: &Path,
        bytes: &'static [u8],
        rename: impl Fn(&str) -> Option<String>,
    ) -> Result<(), EngineError> {
        let header = Header::parse(path, bytes, bytes.len() as u64)?;
        self.add(path, &header, Content::Static(bytes), rename)
    }

    fn add(
        &mut self,
        path: &Path,
        header: &Header,
        content: Content,
        rename: impl Fn(&str) -> Option<String>,
    ) -> Result<(), EngineError> {
        let file = self.files.len();
        for (raw_name, info) in header.metadata.tensors() {
            let Some(name) = rename(&raw_name) else { continue };
            if !matches!(info.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                let dtype = info.dtype;
                let detail = format!("`{raw_name}` has element type `{dtype}`, not a float type");
                return Err(broken(path, detail));
            }
            let start = (header.data_start + info.data_offsets.0) as u64;
            let (dtype, shape) = (info.dtype, info.shape.clone());
            let stored = Stored { file, start, dtype, shape };
            if self.tensors.insert(name.clone(), stored).is_some() {
                return Err(broken(path, format!("`{name}` is there twice")));
            }
        }
        self.files.push(StoredFile { path: path.to_owned(), content });
        Ok(())
    }

    /// Replaces a tensor of the files, if there is one of that name.
    pub(in crate::engine) fn replace(&mut self, name: &str, tensor: Tensor) {
        self.tensors.remove(name);
        self.replaced.insert(name.to_owned(), tensor);
    }

    /// Takes a tensor away.
    pub(in crate::engine) fn remove(&mut self, name: &str) {
        self.tensors.remove(name);
        self.replaced.remove(name);
        self.updates.remove(name);
    }

    /// What is added to matrices, by their names.
    pub(in crate::engine) fn updates(&self) -> &BTreeMap<String, Update> {
        &self.updates
    }

    /// Tensors that replace those in the files.
    pub(in crate::engine) fn replaced(&self) -> &BTreeMap<String, Tensor> {
        &self.replaced
    }

    /// Adds an update to a matrix whenever it is read.
    pub(in crate::engine) fn add_update(&mut self, name: &str, update: Update) {
        self.updates.insert(name.to_owned(), update);
    }

    /// Names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().chain(self.replaced.keys()).map(String::as_str)
    }

    /// Whether there is a tensor of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.shape(name).is_some()
    }

    /// The shape of a tensor.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        let stored = self.tensors.get(name).map(|stored| &stored.shape);
        stored.or_else(|| self.replaced.get(name).map(|it| &it.shape)).map(Vec::as_slice)
    }

    /// The shape of every tensor, by its name.
    #[must_use]
    pub fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        let shape = |name: &str| (name.to_owned(), self.shape(name).unwrap_or_default().to_vec());
        self.names().map(shape).collect()
    }

    /// Reads a tensor into `values`, which has room for exactly it.
    ///
    /// # Errors
    /// When there is no such tensor, `values` has another length, or the file cannot be read.
    pub fn read(&self, name: &str, values: &mut [f32]) -> Result<(), EngineError> {
        match self.replaced.get(name) {
            Some(tensor) if tensor.values.len() == values.len() => {
                values.copy_from_slice(&tensor.values);
            }
            _ => self.convert(name, values, |v| v, f16::to_f32, bf16::to_f32)?,
        }
        if let Some(Update { a, b, rows, scale }) = self.updates.get(name) {
            add_low_rank(values, *rows, [a, b], *scale);
        }
        Ok(())
    }

    /// As [`StoredTensors::read`], rounded to `bf16`.
    ///
    /// # Errors
    /// As [`StoredTensors::read`].
    pub fn read_bf16(&self, name: &str, values: &mut [bf16]) -> Result<(), EngineError> {
        if self.replaced.contains_key(name) || self.updates.contains_key(name) {
            let mut wide = vec![0.0; values.len()];
            self.read(name, &mut wide)?;
            for (value, wide) in values.iter_mut().zip(wide) {
                *value = bf16::from_f32(wide);
            }
            return Ok(());
        }
        self.convert(name, values, bf16::from_f32, |v| bf16::from_f32(v.to_f32()), |v| v)
    }

    /// A tensor as a value of its own.
    ///
    /// # Errors
    /// As [`StoredTensors::read`].
    pub fn tensor(&self, name: &str) -> Result<Tensor, EngineError> {
        let shape = self.shape(name).unwrap_or_default().to_vec();
        let mut values = vec![0.0; shape.iter().product()];
        self.read(name, &mut values)?;
        Ok(Tensor { shape, values })
    }

    /// Every tensor at once; for small models and tests.
    ///
    /// # Errors
    /// As [`StoredTensors::read`].
    pub fn read_all(&self) -> Result<BTreeMap<String, Tensor>, EngineError> {
        self.names().map(|name| Ok((name.to_owned(), self.tensor(name)?))).collect()
    }

    fn convert<T>(
        &self,
        name: &str,
        values: &mut [T],
        from_f32: impl Fn(f32) -> T,
        from_f16: impl Fn(f16) -> T,
        from_bf16: impl Fn(bf16) -> T,
    ) -> Result<(), EngineError> {
        let mismatch = |problem: String| EngineError::TensorMismatch {
            path: self.files.first().map(|file| file.path.clone()).unwrap_or_default(),
            problems: vec![problem],
        };
        let stored =
            self.tensors.get(name).ok_or_else(|| mismatch(format!("`{name}` is missing")))?;
        if stored.n_values() != values.len() {
            let problem =
                format!("`{name}` has shape {:?}, expected {} values", stored.shape, values.len());
            return Err(mismatch(problem));
        }
        match stored.dtype {
            Dtype::F32 => self.blocks(stored, values, |b| from_f32(f32::from_le_bytes(b))),
            Dtype::F16 => self.blocks(stored, values, |b| from_f16(f16::from_le_bytes(b))),
            // `add` lets only float types in.
            _ => self.blocks(stored, values, |b| from_bf16(bf16::from_le_bytes(b))),
        }
    }

    fn blocks<T, const N: usize>(
        &self,
        stored: &Stored,
        values: &mut [T],
        one: impl Fn([u8; N]) -> T,
    ) -> Result<(), EngineError> {
        let file = &self.files[stored.file];
        let mut block = match file.content {
            Content::Open(_) => vec![0; BLOCK.min(values.len() * N)],
            Content::Static(_) => Vec::new(),
        };
        let mut start = stored.start;
        for part in values.chunks_mut(BLOCK / N) {
            let n_bytes = part.len() * N;
            let bytes = match &file.content {
                Content::Static(all) => {
                    let start = start as usize;
                    all.get(start..start + n_bytes).unwrap_or_default()
                }
                Content::Open(open) => {
                    open.read_exact_at(&mut block[..n_bytes], start)
                        .map_err(EngineError::io("read", &file.path))?;
                    &block[..n_bytes]
                }
            };
            let (chunks, _) = bytes.as_chunks::<N>();
            for (value, chunk) in part.iter_mut().zip(chunks) {
                *value = one(*chunk);
            }
            start += n_bytes as u64;
        }
        Ok(())
    }
}

/// Reads every tensor of a safetensors file (f32, f16 or bf16) as `f32`.
///
/// # Errors
/// When the file cannot be read, is cut short, is damaged, or holds integers.
pub fn read_tensors(path: &Path) -> Result<BTreeMap<String, Tensor>, EngineError> {
    StoredTensors::open(path)?.read_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::files::tensor_file::write_tensors;

    #[test]
    fn a_tensor_is_read_at_its_place_in_every_float_type() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        // Longer than a block, with a part of one at the end.
        let n = BLOCK / 4 * 2 + 7;
        let long: Vec<f32> = (0..n).map(|i| (i % 1000) as f32 / 8.0).collect();
        let halves: Vec<u8> =
            [0.25, -3.5].iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
        let brains: Vec<u8> =
            [0.5, 128.0].iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect();
        let floats: Vec<u8> = long.iter().flat_map(|v| v.to_le_bytes()).collect();
        let view = |dtype, shape, data| {
            safetensors::tensor::TensorView::new(dtype, vec![shape], data).unwrap()
        };
        let views = [
            ("brains", view(Dtype::BF16, 2, &brains)),
            ("halves", view(Dtype::F16, 2, &halves)),
            ("long", view(Dtype::F32, n, &floats)),
        ];
        safetensors::serialize_to_file(views, None, &path).unwrap();
        let mut stored = StoredTensors::default();
        stored.add_file(&path, |name| Some(format!("x.{name}"))).unwrap();
        assert_eq!(stored.tensor("x.long").unwrap().values, long);
        assert_eq!(stored.tensor("x.halves").unwrap().values, [0.25, -3.5]);
        assert_eq!(stored.tensor("x.brains").unwrap().values, [0.5, 128.0]);
        let mut rounded = vec![bf16::ZERO; n];
        stored.read_bf16("x.long", &mut rounded).unwrap();
        assert!(rounded.iter().zip(&long).all(|(a, b)| *a == bf16::from_f32(*b)));
        let mut pair = [bf16::ZERO; 2];
        for name in ["x.halves", "x.brains"] {
            stored.read_bf16(name, &mut pair).unwrap();
            assert_eq!(pair.map(bf16::to_f32).to_vec(), stored.tensor(name).unwrap().values);
        }
        let bytes: &'static [u8] = std::fs::read(&path).unwrap().leak();
        let mut compiled = StoredTensors::default();
        compiled.add_static(&path, bytes, |name| Some(format!("x.{name}"))).unwrap();
        assert_eq!(compiled.read_all().unwrap(), stored.read_all().unwrap());
    }

    #[test]
    fn wrong_names_lengths_and_types_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        write_tensors(&path, &[("x".into(), &[3], &[1.0; 3])]).unwrap();
        let mut stored = StoredTensors::default();
        stored.add_file(&path, |name| Some(name.to_owned())).unwrap();
        let message = stored.read("y", &mut [0.0; 3]).unwrap_err().to_string();
        assert!(
            message.contains("t.safetensors") && message.contains("`y` is missing"),
            "{message}"
        );
        let message = stored.read("x", &mut [0.0; 2]).unwrap_err().to_string();
        assert!(message.contains("expected 2 values"), "{message}");
        let twice = stored.add_file(&path, |name| Some(name.to_owned())).unwrap_err().to_string();
        assert!(twice.contains("`x` is there twice"), "{twice}");
        let data = 7_i64.to_le_bytes();
        let view = safetensors::tensor::TensorView::new(Dtype::I64, vec![1], &data).unwrap();
        safetensors::serialize_to_file([("n", view)], None, &path).unwrap();
        let mut stored = StoredTensors::default();
        let message = stored.add_file(&path, |name| Some(name.to_owned())).unwrap_err().to_string();
        assert!(message.contains("`n`") && message.contains("I64"), "{message}");
        stored.add_file(&path, |_| None).unwrap();
        assert_eq!(stored.names().count(), 0);
    }

    #[test]
    fn a_file_cut_after_it_was_opened_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.safetensors");
        write_tensors(&path, &[("x".into(), &[64], &[1.0; 64])]).unwrap();
        let mut stored = StoredTensors::default();
        stored.add_file(&path, |name| Some(name.to_owned())).unwrap();
        let n_bytes = std::fs::metadata(&path).unwrap().len();
        File::options().write(true).open(&path).unwrap().set_len(n_bytes - 9).unwrap();
        let error = stored.tensor("x").unwrap_err();
        assert!(matches!(error, EngineError::Io { action: "read", .. }), "{error}");
    }
}
