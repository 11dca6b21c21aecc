//! Tables: aligned for people, or as CSV, Markdown.

use std::fmt::Display;

use unicode_width::UnicodeWidthStr;

use super::csv;
use crate::domain::text::clean::clean_line;

/// What stands between two columns.
const GAP: &str = "  ";

/// In which form a result is written.
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

    /// The table as text, with a line end after every line; JSON is no table and written by whoever
    /// has the values.
    #[must_use]
    pub fn text(&self, form: Form, is_ascii: bool) -> String {
        match form {
            Form::Csv => self.comma_separated(),
            Form::Markdown => self.markdown(is_ascii),
            Form::Human | Form::Json => self.aligned(is_ascii),
        }
    }

    /// The table for people with rows and columns exchanged: a line for each column that has a value,
    /// which leaves room for whole words as heads.
    #[must_use]
    pub fn turned(&self, is_ascii: bool) -> String {
        let rows = self.texts(is_ascii);
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|column| self.rows.iter().any(|row| row[*column].shown.is_some()))
            .collect();
        let n_label = shown.iter().map(|column| self.columns[*column].head.width()).max();
        let n_label = n_label.unwrap_or(0);
        let width = |row: &Vec<String>| shown.iter().map(|it| row[*it].width()).max().unwrap_or(0);
        let widths: Vec<usize> = rows.iter().map(width).collect();
        let mut out = String::new();
        for column in shown {
            let head = self.columns[column].head;
            out += head;
            out += &" ".repeat(n_label - head.width());
            for (row, width) in rows.iter().zip(&widths) {
                let text = &row[column];
                out.extend([GAP, &" ".repeat(width - text.width()), text]);
            }
            out.push('\n');
        }
        out
    }

    fn texts(&self, is_ascii: bool) -> Vec<Vec<String>> {
        let dash = if is_ascii { "-" } else { "–" };
        let show = |cell: &Cell| cell.shown.as_deref().map_or(dash.to_owned(), clean_line);
        self.rows.iter().map(|row| row.iter().map(show).collect()).collect()
    }

    fn aligned(&self, is_ascii: bool) -> String {
        let heads: Vec<String> = self.columns.iter().map(|c| c.head.to_owned()).collect();
        let mut lines = vec![heads];
        lines.extend(self.texts(is_ascii));
        let numbers: Vec<bool> = self.columns.iter().map(|column| column.is_number).collect();
        aligned(&lines, &numbers)
    }

    fn markdown(&self, is_ascii: bool) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let rule = |c: &Column| if c.is_number { "---:" } else { "---" }.to_owned();
        let mut out = line(&mut self.columns.iter().map(|c| c.head.to_owned()));
        out.push_str(&line(&mut self.columns.iter().map(rule)));
        for row in self.texts(is_ascii) {
            out.push_str(&line(&mut row.iter().map(|text| text.replace('|', "\\|"))));
        }
        out
    }

    fn comma_separated(&self) -> String {
        let mut out = csv::record(self.columns.iter().map(|column| column.key));
        for row in &self.rows {
            out += &csv::record(row.iter().map(|cell| cell.raw.as_deref().unwrap_or_default()));
        }
        out
    }
}

/// Lines of cells in columns as wide as their widest cell; numbers stand to the right. Characters that
/// a terminal could take for a command are made harmless.
#[must_use]
pub fn aligned(lines: &[Vec<String>], is_number: &[bool]) -> String {
    let lines: Vec<Vec<String>> =
        lines.iter().map(|line| line.iter().map(|cell| clean_line(cell)).collect()).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..is_number.len()).map(width).collect();
    let mut out = String::new();
    for cells in &lines {
        let mut line = String::new();
        for ((text, is_number), width) in cells.iter().zip(is_number).zip(&widths) {
            let padding = " ".repeat(width - text.width());
            let (before, after) =
                if *is_number { (padding.as_str(), "") } else { ("", padding.as_str()) };
            line.extend([before, text, after, GAP]);
        }
        out.extend([line.trim_end(), "\n"]);
    }
    out
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

    #[test]
    fn people_get_aligned_columns_and_dashes() {
        let text = table().text(Form::Human, false);
        assert_eq!(text, "name       acc\na, \"b\"  50.0 %\nc|d          –\n");
    }

    #[test]
    fn a_turned_table_has_a_line_for_each_column_with_a_value() {
        let text = table().turned(false);
        assert_eq!(text, "name  a, \"b\"  c|d\nacc   50.0 %    –\n");
        let mut empty = Table::new(&[text_column(), number("n", "n")]);
        empty.push(vec![Cell::new("x"), Cell::maybe(None::<u32>)]);
        assert_eq!(empty.turned(true), "name  x\n");
    }

    fn text_column() -> Column {
        super::text("name", "name")
    }

    #[test]
    fn programs_get_plain_values_and_empty_fields() {
        let text = table().text(Form::Csv, false);
        assert_eq!(text, "name,accuracy\n\"a, \"\"b\"\"\",0.5\nc|d,\n");
    }

    #[test]
    fn markdown_escapes_its_separator() {
        let text = table().text(Form::Markdown, true);
        assert_eq!(text.lines().nth(1).unwrap(), "| --- | ---: |");
        assert_eq!(text.lines().nth(3).unwrap(), "| c\\|d | - |");
    }
}
