//! What can be wrong with a data set, in one line that names the file, the place and the value.

use std::io;
use std::path::Path;

use super::drop_reason::DropReason;
use super::foreign::Foreign;
use super::format::names::FORMATS;
use super::json::fault::JsonFault;
use super::place::Place;
use super::proposal::Proposal;
use super::rows::by_column::ByColumn;
use crate::domain::source::data_files::Part;

mod hints;

/// Why a data set could not be read. `path` is the file as the person wrote it, or `embedded:…`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// There is no such file.
    #[error("`{path}`: no such file")]
    Missing { path: String },
    /// A folder without a data file; `found` are names in it.
    #[error("`{path}`: no data file in this folder{}", found_names(.found))]
    NoDataFile { path: String, found: Vec<String> },
    /// A folder of tables in the form of `datasets`' `save_to_disk`.
    #[error("`{path}`: was written by `save_to_disk`")]
    SavedToDisk { path: String },
    /// A folder whose file names name other splits.
    #[error("`{path}`: no file of a `{}` split in this folder, only of {}", .part.word(), names(.splits))]
    NoSplit { path: String, part: Part, splits: Vec<String> },
    /// A folder with several kinds of a split.
    #[error("`{path}`: this folder has several such splits: {}", names(.splits))]
    SeveralSplits { path: String, splits: Vec<String> },
    /// A pattern that matches nothing, or is invalid.
    #[error("`{path}`: {detail}")]
    Pattern { path: String, detail: String },
    /// No byte, or no record.
    #[error("`{path}`: the file is empty")]
    Empty { path: String },
    /// The operating system refused to read or write the file.
    #[error("`{path}`: line {line}: cannot be read: {source}")]
    Io { path: String, line: u64, source: io::Error },
    /// The bytes of a pipe could not be copied to a temporary file.
    #[error("`{path}`: a pipe is copied to a temporary file, which failed: {source}")]
    Pipe { path: String, source: io::Error },
    /// The name stands for one kind of file, but the first bytes are of another.
    #[error("`{path}`: named as {kind} but starts with bytes `{found}` instead of `{magic}`")]
    WrongMagic { path: String, kind: &'static str, found: String, magic: &'static str },
    /// The compressed stream is cut short, or a checksum is wrong.
    #[error("`{path}`: line {line}: broken {kind}: `{detail}`")]
    Compressed { path: String, line: u64, kind: &'static str, detail: String },
    /// A line longer than the reader holds in memory.
    #[error("`{path}`: {at}: longer than `{cap_bytes}` bytes, starts with `{excerpt}`")]
    TooLong { path: String, at: Place, cap_bytes: usize, excerpt: String },
    /// Bytes that are not UTF-8; `column` counts bytes from 1.
    #[error("`{path}`: {at}: byte `0x{byte:02x}` at column {column} is not valid UTF-8")]
    InvalidUtf8 { path: String, at: Place, column: usize, byte: u8 },
    /// A file of a kind that is not read.
    #[error("`{path}`: is {}", .kind.words())]
    Foreign { path: String, kind: Foreign },
    /// One object with several lists of records.
    #[error("`{path}`: one object with several lists of records: {}", names(.keys))]
    SeveralLists { path: String, keys: Vec<String> },
    /// A table written column by column.
    #[error("`{path}`: one object {}", .kind.words())]
    ByColumn { path: String, kind: ByColumn },
    /// A JSON array with something wrong between its elements.
    #[error("`{path}`: line {line}: broken JSON array: {detail}")]
    BrokenArray { path: String, line: u64, detail: String },
    /// A table whose first line does not name its columns.
    #[error("`{path}`: line 1: {detail}")]
    BrokenHeader { path: String, detail: String },
    /// A Parquet file that cannot be read.
    #[error("`{path}`: broken Parquet: {detail}")]
    Parquet { path: String, detail: String },
    /// A Parquet file, while this program was built without the reader.
    #[error("`{path}`: is a Parquet file, and this `ser` was built without `parquet`")]
    NoParquet { path: String },
    /// One record is wrong.
    #[error("`{path}`: {at}: {error}")]
    Record { path: String, at: Place, error: RecordError },
    /// The first record is of no known layout; beside it what its columns seem to be.
    #[error("`{path}`: {at}: {error}")]
    Layout { path: String, at: Place, error: RecordError, proposal: Option<Box<Proposal>> },
    /// Columns of answers without anything that says which of them is better.
    #[error("`{path}`: `data.columns` does not say which answer is better ({answers})")]
    NoLabel { path: String, answers: String, proposal: Option<Box<Proposal>> },
    /// A folder of which some files can be read and another cannot.
    #[error("{error}")]
    OneOfSeveral { error: Box<DataError>, readable: Vec<String> },
    /// A pair that says nothing about preference, in a file read strictly.
    #[error("`{path}`: {at}: {reason}: `{excerpt}`")]
    BadPair { path: String, at: Place, reason: DropReason, excerpt: String },
    /// Not one pair of the file can be used.
    #[error("`{path}`: {at}: all `{n_dropped}` pairs are unusable, the first: {reason}")]
    AllDropped { path: String, at: Place, n_dropped: u64, reason: DropReason },
    /// A format name that is not known.
    #[error("unknown data format `{value}`")]
    UnknownFormat { value: String },
    /// An embedded part that does not exist.
    #[error("unknown embedded data set `{value}`")]
    UnknownEmbedded { value: String },
    /// Labels 0 and 1, to which two conventions give opposite meanings.
    #[error(
        "`{path}`: the first `{n_read}` labels in `{column}` are all `0` or `1`, which does not say \
         which answer is better"
    )]
    AmbiguousLabels { path: String, column: String, n_read: usize },
    /// `data.format = "columns"` without columns.
    #[error("`data.format` is `columns`, but `data.columns.a` names no column")]
    NoColumns,
}

