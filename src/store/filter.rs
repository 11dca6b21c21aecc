//! Which runs of a list: the small language of `/` and of `ser runs --filter`.
//!
//! ```text
//! FILTER   terms with spaces between; a run must satisfy every one
//! term     !TERM                a run that does not satisfy it
//!          FIELD OP VALUE       without spaces around OP: acc>.7  data:hh  age<2d
//!          "two words" or word  found in name, id, tags, note, arm, model or data
//! OP       : = != < > <= >=     `:` finds a part of a text, and a range of numbers: acc:.70-.75
//! VALUE    word, "two words", number (.7, 70%, 1e-4), age (30m, 6h, 2d, 1w)
//! FIELD    texts    st name id arm exp model data tag note
//!          numbers  acc tau lr rng round kept veto age
//!          is       is:live is:archived is:baseline is:tagged is:noted
//! ```
//!
//! Archived runs are left out unless a term asks for them (`is:archived`). A number that a run
//! does not have satisfies no term.

use super::rows::RunRow;
use crate::domain::query::{self, Operator, Word};
use crate::domain::run::{Liveness, RunStatus};

/// A filter that was understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFilter {
    terms: Vec<Term>,
    asks_for_archived: bool,
}

/// A filter that was not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No field has this name.
    #[error("there is no field `{name}` to filter by")]
    UnknownField {
        name: String,
        /// The most similar field.
        nearest: Option<&'static str>,
    },
    /// A field of numbers was compared with something else.
    #[error("`{value}` is not a number for `{field}`")]
    NotANumber { field: &'static str, value: String },
    /// A text was compared by order, which texts do not have.
    #[error("`{field}` is a text: `{operator}` has no meaning for it")]
    NoOrder { field: &'static str, operator: String },
    /// `is:` takes few words.
    #[error("`is:{value}` is not known")]
    UnknownFlag { value: String },
    /// Nothing stands behind an operator.
    #[error("a value is missing behind `{term}`")]
    NoValue { term: String },
}

impl FilterError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownField { nearest: Some(name), .. } => format!("did you mean `{name}`?"),
            Self::UnknownField { .. } => {
                let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
                format!("fields are {}, is", names.join(", "))
            }
            Self::NotANumber { field: "age", .. } => "for example `age<2d`".to_owned(),
            Self::NotANumber { field, .. } => format!("for example `{field}>0.7`"),
            Self::NoOrder { field, .. } => format!("write `{field}:part` or `{field}=all`"),
            Self::UnknownFlag { .. } => {
                "it takes live, archived, baseline, tagged, noted".to_owned()
            }
            Self::NoValue { .. } => "for example `acc>.7 tag:paper`".to_owned(),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    State,
    Name,
    Id,
    Arm,
    Experiment,
    Model,
    Data,
    Tag,
    Note,
    Accuracy,
    Threshold,
    LearningRate,
    RngSeed,
    Round,
    Kept,
    Vetoed,
    Age,
}

/// The names that may be written, the short one first.
const FIELDS: &[(&str, Field)] = &[
    ("st", Field::State),
    ("state", Field::State),
    ("name", Field::Name),
    ("id", Field::Id),
    ("arm", Field::Arm),
    ("exp", Field::Experiment),
    ("experiment", Field::Experiment),
    ("model", Field::Model),
    ("data", Field::Data),
    ("tag", Field::Tag),
    ("note", Field::Note),
    ("acc", Field::Accuracy),
    ("accuracy", Field::Accuracy),
    ("tau", Field::Threshold),
    ("lr", Field::LearningRate),
    ("rng", Field::RngSeed),
    ("round", Field::Round),
    ("kept", Field::Kept),
    ("veto", Field::Vetoed),
    ("age", Field::Age),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    Live,
    Archived,
    Baseline,
    Tagged,
    Noted,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Anywhere(String),
    Text(Field, Operator, String),
    /// Between two numbers, ends included.
    Number(Field, Operator, f64, f64),
    Is(Flag),
}

#[derive(Debug, Clone, PartialEq)]
struct Term {
    is_inverted: bool,
    test: Test,
}

