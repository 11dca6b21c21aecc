//! The filter above a list of samples: terms that must all hold, in a syntax short enough to type.
//!
//! ```text
//! confidence:.8-.85   confidence>.9   near:.02        length>400    longer:yes
//! selected:yes        why:tie         flipped:yes     verdict:veto  slice:helpful
//! from:policy         pairs of a policy's answers; from:data those of the data set
//! like:68021          near-duplicates of a pair, itself among them
//! any other words are looked for in the texts;  !term  is the opposite of a term
//! ```

use std::fmt;

use crate::domain::preference::PairId;
use crate::domain::query::{self, Operator, Word};
use crate::domain::selection::LeftOut;
use crate::domain::spec::PoolSource;
use crate::domain::verdict::Verdict;

/// What was decided about a pair, as a filter asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictIs {
    Is(Verdict),
    Any,
    None,
}

/// What a term asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Want {
    /// Confidence from and to, inclusive.
    Confidence(f64, f64),
    /// The distance of the confidence from the threshold of the selection is at most this.
    Near(f64),
    /// Selected, or left out.
    Selected(bool),
    /// Left out for this reason.
    Why(LeftOut),
    /// Its pseudo-label changed since the round before, or did not.
    Flipped(bool),
    /// What a person decided.
    Verdict(VerdictIs),
    /// Characters of both answers from and to, inclusive.
    Length(u32, u32),
    /// The preferred answer is the longer one, or is not.
    Longer(bool),
    /// The slice's name holds this, ignoring case.
    Slice(String),
    /// The answers are a policy's, or those of the data set.
    From(PoolSource),
    /// A near-duplicate of this pair, or the pair itself.
    Like(PairId),
    /// The prompt or an answer holds this, ignoring the case of ASCII letters.
    Text(String),
}

/// One term of a filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// What it asks for.
    pub want: Want,
    /// Whether it asks for the opposite.
    pub is_inverted: bool,
}

/// Terms that must all hold; without any, everything is shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SampleFilter {
    /// The terms, in the order typed.
    pub terms: Vec<Term>,
}

/// A term with a known name and a value that does not fit it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{term}` is not a filter: {expected}")]
pub struct FilterError {
    pub term: String,
    /// What would be accepted.
    pub expected: &'static str,
}

impl FilterError {
    /// What to type instead.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(
            "filters are confidence:.8-.9 near:.02 selected:yes why:tie flipped:yes verdict:veto \
             length>400 longer:yes slice:NAME from:policy like:PAIR, or words of the texts; quote a text with a colon"
                .to_owned(),
        )
    }
}

impl SampleFilter {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// The first term with a known name and a value that does not fit it.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for Word { text, is_quoted, is_inverted } in query::words(text) {
            let want = if is_quoted { Want::Text(text) } else { want(&text)? };
            filter.add(Term { want, is_inverted });
        }
        Ok(filter)
    }

    /// Adds a term. Words without a name that follow each other become one phrase, which the texts
    /// have to contain as it stands.
    fn add(&mut self, term: Term) {
        if let (
            Want::Text(more),
            false,
            Some(Term { want: Want::Text(text), is_inverted: false }),
        ) = (&term.want, term.is_inverted, self.terms.last_mut())
        {
            text.push(' ');
            text.push_str(more);
        } else {
            self.terms.push(term);
        }
    }

    /// Whether everything is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The terms that only the texts can answer: words, and near-duplicates.
    pub fn searches(&self) -> impl Iterator<Item = &Want> {
        let wants = self.terms.iter().map(|term| &term.want);
        wants.filter(|want| matches!(want, Want::Text(_) | Want::Like(_)))
    }

    /// Whether lengths or slices are asked for.
    #[must_use]
    pub fn needs_facts(&self) -> bool {
        let needs =
            |term: &Term| matches!(term.want, Want::Length(..) | Want::Longer(_) | Want::Slice(_));
        self.terms.iter().any(needs)
    }
}

