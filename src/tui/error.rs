//! Why the interface cannot run.

use std::io;
use std::path::PathBuf;

/// Why the interface cannot run.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Standard input or output is a file or a pipe.
    #[error("standard input and output are not a terminal")]
    NotATerminal,
    /// `TERM` is not set.
    #[error("`TERM` is not set, so nothing is known about this terminal")]
    UnknownTerminal,
    /// `TERM` names a terminal that only prints lines, such as a shell inside an editor.
    #[error("`TERM` is `{term}`: this terminal prints lines and cannot move its cursor")]
    DumbTerminal { term: String },
    /// The terminal reports no columns or no rows.
    #[error("the terminal reports a size of {width}x{height}")]
    NoSize {
        /// The columns that it reports.
        width: u16,
        /// The rows that it reports.
        height: u16,
    },
    /// The terminal refused something.
    #[error("cannot use the terminal")]
    Terminal(#[source] io::Error),
    /// The config file cannot be read.
    #[error("cannot read `{}`", path.display())]
    SettingsFile {
        /// The config file in the home.
        path: PathBuf,
        /// The reason that the system gives.
        source: io::Error,
    },
    /// The config file says something that cannot be.
    #[error("`{}` line {line}: {message}", path.display())]
    Settings {
        /// The config file in the home.
        path: PathBuf,
        /// The line of the mistake, counted from 1.
        line: usize,
        /// One line that names the key and its value.
        message: String,
        /// One line that says what would be right.
        hint: String,
    },
    /// The file of a recording cannot be written.
    #[error("cannot write `{}`", path.display())]
    Recording {
        /// The file that was asked for.
        path: PathBuf,
        /// The reason that the system gives.
        source: io::Error,
    },
    /// No thread or timer can be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl TuiError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotATerminal => "print the runs with `ser runs`, or follow one with `ser attach`",
            Self::UnknownTerminal => "set `TERM`, for example to `xterm-256color`",
            Self::DumbTerminal { .. } => {
                "follow a run with `ser attach --plain`, or set `TERM` to what the terminal is, for \
                 example `xterm-256color`"
            }
            Self::NoSize { .. } => {
                "enlarge the window, or set its size with `stty rows 24 cols 80`"
            }
            Self::SettingsFile { .. } => "check the permissions of the file, or move it away",
            Self::Recording { .. } => "record into another place with `-o FILE.cast`",
            Self::Settings { hint, .. } => hint,
            Self::Terminal(_) => "check the terminal with `ser doctor`",
            Self::Thread(_) => "check the limits of this account with `ulimit -a`",
        };
        Some(hint.to_owned())
    }
}
