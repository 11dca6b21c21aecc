//! Every layout that is read, every error that names its line, and the real HH-RLHF.

use std::io::Write;

use super::*;
use crate::data::testing::{
    check_file, error_of, gzip, only_pair, owned, read, say, shared, texts,
};
use crate::domain::text::dialogue::ASSISTANT;

#[test]
fn plain_texts_with_and_without_a_prompt() {
    assert_eq!(
        texts(r#"{"prompt":"The sky is","chosen":" blue.","rejected":" green."}"#),
        owned("The sky is", " blue.", " green.")
    );
    assert_eq!(
        texts(r#"{"chosen":"The sky is blue.","rejected":"The sky is black."}"#),
        owned("The sky is", " blue.", " black.")
    );
    let pair = only_pair(r#"{"chosen":"yes","rejected":"no"}"#).pair;
    assert_eq!((pair.prompt.as_str(), pair.group.as_str()), ("", "line 1"));
}

#[test]
fn message_lists_with_and_without_a_prompt() {
    let expected = owned("Be brief.\n\nHuman: hi\n\nAssistant:", " hello", " go \"away\"");
    let explicit =
        r#"{"prompt":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}],
        "chosen":[{"role":"assistant","content":"hello"}],
        "rejected":[{"role":"assistant","content":"go \"away\""}]}"#
            .replace('\n', "");
    assert_eq!(texts(&explicit), expected);
    let whole = |answer: &str| {
        format!(
            r#"[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"hi"}},{{"role":"assistant","content":"{answer}"}}]"#
        )
    };
    let (chosen, rejected) = (whole("hello"), whole(r#"go \"away\""#));
    let implicit = format!(r#"{{"chosen":{chosen},"rejected":{rejected}}}"#);
    assert_eq!(texts(&implicit), expected);
    // UltraFeedback repeats the prompt as a text beside the two conversations.
    let both = format!(r#"{{"prompt":"hi","chosen":{chosen},"rejected":{rejected}}}"#);
    assert_eq!(texts(&both), expected);
    // RewardBench's prior sets have a list as prompt and texts as answers.
    let mixed = r#"{"prompt":[{"role":"user","content":"hi"}],"chosen":"a","rejected":"b"}"#;
    assert_eq!(texts(mixed), owned("hi", "a", "b"));
}

#[test]
fn slices_noise_and_groups_come_from_their_fields() {
    let text = r#"{"prompt":"p","chosen":"a","rejected":"b","topic":"x","skill":"y","id":7,"label_noise":true}"#;
    let pair = only_pair(text).pair;
    assert_eq!((pair.slice.as_str(), pair.group.as_str(), pair.label_noise), ("y", "p", true));
    let by = |column: &str| ReadSettings {
        group: GroupBy::Column(column.into()),
        ..ReadSettings::default()
    };
    let items = read(text.as_bytes(), &by("id")).unwrap();
    assert!(matches!(&items[0], SourceItem::Pair(p) if p.pair.group == "7"));
    let message = error_of("x.jsonl", text.as_bytes(), &by("author"));
    assert!(
        message.starts_with("`x.jsonl`: line 1: no field `author`, only `chosen`, "),
        "{message}"
    );
}

#[test]
fn unusable_pairs_are_dropped_by_name_or_refused() {
    let same = r#"{"prompt":"p","chosen":"a","rejected":"a"}"#;
    let blank = r#"{"prompt":"p","chosen":" ","rejected":""}"#;
    let good = r#"{"prompt":"p","chosen":"a","rejected":""}"#;
    let text = [good, same, "", blank, good].join("\r\n");
    let items = read(text.as_bytes(), &ReadSettings::default()).unwrap();
    assert_eq!(items.len(), 4);
    assert_eq!(
        items[1..3],
        [
            SourceItem::Dropped { at: Place::line(2), reason: DropReason::IdenticalResponses },
            SourceItem::Dropped { at: Place::line(4), reason: DropReason::EmptyResponses }
        ]
    );
    let strict = ReadSettings { policy: BadPairPolicy::Refuse, ..ReadSettings::default() };
    assert_eq!(
        error_of("x.jsonl", text.as_bytes(), &strict),
        "`x.jsonl`: line 2: `chosen` equals `rejected`: \
         `{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"a\"}`"
    );
    assert_eq!(
        error_of("x.jsonl", [same, same].join("\n").as_bytes(), &ReadSettings::default()),
        "`x.jsonl`: line 1: all `2` pairs are unusable, the first: `chosen` equals `rejected`"
    );
}

#[test]
fn wrong_input_is_one_line_with_file_line_and_value() {
    let good = r#"{"prompt":"p","chosen":"a","rejected":"b"}"#;
    let auto = ReadSettings::default();
    let jsonl = |line: &str| error_of("x.jsonl", format!("{good}\n{line}\n").as_bytes(), &auto);
    assert_eq!(error_of("x.jsonl", b"", &auto), "`x.jsonl`: the file is empty");
    assert_eq!(error_of("x.jsonl", b"\n \n", &auto), "`x.jsonl`: the file is empty");
    assert_eq!(error_of("x.jsonl.gz", &gzip(b""), &auto), "`x.jsonl.gz`: the file is empty");
    assert_eq!(
        jsonl(r#"{"prompt":"p","chosen":"a""#),
        "`x.jsonl`: line 2: broken JSON at column 26: EOF while parsing an object: \
         `pt\":\"p\",\"chosen\":\"a\"`"
    );
    assert_eq!(
        jsonl(r#"{"prompt":"p","chosen":"a"}"#),
        "`x.jsonl`: line 2: no field `rejected`, only `chosen`, `prompt`"
    );
    assert_eq!(
        jsonl(r#"{"prompt":"p","chosen":3,"rejected":"b"}"#),
        "`x.jsonl`: line 2: field `chosen` is `3`, not a text or a list of messages"
    );
    assert_eq!(
        jsonl(r#"{"prompt":"p","chosen":"a","rejected":"b","label_noise":"no"}"#),
        "`x.jsonl`: line 2: field `label_noise` is `text no`, not true or false"
    );
    assert_eq!(
        jsonl(r#"["p","a","b"]"#),
        "`x.jsonl`: line 2: not a JSON object: `[\"p\",\"a\",\"b\"]`"
    );
    let mut bytes = format!("{good}\n{good}\n").into_bytes();
    bytes[54] = 0xff;
    assert_eq!(
        error_of("x.jsonl", &bytes, &auto),
        "`x.jsonl`: line 2: byte `0xff` at column 12 is not valid UTF-8"
    );
    let hh = ReadSettings { format: Some(DatasetFormat::HhRlhf), ..ReadSettings::default() };
    assert_eq!(
        error_of("x.jsonl", good.as_bytes(), &hh),
        "`x.jsonl`: line 1: field `chosen` has no `\\n\\nAssistant:` turn: `a`"
    );
}

#[test]
fn wrong_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let settings = ReadSettings::default();
    let fails = |source: &Source| open(source, &settings).err().unwrap();
    let missing = fails(&Source::File(dir.path().join("none.jsonl")));
    assert!(matches!(&missing, DataError::Missing { path } if path.ends_with("none.jsonl")));
    assert!("embedded:valid".parse::<Source>().is_err());
    assert!("hh".parse::<DatasetFormat>().is_err());
}

#[test]
fn broken_gzip_is_told_apart() {
    let auto = ReadSettings::default();
    let lines = r#"{"prompt":"p","chosen":"a","rejected":"b"}"#.to_owned() + "\n";
    let mut whole = gzip(lines.repeat(3).as_bytes());
    // Several members one after another are one file.
    let mut two = whole.clone();
    two.extend_from_slice(&whole);
    assert_eq!(read(&two, &auto).unwrap().len(), 6);
    assert_eq!(
        error_of("x.jsonl.gz", lines.as_bytes(), &auto),
        "`x.jsonl.gz`: named as gzip but starts with bytes `7b 22` instead of `1f 8b`"
    );
    let cut = &whole[..whole.len() - 9];
    assert!(error_of("x.jsonl.gz", cut, &auto).contains("broken gzip: `cut short`"));
    let end = whole.len() - 8;
    whole[end] ^= 1;
    let message = error_of("x.jsonl.gz", &whole, &auto);
    assert!(
        message.starts_with("`x.jsonl.gz`: line ") && message.contains("broken gzip"),
        "{message}"
    );
}

#[test]
fn a_line_of_20_megabytes_is_refused() {
    let mut text = br#"{"prompt":"p","chosen":"a","rejected":"b"}"#.to_vec();
    text.extend_from_slice(b"\n{\"prompt\":\"");
    text.resize(20 << 20, b'x');
    let message = error_of("x.jsonl", &text, &ReadSettings::default());
    assert!(message.starts_with("`x.jsonl`: line 2: longer than `16777216` bytes"), "{message}");
}

#[test]
fn real_hh_rlhf_has_the_published_counts() {
    // (tranche, rows, identical rows, fallback rows), counted independently with Python.
    for (tranche, n_rows, n_identical, n_fallback) in [
        ("helpful-base", 2354, 2, 9),
        ("helpful-online", 1137, 2, 0),
        ("helpful-rejection-sampled", 2749, 32, 3),
    ] {
        let Some(source) = shared(&format!("data/hh-rlhf/{tranche}/test.jsonl.gz")) else { return };
        assert_eq!(detect(&source, &ReadSettings::default()).unwrap(), DatasetFormat::HhRlhf);
        let mut n_multi_turn = 0;
        for item in open(&source, &ReadSettings::default()).unwrap() {
            let SourceItem::Pair(SourcePair { pair, fallback, .. }) = item.unwrap() else {
                continue;
            };
            assert!(fallback || pair.prompt.ends_with(ASSISTANT));
            assert!(pair.prompt.starts_with("\n\nHuman:"));
            n_multi_turn += u32::from(pair.prompt.matches("\n\nHuman:").count() > 1);
        }
        let report = check_file(&source);
        assert_eq!(report.n_pairs, n_rows - n_identical, "{tranche}");
        assert_eq!(report.dropped.len(), 1, "{tranche}");
        assert_eq!(report.dropped[0].n, n_identical, "{tranche}");
        assert_eq!(report.n_fallback, n_fallback, "{tranche}");
        assert_eq!(report.n_duplicates, 0, "{tranche}");
        assert!(n_multi_turn > 700, "{tranche} {n_multi_turn}");
    }
}

/// Peak memory of this process in kB, where the system tells.
fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
#[ignore = "reads a million pairs"]
fn a_million_pairs_need_little_memory() {
    let Some(Source::File(path)) = shared("data/hh-rlhf/helpful-base/test.jsonl.gz") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let one = std::fs::read(path).unwrap();
    let mut file = std::fs::File::create(dir.path().join("million.jsonl.gz")).unwrap();
    (0..426).for_each(|_| file.write_all(&one).unwrap());
    let source = Source::File(dir.path().join("million.jsonl.gz"));
    let start = std::time::Instant::now();
    let n = open(&source, &ReadSettings::default()).unwrap().map(Result::unwrap).count();
    say(&format!("{n} pairs read in {:?}, peak {:?} kB", start.elapsed(), peak_kb()));
    let start = std::time::Instant::now();
    let report = check_file(&source);
    say(&format!(
        "{} pairs checked in {:?}, peak {:?} kB",
        report.n_pairs,
        start.elapsed(),
        peak_kb()
    ));
    assert!(report.n_pairs > 1_000_000);
    assert!(peak_kb().is_none_or(|kb| kb < 300_000));
}
