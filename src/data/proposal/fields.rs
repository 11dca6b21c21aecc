//! What the fields of a file hold: kinds, values and how often they occur.

use std::collections::{BTreeMap, HashSet};

use super::Field;
use crate::data::json::Json;
use crate::domain::random::text_hash;
use crate::domain::text::words::count;

/// Most values that are counted one by one; a label has few.
const VALUES_MAX: usize = 12;
/// Values that are named in words.
const VALUES_NAMED: usize = 6;
/// Longer values are texts and no labels.
const VALUE_CHARS_MAX: usize = 40;
/// Most different texts that are told apart; beyond, there are "many".
const DIFFERENT_MAX: usize = 100_000;

/// What all values of a field are, those left out that are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Kind {
    Text,
    Number,
    Bool,
    /// A list of texts, which may be answers.
    Texts,
    /// A list of numbers, which may be labels or scores.
    Numbers,
    Messages,
    /// Objects, other lists, and fields of several kinds.
    Other,
}

/// A field in the making.
#[derive(Debug, Clone)]
pub(in crate::data) struct Profile {
    pub(in crate::data) name: String,
    /// `None` where every value so far is null.
    pub(in crate::data) kind: Option<Kind>,
    /// Records that have a value.
    pub(in crate::data) n: u64,
    /// The values, of lists their entries, by how often each occurs; empty once they are too many.
    pub(in crate::data) values: BTreeMap<String, u64>,
    /// Shortest and longest list.
    pub(in crate::data) list_lengths: Option<(usize, usize)>,
    is_many: bool,
    different: HashSet<u64>,
    range: Option<(f64, f64)>,
    n_chars: u64,
}

impl Profile {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: None,
            n: 0,
            values: BTreeMap::new(),
            list_lengths: None,
            is_many: false,
            different: HashSet::new(),
            range: None,
            n_chars: 0,
        }
    }

    fn add(&mut self, value: &Json<'_>) {
        if value.is_null() {
            return;
        }
        self.n += 1;
        let kind = kind(value);
        self.kind = match (self.kind, kind) {
            (known, None) => known,
            (None, kind) => kind,
            (Some(known), Some(kind)) => Some(together(known, kind)),
        };
        match value {
            Json::List(list) => {
                let (low, high) = self.list_lengths.unwrap_or((list.len(), list.len()));
                self.list_lengths = Some((low.min(list.len()), high.max(list.len())));
                for entry in list {
                    self.count(entry);
                }
            }
            value => self.count(value),
        }
    }

    fn count(&mut self, value: &Json<'_>) {
        let number = value.as_number();
        let Some(label) =
            number.map(|it| it.to_string()).or_else(|| value.to_label().map(Into::into))
        else {
            return;
        };
        let label = label.trim();
        self.n_chars += label.chars().count() as u64;
        if let Some(number) = number {
            let (low, high) = self.range.unwrap_or((number, number));
            self.range = Some((low.min(number), high.max(number)));
        }
        if self.different.len() < DIFFERENT_MAX {
            self.different.insert(text_hash(label));
        }
        if self.is_many || label.is_empty() {
            return;
        }
        *self.values.entry(label.to_owned()).or_default() += 1;
        if self.values.len() > VALUES_MAX || label.chars().count() > VALUE_CHARS_MAX {
            self.is_many = true;
            self.values.clear();
        }
    }

    /// The mean length of its texts.
    pub(super) fn mean_chars(&self) -> u64 {
        self.n_chars / self.n.max(1)
    }

    /// What a person is told about it.
    pub(in crate::data) fn told(&self) -> Field {
        let values: Vec<_> = self.values.iter().map(|(value, n)| (value.clone(), *n)).collect();
        Field { name: self.name.clone(), about: self.about(&values), values }
    }

    fn about(&self, values: &[(String, u64)]) -> String {
        let n_different = count(self.different.len() as u64);
        let lists = self.list_lengths.map(|(low, high)| {
            if low == high {
                format!("lists of {low}: ")
            } else {
                format!("lists of {low} to {high}: ")
            }
        });
        let lists = lists.unwrap_or_default();
        if !values.is_empty() {
            let mut named = values.to_vec();
            if named.len() > VALUES_NAMED {
                named.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
            }
            let named = named.iter().take(VALUES_NAMED);
            let named: Vec<String> =
                named.map(|(value, n)| format!("{value} ({})", count(*n))).collect();
            let more = if values.len() > VALUES_NAMED { ", …" } else { "" };
            return format!("{lists}{}{more}", named.join(", "));
        }
        match (self.kind, self.range) {
            (None, _) => "nothing".to_owned(),
            (Some(Kind::Number | Kind::Numbers), Some((low, high))) => {
                format!("{lists}numbers from {low} to {high}")
            }
            (Some(Kind::Text), _) => {
                let mean = self.mean_chars();
                format!("{n_different} different texts of {mean} characters in the mean")
            }
            (Some(Kind::Texts), _) => format!("{lists}{n_different} different texts"),
            (Some(Kind::Messages), _) => format!("{lists}messages"),
            _ if lists.is_empty() => "objects".to_owned(),
            _ => format!("{lists}lists or objects"),
        }
    }
}

/// The kind of a field that has values of two.
fn together(known: Kind, kind: Kind) -> Kind {
    let is_text = |kind| matches!(kind, Kind::Text | Kind::Number | Kind::Bool);
    if known == kind {
        known
    } else if is_text(known) && is_text(kind) {
        // A number among texts is read as a text.
        Kind::Text
    } else {
        Kind::Other
    }
}

/// The kind of one value; none of an empty list, which may be of any.
fn kind(value: &Json<'_>) -> Option<Kind> {
    Some(match value {
        Json::Text(_) => Kind::Text,
        Json::Number(_) => Kind::Number,
        Json::Bool(_) => Kind::Bool,
        Json::List(list) if list.is_empty() => return None,
        Json::List(list) if list.iter().all(|it| it.as_text().is_some()) => Kind::Texts,
        Json::List(list) if list.iter().all(|it| it.as_number().is_some()) => Kind::Numbers,
        Json::List(list) if list.iter().all(|it| it.has("content") || it.has("value")) => {
            Kind::Messages
        }
        _ => Kind::Other,
    })
}

/// The fields of some records.
#[derive(Debug, Clone, Default)]
pub(in crate::data) struct Profiles {
    pub(in crate::data) fields: Vec<Profile>,
    pub(in crate::data) n_records: u64,
}

impl Profiles {
    pub(in crate::data) fn add(&mut self, record: &Json<'_>) {
        self.n_records += 1;
        let Json::Object(entries) = record else { return };
        for (name, value) in entries {
            let known = self.fields.iter().position(|field| field.name == *name);
            let at = known.unwrap_or_else(|| {
                self.fields.push(Profile::new(name));
                self.fields.len() - 1
            });
            self.fields[at].add(value);
        }
    }

    pub(in crate::data) fn get(&self, name: &str) -> Option<&Profile> {
        self.fields.iter().find(|field| field.name == name)
    }
}
