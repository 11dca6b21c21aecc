//! The one error the command line prints, and the exit code it becomes.
//!
//! Each module keeps its own typed error; here its message, its causes and its hint are joined
//! once, and made safe for a terminal: names and values come from files.

use std::error::Error;
use std::process::ExitCode;

use crate::analysis::AnalysisError;
use crate::data::DataError;
use crate::domain::text::causes::{io_reason, one_line};
use crate::domain::text::clean::clean_line;
use crate::engine::EngineError;
use crate::hub::HubError;
use crate::launch::LaunchError;
use crate::report::ReportError;
use crate::scorer::ScorerError;
use crate::spec::SpecError;
use crate::store::StoreError;
use crate::supervisor::SupervisorError;
use crate::tui::TuiError;
use crate::worker::WorkerError;

/// What a command returns.
pub type CliResult<T = ()> = Result<T, CliError>;

/// Whose turn it is to do something about an error; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The person: what they gave is wrong (exit code 2).
    Input,
    /// Nobody yet: the run or the command failed (exit code 1).
    Failure,
    /// Nobody: they pressed Ctrl-C (exit code 130).
    Interrupted,
    /// Nobody: the reader of our output went away (`ser runs | head`); nothing is printed.
    BrokenPipe,
}

/// A failed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    /// Decides the exit code.
    pub kind: ErrorKind,
    /// One lower-case sentence without a final period.
    pub message: String,
    /// Lines between the message and the hint: what was found instead.
    pub details: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl CliError {
    /// A mistake in what the person gave.
    pub fn input(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Input, message: message.into(), details: Vec::new(), hint: None }
    }

    /// A command that failed.
    pub fn failure(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Failure, message: message.into(), details: Vec::new(), hint: None }
    }

    /// Ctrl-C.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Interrupted,
            message: message.into(),
            details: Vec::new(),
            hint: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Joins a typed error with its causes.
    pub fn from_error(kind: ErrorKind, error: &dyn Error, hint: Option<String>) -> Self {
        Self { kind, message: one_line(error), details: Vec::new(), hint }
    }

    /// An error about a file that the person named and that cannot be read or written.
    pub fn io(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let message = format!("cannot {action} `{}`: {}", path.display(), io_reason(error));
        Self::input(message).with_hint("check the path and its permissions")
    }

    /// Whether nothing is printed, since nobody reads the output.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.kind == ErrorKind::BrokenPipe
    }

    /// What the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            ErrorKind::Input => 2,
            ErrorKind::Failure => 1,
            ErrorKind::Interrupted => 130,
            ErrorKind::BrokenPipe => 0,
        })
    }

    /// `error:` and `hint:` lines, safe for a terminal.
    #[must_use]
    pub fn report(&self) -> String {
        let word = if self.kind == ErrorKind::Interrupted { "interrupted" } else { "error" };
        let mut report = format!("{word}: {}\n", clean_line(&self.message));
        for line in &self.details {
            report.extend([&clean_line(line), "\n"]);
        }
        if let Some(hint) = &self.hint {
            report.extend(["hint: ", &clean_line(hint), "\n"]);
        }
        report
    }
}

impl From<TuiError> for CliError {
    fn from(error: TuiError) -> Self {
        Self::from_error(ErrorKind::Input, &error, error.hint())
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::UnknownRun { .. }
            | StoreError::AmbiguousRun { .. }
            | StoreError::NameTaken { .. }
            | StoreError::BadName { .. }
            | StoreError::UnknownExperiment { .. }
            | StoreError::BadTag { .. }
            | StoreError::BadNote { .. }
            | StoreError::WrongState { .. }
            | StoreError::Missing { .. }
            | StoreError::DatasetInUse { .. }
            | StoreError::UnknownDataset { .. }
            | StoreError::NoHome => ErrorKind::Input,
            _ => ErrorKind::Failure,
        };
        let hint = error.hint();
        Self::from_error(kind, &error, hint)
    }
}

