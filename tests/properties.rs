//! Properties that hold for every input, tried on inputs that nobody thought of: the readers, both
//! filter languages, names, conversations, cleaned texts.
//!
//! `PROPTEST_CASES=10000 cargo test --release properties` looks longer.

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::cli::fixture::jsonl;

use ser::data::{DataError, DatasetFormat, ReadSettings, Source, SourceItem, open};
use ser::domain::review::filter::SampleFilter;
use ser::domain::source::hub_name::HubName;
use ser::domain::text::clean::{clean_line, clean_text};
use ser::domain::text::conversation::{FlatPair, Message, TextForm};
use ser::store::RunFilter;

/// A text as people write them, with quotes, commas, line ends and other scripts, not blank.
fn words() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 ,;:\"'\\\\\n\t{}\\[\\]<>|äéß漢字🙂-]{0,40}[a-z]"
}

/// A prompt and two answers that differ.
fn pair() -> impl Strategy<Value = [String; 3]> {
    [words(), words(), words()].prop_filter("answers differ", |[_, a, b]| a != b)
}

fn read(name: &str, bytes: &[u8], settings: &ReadSettings) -> Result<Vec<SourceItem>, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    open(&Source::from(path.as_path()), settings)?.collect()
}

fn texts(items: &[SourceItem]) -> Vec<[String; 3]> {
    let text = |item: &SourceItem| match item {
        SourceItem::Pair(read) => {
            let pair = read.pair.clone();
            [pair.prompt, pair.chosen, pair.rejected]
        }
        SourceItem::Dropped { at, reason } => panic!("{at}: {reason}"),
    };
    items.iter().map(text).collect()
}

