//! Any layout, by the names of its columns (`[data.columns]`).
//!
//! With `b` a record is one pair; without it `a` names several answers, or one list of them. What is
//! better comes from a label (of one annotator, or of several who vote), from scores, or, where that
//! was said, from the order: `a` before `b`, the earlier answer of a list before the later.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::texts::{Found, Read, Said};
use super::{messages, ranking};
use crate::data::drop_reason::DropReason;
use crate::data::error::{RecordError, excerpt};
use crate::data::json::{Json, missing, wrong_type};
use crate::domain::spec::{ColumnsSpec, FIRST_IS_BETTER, Names};

/// Values of labels that mean a, b and a tie in published data sets.
const FOR_A: [&str; 12] = [
    "a",
    "1",
    "first",
    "left",
    "model_a",
    "response_a",
    "true",
    "a>b",
    "a>>b",
    "b<a",
    "b<<a",
    "[[a]]",
];
const FOR_B: [&str; 13] = [
    "b",
    "2",
    "-1",
    "second",
    "right",
    "model_b",
    "response_b",
    "false",
    "b>a",
    "b>>a",
    "a<b",
    "a<<b",
    "[[b]]",
];
const FOR_TIE: [&str; 14] = [
    "tie",
    "0",
    "equal",
    "same",
    "both",
    "neither",
    "draw",
    "tie (bothbad)",
    "both_bad",
    "bothbad",
    "a=b",
    "a==b",
    "a~=b",
    "[[c]]",
];

/// Columns of signed strengths, as `HelpSteer2` and `HelpSteer3` have them.
const STRENGTHS: [&str; 2] = ["preference_strength", "overall_preference"];

pub(super) fn read(
    record: &Json<'_>,
    columns: &ColumnsSpec,
    cap: usize,
    out: &mut Vec<Found>,
) -> Read {
    read_to(record, &prompt(record, &columns.prompt)?, columns, cap, out)
}

/// The same with a prompt that is known already.
pub(super) fn read_to(
    record: &Json<'_>,
    prompt: &Said<'_>,
    columns: &ColumnsSpec,
    cap: usize,
    out: &mut Vec<Found>,
) -> Read {
    let first = answers(record, &columns.a)?;
    let second = answers(record, &columns.b)?;
    let is_list = columns.b.is_empty();
    let is_in_order = columns.labels().is_empty();
    if columns.is_in_order() && names_another(record, columns) {
        return Err(RecordError::LabelOrColumn);
    }
    if !is_list && is_in_order && columns.score.is_empty() {
        ranking::good_and_bad(prompt, &first, &second, cap, out);
        return Ok(());
    }
    if !is_list {
        for (names, answers) in [(&columns.a, &first), (&columns.b, &second)] {
            if answers.len() != 1 {
                return Err(count(names, answers.len(), "1, as a label judges one pair".into()));
            }
        }
    }
    let all: Vec<Said<'_>> = first.into_iter().chain(second).collect();
    if !columns.score.is_empty() {
        let scores = scores(record, &columns.score, all.len())?;
        ranking::by_score(prompt, &all, &scores, cap, out);
    } else if is_in_order {
        ranking::by_rank(prompt, &all, cap, out);
    } else {
        let votes = votes(record, columns, all.len())?;
        // The labels are in the order (1,2), (1,3), …, (2,3), …
        let position = |i: usize, j: usize| i * all.len() - i * (i + 1) / 2 + j - i - 1;
        ranking::pair_up(prompt, &all, cap, |i, j| votes[position(i, j)], out);
    }
    Ok(())
}

/// Whether the record has a column of the name that says "the first is the better one", and it is no
/// answer.
fn names_another(record: &Json<'_>, columns: &ColumnsSpec) -> bool {
    let answers = [columns.a.list(), columns.b.list()].concat();
    let is_it = |path: &&str| path.split('.').next() == Some(FIRST_IS_BETTER);
    record.has_key(FIRST_IS_BETTER) && !answers.iter().any(is_it)
}

/// The prompt: nothing, a column, or a text with columns in braces.
pub(super) fn prompt<'r>(record: &'r Json<'_>, template: &str) -> Result<Said<'r>, RecordError> {
    if template.is_empty() {
        return Ok(Said::NOTHING);
    }
    if !template.contains('{') {
        return said(template, record.at(template), record);
    }
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((column, after)) = after.split_once('}') else { break };
        out.push_str(before);
        match said(column, record.at(column), record)? {
            Said::Text(text) => out.push_str(&text),
            Said::Messages(_) => {
                let (field, found) = (column.to_owned(), "a list of messages".to_owned());
                return Err(RecordError::WrongType { field, found, expected: "a text" });
            }
        }
        rest = after;
    }
    out.push_str(rest);
    // What stands between the columns is not in the file, so an empty column must leave no white
    // space.
    Ok(Said::Text(Cow::Owned(out.trim().to_owned())))
}

