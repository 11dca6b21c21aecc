//! Tables: aligned for people, or as CSV, Markdown.

use std::fmt::Display;
use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{CliError, CliResult};
use crate::domain::text::clean::clean_line;

/// Spaces between two columns.
const GAP: usize = 2;

/// In which form a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns.
    Human,
    /// One JSON document.
    Json,
    /// Comma-separated values (RFC 4180).
    Csv,
    /// A Markdown table.
    Markdown,
}

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

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The name in CSV.
    pub key: &'static str,
    /// The name for people.
    pub head: &'static str,
    /// Numbers stand to the right.
    pub is_number: bool,
}

/// A column of text.
#[must_use]
pub const fn text(key: &'static str, head: &'static str) -> Column {
    Column { key, head, is_number: false }
}

/// A column of numbers.
#[must_use]
pub const fn number(key: &'static str, head: &'static str) -> Column {
    Column { key, head, is_number: true }
}

/// A value for people and the same for programs; `None` is a value that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    shown: Option<String>,
    raw: Option<String>,
}

impl Cell {
    /// The same text for both.
    pub fn new(value: impl Display) -> Self {
        let text = format!("{value}");
        Self { shown: Some(text.clone()), raw: Some(text) }
    }

    /// A value that may not exist.
    pub fn maybe(value: Option<impl Display>) -> Self {
        value.map_or(Self { shown: None, raw: None }, Self::new)
    }

    /// The value for people and the one for programs.
    #[must_use]
    pub fn both(shown: Option<String>, raw: Option<String>) -> Self {
        Self { shown, raw }
    }

    /// A value with a form for people.
    pub fn shown<T: ToString + Copy>(value: Option<T>, show: impl Fn(T) -> String) -> Self {
        Self { shown: value.map(show), raw: value.map(|value| value.to_string()) }
    }
}

/// Rows under columns.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
    }

    /// Prints it; JSON is not a table and printed by its command.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print(&self, form: Form, is_ascii: bool) -> CliResult {
        let mut out = io::BufWriter::new(io::stdout().lock());
        match form {
            Form::Csv => self.write_csv(&mut out),
            Form::Markdown => self.write_markdown(&mut out, is_ascii),
            Form::Human | Form::Json => self.write_aligned(&mut out, is_ascii),
        }
        .and_then(|()| out.flush())
        .map_err(CliError::from)
    }

    fn texts(&self, is_ascii: bool) -> Vec<Vec<String>> {
        let dash = if is_ascii { "-" } else { "–" };
        let show = |cell: &Cell| cell.shown.as_deref().map_or(dash.to_owned(), clean_line);
        self.rows.iter().map(|row| row.iter().map(show).collect()).collect()
    }

    fn write_aligned(&self, out: &mut impl Write, is_ascii: bool) -> io::Result<()> {
        let heads: Vec<String> = self.columns.iter().map(|c| c.head.to_owned()).collect();
        let rows = self.texts(is_ascii);
        let width = |i: usize| {
            std::iter::once(&heads).chain(&rows).map(|row| row[i].width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for row in std::iter::once(&heads).chain(&rows) {
            let mut line = String::new();
            for ((text, column), width) in row.iter().zip(&self.columns).zip(&widths) {
                let padding = " ".repeat(width - text.width());
                let (before, after) = if column.is_number {
                    (padding, String::new())
                } else {
                    (String::new(), padding)
                };
                line.push_str(&before);
                line.push_str(text);
                line.push_str(&after);
                line.push_str(&" ".repeat(GAP));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn write_markdown(&self, out: &mut impl Write, is_ascii: bool) -> io::Result<()> {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        writeln!(out, "{}", line(&mut self.columns.iter().map(|c| c.head.to_owned())))?;
        let rule = |c: &Column| if c.is_number { "---:" } else { "---" }.to_owned();
        writeln!(out, "{}", line(&mut self.columns.iter().map(rule)))?;
        for row in self.texts(is_ascii) {
            writeln!(out, "{}", line(&mut row.iter().map(|text| text.replace('|', "\\|"))))?;
        }
        Ok(())
    }

    fn write_csv(&self, out: &mut impl Write) -> io::Result<()> {
        let heads: Vec<&str> = self.columns.iter().map(|c| c.key).collect();
        writeln!(out, "{}", heads.join(","))?;
        for row in &self.rows {
            let cells: Vec<String> =
                row.iter().map(|cell| csv_field(cell.raw.as_deref().unwrap_or_default())).collect();
            writeln!(out, "{}", cells.join(","))?;
        }
        Ok(())
    }
}

/// Quoted where RFC 4180 asks for it.
fn csv_field(value: &str) -> String {
    if value.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[text("name", "name"), number("accuracy", "acc")]);
        table.push(vec![
            Cell::new("a, \"b\""),
            Cell::shown(Some(0.5), |v| format!("{:.1} %", v * 100.0)),
        ]);
        table.push(vec![Cell::new("c|d"), Cell::shown(None::<f64>, |v| v.to_string())]);
        table
    }

    fn written(write: impl Fn(&Table, &mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&table(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_get_aligned_columns_and_dashes() {
        let text = written(|table, out| table.write_aligned(out, false));
        assert_eq!(text, "name       acc\na, \"b\"  50.0 %\nc|d          –\n");
    }

    #[test]
    fn programs_get_plain_values_and_empty_fields() {
        let text = written(Table::write_csv);
        assert_eq!(text, "name,accuracy\n\"a, \"\"b\"\"\",0.5\nc|d,\n");
    }

    #[test]
    fn markdown_escapes_its_separator() {
        let text = written(|table, out| table.write_markdown(out, true));
        assert_eq!(text.lines().nth(1).unwrap(), "| --- | ---: |");
        assert_eq!(text.lines().nth(3).unwrap(), "| c\\|d | - |");
    }
}
