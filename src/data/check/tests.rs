//! A report counts what is there.

use std::collections::BTreeMap;

use super::report::DropCount;
use super::*;
use crate::data::drop_reason::DropReason;
use crate::data::testing::write;
use crate::domain::spec::{Amount, SourcePart};

fn settings() -> CheckSettings {
    CheckSettings {
        read: ReadSettings::default(),
        split: SplitRule {
            rng_seed: 1,
            seed_labels: Amount::Share(0.5),
            validation_share: 0.2,
            test_share: 0.2,
        },
        max_share: 0.01,
        model: "the embedded model".to_owned(),
        max_tokens: 256,
        is_model_named: false,
    }
}

fn part(dir: &std::path::Path, name: &str, lines: &[String]) -> Vec<Part> {
    let path = write(dir, name, lines.join("\n").as_bytes()).to_string();
    vec![Part::find(&SourcePart::whole(path), &ReadSettings::default()).unwrap()]
}

fn report(lines: &[&str]) -> CheckReport {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    check::<DataError>(part(dir.path(), "x.jsonl", &lines), None, &settings(), None).unwrap()
}

#[test]
fn a_report_counts_what_is_there() {
    let report = report(&[
        r#"{"prompt":"p","chosen":"long","rejected":"s","topic":"t"}"#,
        r#"{"prompt":"p","chosen":"long","rejected":"s","topic":"t"}"#,
        r#"{"prompt":"p","chosen":"a","rejected":"longer","topic":"u"}"#,
        r#"{"prompt":"q","chosen":"a","rejected":"b","topic":"u","margin":1}"#,
        r#"{"prompt":"q","chosen":"b","rejected":"a\u0007","topic":"u"}"#,
        r#"{"prompt":"q","chosen":"b","rejected":"a","topic":"u"}"#,
        r#"{"prompt":"q","chosen":"a","rejected":"a","topic":"u"}"#,
    ]);
    assert_eq!((report.n_pairs, report.n_groups, report.n_duplicates), (6, 2, 1));
    assert_eq!((report.n_repeated_prompts, report.n_fallback, report.n_margins), (4, 0, 1));
    // The sixth pair prefers what the fourth rejects; the fifth differs by its bell.
    assert_eq!((report.n_contradictions, report.n_control), (1, 1));
    let bias = report.length_bias;
    assert_eq!((bias.n_longer, bias.n_shorter, bias.n_equal), (2, 2, 2));
    // Wilson at 2 of 4 by hand: z² = 3.841459, half width 1.959964 / 1.960365 * sqrt(0.122523).
    assert!((bias.ci_low - 0.150_039).abs() < 1e-6 && (bias.ci_high - 0.849_961).abs() < 1e-6);
    let identical = DropReason::IdenticalResponses;
    let at = RecordName { file: String::new(), number: 7 };
    let dropped =
        DropCount { reason: identical, n: 1, first_lines: vec![7], first_records: vec![at] };
    assert_eq!(report.dropped, [dropped]);
    assert_eq!(report.slices, BTreeMap::from([("t".into(), 2), ("u".into(), 4)]));
    assert_eq!((report.rejected_chars.median, report.rejected_chars.max), (1, 6));
    let found: Vec<(&str, u64, u64)> =
        report.findings.iter().map(|f| (f.what.as_str(), f.n, f.of)).collect();
    assert_eq!(
        found,
        [
            ("unusable pairs", 1, 7),
            ("duplicates of an earlier pair", 1, 6),
            ("contradictions of an earlier pair", 1, 6),
            ("pairs with control characters", 1, 6),
        ]
    );
    assert!(report.findings.iter().all(|finding| finding.is_over));
}

fn numbered(i: usize, tail: &str) -> String {
    // No two prompts share a word: 99,991 is a prime.
    let word = |j: usize| format!("w{}", (i * 20 + j) * 7919 % 99_991);
    let words: Vec<String> = (0..20).map(word).collect();
    let prompt = words.join(" ");
    format!(r#"{{"prompt":"{prompt}{tail}","chosen":"yes","rejected":"no"}}"#)
}

#[test]
fn near_duplicates_of_a_test_source_are_leakage() {
    let dir = tempfile::tempdir().unwrap();
    let train: Vec<String> = (0..100).map(|i| numbered(i, "")).collect();
    // One prompt stands in the training part, two nearly do, seven do not.
    let mut test = vec![numbered(3, ""), numbered(4, " now"), numbered(5, "!")];
    test.extend((200..207).map(|i| numbered(i, "")));
    let (train, test) = (part(dir.path(), "a.jsonl", &train), part(dir.path(), "b.jsonl", &test));
    let report = check::<DataError>(train, Some(test), &settings(), None).unwrap();
    let splits = report.splits.unwrap();
    assert_eq!((splits.test, splits.left_out), (10, 1));
    assert_eq!(splits.seed_set + splits.validation + splits.unlabeled_pool, 99);
    assert_eq!(report.leakage.n_near_duplicates, 2);
    let at: Vec<(u64, u64)> =
        report.leakage.examples.iter().map(|e| (e.test_record, e.train_record)).collect();
    assert_eq!(at, [(2, 5), (3, 6)]);
    assert!(report.findings[0].is_over, "{:?}", report.findings);
}

#[test]
fn tokens_are_counted_in_batches() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..1_300).map(|i| numbered(i, "")).collect();
    let mut batches = Vec::new();
    let mut counter = |pairs: &[PreferencePair]| -> Result<Vec<PairTokens>, DataError> {
        batches.push(pairs.len());
        let tokens = |i: usize| PairTokens {
            n_tokens: 20 + i as u64 % 2 * 100,
            is_truncated: i % 2 == 1,
            is_answer_truncated: i == 0,
        };
        Ok((0..pairs.len()).map(tokens).collect())
    };
    let parts = part(dir.path(), "x.jsonl", &lines);
    let report = check(parts, None, &settings(), Some(&mut counter)).unwrap();
    assert_eq!(batches, [512, 512, 276]);
    let tokens = report.tokens.unwrap();
    assert_eq!((tokens.n_truncated, tokens.n_answers_truncated), (650, 3));
    assert_eq!(tokens.histogram, [(32, 650), (128, 650)]);
    assert_eq!(report.splits.unwrap().test, 260);
}

#[test]
fn parts_far_from_what_is_asked_for_are_a_finding() {
    let lopsided = |seed_set, validation, unlabeled_pool, test| {
        let counts = SplitCounts { seed_set, validation, unlabeled_pool, test, left_out: 0 };
        let divided = Divided { counts, test_groups: BTreeSet::new(), wanted: [1398, 280, 2330] };
        divided.lopsided(16).map(|finding| finding.what)
    };
    assert_eq!(lopsided(1118, 280, 7922, 2330), None);
    assert_eq!(
        lopsided(568, 845, 7907, 2330).unwrap(),
        "labeled pairs are validation, more than the seed set has: 16 groups are never divided"
    );
    assert!(lopsided(2400, 600, 6320, 2330).unwrap().contains("where 1,398 are wanted"));
    assert!(lopsided(1118, 280, 5000, 5252).unwrap().starts_with("pairs are test pairs"));
}
