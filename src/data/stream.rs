//! A source that can be read only once: a pipe, a process substitution, standard input.
//!
//! A data set is read several times (for its format, its fingerprint and its pairs), so the bytes
//! of a pipe are first copied to a temporary file. The file is deleted with the last [`Stream`]
//! that refers to it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::{NamedTempFile, TempPath};

use super::error::DataError;

/// The copy of a pipe's bytes.
#[derive(Debug, Clone)]
pub struct Stream {
    /// What a person wrote: `/dev/stdin`.
    shown: PathBuf,
    copy: Arc<TempPath>,
}

impl Stream {
    /// Whether a path is neither a regular file nor a folder, so that its bytes come once.
    pub(super) fn is_one(path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
    }

    /// Reads a pipe to its end.
    ///
    /// # Errors
    /// When it cannot be read, or there is no room for its copy.
    pub(super) fn take(path: &Path) -> Result<Self, DataError> {
        let shown = path.to_owned();
        let mut input = File::open(path).map_err(|error| DataError::unopened(path, error))?;
        let copied = NamedTempFile::with_prefix("ser-pipe-").and_then(|mut copy| {
            io::copy(&mut input, &mut copy)?;
            Ok(copy.into_temp_path())
        });
        match copied {
            Ok(copy) => Ok(Self { shown, copy: Arc::new(copy) }),
            Err(source) => Err(DataError::Pipe { path: shown.display().to_string(), source }),
        }
    }

    /// Where its bytes lie.
    pub(super) fn copy(&self) -> &Path {
        &self.copy
    }

    /// What a person wrote.
    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }
}

impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.copy, &other.copy)
    }
}

impl Eq for Stream {}

#[cfg(all(test, unix))]
mod tests {
    use crate::data::Source;
    use crate::domain::source::data_files::Part;

    #[test]
    fn a_pipe_is_read_once_and_its_copy_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pairs");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, "one\ntwo\n").unwrap()
        });
        let found = Source::File(pipe.clone()).files(Part::Train).unwrap();
        writer.join().unwrap();
        let [Source::Stream(stream)] = &found.files[..] else { panic!("{found:?}") };
        assert_eq!(found.files[0].to_string(), pipe.display().to_string());
        for _ in 0..2 {
            assert_eq!(std::fs::read_to_string(stream.copy()).unwrap(), "one\ntwo\n");
        }
        let copy = stream.copy().to_owned();
        drop(found);
        assert!(!copy.exists());
    }
}
