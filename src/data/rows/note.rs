//! What a person should know about how a file was read.

use std::fmt;

use super::super::error::names;

/// Something that was understood about a file, for the person who named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The records are those of a list inside the one object of the file.
    ListUnder {
        /// The key of the list.
        key: String,
    },
    /// Columns that are not read.
    Unread { columns: Vec<String>, what: &'static str },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListUnder { key } => write!(f, "the records are the list under `{key}`"),
            Self::Unread { columns, what } => {
                write!(f, "not read: {}, {what}", names(columns))
            }
        }
    }
}
