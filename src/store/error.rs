//! What can go wrong in the store, and what to do about it.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::events::columns::BrokenColumns;
use crate::domain::run::RunId;

/// The state of a run that was asked to stop and has not ended yet.
pub const STOPPING: &str = "stopping";

/// A failed store operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No environment variable says where the home is.
    #[error("there is no home folder: neither `SER_HOME`, `XDG_DATA_HOME` nor `HOME` is set")]
    NoHome,
    /// A file or folder of the home cannot be used.
    #[error("failed to access `{}`", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// The table `[slots]` of the config file makes no sense.
    #[error("`{}`: {problem}", path.display())]
    Config {
        path: PathBuf,
        /// The value and what it should be.
        problem: String,
    },
    /// There is no database to read.
    #[error("there is no database at `{}`", path.display())]
    Missing {
        /// Where one was expected.
        path: PathBuf,
    },
    /// The file belongs to another program.
    #[error("`{}` is a database of another program (application id {application_id:#x})", path.display())]
    Foreign {
        path: PathBuf,
        /// What it calls itself.
        application_id: i32,
    },
    /// The file was written by a newer version.
    #[error("`{}` was made by a newer `ser` (schema {found}), which this one (schema {known}) does not read", path.display())]
    Newer {
        path: PathBuf,
        found: usize,
        /// The newest known one.
        known: usize,
    },
    /// The file was written by an older version.
    #[error("`{}` was made by an older `ser` (schema {found}), which this one (schema {known}) does not read", path.display())]
    Older {
        path: PathBuf,
        found: usize,
        /// The version that this program reads.
        known: usize,
    },
    /// The columns beside an event's line are not whole.
    #[error("the columns of event {seq} are damaged")]
    BrokenColumns {
        /// The number of the event.
        seq: u64,
        /// What does not fit.
        source: BrokenColumns,
    },
    /// A run is of a kind that this version of the program does not have.
    #[error("run `{run}` is of the kind `{kind}`: it was made by a newer version of `ser`")]
    UnknownKind { run: RunId, kind: String },
    /// A stored pair contradicts itself.
    #[error("pair {pair} of data set {dataset} is damaged: {detail}")]
    BrokenPair {
        /// The data set's key.
        dataset: i64,
        /// Which of its pairs.
        pair: u32,
        /// What does not fit.
        detail: String,
    },
    /// The disk has no room for a write; nothing of it was kept.
    #[error("the disk of `{}` is full ({n_bytes_available} bytes available)", path.display())]
    DiskFull {
        path: PathBuf,
        /// Free bytes of its file system.
        n_bytes_available: u64,
    },
    /// The database cannot be written.
    #[error("`{}` is read-only", path.display())]
    ReadOnly { path: PathBuf },
    /// Another process held the write lock for too long.
    #[error("`{}` stayed locked by another process for {waited_s} s", path.display())]
    Locked {
        path: PathBuf,
        /// How long this one waited.
        waited_s: u64,
    },
    /// The file has pages that cannot be valid.
    #[error("`{}` is damaged", path.display())]
    Damaged {
        path: PathBuf,
        /// What `SQLite` says.
        source: rusqlite::Error,
    },
    /// Any other failure of `SQLite`.
    #[error("the database refused a statement")]
    Sqlite(#[from] rusqlite::Error),
    /// A stored or given value cannot be read.
    #[error("{what} cannot be read")]
    Json {
        /// Whose JSON.
        what: String,
        source: serde_json::Error,
    },
    /// A stored word is unknown to this version of the program.
    #[error("`{value}` is not a known {what}")]
    UnknownValue {
        /// Which kind of word.
        what: &'static str,
        value: String,
    },
    /// No run has this id, prefix or name.
    #[error("there is no run `{wanted}`")]
    UnknownRun {
        /// What was asked for.
        wanted: String,
        /// The most similar name.
        nearest: Option<String>,
    },
    /// No experiment has this name.
    #[error("there is no experiment `{wanted}`")]
    UnknownExperiment {
        /// What was asked for.
        wanted: String,
        /// The most similar name.
        nearest: Option<String>,
    },
    /// Several runs have this prefix.
    #[error("`{wanted}` could be {}", candidates.join(", "))]
    AmbiguousRun {
        /// What was asked for.
        wanted: String,
        /// `id (name)` of each.
        candidates: Vec<String>,
    },
    /// A run with this name exists.
    #[error("a run named `{name}` exists already")]
    NameTaken { name: String },
    /// A name has characters that could not be typed or shown.
    #[error("`{name}` is not a name for {what}: {reason}", name = name.escape_debug())]
    BadName {
        name: String,
        /// `a run`, `an experiment`.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A word that cannot be a tag.
    #[error("`{tag}` is not a tag: {reason}", tag = tag.escape_debug())]
    BadTag {
        tag: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text that cannot be a note.
    #[error("this is not a note: {reason}")]
    BadNote {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The action does not fit the state of the run.
    #[error("{action}: `{name}` is {state}")]
    WrongState {
        /// `nothing to resume`
        action: &'static str,
        name: String,
        /// What it is doing instead.
        state: &'static str,
    },
    /// A living worker holds the run.
    #[error("process {pid} is working on `{run}` already")]
    Held { run: RunId, pid: u32 },
    /// A newer attempt of the run exists: this worker must end.
    #[error("attempt {attempt} of `{run}` was superseded by attempt {current}")]
    Superseded {
        run: RunId,
        attempt: u32,
        /// The attempt in force.
        current: u32,
    },
    /// An event does not follow the stored ones.
    #[error("event {found} of `{run}` came where event {expected} was due")]
    Gap { run: RunId, expected: u64, found: u64 },
    /// The data set does not have such a pair.
    #[error("data set {dataset} has no pair {pair}")]
    UnknownPair { dataset: i64, pair: u32 },
    /// A data set is still needed.
    #[error("data set {dataset} is used by {}", users(.runs))]
    DatasetInUse { dataset: i64, runs: Vec<String> },
    /// There is no such data set.
    #[error("there is no data set {dataset}")]
    UnknownDataset { dataset: i64 },
    /// No thread can be started to write events.
    #[error("failed to start the event writer")]
    Thread(#[source] std::io::Error),
    /// The thread that writes events ended.
    #[error("the event writer has ended")]
    WriterEnded,
}

impl StoreError {
    /// What the person can do about it, as one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoHome => "set `SER_HOME`, or pass `--home DIR`".to_owned(),
            Self::Io { path, .. } => {
                format!(
                    "check the permissions of `{}`, or pass another `--home DIR`",
                    path.display()
                )
            }
            Self::Config { .. } => {
                "write `[slots]` and below it for example `cpu = 2`: as many runs on the processor \
                 at a time"
                    .to_owned()
            }
            Self::Missing { .. } => {
                "start a run with `ser run`, or pass the right `--home DIR`".to_owned()
            }
            Self::Foreign { .. } => "pass another `--home DIR`".to_owned(),
            Self::Newer { .. } | Self::UnknownKind { .. } => {
                "use the newer `ser`, or another `--home DIR`".to_owned()
            }
            Self::Older { .. } => {
                "keep its results with `ser export` or `ser show --json` of the program that made \
                 it, then pass another `--home DIR`"
                    .to_owned()
            }
            Self::DiskFull { path, .. } => {
                format!("free at least 64 MB on the file system of `{}`", path.display())
            }
            Self::ReadOnly { path } => {
                format!("make `{}` and its folder writable, or pass `--read-only`", path.display())
            }
            Self::Locked { .. } => {
                "find the process that holds the database, for example with `fuser`".to_owned()
            }
            Self::Damaged { .. } | Self::BrokenColumns { .. } => {
                "run `ser doctor` to see what can still be read".to_owned()
            }
            Self::UnknownRun { nearest: Some(name), .. }
            | Self::UnknownExperiment { nearest: Some(name), .. } => {
                format!("did you mean `{name}`?")
            }
            Self::UnknownExperiment { nearest: None, .. } => {
                "`ser runs` shows which experiment a run belongs to".to_owned()
            }
            Self::UnknownRun { nearest: None, .. } => "list the runs with `ser runs`".to_owned(),
            Self::AmbiguousRun { .. } => "type more of the id, or the name".to_owned(),
            Self::BadName { .. } => {
                "give it a plain name, for example `--name baseline`".to_owned()
            }
            Self::BadTag { .. } => "a tag is one word, for example `paper`".to_owned(),
            Self::BadNote { .. } => "keep long texts in a file and note its path".to_owned(),
            Self::NameTaken { .. } => "choose another `--name`".to_owned(),
            Self::Held { .. } => "stop it with `ser stop` first".to_owned(),
            Self::DatasetInUse { .. } => {
                "a data set stays as long as a run on it does, archived or not".to_owned()
            }
            Self::UnknownDataset { .. } => "`ser data list` shows them with their ids".to_owned(),
            Self::WrongState { name, state, .. } if *state == STOPPING => format!(
                "it ends after its present step, which `ser attach {name}` shows; then `ser resume \
                 {name}` goes on from its checkpoint"
            ),
            Self::WrongState { action: "nothing to move" | "nothing to start", .. } => {
                "`ser queue` shows what waits, and for whom".to_owned()
            }
            Self::WrongState { name, .. } => format!("look at it with `ser show {name}`"),
            _ => return None,
        })
    }

    /// Whether trying the same again later can succeed.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }

    /// Turns the failures of `SQLite` that a person can act on into errors of their own.
    pub(super) fn located(self, path: &std::path::Path) -> Self {
        let Self::Sqlite(source) = self else { return self };
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                let n_bytes_available = super::database::filesystem::n_bytes_available(&path);
                Self::DiskFull { path, n_bytes_available }
            }
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Locked { path, waited_s: super::clock::BUSY_TIMEOUT.as_secs() }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, source }
            }
            _ => Self::Sqlite(source),
        }
    }
}

/// Runs in words, the first of many.
fn users(runs: &[String]) -> String {
    const NAMED_MAX: usize = 5;
    let word = if runs.len() == 1 { "run" } else { "runs" };
    let named: Vec<String> = runs.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
    let more = if runs.len() > NAMED_MAX { ", …" } else { "" };
    format!("{} {word}: {}{more}", runs.len(), named.join(", "))
}
