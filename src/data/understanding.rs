//! Finds out what the columns of a file are used for: the prompt, the answers, the label.
//!
//! Nothing here knows a layout. The use of a column is found by experiment on the first records: a
//! mark is put into its texts, the record is read again, and the place where the mark appears is
//! what the column is used for. So the report can never differ from what is read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::error::{DataError, excerpt};
use super::format::{self, DatasetFormat, Found, Texts};
use super::json::Json;
use super::reader::open_rows;
use super::settings::{GroupBy, ReadSettings};
use super::source::Source;
use crate::domain::text::conversation::Message;

/// Records that are looked at.
const N_RECORDS: usize = 20;
/// Most columns of a record that are tried. Of wider tables, the columns in use are among the
/// first.
const N_COLUMNS: usize = 200;
/// The mark: a character of the private use area, which no text needs.
const MARK: char = '\u{f8fe}';

/// What the columns of a file are for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Understanding {
    pub format: String,
    /// Columns that the prompt is made of; empty where it is the common beginning of the answers,
    /// or there is no prompt.
    pub prompt: Vec<String>,
    /// Columns that hold the answers.
    pub answers: Vec<String>,
    /// Columns that say which answer is better; empty where the names or the order of the answer
    /// columns do.
    pub label: Vec<String>,
    /// Whether the person said that the order of the answers is the label.
    pub is_in_order: bool,
    /// Columns that name slices and groups.
    pub slices: Vec<String>,
    /// Columns that nothing is read from.
    pub unused: Vec<String>,
    /// How a chat template sees the first pair.
    pub reading: &'static str,
    /// The first pair in short: prompt, the better answer, the other one. The beginning of long texts.
    pub example: [String; 3],
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Prompt,
    Answer,
    Label,
    Slice,
}

/// Looks at the first records of a file; `None` where none of them gives a pair.
///
/// # Errors
/// When one of them is broken.
pub fn understand(
    source: &Source,
    format: DatasetFormat,
    settings: &ReadSettings,
) -> Result<Option<Understanding>, DataError> {
    let mut rows = open_rows(source, settings)?;
    let mut parts: BTreeMap<String, BTreeSet<Part>> = BTreeMap::new();
    let mut first = None;
    for _ in 0..N_RECORDS {
        let Some((_, record)) = rows.next()? else { break };
        let read = |record: &Json<'_>| read(record, format, settings);
        let Some(found) = read(&record) else { continue };
        let Some(texts) = found.iter().find_map(|it| it.as_ref().ok()) else { continue };
        first.get_or_insert_with(|| texts.clone());
        look(&record, &found, read, &mut parts);
        for column in named(settings) {
            parts.entry(column.to_owned()).or_default().insert(Part::Slice);
        }
        if let Some(column) = format::slice_column(&record, format, settings) {
            parts.entry(column).or_default().insert(Part::Slice);
        }
    }
    Ok(first.map(|texts| told(&texts, format, settings.columns.is_in_order(), &parts)))
}

/// Columns that the settings name beside those of the pair.
fn named(settings: &ReadSettings) -> impl Iterator<Item = &str> {
    let group = match &settings.group {
        GroupBy::Prompt => None,
        GroupBy::Column(column) => Some(column.as_str()),
    };
    let slice = Some(settings.columns.slice.as_str()).filter(|column| !column.is_empty());
    group.into_iter().chain(slice)
}

fn read(record: &Json<'_>, format: DatasetFormat, settings: &ReadSettings) -> Option<Vec<Found>> {
    let mut found = Vec::new();
    format::read(record, format, settings, &mut found).ok()?;
    Some(found)
}

