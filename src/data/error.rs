//! What can be wrong with a data set, in one line that names the file, the line and the value.

use super::reader::DropReason;

/// Why a data set could not be read. `path` is the file as the person wrote it, or `embedded:…`.
// The fields are what the message of each variant names.
#[expect(missing_docs)]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// There is no such file.
    #[error("`{path}`: no such file")]
    Missing { path: String },
    /// A folder was given where one file is needed; `files` are readable names in it.
    #[error("`{path}`: is a directory, not a file")]
    Directory { path: String, files: Vec<String> },
    /// No byte, or no record.
    #[error("`{path}`: the file is empty")]
    Empty { path: String },
    /// The operating system refused.
    #[error("`{path}`: line {line}: cannot be read: {source}")]
    Io { path: String, line: u64, source: std::io::Error },
    /// The name says gzip and the first bytes do not.
    #[error("`{path}`: named as gzip but starts with bytes `{found}` instead of `1f 8b`")]
    NotGzip { path: String, found: String },
    /// The compressed stream is cut short, or a checksum is wrong.
    #[error("`{path}`: line {line}: broken gzip: `{detail}`")]
    Gzip { path: String, line: u64, detail: String },
    /// A line longer than the reader holds in memory.
    #[error("`{path}`: line {line}: longer than `{cap_bytes}` bytes, starts with `{excerpt}`")]
    LineTooLong { path: String, line: u64, cap_bytes: usize, excerpt: String },
    /// Bytes that are not UTF-8; `column` counts bytes from 1.
    #[error("`{path}`: line {line}: byte `0x{byte:02x}` at column {column} is not valid UTF-8")]
    InvalidUtf8 { path: String, line: u64, column: usize, byte: u8 },
    /// A line that is not JSON; `column` counts bytes from 1.
    #[error("`{path}`: line {line}: broken JSON at column {column}: {detail}: `{excerpt}`")]
    BrokenJson { path: String, line: u64, column: usize, detail: String, excerpt: String },
    /// JSON, but not `{...}`.
    #[error("`{path}`: line {line}: not a JSON object: `{excerpt}`")]
    NotAnObject { path: String, line: u64, excerpt: String },
    /// A record without a needed field.
    #[error("`{path}`: line {line}: no field `{field}`, only {}", names(.available))]
    MissingField { path: String, line: u64, field: String, available: Vec<String> },
    /// A field of another type.
    #[error("`{path}`: line {line}: field `{field}` is `{found}`, not {expected}")]
    WrongType { path: String, line: u64, field: String, found: String, expected: &'static str },
    /// A whole dialogue in which nobody answers.
    #[error("`{path}`: line {line}: field `{field}` has no `\\n\\nAssistant:` turn: `{excerpt}`")]
    NoAssistantTurn { path: String, line: u64, field: &'static str, excerpt: String },
    /// A pair that says nothing about preference, in a file read strictly.
    #[error("`{path}`: line {line}: {reason}: `{excerpt}`")]
    BadPair { path: String, line: u64, reason: DropReason, excerpt: String },
    /// Not one pair of the file can be used.
    #[error("`{path}`: line {line}: all `{n_dropped}` pairs are unusable, the first: {reason}")]
    AllDropped { path: String, line: u64, n_dropped: u64, reason: DropReason },
    /// A format name that is not known.
    #[error("unknown data format `{value}`")]
    UnknownFormat { value: String },
    /// An embedded part that does not exist.
    #[error("unknown embedded data set `{value}`")]
    UnknownEmbedded { value: String },
}

impl DataError {
    /// What to do about it, as a sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => {
                "check the path, or use `embedded` for the data set inside the program".into()
            }
            Self::Directory { files, .. } if files.is_empty() => {
                "name one file in it: `.jsonl` or `.jsonl.gz`".into()
            }
            Self::Directory { path, files } => {
                format!("name one file in it, such as `{path}/{}`", files[0])
            }
            Self::Empty { .. } => {
                "put one JSON object a line: {\"prompt\", \"chosen\", \"rejected\"}".into()
            }
            Self::Io { .. } => "check that the file is readable and its disk healthy".into(),
            Self::NotGzip { .. } => "rename the file without `.gz` if it is plain text".into(),
            Self::Gzip { .. } => "copy or download the file again; `gzip -t` tests it".into(),
            Self::LineTooLong { .. } => {
                "write one record a line; a JSON array can be split with `jq -c '.[]'`".into()
            }
            Self::InvalidUtf8 { line: 1, .. } => {
                "is it a binary file (parquet, zip)? convert it to JSON lines in UTF-8".into()
            }
            Self::InvalidUtf8 { .. } => {
                "convert the file with `iconv -f LATIN1 -t UTF-8`, or repair that line".into()
            }
            Self::BrokenJson { .. } => "repair or remove that line".into(),
            Self::NotAnObject { excerpt, .. } if excerpt.starts_with('[') => {
                "split a JSON array into lines with `jq -c '.[]'`".into()
            }
            Self::NotAnObject { .. } => "write one JSON object a line".into(),
            Self::MissingField { field, .. } if field == "chosen" || field == "rejected" => {
                "a pair needs `chosen` and `rejected`, and `prompt` unless both repeat it".into()
            }
            Self::MissingField { .. } => "name one of the fields that are there".into(),
            Self::WrongType { .. } => {
                "use a text, or a list of {\"role\", \"content\"}; the same kind in both answers"
                    .into()
            }
            Self::NoAssistantTurn { .. } => {
                "read the file with `data.format = \"jsonl\"` if it holds no dialogues".into()
            }
            Self::BadPair { .. } | Self::AllDropped { .. } => {
                "the two answers of a pair must differ and not both be empty".into()
            }
            Self::UnknownFormat { .. } => "use one of auto, hh-rlhf, jsonl, pocket".into(),
            Self::UnknownEmbedded { .. } => "use `embedded:train` or `embedded:test`".into(),
        };
        Some(hint)
    }
}

/// Field names for a message.
fn names(fields: &[String]) -> String {
    if fields.is_empty() {
        return "an empty object".into();
    }
    fields.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The start of a text for a message: one line, at most 60 characters.
pub(super) fn excerpt(text: &str) -> String {
    const LIMIT: usize = 60;
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == LIMIT {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