/// What is wrong with one record, wherever it stands.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not JSON; the column in `what` counts bytes from 1.
    #[error("broken JSON at {what}: `{excerpt}`")]
    BrokenJson { what: String, excerpt: String, fault: JsonFault },
    /// A key that stands twice.
    #[error("key `{key}` stands twice")]
    RepeatedKey { key: String },
    /// A cell in which Python wrote a list its own way.
    #[error("field `{field}` is a list as Python's `repr` writes it: `{excerpt}`")]
    PythonRepr { field: String, excerpt: String },
    /// A cell that holds no message list, in a column of message lists.
    #[error("field `{field}` holds message lists as JSON text, but here `{excerpt}`")]
    NoMessages { field: String, excerpt: String },
    /// A row of the data set viewer that is not whole.
    #[error("the cells of {} are cut short", names(.cells))]
    Truncated { cells: Vec<String> },
    /// A row with too few or too many values for the names of its columns.
    #[error("`{found}` values, but `{expected}` columns")]
    ValueCount { found: usize, expected: usize },
    /// JSON, but not `{...}`.
    #[error("not a JSON object: `{excerpt}`")]
    NotAnObject { excerpt: String },
    /// A row of a table with too few or too many cells.
    #[error("`{found}` cells, but `{expected}` columns")]
    CellCount { found: u64, expected: u64 },
    /// A cell that is not UTF-8.
    #[error("the cell of column `{column}` is not valid UTF-8")]
    CellNotUtf8 { column: String },
    /// A needed field is not there.
    #[error("no field `{field}`, only {}", names(.available))]
    MissingField { field: String, available: Vec<String> },
    /// A needed field without a value.
    #[error("field `{field}` is {found}")]
    Null { field: String, found: String },
    /// A field of another type.
    #[error("field `{field}` is `{found}`, not {expected}")]
    WrongType { field: String, found: String, expected: &'static str },
    /// A message by a role that no chat template knows.
    #[error("field `{field}` is `{found}`, which is no role that is known")]
    UnknownRole { field: String, found: String },
    /// A message without a word or anything else.
    #[error("field `{field}` is a message without `content`")]
    NoContent { field: String },
    /// A conversation without a turn.
    #[error("field `{field}` is an empty list of messages")]
    EmptyConversation { field: String },
    /// A whole dialogue in which nobody answers.
    #[error("field `{field}` has no `\\n\\nAssistant:` turn: `{excerpt}`")]
    NoAssistantTurn { field: &'static str, excerpt: String },
    /// Two lists that must be of one length are not.
    #[error("field `{field}` has `{found}` entries, not {expected}")]
    WrongCount { field: String, found: usize, expected: String },
    /// A layout that no format has.
    #[error("no known layout has the fields {}", names(.available))]
    UnknownLayout { available: Vec<String> },
    /// A label from which it cannot be told which answer is better.
    #[error("field `{field}` is `{found}`, which does not say which answer is better")]
    UnknownLabel { field: String, found: String },
    /// A number that says how much better one answer is, but not which.
    #[error(
        "field `{field}` is `{found}`, and it is not said which answer numbers above 0 are for"
    )]
    UnknownStrength { field: String, found: String },
    /// One message of a conversation tree.
    #[error("one message of a tree (`message_id`, `parent_id`), not a pair")]
    TreeTakenApart,
    /// What an annotation tool exports: a task with its annotations.
    #[error("a task of Label Studio (`data`, `annotations`), whose fields have names of their own")]
    LabelStudio,
    /// Several answers without anything that says which is better.
    #[error("the answers in `{field}` have no scores")]
    Unordered { field: &'static str },
    /// Answers that are only the names of the columns that hold them.
    #[error("`chosen` and `rejected` are `{better}` and `{worse}`, names of other columns")]
    AnswersByName { better: String, worse: String },
    /// Several answers beside one.
    #[error("field `{field}` is a list of several answers")]
    SeveralAnswers { field: &'static str },
    /// A column named `a` beside `label = "a"`.
    #[error(
        "`data.columns.label` is `a`, which says that the first answer is the better one, but there is \
         a column `a` too"
    )]
    LabelOrColumn,
    /// A record that gives no pair.
    #[error("no pair: {reason}")]
    NoPair { reason: DropReason },
    /// A record that gives more than one.
    #[error("a record of `{found}` pairs")]
    SeveralPairs { found: usize },
    /// A record in which nothing can be scored.
    #[error(
        "no `response`, `responses`, `chosen` and `rejected`, `messages` or `text` among {}",
        names(.available)
    )]
    NothingToScore { available: Vec<String> },
    /// A record without a prompt to answer.
    #[error("no `prompt`, `messages` or `text` among {}", names(.available))]
    NothingToAnswer { available: Vec<String> },
    /// Feedback on single answers.
    #[error("one answer alone (`{field}`), not a pair")]
    Unpaired { field: &'static str },
}