/// The names of terms.
const NAMES: [&str; 17] = [
    "confidence",
    "conf",
    "near",
    "selected",
    "kept",
    "flipped",
    "longer",
    "reviewed",
    "why",
    "left",
    "verdict",
    "length",
    "len",
    "like",
    "slice",
    "source",
    "from",
];

fn want(word: &str) -> Result<Want, FilterError> {
    let Some((name, operator, value)) = query::term(word) else {
        return Ok(Want::Text(word.to_owned()));
    };
    let refused = |expected| FilterError { term: word.to_owned(), expected };
    let yes = || yes_or_no(value).ok_or_else(|| refused("write `yes` or `no` after the colon"));
    let name = name.to_ascii_lowercase();
    if operator == Operator::NotEqual && NAMES.contains(&name.as_str()) {
        return Err(refused("write `!` before the term for its opposite"));
    }
    Ok(match name.as_str() {
        "confidence" | "conf" => {
            let range = range(operator, value, 0.5, 1.0);
            let (low, high) =
                range.ok_or_else(|| refused("write a range like `.8-.9` or `>.9`"))?;
            Want::Confidence(low, high)
        }
        "near" => {
            let distance = value.parse().ok().filter(|d: &f64| d.is_finite() && *d >= 0.0);
            Want::Near(distance.ok_or_else(|| refused("write a distance like `.02`"))?)
        }
        "selected" | "kept" => Want::Selected(yes()?),
        "flipped" => Want::Flipped(yes()?),
        "longer" => Want::Longer(yes()?),
        "reviewed" => Want::Verdict(if yes()? { VerdictIs::Any } else { VerdictIs::None }),
        "why" | "left" => Want::Why(value.parse().map_err(|_| {
            refused(
                "the reasons are already_selected, vetoed, tie, not_separated, \
                     delta_too_small, stopped",
            )
        })?),
        "verdict" => Want::Verdict(
            verdict(value)
                .ok_or_else(|| refused("the verdicts are veto, keep, flip, any, none"))?,
        ),
        "length" | "len" => {
            let range = range(operator, value, 0.0, f64::from(u32::MAX));
            let (low, high) =
                range.ok_or_else(|| refused("write a range like `20-400` or `>400`"))?;
            Want::Length(low as u32, high as u32)
        }
        "like" => {
            let pair = value.parse().map(PairId);
            Want::Like(pair.map_err(|_| refused("write the number of a pair"))?)
        }
        "slice" | "source" if !value.is_empty() => Want::Slice(value.to_owned()),
        "from" => Want::From(match value {
            "policy" => PoolSource::Policy,
            "data" => PoolSource::Data,
            _ => return Err(refused("write `from:policy` or `from:data`")),
        }),
        "slice" | "source" => return Err(refused("write a part of the slice's name")),
        // A misspelled name is refused, because as plain text it would silently find nothing. An
        // address (`https://…`) stays a text.
        _ if operator == Operator::Has && !value.starts_with('/') => {
            return Err(refused("there is no such filter"));
        }
        _ => Want::Text(word.to_owned()),
    })
}

fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        "yes" | "y" | "true" => Some(true),
        "no" | "n" | "false" => Some(false),
        _ => None,
    }
}

fn verdict(value: &str) -> Option<VerdictIs> {
    Some(match value {
        "any" | "yes" => VerdictIs::Any,
        "none" | "no" => VerdictIs::None,
        "veto" | "vetoed" => VerdictIs::Is(Verdict::Veto),
        "keep" | "kept" => VerdictIs::Is(Verdict::Keep),
        "flip" | "flipped" => VerdictIs::Is(Verdict::Flip),
        _ => return None,
    })
}

/// `>x`, `<x`, `:x-y`, `:x-`, `:-y` or `:x`; the ends are part of a range.
fn range(operator: Operator, value: &str, low: f64, high: f64) -> Option<(f64, f64)> {
    let number = |text: &str, other: f64| {
        if text.is_empty() { Some(other) } else { text.parse().ok().filter(|v: &f64| !v.is_nan()) }
    };
    match operator {
        _ if value.is_empty() => None,
        Operator::More | Operator::MoreOrEqual => Some((number(value, low)?, high)),
        Operator::Less | Operator::LessOrEqual => Some((low, number(value, high)?)),
        Operator::Has | Operator::Equal => match value.split_once('-') {
            Some((from, to)) if !(from.is_empty() && to.is_empty()) => {
                Some((number(from, low)?, number(to, high)?))
            }
            None => number(value, low).map(|value| (value, value)),
            _ => None,
        },
        Operator::NotEqual => None,
    }
}