fn one_clear_line(error: &DataError) -> Result<(), TestCaseError> {
    let message = error.to_string();
    prop_assert!(!message.contains('\n') && !message.is_empty(), "{message}");
    let hint = error.hint().unwrap_or_default();
    prop_assert!(!hint.is_empty() && !hint.contains('\n'), "{hint}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// JSON lines, a JSON array and a table of the same pairs are the same pairs.
    #[test]
    fn the_container_changes_no_text(pairs in prop::collection::vec(pair(), 1..6)) {
        let records: Vec<_> = pairs
            .iter()
            .map(|[prompt, a, b]| json!({"prompt": prompt, "chosen": a, "rejected": b}))
            .collect();
        let lines = jsonl(&records.iter().map(ToString::to_string).collect::<Vec<_>>());
        let array = serde_json::to_string_pretty(&records).unwrap();
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["prompt", "chosen", "rejected"]).unwrap();
        for pair in &pairs {
            table.write_record(pair).unwrap();
        }
        let table = table.into_inner().unwrap();
        let settings =
            ReadSettings { format: Some(DatasetFormat::Trl), ..ReadSettings::default() };
        let from_lines = texts(&read("pairs.jsonl", lines.as_bytes(), &settings).unwrap());
        prop_assert_eq!(&from_lines, &texts(&read("pairs.json", array.as_bytes(), &settings).unwrap()));
        prop_assert_eq!(&from_lines, &texts(&read("pairs.csv", &table, &settings).unwrap()));
        prop_assert_eq!(from_lines.len(), pairs.len());
        for (read, written) in from_lines.iter().zip(&pairs) {
            prop_assert_eq!(&read[1..], &written[1..]);
            prop_assert!(read[0].contains(written[0].as_str()));
        }
    }

    /// Every record becomes a pair or is counted, whatever the answers are.
    #[test]
    fn nothing_is_lost_without_a_count(answers in prop::collection::vec(("[ab]{0,2}", "[ab]{0,2}"), 1..20)) {
        let record = |(a, b): &(String, String)| {
            json!({"prompt": "q", "chosen": a, "rejected": b}).to_string()
        };
        let lines = jsonl(&answers.iter().map(record).collect::<Vec<_>>());
        match read("pairs.jsonl", lines.as_bytes(), &ReadSettings::default()) {
            Ok(items) => prop_assert_eq!(items.len(), answers.len()),
            Err(error) => one_clear_line(&error)?,
        }
    }

    /// Bytes that mean nothing are refused in one line with a hint, and nothing panics.
    #[test]
    fn bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        name in prop::sample::select(vec!["x.jsonl", "x.json", "x.csv", "x.tsv", "x.parquet", "x.jsonl.gz", "x.zst"]),
    ) {
        if let Err(error) = read(name, &bytes, &ReadSettings::default()) {
            one_clear_line(&error)?;
        }
    }

    /// So is what is nearly right: a valid file with one byte changed.
    #[test]
    fn a_changed_byte_is_read_or_refused(at in 0..1000_usize, byte in any::<u8>()) {
        let mut lines: Vec<u8> = (0..4)
            .flat_map(|i| format!("{}\n", json!({"prompt": format!("q{i}"), "chosen": [{"role": "assistant", "content": "yes"}], "rejected": [{"role": "assistant", "content": "no"}]})).into_bytes())
            .collect();
        let at = at % lines.len();
        lines[at] = byte;
        if let Err(error) = read("pairs.jsonl", &lines, &ReadSettings::default()) {
            one_clear_line(&error)?;
        }
    }

    #[test]
    fn filters_are_understood_or_refused(text in "(!?(acc|st|name|is|age|confidence|why|like|length|near|zzz)?[:=<>!]{0,2}\"?[a-z0-9.% -]{0,8}\"? ?){0,4}") {
        if let Err(error) = RunFilter::parse(&text) {
            prop_assert!(!error.to_string().contains('\n'));
            prop_assert!(error.hint().is_some());
        }
        if let Err(error) = SampleFilter::parse(&text) {
            prop_assert!(!error.to_string().contains('\n'));
            prop_assert!(error.hint().is_some());
        }
    }

    #[test]
    fn any_text_is_a_filter_or_not(text in any::<String>()) {
        let _ = (RunFilter::parse(&text), SampleFilter::parse(&text));
    }

    #[test]
    fn a_name_is_written_as_it_is_read(
        owner in "[a-zA-Z0-9]([a-zA-Z0-9_-]{0,8}[a-zA-Z0-9])?",
        name in "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,10}[a-z0-9]",
        revision in prop::option::of("[a-z0-9][a-z0-9.-]{0,8}[a-z0-9]|refs/pr/[0-9]{1,3}"),
        path in prop::option::of("[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,2}"),
    ) {
        let revision = revision.map(|it| format!("@{it}")).unwrap_or_default();
        let path = path.map(|it| format!("/{it}")).unwrap_or_default();
        let text = format!("hf:{owner}/{name}{revision}{path}");
        if let Ok(read) = HubName::parse(&text) {
            prop_assert_eq!(HubName::parse(&read.to_string()).unwrap(), read);
        } else {
            // A dot or a dash may stand in places where the Hub has none.
            prop_assert!(text.contains("..") || text.contains("--") || text.contains(".-") || text.contains("-."), "{}", text);
        }
    }

    #[test]
    fn no_name_leads_out_of_the_cache(text in "hf:[a-z./@%*~\\\\-]{0,20}") {
        if let Ok(name) = HubName::parse(&text) {
            let folder = name.folder(Path::new("/cache"), ser::domain::source::hub_name::RepositoryKind::Model);
            prop_assert!(folder.starts_with("/cache"));
            prop_assert!(!folder.components().any(|part| part.as_os_str() == ".."));
            prop_assert!(!name.path.split('/').any(|part| part == ".."));
        }
    }

    /// Messages lie where they say, in the store as well.
    #[test]
    fn a_conversation_comes_back_as_it_was(
        prompt in prop::collection::vec((prop::sample::select(vec!["system", "user", "assistant", "tool"]), any::<String>()), 0..5),
        answers in [words(), words()],
    ) {
        let messages = |list: &[(&str, String)]| -> Vec<Message> {
            list.iter().map(|(role, content)| Message::new(role, content)).collect()
        };
        let prompt = messages(&prompt);
        let [a, b] = answers.each_ref().map(|text| vec![Message::new("assistant", text)]);
        let flat = FlatPair::of(&prompt, [&a, &b], String::new());
        let [text_a, text_b] = flat.answers.each_ref().map(String::as_str);
        let stored = flat.form.to_stored();
        let form = TextForm::from_stored(stored.as_deref(), &flat.prompt, [text_a, text_b]);
        prop_assert_eq!(form.as_ref(), Ok(&flat.form));
        for (which, answer) in [(0, &a), (1, &b)] {
            let found = flat.form.parts(&flat.prompt, &flat.answers[which], which).unwrap();
            prop_assert_eq!(&found[0], &prompt);
            prop_assert_eq!(&found[1], answer);
        }
    }

    #[test]
    fn a_cleaned_text_holds_nothing_that_acts(text in any::<String>()) {
        let line = clean_line(&text);
        prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
        prop_assert_eq!(&clean_line(&line), &line);
        let text = clean_text(&text);
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{:?}", text);
    }
}