impl From<AnalysisError> for CliError {
    fn from(error: AnalysisError) -> Self {
        match error {
            AnalysisError::Store(error) => error.into(),
            AnalysisError::NotComparable { .. } => {
                Self::from_error(ErrorKind::Input, &error, error.hint())
            }
            AnalysisError::Spec { .. } => {
                Self::from_error(ErrorKind::Failure, &error, error.hint())
            }
        }
    }
}

impl From<DataError> for CliError {
    fn from(error: DataError) -> Self {
        let hint = error.hint();
        Self::from_error(ErrorKind::Input, &error, hint)
    }
}

impl From<EngineError> for CliError {
    /// The command line only opens and checks models that the person named, so these errors are
    /// mistakes of input.
    fn from(error: EngineError) -> Self {
        let hint = error.hint();
        Self::from_error(ErrorKind::Input, &error, hint)
    }
}

impl From<SupervisorError> for CliError {
    fn from(error: SupervisorError) -> Self {
        let hint = error.hint();
        let kind = match &error {
            SupervisorError::Store(StoreError::WrongState { .. }) => ErrorKind::Input,
            _ => ErrorKind::Failure,
        };
        Self::from_error(kind, &error, hint)
    }
}

impl From<SpecError> for CliError {
    fn from(error: SpecError) -> Self {
        let hint = error.hint();
        Self::from_error(ErrorKind::Input, &error, hint)
    }
}

impl From<HubError> for CliError {
    fn from(error: HubError) -> Self {
        let kind = match &error {
            HubError::Unreachable { .. }
            | HubError::Busy { .. }
            | HubError::Unexpected { .. }
            | HubError::Malformed { .. }
            | HubError::WrongContent { .. }
            | HubError::Io { .. } => ErrorKind::Failure,
            _ => ErrorKind::Input,
        };
        let hint = error.hint();
        Self::from_error(kind, &error, hint)
    }
}

impl From<LaunchError> for CliError {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Store(error) => error.into(),
            LaunchError::Data(error) => error.into(),
            LaunchError::Engine(error) => error.into(),
            LaunchError::Hub(error) => error.into(),
            LaunchError::Spec(error) => error.into(),
            LaunchError::Supervisor(error) => error.into(),
            error => {
                let hint = error.hint();
                Self::from_error(ErrorKind::Input, &error, hint)
            }
        }
    }
}

impl From<ReportError> for CliError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => error.into(),
            ReportError::Analysis(error) => error.into(),
            ReportError::Json(error) => error.into(),
            error => {
                let hint = error.hint();
                Self::from_error(ErrorKind::Input, &error, hint)
            }
        }
    }
}

impl From<ScorerError> for CliError {
    fn from(error: ScorerError) -> Self {
        match error {
            ScorerError::Store(error) => error.into(),
            ScorerError::Engine(error) => error.into(),
            ScorerError::Command { .. } => Self {
                details: error.said().iter().map(|line| format!("it said: {line}")).collect(),
                ..Self::from_error(ErrorKind::Failure, &error, error.hint())
            },
            error => Self::from_error(ErrorKind::Input, &error, error.hint()),
        }
    }
}

impl From<WorkerError> for CliError {
    fn from(error: WorkerError) -> Self {
        let hint = error.hint();
        Self::from_error(ErrorKind::Failure, &error, hint)
    }
}

impl From<std::io::Error> for CliError {
    /// Every other call names its file, so this error comes from writing to standard output.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self { kind: ErrorKind::BrokenPipe, ..Self::failure("") };
        }
        Self::failure(format!("cannot write to standard output: {}", io_reason(&error)))
    }
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        Self::failure(format!("cannot write JSON: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let report = CliError::input("bad `\u{1b}[2J\nx`").report();
        assert!(!report.contains('\u{1b}'), "{report:?}");
        assert_eq!(report.lines().count(), 1, "{report:?}");
    }
}
