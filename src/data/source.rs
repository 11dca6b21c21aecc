//! Where pairs come from, and the bytes behind it: a plain or gzip file, or the embedded set.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use flate2::bufread::MultiGzDecoder;

use super::error::DataError;

/// A part of the data set inside the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbeddedSplit {
    /// The training pairs, of which about 10 % carry recorded label noise.
    Train,
    /// The test pairs, without noise.
    Test,
}

/// A data set: a file, or a part of the embedded set. Written `PATH`, `embedded` (its training
/// part), `embedded:train` or `embedded:test`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// `.jsonl` or `.jsonl.gz`; the content decides, not the name.
    File(PathBuf),
    /// Compiled in.
    Embedded(EmbeddedSplit),
}

impl FromStr for Source {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text {
            "embedded" | "embedded:train" => Ok(Self::Embedded(EmbeddedSplit::Train)),
            "embedded:test" => Ok(Self::Embedded(EmbeddedSplit::Test)),
            other if other.starts_with("embedded:") => {
                Err(DataError::UnknownEmbedded { value: other.into() })
            }
            path => Ok(Self::File(path.into())),
        }
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Self::File(path.into())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Embedded(EmbeddedSplit::Train) => f.write_str("embedded:train"),
            Self::Embedded(EmbeddedSplit::Test) => f.write_str("embedded:test"),
        }
    }
}

impl Source {
    /// The bytes as stored (still compressed).
    pub(super) fn raw(&self) -> Result<Box<dyn BufRead + Send>, DataError> {
        match self {
            Self::Embedded(split) => Ok(Box::new(Cursor::new(super::pocket::embedded(*split)))),
            Self::File(path) => {
                Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, open_file(path)?)))
            }
        }
    }

    /// The text bytes, decompressed when the content is gzip, and whether it was.
    pub(super) fn text(&self) -> Result<(Box<dyn BufRead + Send>, bool), DataError> {
        let mut raw = self.raw()?;
        let path = self.to_string();
        let head = raw.fill_buf().map_err(|source| DataError::Io {
            path: path.clone(),
            line: 1,
            source,
        })?;
        if head.is_empty() {
            return Err(DataError::Empty { path });
        }
        if head.starts_with(&[0x1f, 0x8b]) {
            let decoder = MultiGzDecoder::new(raw);
            return Ok((Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)), true));
        }
        let named_gzip = Path::new(&path).extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
        if named_gzip {
            let found = head.iter().take(2).map(|b| format!("{b:02x}")).collect::<Vec<_>>();
            return Err(DataError::NotGzip { path, found: found.join(" ") });
        }
        Ok((raw, false))
    }
}

const BUFFER_BYTES: usize = 1 << 16;

/// Opens a regular file; a folder gets an error that names what could be meant.
fn open_file(path: &Path) -> Result<File, DataError> {
    let name = path.display().to_string();
    let io_error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DataError::Missing { path: name.clone() },
        _ => DataError::Io { path: name.clone(), line: 1, source },
    };
    if path.metadata().map_err(io_error)?.is_dir() {
        let mut files: Vec<String> = path
            .read_dir()
            .map_err(io_error)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|file| file.trim_end_matches(".gz").rsplit('.').next() == Some("jsonl"))
            .collect();
        files.sort();
        return Err(DataError::Directory { path: name, files });
    }
    File::open(path).map_err(io_error)
}

/// Longest accepted line. Real records are far below: the longest dialogue of HH-RLHF has 10 kB.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// Lines of a source with their numbers from 1, in one reused buffer.
pub(super) struct LineReader {
    path: String,
    input: Box<dyn BufRead + Send>,
    gzip: bool,
    line: u64,
    buffer: Vec<u8>,
}

impl LineReader {
    pub(super) fn open(source: &Source) -> Result<Self, DataError> {
        let (input, gzip) = source.text()?;
        Ok(Self { path: source.to_string(), input, gzip, line: 0, buffer: Vec::new() })
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The next line that is not blank, without its line end, or `None` at the end of the source.
    pub(super) fn next_line(&mut self) -> Result<Option<(u64, &str)>, DataError> {
        loop {
            self.buffer.clear();
            self.line += 1;
            if !self.fill()? {
                return Ok(None);
            }
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        while matches!(self.buffer.last(), Some(b'\n' | b'\r')) {
            self.buffer.pop();
        }
        let line = self.line;
        match std::str::from_utf8(&self.buffer) {
            Ok(text) if line == 1 => Ok(Some((line, text.trim_start_matches('\u{feff}')))),
            Ok(text) => Ok(Some((line, text))),
            Err(error) => Err(DataError::InvalidUtf8 {
                path: self.path.clone(),
                line,
                column: error.valid_up_to() + 1,
                byte: self.buffer.get(error.valid_up_to()).copied().unwrap_or_default(),
            }),
        }
    }

    /// Reads to the next line end; false when nothing was left. A line over the cap is refused
    /// after the cap, so no line is ever held whole that is longer.
    fn fill(&mut self) -> Result<bool, DataError> {
        let n_read = (&mut self.input)
            .take(MAX_LINE_BYTES as u64 + 1)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|error| read_error(&self.path, self.line, self.gzip, error))?;
        if self.buffer.len() > MAX_LINE_BYTES {
            return Err(DataError::LineTooLong {
                path: self.path.clone(),
                line: self.line,
                cap_bytes: MAX_LINE_BYTES,
                excerpt: super::error::excerpt(&String::from_utf8_lossy(&self.buffer[..80])),
            });
        }
        Ok(n_read > 0)
    }
}

fn read_error(path: &str, line: u64, gzip: bool, error: io::Error) -> DataError {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    let path = path.to_owned();
    match error.kind() {
        UnexpectedEof if gzip => DataError::Gzip { path, line, detail: "cut short".into() },
        InvalidData | InvalidInput if gzip => {
            DataError::Gzip { path, line, detail: error.to_string() }
        }
        _ => DataError::Io { path, line, source: error },
    }
}