impl RunFilter {
    /// Reads a filter; an empty one shows everything that is not archived.
    ///
    /// # Errors
    /// With the term that cannot be understood.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let terms = query::words(text).into_iter().map(term).collect::<Result<Vec<_>, _>>()?;
        let archived = Test::Is(Flag::Archived);
        let asks_for_archived = terms.iter().any(|term| term.test == archived);
        Ok(Self { terms, asks_for_archived })
    }

    /// Whether a run satisfies every term at this time (milliseconds since 1970).
    #[must_use]
    pub fn matches(&self, row: &RunRow, now_ms: i64) -> bool {
        (self.asks_for_archived || !row.annotation.is_archived)
            && self.terms.iter().all(|term| term.test.holds(row, now_ms) != term.is_inverted)
    }
}

fn term(word: Word) -> Result<Term, FilterError> {
    let Word { text, is_quoted, is_inverted } = word;
    let test = if is_quoted { Test::Anywhere(text.to_lowercase()) } else { test(&text)? };
    Ok(Term { is_inverted, test })
}

fn test(word: &str) -> Result<Test, FilterError> {
    let Some((name, operator, value)) = query::term(word) else {
        return Ok(Test::Anywhere(word.to_lowercase()));
    };
    if value.is_empty() {
        return Err(FilterError::NoValue { term: word.to_owned() });
    }
    let name = name.to_ascii_lowercase();
    if name == "is" {
        return flag(value).map(Test::Is);
    }
    let Some((name, field)) = FIELDS.iter().find(|(known, _)| *known == name) else {
        let nearest = query::nearest(&name, FIELDS.iter().map(|(known, _)| *known));
        return Err(FilterError::UnknownField { nearest, name });
    };
    if field.is_number() {
        return number_test(name, *field, operator, value);
    }
    if matches!(operator, Operator::Has | Operator::Equal | Operator::NotEqual) {
        Ok(Test::Text(*field, operator, value.to_lowercase()))
    } else {
        Err(FilterError::NoOrder { field: name, operator: operator.sign().to_owned() })
    }
}

fn flag(value: &str) -> Result<Flag, FilterError> {
    match value.to_ascii_lowercase().as_str() {
        "live" => Ok(Flag::Live),
        "archived" => Ok(Flag::Archived),
        "baseline" => Ok(Flag::Baseline),
        "tagged" => Ok(Flag::Tagged),
        "noted" => Ok(Flag::Noted),
        _ => Err(FilterError::UnknownFlag { value: value.to_owned() }),
    }
}

fn number_test(
    name: &'static str,
    field: Field,
    operator: Operator,
    value: &str,
) -> Result<Test, FilterError> {
    let error = || FilterError::NotANumber { field: name, value: value.to_owned() };
    let parse = |text: &str| if field == Field::Age { age(text) } else { number(text) };
    let range = value.split_once('-').filter(|_| operator == Operator::Has);
    if let Some((low, high)) = range
        && let (Some((low, _)), Some((high, half))) = (parse(low), parse(high))
    {
        return Ok(Test::Number(field, Operator::Has, low, high + half));
    }
    let (value, half) = parse(value).ok_or_else(error)?;
    let (low, high) = match operator {
        // `acc:.72` matches every accuracy that is printed as .72.
        Operator::Has | Operator::Equal | Operator::NotEqual => (value - half, value + half),
        _ => (value, value),
    };
    Ok(Test::Number(field, operator, low, high))
}

/// Reads a number, and returns half a unit of its last digit beside it. A percentage is read as a
/// share.
fn number(text: &str) -> Option<(f64, f64)> {
    let (digits, scale) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 0.01));
    let value: f64 = digits.parse().ok()?;
    let n_decimals = match digits.split_once('.') {
        // A number with an exponent is meant exactly, so only the rounding of its binary form is
        // allowed for.
        _ if digits.contains(['e', 'E']) => return Some((value * scale, value.abs() * 1e-9)),
        Some((_, decimals)) => decimals.len() as i32,
        None if scale < 1.0 => 0,
        None => return Some((value, 1e-9)),
    };
    Some((value * scale, 0.5 * 10_f64.powi(-n_decimals) * scale))
}

/// Reads an age in milliseconds, and returns half of its unit beside it.
fn age(text: &str) -> Option<(f64, f64)> {
    let unit = text.chars().last()?;
    let unit_ms = match unit {
        's' => 1_000.0,
        'm' => 60_000.0,
        'h' => 3_600_000.0,
        'd' => 86_400_000.0,
        'w' => 604_800_000.0,
        _ => return None,
    };
    let value: f64 = text[..text.len() - 1].parse().ok()?;
    Some((value * unit_ms, unit_ms / 2.0))
}