impl DataError {
    /// Why a file could not be opened.
    pub(super) fn unopened(path: &Path, source: io::Error) -> Self {
        let path = path.display().to_string();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Io { path, line: 1, source },
        }
    }

    /// What the columns seem to be, where that is what is missing.
    #[must_use]
    pub fn proposal(&self) -> Option<&Proposal> {
        match self {
            Self::Layout { proposal, .. } | Self::NoLabel { proposal, .. } => proposal.as_deref(),
            _ => None,
        }
    }

    /// What to do about it, as a sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.hint_with_names().or_else(|| Some(self.hint_in_words().to_owned()))
    }

    /// A hint that names the file or lists what there is.
    fn hint_with_names(&self) -> Option<String> {
        Some(match self {
            Self::SavedToDisk { path } => format!(
                "python -c \"from datasets import load_from_disk; \
                 load_from_disk('{path}').to_json('pairs.jsonl')\" (of a set with several splits, \
                 `load_from_disk(…)['train']`)"
            ),
            Self::Foreign { path, kind } => kind.hint(path),
            Self::NoSplit { path, splits, .. } => {
                let (folder, split) =
                    (path.trim_end_matches('/'), splits.first().map_or("", String::as_str));
                format!("name the files, or a pattern: `'{folder}/**/{split}*'`")
            }
            Self::SeveralLists { path, keys } => {
                let key = keys.first().map_or("", String::as_str);
                format!("take one out: jq -c '.{key}[]' {path} > pairs.jsonl")
            }
            Self::ByColumn { path, kind } => kind.hint(path),
            Self::Compressed { kind: "zstd", detail, path, .. } if detail.contains("memory") => {
                format!("its window is a long one: unpack it with `zstd -d --long=31 {path}`")
            }
            Self::Record { error, .. } => error.hint(),
            Self::Layout { path, error, proposal, .. } => match proposal {
                Some(proposal) => guessed(path, proposal),
                None => error.hint(),
            },
            Self::NoLabel { proposal, .. } => match proposal.as_ref().map(|it| it.judge_option()) {
                Some(question) => format!(
                    "name the column that says so, such as `--column {question}`, \
                     or `--column label=a` if the first answer is the better one (`data.columns.label`)"
                ),
                None => NO_LABEL.to_owned(),
            },
            Self::OneOfSeveral { readable, .. } => {
                format!("name the files that can be read: {}", readable.join(" "))
            }
            Self::UnknownFormat { .. } => {
                let names: Vec<&str> = FORMATS.iter().map(|(name, ..)| *name).collect();
                format!("use one of auto, {}", names.join(", "))
            }
            _ => return None,
        })
    }

    fn hint_in_words(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "check the path, or use `embedded` for the data set inside the program"
            }
            Self::NoDataFile { .. } => {
                "name a file that ends in .jsonl, .json, .csv, .tsv or .parquet (also .gz, .zst)"
            }
            Self::SeveralSplits { .. } => "name the files, or a pattern: `'FOLDER/test*.jsonl'`",
            Self::Pattern { .. } => "quote the pattern, and check it with `ls`",
            Self::Empty { .. } => {
                "put one JSON object a line: {\"prompt\", \"chosen\", \"rejected\"}"
            }
            Self::Pipe { .. } => "make room there, or name another folder with TMPDIR",
            Self::Io { .. } => "check that the file is readable and its disk healthy",
            Self::WrongMagic { kind: "gzip", .. } => {
                "rename the file without `.gz` if it is plain text"
            }
            Self::WrongMagic { kind: "zstd", .. } => {
                "rename the file without `.zst` if it is plain text"
            }
            Self::WrongMagic { .. } => "name the file after what it is: .jsonl, .json, .csv, .tsv",
            Self::Parquet { detail, .. } => parquet_hint(detail),
            Self::Compressed { kind: "zstd", .. } => {
                "copy or download the file again; `zstd -t` tests it"
            }
            Self::Compressed { .. } => "copy or download the file again; `gzip -t` tests it",
            Self::TooLong { .. } => {
                "write one record a line, or one JSON array; a quote may be missing in a table"
            }
            Self::InvalidUtf8 { at: Place { number: 1, .. }, .. } => {
                "binary, or text of another encoding: `iconv -f LATIN1 -t UTF-8` converts text"
            }
            Self::InvalidUtf8 { .. } => {
                "convert the file with `iconv -f LATIN1 -t UTF-8`, or repair that line"
            }
            Self::BrokenArray { .. } => "a JSON array is `[{...}, {...}]`; is the file whole?",
            Self::BrokenHeader { .. } => "the first line of a table names its columns",
            Self::NoParquet { .. } => {
                "build with `cargo install --path .`, or convert the file to JSON lines"
            }
            Self::BadPair { reason, .. } | Self::AllDropped { reason, .. } => reason.hint(),
            Self::UnknownEmbedded { .. } => "use `embedded:train` or `embedded:test`",
            Self::AmbiguousLabels { .. } => {
                "write `--column values=0,1` (`data.columns.values = [\"0\", \"1\"]`) if 0 is for a and 1 \
                 for b, `values=1,0` if 1 is for a and 0 for b, `values=1,2,0` if 0 is a tie"
            }
            Self::NoColumns => {
                "set `data.columns.prompt`, `.a`, `.b` and `.label` to the names of the columns"
            }
            // These have a hint that names something.
            Self::Layout { .. }
            | Self::NoLabel { .. }
            | Self::OneOfSeveral { .. }
            | Self::SavedToDisk { .. }
            | Self::Foreign { .. }
            | Self::NoSplit { .. }
            | Self::SeveralLists { .. }
            | Self::ByColumn { .. }
            | Self::Record { .. }
            | Self::UnknownFormat { .. } => "",
        }
    }
}

