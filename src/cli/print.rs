//! What commands write to standard output, and the flags that say in which form.

use std::io::{self, Write};

use super::{CliError, CliResult};
use crate::report::table::{Form, Table};

/// `--json`, `--csv`, `--md`.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct FormArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print a Markdown table
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    pub md: bool,
}

impl FormArgs {
    /// The form they ask for.
    #[must_use]
    pub fn form(self) -> Form {
        match (self.json, self.csv, self.md) {
            (true, _, _) => Form::Json,
            (_, true, _) => Form::Csv,
            (_, _, true) => Form::Markdown,
            _ => Form::Human,
        }
    }
}

/// Prints a table; JSON is no table and printed by its command.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_table(table: &Table, form: Form, is_ascii: bool) -> CliResult {
    print_text(&table.text(form, is_ascii))
}

/// Prints one JSON document.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_json(document: &impl serde::Serialize) -> CliResult {
    let text = serde_json::to_string_pretty(document)?;
    print_line(&text)
}

/// Prints a line of results.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_line(text: &str) -> CliResult {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(CliError::from)
}

/// Prints lines of results, each with its line end.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_text(text: &str) -> CliResult {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CliError::from)
}
