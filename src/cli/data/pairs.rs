//! Pairs as they would be trained on, in as many columns as there are.

use std::io::IsTerminal;

use crate::data::ShownPair;
use crate::domain::text::clean::clean_line;
use crate::tui;

/// Columns where there is no terminal to ask.
const COLUMNS: usize = 100;

/// The marks of the two answers.
#[derive(Debug, Clone, Copy)]
pub enum Marks {
    /// The better one and the other.
    Judged,
    /// Nobody has said yet which is better.
    Open,
}

impl Marks {
    /// What stands before the answers.
    pub fn words(self, is_ascii: bool) -> [&'static str; 2] {
        match (self, is_ascii) {
            (Self::Judged, false) => ["✓", "✗"],
            (Self::Judged, true) => ["+", "-"],
            (Self::Open, _) => ["a?", "b?"],
        }
    }
}

/// Columns of the terminal that a stream is.
pub fn columns(stream: &impl IsTerminal) -> usize {
    let measured = if stream.is_terminal() { tui::terminal_columns() } else { None };
    measured.unwrap_or(COLUMNS).max(20)
}

/// Three lines for each pair, each cut to the columns.
pub fn lines(pairs: &[ShownPair], marks: Marks, columns: usize, is_ascii: bool) -> Vec<String> {
    let [better, worse] = marks.words(is_ascii);
    let mut lines = Vec::new();
    for (i, pair) in pairs.iter().enumerate() {
        let mut line = |label: &str, text: &str| {
            let mut text = clean_line(text);
            if is_ascii {
                text = text.replace('⏎', "\\n");
            }
            lines.push(tui::cut(&format!("  {label:<7} {text}"), columns, is_ascii));
        };
        let record = pair.record;
        line(&format!("pair {}", i + 1), &format!("(record {record})"));
        if !pair.prompt.is_empty() {
            line("prompt", &pair.prompt);
        }
        line(better, &pair.chosen);
        line(worse, &pair.rejected);
    }
    lines
}