impl Field {
    fn is_number(self) -> bool {
        !matches!(
            self,
            Self::State
                | Self::Name
                | Self::Id
                | Self::Arm
                | Self::Experiment
                | Self::Model
                | Self::Data
                | Self::Tag
                | Self::Note
        )
    }

    fn number(self, row: &RunRow, now_ms: i64) -> Option<f64> {
        match self {
            Self::Accuracy => row.latest_test.as_ref().map(|test| test.accuracy),
            Self::Threshold => row.facts.high_threshold,
            Self::LearningRate => row.facts.learning_rate,
            Self::RngSeed => Some(row.rng_seed as f64),
            Self::Round => Some(f64::from(row.round)),
            Self::Kept => row.n_selected.map(|n| n as f64),
            Self::Vetoed => Some(row.n_vetoed as f64),
            Self::Age => Some((now_ms - row.created_at_ms) as f64),
            _ => None,
        }
    }

    /// Whether one of the field's texts satisfies a test.
    fn any_text(self, row: &RunRow, test: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::State => state_words(row).iter().any(|word| test(word)),
            Self::Name => test(&row.name),
            Self::Id => test(row.id.as_str()),
            Self::Arm => test(&row.arm),
            Self::Experiment => row.experiment.as_deref().is_some_and(test),
            Self::Model => test(&row.facts.backbone),
            Self::Data => test(&row.facts.source),
            Self::Tag => row.annotation.tags.iter().any(|tag| test(tag)),
            Self::Note => test(&row.annotation.note),
            _ => false,
        }
    }
}

/// The words for a run's state: those of screens, of JSON and of everyday use.
fn state_words(row: &RunRow) -> &'static [&'static str] {
    match (row.status, row.liveness) {
        (RunStatus::Running | RunStatus::Paused, Liveness::Gone) => &["interrupted", "lost"],
        (RunStatus::Running, Liveness::Silent) => &["silent", "running", "live"],
        (RunStatus::Running, _) => &["running", "live"],
        (RunStatus::Paused, _) => &["paused", "live"],
        (RunStatus::Queued, _) => &["queued"],
        (RunStatus::Stopped, _) => &["stopped"],
        (RunStatus::Finished, _) => &["done", "finished"],
        (RunStatus::Failed, _) => &["failed"],
    }
}

fn has(text: &str, part: &str) -> bool {
    // Most names are ASCII and need no copy.
    if text.is_ascii() && part.is_ascii() {
        let (text, part) = (text.as_bytes(), part.as_bytes());
        return part.is_empty()
            || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    }
    text.to_lowercase().contains(part)
}

impl Test {
    fn holds(&self, row: &RunRow, now_ms: i64) -> bool {
        match self {
            Self::Anywhere(part) => {
                let fields = [
                    Field::Name,
                    Field::Id,
                    Field::Tag,
                    Field::Note,
                    Field::Arm,
                    Field::Experiment,
                    Field::Model,
                    Field::Data,
                ];
                fields.iter().any(|field| field.any_text(row, |text| has(text, part)))
            }
            Self::Text(field, operator, value) => match operator {
                Operator::Equal => field.any_text(row, |text| text.to_lowercase() == *value),
                Operator::NotEqual => !field.any_text(row, |text| text.to_lowercase() == *value),
                _ => field.any_text(row, |text| has(text, value)),
            },
            Self::Number(field, operator, low, high) => {
                field.number(row, now_ms).is_some_and(|value| match operator {
                    Operator::Has | Operator::Equal => (*low..=*high).contains(&value),
                    Operator::NotEqual => !(*low..=*high).contains(&value),
                    Operator::Less => value < *low,
                    Operator::LessOrEqual => value <= *high,
                    Operator::More => value > *high,
                    Operator::MoreOrEqual => value >= *low,
                })
            }
            Self::Is(flag) => match flag {
                Flag::Live => state_words(row).contains(&"live"),
                Flag::Archived => row.annotation.is_archived,
                Flag::Baseline => row.annotation.is_baseline,
                Flag::Tagged => !row.annotation.tags.is_empty(),
                Flag::Noted => !row.annotation.note.is_empty(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