/// A number without its leading zero: `.85`.
fn short(value: f64) -> String {
    let text = format!("{value}");
    text.strip_prefix('0').filter(|rest| rest.starts_with('.')).unwrap_or(&text).to_owned()
}

fn yes_word(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_inverted {
            f.write_str("!")?;
        }
        match &self.want {
            Want::Confidence(low, high) if *high >= 1.0 => write!(f, "confidence>{}", short(*low)),
            Want::Confidence(low, high) if *low <= 0.5 => write!(f, "confidence<{}", short(*high)),
            Want::Confidence(low, high) => {
                write!(f, "confidence:{}-{}", short(*low), short(*high))
            }
            Want::Near(distance) => write!(f, "near:{}", short(*distance)),
            Want::Selected(value) => write!(f, "selected:{}", yes_word(*value)),
            Want::Flipped(value) => write!(f, "flipped:{}", yes_word(*value)),
            Want::Longer(value) => write!(f, "longer:{}", yes_word(*value)),
            Want::Why(reason) => write!(f, "why:{}", reason.name()),
            Want::Verdict(VerdictIs::Is(verdict)) => write!(f, "verdict:{}", verdict.name()),
            Want::Verdict(VerdictIs::Any) => f.write_str("verdict:any"),
            Want::Verdict(VerdictIs::None) => f.write_str("verdict:none"),
            Want::Length(low, u32::MAX) => write!(f, "length>{low}"),
            Want::Length(low, high) => write!(f, "length:{low}-{high}"),
            Want::Slice(name) if name.contains(char::is_whitespace) => {
                write!(f, "slice:\"{name}\"")
            }
            Want::Slice(name) => write!(f, "slice:{name}"),
            Want::From(PoolSource::Policy) => f.write_str("from:policy"),
            Want::From(PoolSource::Data) => f.write_str("from:data"),
            Want::Like(pair) => write!(f, "like:{pair}"),
            Want::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

impl fmt::Display for SampleFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{term}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_read_back_as_they_are_written() {
        for text in [
            "",
            "confidence:.8-.85 selected:yes verdict:none",
            "confidence>.9 !why:tie",
            "confidence<.6 near:.02 flipped:yes longer:no",
            "length>400 slice:helpful verdict:flip",
            "length:20-40 verdict:any like:17",
            "\"wine stain\" selected:no !\"cold\"",
            "slice:\"two words\"",
            "from:policy !from:data",
        ] {
            let filter = SampleFilter::parse(text).unwrap();
            assert_eq!(SampleFilter::parse(&filter.to_string()).unwrap(), filter, "{text}");
        }
        let filter = SampleFilter::parse("conf:.8-.85 kept:yes reviewed:no wine stain").unwrap();
        let words = "confidence:.8-.85 selected:yes verdict:none \"wine stain\"";
        assert_eq!(filter.to_string(), words);
        let text = Want::Text("wine stain".to_owned());
        assert_eq!(filter.searches().collect::<Vec<_>>(), [&text]);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("confidence:high", "range"),
            ("selected:maybe", "`yes` or `no`"),
            ("why:bad", "already_selected"),
            ("slcie:x", "no such filter"),
            ("near:-1", "distance"),
            ("length:", "range"),
            ("like:this", "number of a pair"),
            ("why!=tie", "write `!` before"),
            ("from:me", "`from:policy` or `from:data`"),
        ] {
            let error = SampleFilter::parse(text).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert!(error.hint().is_some());
        }
        // Texts may hold colons.
        for text in ["\"note: this\"", "https://x", "a<b", "16:9"] {
            assert_eq!(SampleFilter::parse(text).unwrap().searches().count(), 1, "{text}");
        }
    }
}
