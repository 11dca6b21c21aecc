//! Which fields say which answer is better.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Judge;
use super::fields::{Kind, Profile, Profiles};
use crate::data::format;
use crate::data::json::Json;
use crate::data::suggestion::{self, LABELS};
use crate::domain::spec::{ColumnsSpec, FIRST_IS_BETTER, Names};

/// Words in the names of columns of several people who judge.
const JUDGES: [&str; 8] =
    ["annotator", "rater", "judge", "vote", "label", "worker", "preference", "human"];
/// Words in the names of columns of scores.
const SCORES: [&str; 4] = ["score", "rating", "reward", "likert"];

/// Finds the judge and names it in `columns`; `is_verdict` is whether the names of the answers say
/// which is better.
pub(super) fn find(
    profiles: &Profiles,
    columns: &mut ColumnsSpec,
    n_answers: usize,
    is_verdict: bool,
) -> Judge {
    if !columns.label.is_empty() || !columns.score.is_empty() {
        return said(profiles, columns, n_answers);
    }
    if is_verdict {
        columns.label = Names::One(FIRST_IS_BETTER.to_owned());
        return Judge::Names;
    }
    let free: Vec<&Profile> =
        profiles.fields.iter().filter(|field| !is_used(&field.name, columns)).collect();
    let named: Vec<&Profile> = LABELS
        .iter()
        .flat_map(|word| free.iter().filter(move |field| has_word(&field.name, word)))
        .copied()
        .collect();
    let mut groups: Vec<Vec<&Profile>> = named.iter().map(|field| vec![*field]).collect();
    groups.extend(panels(&free));
    let texts = free.iter().filter(|field| field.kind == Some(Kind::Text));
    groups.extend(texts.map(|field| vec![*field]));
    for group in &groups {
        if let Some(values) = read(group, columns, n_answers) {
            columns.label = Names::Many(group.iter().map(|field| field.name.clone()).collect());
            if let [only] = group.as_slice() {
                columns.label = Names::One(only.name.clone());
            }
            return Judge::Label(values);
        }
    }
    let found = named.iter().chain(&free).find_map(|field| {
        by_the_answers_names(field, columns).map(|values| (field.name.clone(), values))
    });
    if let Some((label, values)) = found {
        columns.label = Names::One(label);
        return meanings_of(values, columns);
    }
    if let Some(scores) = scores(&free, columns, n_answers) {
        columns.score = scores;
        return Judge::Score;
    }
    let has_few = |field: &&&Profile| !field.values.is_empty() && field.kind != Some(Kind::Other);
    let mut asked: Vec<_> = named.iter().filter(has_few).map(|field| field.told()).collect();
    asked.dedup_by(|a, b| a.name == b.name);
    Judge::Asked(asked)
}

/// The judge that a person named, or what is still to be said about its values.
fn said(profiles: &Profiles, columns: &mut ColumnsSpec, n_answers: usize) -> Judge {
    let labels = columns.labels();
    let group: Vec<&Profile> = labels.iter().filter_map(|name| profiles.get(name)).collect();
    let is_known = group.is_empty() || group.len() < labels.len() || !columns.values.is_empty();
    if is_known || read(&group, columns, n_answers).is_some() {
        return Judge::Said;
    }
    let [only] = group.as_slice() else { return Judge::Said };
    if let Some(values) = by_the_answers_names(only, columns) {
        return meanings_of(values, columns);
    }
    // Where a value is not understood among many, the record that has it says more than the others.
    let is_open = |(value, _): (&String, &u64)| {
        format::meaning(&only.name, &Json::text(value), columns).is_none()
    };
    if only.values.len() > 1 && only.values.iter().any(is_open) {
        Judge::Values(only.told())
    } else {
        Judge::Said
    }
}

/// The values of a label column that are the words in which the names of the two answers differ
/// (`cand_L`, `cand_R` and the labels `L`, `R`), and those that mean a tie, in the order that
/// `data.columns.values` wants.
fn by_the_answers_names(field: &Profile, columns: &ColumnsSpec) -> Option<Vec<(String, u64)>> {
    let (lists_a, lists_b) = (columns.a.list(), columns.b.list());
    let ([a], [b]) = (lists_a.as_slice(), lists_b.as_slice()) else { return None };
    let (word_a, word_b) = suggestion::differing_words(a, b)?;
    let counted = |(value, n): (&String, &u64)| (value.clone(), *n);
    let value_of = |word: &str| {
        let mut values = field.values.iter();
        values.find(|(value, _)| value.to_lowercase() == word).map(counted)
    };
    let mut values = vec![value_of(&word_a)?, value_of(&word_b)?];
    for (value, n) in &field.values {
        if !values.iter().any(|(known, _)| known == value) {
            let meaning = format::meaning(&field.name, &Json::text(value), columns)?;
            (meaning == Ordering::Equal).then(|| values.push((value.clone(), *n)))?;
        }
    }
    Some(values)
}