/// The text of a column; a number or a truth value is written as text.
fn said<'r>(column: &str, value: &'r Json<'_>, record: &Json<'_>) -> Result<Said<'r>, RecordError> {
    match value {
        Json::Null => Err(missing(record, column)),
        Json::Number(_) | Json::Bool(_) => Ok(Said::Text(value.to_label().unwrap_or_default())),
        value => Said::read(column, value),
    }
}

/// The answers of some columns; a list holds several, a list of messages is one.
fn answers<'r>(record: &'r Json<'_>, names: &Names) -> Result<Vec<Said<'r>>, RecordError> {
    let mut out = Vec::new();
    for column in names.list() {
        match record.at(column) {
            Json::List(list) if !list.iter().any(messages::is_message) => {
                for (i, entry) in list.iter().enumerate() {
                    out.push(said(&format!("{column}[{i}]"), entry, record)?);
                }
            }
            value => out.push(said(column, value, record)?),
        }
    }
    Ok(out)
}

/// Whether a record has the column, be it empty; of a path its first key.
fn is_named(record: &Json<'_>, column: &str) -> bool {
    let first = column.split('.').next().unwrap_or_default();
    record.keys().iter().any(|key| key == column || key == first)
}

/// One score for each answer, from as many columns or from one list.
fn scores(
    record: &Json<'_>,
    names: &Names,
    n_answers: usize,
) -> Result<Vec<Option<f64>>, RecordError> {
    let mut out = Vec::new();
    for column in names.list() {
        match record.at(column) {
            Json::List(list) => out.extend(list.iter().map(Json::as_number)),
            Json::Null if !is_named(record, column) => {
                return Err(missing(record, column));
            }
            value => out.push(value.as_number()),
        }
    }
    if out.len() != n_answers {
        let expected = format!("{n_answers}, one for each answer");
        return Err(count(names, out.len(), expected));
    }
    Ok(out)
}

/// How the annotators order each pair of `n_answers` answers.
fn votes(
    record: &Json<'_>,
    columns: &ColumnsSpec,
    n_answers: usize,
) -> Result<Vec<Result<Ordering, DropReason>>, RecordError> {
    let n_pairs = n_answers * n_answers.saturating_sub(1) / 2;
    let mut tallies = vec![[0_u32; 3]; n_pairs];
    for column in columns.labels() {
        let labels = match record.at(column) {
            Json::Null if !is_named(record, column) => {
                return Err(missing(record, column));
            }
            Json::List(labels) => labels.as_slice(),
            label => std::slice::from_ref(label),
        };
        if labels.len() != n_pairs {
            let expected = format!("{n_pairs}, one for each pair of answers");
            return Err(count(&Names::One(column.to_owned()), labels.len(), expected));
        }
        for (tally, label) in tallies.iter_mut().zip(labels) {
            if let Some(order) = vote(column, label, columns)? {
                tally[order as usize] += 1;
            }
        }
    }
    Ok(tallies.iter().map(majority).collect())
}

/// The answer that a label is for. `Tie` comes first, so that the numbers are indices of the tally.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vote {
    Tie,
    A,
    B,
}

/// More votes than each of the others have, else a tie.
fn majority(&[tie, a, b]: &[u32; 3]) -> Result<Ordering, DropReason> {
    match (tie, a, b) {
        (0, 0, 0) => Err(DropReason::Unrated),
        _ if a > b && a > tie => Ok(Ordering::Greater),
        _ if b > a && b > tie => Ok(Ordering::Less),
        _ => Ok(Ordering::Equal),
    }
}