fn parquet_hint(detail: &str) -> &'static str {
    match detail {
        _ if detail.contains("ncrypt") => "write it again without encryption, where its key is",
        _ if detail.contains("column") => "write JSON lines where it was made",
        _ if detail.contains("upported") => {
            "write it again with the compression `zstd` or `snappy`"
        }
        _ => "copy or download the file again",
    }
}

const NO_LABEL: &str = "`--column label=a` says that the first answer is the better one, \
     `--column label=COLUMN` that a column says it";

/// How a proposal is told where no pairs are shown by it. Not every command has `--column`, so the way
/// that all can go is told too.
fn guessed(path: &str, proposal: &Proposal) -> String {
    let question = proposal.question().map_or_else(String::new, |it| format!(" --column {it}"));
    let mark = if proposal.is_complete() { "" } else { "?" };
    format!(
        "`ser data check {path}` shows pairs by a guess, `{}{question}`{mark}; with `--write spec.toml` \
         it makes a spec for `ser run`",
        proposal.options()
    )
}

/// Field names for a message.
pub(super) fn names(fields: &[String]) -> String {
    const MAX: usize = 20;
    if fields.is_empty() {
        return "an empty object".into();
    }
    let shown: Vec<String> =
        fields.iter().take(MAX).map(|name| format!("`{}`", excerpt(name))).collect();
    let more = if fields.len() > MAX { ", …" } else { "" };
    shown.join(", ") + more
}

/// Names in a folder for a message.
fn found_names(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!(", only {}", names(found)) }
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