/// Finds what each column of a record is for.
fn look(
    record: &Json<'_>,
    found: &[Found],
    read: impl Fn(&Json<'_>) -> Option<Vec<Found>>,
    parts: &mut BTreeMap<String, BTreeSet<Part>>,
) {
    let Json::Object(entries) = record else { return };
    for (column, (name, value)) in entries.iter().take(N_COLUMNS).enumerate() {
        let known = parts.entry(name.to_string()).or_default();
        if value.is_null() {
            continue;
        }
        let mut parts = BTreeSet::new();
        let with = |value: Json<'static>| {
            let mut entries: Vec<_> = entries.clone();
            entries[column].1 = value;
            read(&Json::Object(entries))
        };
        // A mark in all texts of a column breaks what it has in common with another column; a mark
        // in its last text does not.
        for which in [Which::All, Which::Last] {
            if parts.is_empty() {
                parts.extend(with(marked(value, which)).iter().flatten().flat_map(marks));
            }
        }
        // Removing one vote of several may change nothing, but an error for the missing column
        // shows that it is used.
        let without = || {
            let mut entries: Vec<_> = entries.clone();
            entries.remove(column);
            read(&Json::Object(entries))
        };
        let is_same = |it: Option<Vec<Found>>| it.as_deref() == Some(found);
        if parts.is_empty() {
            let nulled = with(Json::Null);
            // What a template is given beside the messages (`tools`) changes no text, so texts
            // alone are compared.
            if nulled.as_deref() != Some(found) && nulled.is_some_and(|it| same_texts(&it, found)) {
                parts.insert(Part::Prompt);
            } else if !(is_same(with(Json::Null)) && is_same(without())) {
                parts.insert(Part::Label);
            }
        }
        known.extend(parts);
    }
}

/// Whether two readings give the same texts, however a template would read them.
fn same_texts(a: &[Found], b: &[Found]) -> bool {
    let texts = |found: &Found| {
        let texts = found.as_ref().ok()?;
        Some([&texts.prompt, &texts.chosen, &texts.rejected].map(String::clone))
    };
    a.iter().map(texts).eq(b.iter().map(texts))
}

/// Where the mark came out.
fn marks(found: &Found) -> Vec<Part> {
    let Ok(Texts { prompt, chosen, rejected, .. }) = found else { return Vec::new() };
    let prompt = prompt.contains(MARK).then_some(Part::Prompt);
    let answer = (chosen.contains(MARK) || rejected.contains(MARK)).then_some(Part::Answer);
    prompt.into_iter().chain(answer).collect()
}

/// Which texts of a value are marked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Last,
}

