//! The real files beside the checkout, with counts made independently (by the publishers' own pages
//! or by a few lines of Python).

use std::collections::BTreeMap;

use super::*;
use crate::data::testing::{say, shared};

/// Format, pairs, and pairs left out by reason.
fn counts(path: &str, settings: &ReadSettings) -> Option<(String, u64, BTreeMap<String, u64>)> {
    let file = shared(path)?;
    let mut reader = open(&file, settings).unwrap();
    let (mut n, mut left_out) = (0, BTreeMap::new());
    for item in &mut reader {
        match item.unwrap() {
            SourceItem::Pair(_) => n += 1,
            SourceItem::Dropped { reason, .. } => {
                *left_out.entry(reason.to_string()).or_default() += 1;
            }
        }
    }
    let format = crate::data::detect(&file, settings).unwrap();
    say(&format!("{path}: {format} {n} {left_out:?}"));
    Some((format.to_string(), n, left_out))
}

/// Columns, and no cap on the pairs of a record.
fn by(columns: &str) -> ReadSettings {
    let columns = toml::from_str(columns).unwrap();
    ReadSettings { columns, pairs_per_record: 0, ..ReadSettings::default() }
}

#[track_caller]
fn expect(path: &str, settings: &ReadSettings, format: &str, n: u64, left_out: &[(&str, u64)]) {
    let Some(found) = counts(path, settings) else { return };
    let left_out = left_out.iter().map(|(reason, n)| ((*reason).to_owned(), *n)).collect();
    assert_eq!(found, (format.to_owned(), n, left_out), "{path}");
}

const TIE: &str = "a tie";
const SAME: &str = "`chosen` equals `rejected`";

#[test]
fn sets_that_are_known_by_their_layout() {
    let all = ReadSettings { pairs_per_record: 0, ..ReadSettings::default() };
    expect("data/llama-factory-demo/dpo_en_demo.json", &all, "llama-factory", 300, &[]);
    expect("data/llama-factory-demo/dpo_zh_demo.json", &all, "llama-factory", 300, &[]);
    expect("data/hhh-alignment/hhh_alignment.jsonl.gz", &all, "trl", 221, &[]);
    expect("data/llama-factory-demo/oaast_rm_zh.json", &all, "llama-factory", 1803, &[(SAME, 6)]);
}

#[test]
fn sets_that_need_their_columns() {
    let ukp = "prompt='{title} ({stance})'\na='a1'\nb='a2'\n";
    let strict = by(&format!("{ukp}label='label'\nslice='topic'"));
    expect("data/ukpconvarg1/strict.jsonl.gz", &strict, "columns", 11650, &[]);
    let gold = by(&format!("{ukp}label='gold'"));
    expect("data/ukpconvarg1/full-with-ties.jsonl.gz", &gold, "columns", 12792, &[(TIE, 3289)]);
    let table = by("a='a1'\nb='a2'\nlabel='label'");
    expect("data/ukpconvarg1/strict-sample-original.csv", &table, "columns", 269, &[]);
    let llmbar = by("prompt='input'\na='output_1'\nb='output_2'\nlabel='label'");
    for (name, n) in [("natural", 100), ("adversarial-gptinst", 92), ("adversarial-gptout", 47)] {
        expect(&format!("data/llmbar/{name}.json"), &llmbar, "columns", n, &[]);
    }
    let pandalm = by("prompt = \"{instruction}\\n{input}\"\na = 'response1'\nb = 'response2'\n\
                      label = ['annotator1', 'annotator2', 'annotator3']");
    expect("data/pandalm-testset/testset-v1.json", &pandalm, "columns", 894, &[(TIE, 105)]);
    let qa = by("prompt='question'\nlabel='preference'\n\
                 a=['prediction 1', 'prediction 2', 'prediction 3', 'prediction 4']");
    expect("data/fine-grained-rlhf/dev_feedback.json.gz", &qa, "columns", 2616, &[(TIE, 384)]);
    let persona = by("prompt='question'\na='answer_matching_behavior'\n\
                      b='answer_not_matching_behavior'\nlabel='a'\nslice='behavior'");
    expect("data/anthropic-evals-persona/persona-subset.jsonl.gz", &persona, "columns", 34000, &[]);
    let truthful =
        by("prompt='instruction'\na='correct_answers'\nb='incorrect_answers'\nlabel='a'");
    expect(
        "data/truthfulqa/truthfulqa.jsonl.gz",
        &truthful,
        "columns",
        11038,
        &[(SAME, 2), ("both answers are empty", 2)],
    );
}

#[test]
fn feedback_on_single_answers_is_refused() {
    let Some(file) = shared("data/llama-factory-demo/kto_en_demo.json") else { return };
    let error = open(&file, &ReadSettings::default()).err().unwrap().to_string();
    assert!(error.ends_with("element 1 (line 2): one answer alone (`messages`), not a pair"));
}
