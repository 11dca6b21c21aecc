//! The bytes behind a source: plain, gzip or zstd, told apart by their first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::error::DataError;
use super::foreign;
use super::source::{Source, extension};

/// Longest accepted record. Real records are far below: the longest dialogue of HH-RLHF has 10 kB.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// Bytes read from a file at a time.
const BUFFER_BYTES: usize = 1 << 16;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Bytes to read, whatever they come from.
pub(super) type Input = Box<dyn BufRead + Send>;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn word(self) -> &'static str {
        match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// The bytes as stored (still compressed).
pub(super) fn raw(source: &Source) -> Result<Input, DataError> {
    let path = match source {
        Source::Embedded(split) => {
            return Ok(Box::new(Cursor::new(super::pocket::embedded(*split))));
        }
        Source::File(path) => path,
        Source::Stream(stream) => stream.copy(),
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, file(path)?)))
}

/// The text bytes, decompressed.
pub(super) fn text(source: &Source) -> Result<(Input, Compression), DataError> {
    let mut raw = raw(source)?;
    let path = source.to_string();
    let head =
        raw.fill_buf().map_err(|source| DataError::Io { path: path.clone(), line: 1, source })?;
    if head.is_empty() {
        return Err(DataError::Empty { path });
    }
    if head.starts_with(GZIP_MAGIC) {
        let decoder = MultiGzDecoder::new(raw);
        let input = BufReader::with_capacity(BUFFER_BYTES, decoder);
        return Ok((Box::new(input), Compression::Gzip));
    }
    if head.starts_with(ZSTD_MAGIC) {
        let decoder = zstd::stream::read::Decoder::with_buffer(raw)
            .map_err(|error| read_error(&path, 1, Compression::Zstd, error))?;
        let input = BufReader::with_capacity(BUFFER_BYTES, decoder);
        return Ok((Box::new(input), Compression::Zstd));
    }
    if let Some(kind) = foreign::kind(head, &extension(&path)) {
        return Err(DataError::Foreign { path, kind });
    }
    let named = |extension: &str| {
        Path::new(&path).extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
    };
    if named("gz") {
        return Err(wrong_magic(path, "gzip", head, 2, "1f 8b"));
    }
    if named("zst") {
        return Err(wrong_magic(path, "zstd", head, 4, "28 b5 2f fd"));
    }
    Ok((raw, Compression::None))
}

/// Whether bytes are those of a compressed stream that is read.
pub(super) fn is_compressed(head: &[u8]) -> bool {
    head.starts_with(GZIP_MAGIC) || head.starts_with(ZSTD_MAGIC)
}

pub(super) fn wrong_magic(
    path: String,
    kind: &'static str,
    head: &[u8],
    n_bytes: usize,
    magic: &'static str,
) -> DataError {
    let found: Vec<String> = head.iter().take(n_bytes).map(|b| format!("{b:02x}")).collect();
    DataError::WrongMagic { path, kind, found: found.join(" "), magic }
}

/// Opens a file, whatever kind it is.
pub(super) fn file(path: &Path) -> Result<File, DataError> {
    File::open(path).map_err(|error| DataError::unopened(path, error))
}

/// What a failed read means for a file compressed like this.
pub(super) fn read_error(
    path: &str,
    line: u64,
    compression: Compression,
    error: io::Error,
) -> DataError {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    let (path, kind) = (path.to_owned(), compression.word());
    let detail = match (compression, error.kind()) {
        (Compression::None, _) => None,
        (_, UnexpectedEof) => Some("cut short".to_owned()),
        (_, InvalidData | InvalidInput | Other) => Some(error.to_string()),
        _ => None,
    };
    match detail {
        Some(detail) => DataError::Compressed { path, line, kind, detail },
        None => DataError::Io { path, line, source: error },
    }
}