/// The value with a mark behind its texts; names of speakers stay.
fn marked(value: &Json<'_>, which: Which) -> Json<'static> {
    let mut value = value.clone().into_owned();
    // A list of messages in a text is marked inside.
    if let Json::Text(text) = &value
        && text.trim_start().starts_with(['[', '{'])
        && let Ok(inner) = serde_json::from_str::<Json<'_>>(text)
    {
        value = inner.into_owned();
    }
    mark(&mut value, which, &mut false);
    value
}

/// Marks from the last text to the first.
fn mark(value: &mut Json<'static>, which: Which, is_done: &mut bool) {
    if which == Which::Last && *is_done {
        return;
    }
    match value {
        Json::Text(text) => {
            text.to_mut().push(MARK);
            *is_done = true;
        }
        Json::List(list) => list.iter_mut().rev().for_each(|it| mark(it, which, is_done)),
        Json::Object(entries) => {
            let is_name = |key: &str| matches!(key, "role" | "from" | "speaker" | "type");
            let texts = entries.iter_mut().rev().filter(|(key, _)| !is_name(key));
            texts.for_each(|(_, it)| mark(it, which, is_done));
        }
        _ => {}
    }
}

fn told(
    texts: &Texts,
    format: DatasetFormat,
    is_in_order: bool,
    parts: &BTreeMap<String, BTreeSet<Part>>,
) -> Understanding {
    let of = |part: Part| -> Vec<String> {
        let columns = parts.iter().filter(|(_, parts)| parts.contains(&part));
        columns.map(|(name, _)| name.clone()).collect()
    };
    let unused = parts.iter().filter(|(_, parts)| parts.is_empty());
    Understanding {
        format: format.to_string(),
        prompt: of(Part::Prompt),
        answers: of(Part::Answer),
        label: of(Part::Label),
        is_in_order,
        slices: of(Part::Slice),
        unused: unused.map(|(name, _)| name.clone()).collect(),
        reading: texts.form.reading(),
        example: example(texts),
    }
}

/// The last question, and the two answers as plain texts.
fn example(texts: &Texts) -> [String; 3] {
    let Texts { prompt, chosen, rejected, form, .. } = texts;
    let said = |text: &str| excerpt(text.trim());
    let parts = [(chosen, 0), (rejected, 1)].map(|(text, which)| form.parts(prompt, text, which));
    let [Some([asked, chosen_said]), Some([_, rejected_said])] = parts else {
        return [prompt, chosen, rejected].map(|text| said(text));
    };
    let one = |messages: &[Message], flat: &str| match messages {
        [only] if !only.text().is_empty() => said(only.text()),
        _ => said(flat),
    };
    let asked = match asked.last() {
        None => String::new(),
        // Parts are no text of their own.
        Some(message) if message.text().trim().is_empty() => said(prompt),
        Some(message) => said(message.text()),
    };
    [asked, one(&chosen_said, chosen), one(&rejected_said, rejected)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{BadPairPolicy, detect};

    fn of(text: &str) -> Understanding {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        std::fs::write(&path, text).unwrap();
        let settings = ReadSettings { policy: BadPairPolicy::Drop, ..ReadSettings::default() };
        let source = Source::from(path.as_path());
        let format = detect(&source, &settings).unwrap();
        understand(&source, format, &settings).unwrap().unwrap()
    }

    #[test]
    fn every_column_is_told_by_what_comes_out_of_it() {
        let it =
            of(r#"{"id":7,"prompt":"q","chosen":"a","rejected":"b","source":"s","margin":1.0}"#);
        assert_eq!(
            (it.prompt, it.answers),
            (vec!["prompt".into()], vec!["chosen".into(), "rejected".into()])
        );
        assert!(it.label.is_empty());
        assert_eq!(it.slices, ["source"]);
        assert_eq!(it.unused, ["id", "margin"]);
        assert_eq!(
            (it.reading, it.example),
            ("question and answer", ["q", "a", "b"].map(str::to_owned))
        );

        let it =
            of(r#"{"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],
                "rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"b"}]}"#
                .replace('\n', " ")
                .as_str());
        assert!(it.prompt.is_empty() && it.unused.is_empty());
        assert_eq!(it.answers, ["chosen", "rejected"]);
        assert_eq!(it.reading, "question and answer");

        let it = of(r#"{"question":"q","responses":["a","b"],"scores":[1,2],"models":["m","n"]}"#);
        assert_eq!((it.prompt, it.answers), (vec!["question".into()], vec!["responses".into()]));
        assert_eq!((it.label, it.unused), (vec!["scores".into()], vec!["models".into()]));
        assert_eq!(it.example[1], "b");
    }

    #[test]
    fn tools_and_parts_belong_to_the_prompt() {
        let it = of(concat!(
            r#"{"prompt":[{"role":"user","content":[{"type":"text","text":"q"}]}],"tools":[{"name":"t"}],"#,
            r#""chosen":[{"role":"assistant","content":"a"}],"#,
            r#""rejected":[{"role":"assistant","content":"b"}]}"#
        ));
        assert_eq!(it.prompt, ["prompt", "tools"]);
        assert!(it.label.is_empty() && it.unused.is_empty());
        assert!(it.example[0].contains('q'), "{:?}", it.example);
    }

    #[test]
    fn a_second_record_says_the_same_as_the_first() {
        let line = r#"{"question":"q","responses":["a","b"],"scores":[1,2]}"#;
        assert_eq!(of(&format!("{line}\n{line}")).label, ["scores"]);
    }

    #[test]
    fn every_one_of_several_annotators_is_a_label() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.jsonl");
        let record = r#"{"q":"Q","x":"X","y":"Y","l":2,"m":2,"n":2}"#;
        std::fs::write(&path, record).unwrap();
        let columns = "prompt = 'q'\na = 'x'\nb = 'y'\nlabel = ['l', 'm', 'n']";
        let columns = toml::from_str(columns).unwrap();
        let settings = ReadSettings { columns, ..ReadSettings::default() };
        let source = Source::from(path.as_path());
        let it = understand(&source, DatasetFormat::Columns, &settings).unwrap().unwrap();
        assert_eq!(it.label, ["l", "m", "n"]);
        assert!(it.unused.is_empty());
    }

    #[test]
    fn a_column_that_only_later_records_have_counts_too() {
        let it = of(concat!(
            r#"{"input":"q","chosen":"a","rejected":"b","system":null}"#,
            "\n",
            r#"{"input":"q","chosen":"a","rejected":"b","system":"s"}"#
        ));
        assert_eq!(it.prompt, ["input", "system"]);
        assert!(it.unused.is_empty());
    }
}