/// The vote of one annotator; `None` where the cell is empty.
fn vote(
    column: &str,
    label: &Json<'_>,
    columns: &ColumnsSpec,
) -> Result<Option<Vote>, RecordError> {
    let text = match (label, label.as_number()) {
        (Json::Null, _) => return Ok(None),
        // 1, 1.0 and "1" are one label.
        (Json::Number(_), Some(number)) => Cow::Owned(number.to_string()),
        _ => label.to_label().ok_or_else(|| wrong_type(column, label, "a label (text)"))?,
    };
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let unknown = || RecordError::UnknownLabel { field: column.to_owned(), found: excerpt(text) };
    if let [for_a, for_b, ties @ ..] = columns.values.list().as_slice() {
        return match text {
            _ if is_one_of(text, for_a) => Ok(Some(Vote::A)),
            _ if is_one_of(text, for_b) => Ok(Some(Vote::B)),
            _ if ties.iter().any(|tie| is_one_of(text, tie)) => Ok(Some(Vote::Tie)),
            _ => Err(unknown()),
        };
    }
    // Published sets agree on what their strengths mean: below 0 the first answer is better.
    let is_strength = STRENGTHS.iter().any(|name| column.rsplit('.').next() == Some(name));
    if let (true, Ok(strength)) = (is_strength, text.parse::<f64>()) {
        return Ok(Some(match strength {
            below if below < 0.0 => Vote::A,
            above if above > 0.0 => Vote::B,
            _ => Vote::Tie,
        }));
    }
    if columns.a.list() == [text] {
        return Ok(Some(Vote::A));
    }
    if columns.b.list() == [text] {
        return Ok(Some(Vote::B));
    }
    let word: String = text.to_lowercase().split_whitespace().collect();
    let word = if word == "tie(bothbad)" { "tie (bothbad)" } else { word.as_str() };
    let known = [(&FOR_A[..], Vote::A), (&FOR_B[..], Vote::B), (&FOR_TIE[..], Vote::Tie)];
    let found = known.into_iter().find(|(words, _)| words.contains(&word));
    match found {
        Some((_, vote)) => Ok(Some(vote)),
        None if text.parse::<f64>().is_ok() => {
            Err(RecordError::UnknownStrength { field: column.to_owned(), found: excerpt(text) })
        }
        None => Err(unknown()),
    }
}

/// Which answer a value of a label column is for: `Greater` for the first, `Less` for the second, `Equal`
/// for neither; nothing where it is not understood.
pub(in super::super) fn meaning(
    column: &str,
    label: &Json<'_>,
    columns: &ColumnsSpec,
) -> Option<Ordering> {
    match vote(column, label, columns) {
        Ok(Some(Vote::A)) => Some(Ordering::Greater),
        Ok(Some(Vote::B)) => Some(Ordering::Less),
        Ok(Some(Vote::Tie)) => Some(Ordering::Equal),
        Ok(None) | Err(_) => None,
    }
}

/// Whether a label is one of the values that are named: several with `|` between them, or a bound on
/// numbers (`<0`, `>0`).
fn is_one_of(label: &str, named: &str) -> bool {
    named.split('|').any(|value| {
        let number = |text: &str| text.trim().parse::<f64>().ok();
        let bound = value.get(1..).and_then(number);
        label == value
            || match (value.as_bytes().first(), number(label), bound) {
                (Some(b'<'), Some(label), Some(bound)) => label < bound,
                (Some(b'>'), Some(label), Some(bound)) => label > bound,
                _ => false,
            }
    })
}

/// Whether labels that have only been 0 and 1 so far are ambiguous: 1 means the first answer where
/// it stands for true, and the second where answers are counted from 0.
pub(in super::super) fn is_ambiguous(labels: &BTreeSet<String>) -> bool {
    labels.contains("0") && labels.iter().all(|label| matches!(label.as_str(), "0" | "1"))
}

/// What is wrong with the labels of a record where one of them has no meaning that is known.
pub(in super::super) fn unknown_label(
    record: &Json<'_>,
    columns: &ColumnsSpec,
) -> Option<RecordError> {
    columns.labels().into_iter().find_map(|column| {
        let values = match record.at(column) {
            Json::List(list) => list.as_slice(),
            value => std::slice::from_ref(value),
        };
        let fault = values.iter().find_map(|value| vote(column, value, columns).err());
        fault.filter(|it| matches!(it, RecordError::UnknownLabel { .. }))
    })
}

/// The labels of a record as texts, where only their usual meaning says what they are.
pub(in super::super) fn unexplained_labels(
    record: &Json<'_>,
    columns: &ColumnsSpec,
) -> Vec<String> {
    let names = if columns.values.is_empty() { columns.labels() } else { Vec::new() };
    let mut labels = Vec::new();
    for column in names {
        let values = match record.at(column) {
            Json::List(list) => list.as_slice(),
            value => std::slice::from_ref(value),
        };
        let text = |value: &Json<'_>| match value.as_number() {
            Some(number) => Some(number.to_string()),
            None => value.to_label().map(Cow::into_owned),
        };
        labels.extend(values.iter().filter_map(text));
    }
    labels
}

fn count(names: &Names, found: usize, expected: String) -> RecordError {
    RecordError::WrongCount { field: names.list().join(", "), found, expected }
}
