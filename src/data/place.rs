//! Where a record stands in its file, as messages name it.

use std::fmt;

/// What a file is a list of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// JSON lines.
    Line,
    Element,
    Row,
}

/// The place of a record in the (decompressed) file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What `number` counts.
    pub unit: Unit,
    /// From 1.
    pub number: u64,
    /// The line on which it begins, from 1; 0 where a file has no lines.
    pub line: u64,
}

impl Place {
    pub(super) fn line(number: u64) -> Self {
        Self { unit: Unit::Line, number, line: number }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unit, number, line } = self;
        let word = match unit {
            Unit::Line => return write!(f, "line {number}"),
            Unit::Element => "element",
            Unit::Row => "row",
        };
        write!(f, "{word} {number}")?;
        if *line > 0 { write!(f, " (line {line})") } else { Ok(()) }
    }
}
