//! Data as people have it: folders, patterns, mixtures, tables and columns, imported and checked.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use super::fixture::{Place, jsonl, pairs, stderr, stdout, write_model};

fn table() -> String {
    let row = |i: usize| {
        let better = if i.is_multiple_of(2) { "left" } else { "right" };
        format!("question {i},\"good, answer {i}\",poor answer {i},{better}\n")
    };
    "ask,one,two,better\n".to_owned() + &(0..60).map(row).collect::<String>()
}

const COLUMNS: [&str; 8] = [
    "--column",
    "prompt=ask",
    "--column",
    "a=one",
    "--column",
    "b=two",
    "--column",
    "label=better",
];

#[track_caller]
fn imported(place: &Place, arguments: &[&str]) -> (String, String) {
    let output = place.ser(&[&["data", "import"], arguments].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    (stdout(&output), stderr(&output))
}

#[test]
fn a_table_is_imported_by_its_columns() {
    let place = Place::new();
    place.write("x.csv", table());
    let (out, said) = imported(&place, &[&["x.csv"], &COLUMNS[..]].concat());
    assert!(out.starts_with("imported 60 pairs of `x.csv` (read as columns)"), "{out}");
    assert_eq!(
        said,
        "understood: columns (question and answer); prompt from `ask`; answers from `one`, `two`; label from \
         `better`\nfirst pair: to “question 0”, “good, answer 0” is better than “poor answer 0”\n"
    );
    let listed = place.json(&["data", "list", "--json"]);
    assert_eq!((&listed[0]["format"], &listed[0]["n_pairs"]), (&"columns".into(), &60.into()));
    // A run takes the same keys, and finds the same data set.
    let sets: Vec<String> = COLUMNS
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(key, column)| format!("data.columns.{key}={column}"))
        .collect();
    let mut run = vec!["run", "--plain", "--set", "model.backbone=mock", "--set", "rounds.max=0"];
    run.extend(["--set", "data.source=x.csv"]);
    run.extend(sets.iter().flat_map(|set| ["--set", set.as_str()]));
    let output = place.ser(&run);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(place.json(&["data", "list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_folder_gives_its_training_files_and_says_so() {
    let place = Place::new();
    let lines = pairs(30);
    place.write("set/data/train-0.jsonl", jsonl(&lines[..10]));
    place.write("set/data/train-1.jsonl", jsonl(&lines[10..15]));
    place.write("set/data/test-0.jsonl", jsonl(&lines[15..]));
    place.write("set/README.md", "words");
    let (out, said) = imported(&place, &["set"]);
    assert!(out.starts_with("imported 15 pairs of `set`"), "{out}");
    assert!(
        said.contains("2 of the files of `set` are read for the `train` split, and 1 are not"),
        "{said}"
    );
    let (out, _) = imported(&place, &["set/data/t*.jsonl", "--limit", "20"]);
    assert!(out.starts_with("imported 20 pairs"), "{out}");
}

#[test]
fn a_mixture_keeps_its_shares() {
    let place = Place::new();
    place.write("a.jsonl", jsonl(&pairs(40)));
    let others: Vec<String> =
        pairs(90).iter().map(|line| line.replace("question", "riddle")).collect();
    place.write("b.jsonl", jsonl(&others));
    place.write(
        "mixture.toml",
        "[model]\nbackbone = \"mock\"\n[rounds]\nmax = 0\n[data]\nsource = [\n\
         { path = \"a.jsonl\", weight = 1.0 },\n{ path = \"b.jsonl\", weight = 2.0 } ]\n",
    );
    let output = place.ser(&["run", "mixture.toml", "--plain"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("mixed pairs: 40 of `a.jsonl`, 81 of `b.jsonl`"), "{said}");
    assert_eq!(place.json(&["data", "list", "--json"])[0]["n_pairs"], 121);
}

#[test]
fn check_ends_with_1_when_too_much_is_questionable() {
    let place = Place::new();
    let mut lines = pairs(100);
    place.write("clean.jsonl", jsonl(&lines));
    let clean = place.ser(&["data", "check", "clean.jsonl"]);
    assert!(clean.status.success(), "{}", stderr(&clean));
    lines[7] =
        r#"{"prompt":"question 3","chosen":"poor answer 3","rejected":"good answer 3"}"#.into();
    lines[8] = lines[9].clone();
    lines[20] = r#"{"prompt":"p","chosen":"x","rejected":"x"}"#.into();
    place.write("odd.jsonl", jsonl(&lines));
    let allowed = place.ser(&["data", "check", "odd.jsonl", "--max-share", "0.02"]);
    assert!(allowed.status.success(), "{}", stderr(&allowed));
    let text = stdout(&allowed);
    for line in [
        "pairs          99",
        "finding        1 of 99 (1.0 %) duplicates of an earlier pair\n  where        record 10 as 9\n",
        "finding        1 of 99 (1.0 %) contradictions of an earlier pair",
        "left out       1 pairs: `chosen` equals `rejected` (record 21)",
        "scripts        Latin 100.0 %",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    let refused = place.ser(&["data", "check", "odd.jsonl", "--max-share", "0.005", "--json"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    assert!(said.contains("1.0 % contradictions of an earlier pair"), "{said}");
    assert!(said.contains("hint: "), "{said}");
    let report: serde_json::Value = serde_json::from_str(&stdout(&refused)).unwrap();
    assert_eq!((&report["n_contradictions"], &report["n_duplicates"]), (&1.into(), &1.into()));
    assert!(!place.home().exists(), "checking leaves nothing");
}

#[test]
fn check_counts_tokens_with_a_models_tokenizer() {
    let place = Place::new();
    write_model(&place.path("m"));
    let mut lines = pairs(20);
    let long = "word ".repeat(50);
    lines.push(format!(r#"{{"prompt":"q","chosen":"good {long}","rejected":"poor"}}"#));
    place.write("x.jsonl", jsonl(&lines));
    let output =
        place.ser(&["data", "check", "x.jsonl", "--model", "m", "--max-tokens", "16", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["tokens"]["n_truncated"], 1);
    assert_eq!(report["tokens"]["n_answers_truncated"], 1);
    // 51 words, and the special tokens around them.
    let longest = report["tokens"]["lengths"]["max"].as_u64().unwrap();
    assert!((51..=53).contains(&longest), "{longest}");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

/// A pipe gives its bytes once, and a data set is read several times.
#[test]
fn a_pipe_is_a_source() {
    let place = Place::new();
    place.write("pairs.jsonl", jsonl(&pairs(40)));
    let from_file = place.json(&["data", "check", "pairs.jsonl", "--json"]);
    for name in ["/dev/stdin", "-"] {
        let mut command = place.command(&["data", "check", name, "--json"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(jsonl(&pairs(40)).as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = stdout(&output).replace("/dev/stdin", "pairs.jsonl");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), from_file);
    }
    let refused = place.ser(&["data", "check", "-", "--write", "spec.toml"]);
    assert!(stderr(&refused).contains("`--write` makes a spec for a file"), "{}", stderr(&refused));
}
