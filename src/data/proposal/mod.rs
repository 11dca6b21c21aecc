//! What the columns of an unknown layout seem to be for: guessed from their names and their values,
//! shown to a person, and never read by before the person has said so.

use std::cmp::Ordering;

use serde::Serialize;

use crate::domain::spec::ColumnsSpec;

pub(super) mod fields;
pub(super) mod guess;
mod judges;

/// A guess at `[data.columns]`, with what a person needs to judge it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// What was said already, and what is guessed beside it.
    pub columns: ColumnsSpec,
    /// What says which answer is better.
    pub judge: Judge,
    /// Fields that nothing would be read from.
    pub unused: Vec<Field>,
    /// How many of the first records were looked at.
    pub n_records: u64,
    /// Whether there are more.
    pub is_part: bool,
    /// The first pairs as the guess reads them.
    pub pairs: Vec<ShownPair>,
}

/// What says which of the answers is better.
#[derive(Debug, Clone, PartialEq)]
pub enum Judge {
    /// One column, or several that vote: each of their values with how often it occurs and which answer
    /// it is for (`Greater` for the first, `Equal` for neither).
    Label(Vec<(String, u64, Ordering)>),
    /// Columns of scores.
    Score,
    /// The names of the answers (`good`, `bad`).
    Names,
    /// Nothing that could be trusted; a person is asked. Beside it the fields that may say it.
    Asked(Vec<Field>),
    /// A label column is known, and what some of its values mean is not: the column with all of them.
    Values(Field),
    /// The person has said it.
    Said,
}

impl Proposal {
    /// Whether data could be read by it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !matches!(self.judge, Judge::Asked(_) | Judge::Values(_))
    }

    /// The value of `--column` that may say which answer is better, with a field that looks like it where
    /// there is one; nothing where that is known.
    #[must_use]
    pub fn question(&self) -> Option<String> {
        let candidates = match &self.judge {
            Judge::Asked(candidates) => candidates,
            Judge::Values(field) => return Some(field.values_option()),
            _ => return None,
        };
        Some(match candidates.first() {
            None => "label=COLUMN".to_owned(),
            Some(field) if field.is_zero_or_one() => {
                format!("label={} --column values=1,0", field.name)
            }
            Some(field) => format!("label={}", field.name),
        })
    }

    /// The value of `--column` that says which answer is better, or may say it.
    #[must_use]
    pub fn judge_option(&self) -> String {
        let entries = self.columns.entries();
        let known = entries.into_iter().find(|(key, _)| matches!(*key, "label" | "score"));
        let known = known.map(|(key, names)| format!("{key}={}", names.join(",")));
        self.question().or(known).unwrap_or_default()
    }

    /// `--column …` for what is known.
    #[must_use]
    pub fn options(&self) -> String {
        options(&self.columns)
    }
}

/// The `--column` options for some columns, quoted as a shell needs it.
#[must_use]
pub fn options(columns: &ColumnsSpec) -> String {
    let option = |(key, names): (&str, Vec<&str>)| argument(key, &names.join(","));
    columns.entries().into_iter().map(option).collect::<Vec<_>>().join(" ")
}

/// `--column key=column`, with line ends as escapes.
fn argument(key: &str, column: &str) -> String {
    let column = column.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t");
    let is_plain = |c: char| c.is_alphanumeric() || "_-.,/:@%+=".contains(c);
    if column.chars().all(is_plain) {
        format!("--column {key}={column}")
    } else {
        format!("--column '{key}={}'", column.replace('\'', "'\\''"))
    }
}

/// What a field holds, over the records that were looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    pub name: String,
    /// The values with how often each occurs, by value; empty where they are many or long.
    pub values: Vec<(String, u64)>,
    /// The same in words: `1 (42), 2 (58)`, `100 different texts`.
    pub about: String,
}

impl Field {
    /// Whether its values are 0 and 1 alone, which does not say which answer is meant.
    #[must_use]
    pub fn is_zero_or_one(&self) -> bool {
        let is_one = |(value, _): &(String, u64)| matches!(value.as_str(), "0" | "1");
        !self.values.is_empty() && self.values.iter().all(is_one)
    }

    /// The value of `--column` that names its values, those first that occur most often: the order is
    /// a person's to put right.
    fn values_option(&self) -> String {
        let mut values = self.values.clone();
        values.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let values: Vec<String> = values.into_iter().map(|(value, _)| value).collect();
        format!("values={}", values.join(","))
    }
}

/// A pair as it would be trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownPair {
    /// The record it is from, counted from 1.
    pub record: u64,
    pub prompt: String,
    pub chosen: String,
    pub rejected: String,
}

#[cfg(test)]
mod tests;