/// Names the values of a label in `columns`: for the first answer, for the second, and for neither.
fn meanings_of(values: Vec<(String, u64)>, columns: &mut ColumnsSpec) -> Judge {
    columns.values = Names::Many(values.iter().map(|(value, _)| value.clone()).collect());
    let side = |at| match at {
        0 => Ordering::Greater,
        1 => Ordering::Less,
        _ => Ordering::Equal,
    };
    let values = values.into_iter().enumerate().map(|(at, (value, n))| (value, n, side(at)));
    Judge::Label(values.collect())
}

/// Whether `columns` read a field already.
pub(super) fn is_used(name: &str, columns: &ColumnsSpec) -> bool {
    let of_prompt = columns.prompt == name || columns.prompt.contains(&format!("{{{name}}}"));
    let lists = [&columns.a, &columns.b, &columns.score].map(Names::list);
    of_prompt
        || columns.slice == name
        || columns.labels().contains(&name)
        || lists.iter().flatten().any(|it| *it == name)
}

fn has_word(name: &str, word: &str) -> bool {
    suggestion::words_of(name).any(|it| it == word)
}

/// Columns of the same question to several people: alike but for a number at their end.
fn panels<'p>(free: &[&'p Profile]) -> Vec<Vec<&'p Profile>> {
    let mut panels: BTreeMap<String, Vec<&Profile>> = BTreeMap::new();
    for field in free {
        let stem = field.name.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_judge = JUDGES.iter().any(|word| stem.to_lowercase().contains(word));
        if stem.len() < field.name.len() && is_judge {
            panels.entry(stem.to_owned()).or_default().push(field);
        }
    }
    panels.into_values().filter(|panel| panel.len() > 1).collect()
}

/// What each value of some label columns is for; nothing where one of them is not understood, or
/// nothing but 0 and 1 is there, to which two customs give opposite meanings.
fn read(
    group: &[&Profile],
    columns: &ColumnsSpec,
    n_answers: usize,
) -> Option<Vec<(String, u64, Ordering)>> {
    let n_pairs = n_answers * n_answers.saturating_sub(1) / 2;
    let mut found: BTreeMap<&str, (u64, Ordering)> = BTreeMap::new();
    for field in group {
        let fits = match field.list_lengths {
            None => n_pairs == 1 && field.kind != Some(Kind::Other),
            Some(lengths) => lengths == (n_pairs, n_pairs),
        };
        if !fits || field.values.is_empty() {
            return None;
        }
        for (value, n) in &field.values {
            let meaning = format::meaning(&field.name, &Json::text(value), columns)?;
            found.entry(value).or_insert((0, meaning)).0 += n;
        }
    }
    let is_told = |side| found.values().any(|(_, meaning)| *meaning == side);
    let is_ambiguous = columns.values.is_empty() && found.keys().all(|it| matches!(*it, "0" | "1"));
    // One value alone may be anything: a split, a language.
    if is_ambiguous || !(is_told(Ordering::Greater) && is_told(Ordering::Less)) {
        return None;
    }
    Some(found.into_iter().map(|(value, (n, meaning))| (value.to_owned(), n, meaning)).collect())
}

/// Columns of numbers, one for each answer, or a list of as many.
fn scores(free: &[&Profile], columns: &ColumnsSpec, n_answers: usize) -> Option<Names> {
    let is_score = |field: &&&Profile| {
        let name = field.name.to_lowercase();
        SCORES.iter().any(|word| name.contains(word)) && name != columns.prompt
    };
    let numbers: Vec<&&Profile> = free.iter().filter(is_score).collect();
    let lists = numbers.iter().find(|field| field.list_lengths == Some((n_answers, n_answers)));
    if let Some(list) = lists {
        return Some(Names::One(list.name.clone()));
    }
    let is_number = |field: &&&&Profile| field.kind == Some(Kind::Number);
    let names: Vec<String> = numbers.iter().filter(is_number).map(|it| it.name.clone()).collect();
    let (a, b) = suggestion::sides(&names)?;
    (n_answers == 2).then(|| Names::Many(vec![a.to_owned(), b.to_owned()]))
}
