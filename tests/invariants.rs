//! The invariants that `src/lib.rs` lists: each names the tests that keep it, and here are those that
//! no single module can keep.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cli::fixture::{Place, SPEC, jsonl, succeeded};

fn source(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!files.is_empty(), "{folder}");
    files
}

/// The lines of production code of a file.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    production.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Names in backticks between parentheses at the end of each numbered invariant.
#[test]
fn every_invariant_names_tests_that_exist() {
    let text = source("src/lib.rs");
    let list = text.split("# Invariants").nth(1).unwrap().split("# Glossary").next().unwrap();
    let list = list.replace("\n//!", " ");
    let tests: String =
        ["src", "tests"].into_iter().flat_map(rust_files).map(|(_, text)| text).collect();
    let mut n_invariants = 0;
    for number in 1.. {
        let Some(rest) = list.split(&format!(" {number}. ")).nth(1) else { break };
        let invariant = rest.split(&format!(" {}. ", number + 1)).next().unwrap();
        n_invariants += 1;
        let named = invariant.rsplit_once("(`").map(|(_, names)| names).unwrap_or_default();
        let names: Vec<&str> = named
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|name| name.contains('_'))
            .collect();
        assert!(!names.is_empty(), "invariant {number} names no test");
        for name in names {
            let is_test = tests.contains(&format!("fn {name}("));
            assert!(is_test, "invariant {number} names `{name}`, which is no test");
        }
    }
    assert!(n_invariants >= 9, "{n_invariants}");
}

#[test]
fn views_change_nothing_and_updates_do_no_io() {
    const IO: [&str; 7] = [
        "std::fs",
        "std::process",
        "thread::",
        "Instant::now",
        "SystemTime",
        "Store::open",
        "std::env",
    ];
    let mut offences = Vec::new();
    let (mut n_views, mut n_updates) = (0, 0);
    for (name, text) in rust_files("src/tui") {
        if name.contains("tests") {
            continue;
        }
        let is_view =
            name.ends_with("view.rs") || name.contains("/view/") || name.contains("/kit/");
        let is_update = name.contains("update") || name.contains("/kit/") || is_view;
        n_views += usize::from(is_view);
        n_updates += usize::from(is_update);
        for line in code(&text) {
            if is_view && line.contains("&mut Model") {
                offences.push(format!("{name}: a view takes `&Model`: {}", line.trim()));
            }
            if is_update && IO.iter().any(|word| line.contains(word)) {
                offences.push(format!("{name}: no I/O here: {}", line.trim()));
            }
        }
    }
    assert!(n_views >= 10 && n_updates >= 20, "{n_views}, {n_updates}");
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn only_workers_and_the_store_write_events() {
    let mut users = Vec::new();
    for (name, text) in rust_files("src") {
        if code(&text).any(|line| line.contains("EventWriter")) {
            let room = name.split('/').nth(1).unwrap_or_default().to_owned();
            users.push(room);
        }
    }
    users.sort();
    users.dedup();
    assert_eq!(users, ["store", "worker"]);
}

/// Which side people prefer is a coin of (`rng_seed`, pair), so whoever tosses it knows the label.
#[test]
fn hidden_labels_are_read_by_metrics_people_and_the_oracle_alone() {
    let mut readers: Vec<String> = rust_files("src")
        .into_iter()
        .filter(|(name, text)| {
            !name.contains("test") && code(text).any(|line| line.contains("chosen_side("))
        })
        .map(|(name, _)| name)
        .collect();
    readers.sort();
    for name in readers {
        let is_known = READERS.iter().any(|known| name.starts_with(known));
        assert!(is_known, "{name} reads hidden labels; if it may, name it here and say why");
    }
}

const READERS: [&str; 10] = [
    // The coin itself, and the human labels of the seed set.
    "src/domain/preference.rs",
    "src/worker/inputs.rs",
    // A policy learns the answers that people preferred in the seed set (SFT, DPO).
    "src/worker/policy/prompts.rs",
    // Metrics: held-out human pairs, and the precision of pseudo-labels.
    "src/worker/evaluate.rs",
    "src/worker/gold.rs",
    // Seed pairs are turned toward the label that people gave them.
    "src/domain/teacher/views.rs",
    "src/worker/views.rs",
    "src/worker/cross_fit.rs",
    // What people see, and what runs are compared by.
    "src/store/",
    "src/analysis/",
];

/// Rounds of a run on 200 pairs whose recorded labels are all said to be wrong, or all right.
fn rounds(is_noisy: bool) -> Vec<Value> {
    let place = Place::with_spec(SPEC);
    let pairs: Vec<String> = (0..200)
        .map(|i| {
            serde_json::json!({
                "prompt": format!("question {i}"), "chosen": format!("good answer {i}"),
                "rejected": format!("poor answer {i}"), "label_noise": is_noisy,
            })
            .to_string()
        })
        .collect();
    place.write("pairs.jsonl", jsonl(&pairs));
    let more = ["--arm", "confidence", "--set", "rounds.max=2", "--name", "r"];
    succeeded(&place, &[&["run", "spec.toml", "--plain"], &more[..]].concat());
    place.json(&["show", "r", "--json"])["rounds"].as_array().unwrap().clone()
}

#[test]
fn labels_of_the_pool_change_no_weight() {
    let [right, wrong] = [rounds(false), rounds(true)];
    assert!(right.len() > 1);
    assert_eq!(right.len(), wrong.len());
    for (right, wrong) in right.iter().zip(&wrong) {
        for key in ["n_train_pairs", "n_scored", "n_selected", "coverage", "validation", "test"] {
            assert_eq!(right[key], wrong[key], "{key}");
        }
        let precision = |round: &Value| round["pseudo_label_precision"].as_f64();
        if let (Some(right), Some(wrong)) = (precision(right), precision(wrong)) {
            assert!((right + wrong - 1.0).abs() < 1e-9, "{right} and {wrong}");
        }
    }
    assert!(right.iter().any(|round| round["pseudo_label_precision"].is_f64()));
}

/// The template of the embedded model writes the embedded dialogues as they are stored, so that every
/// number of the embedded experiment is what it was without one.
#[test]
fn the_embedded_models_template_writes_the_embedded_pairs_as_they_stand() {
    use ser::data::{ReadSettings, SourceItem};
    use ser::engine::files::weights::ModelFiles;
    use ser::engine::{Backbone, OpenSettings, PairText};

    let open = |template: &str| {
        let mut settings = OpenSettings::new(Backbone::Embedded, 256, 1);
        template.clone_into(&mut settings.chat_template);
        ModelFiles::open_as(&settings).unwrap().tokenizer
    };
    let (auto, plain) = (open("auto"), open("plain"));
    assert!(auto.chat_template().is_some() && plain.chat_template().is_none());
    for name in ["embedded:train", "embedded:test"] {
        let reader = ser::data::open(&name.parse().unwrap(), &ReadSettings::default()).unwrap();
        let pairs: Vec<_> = reader
            .filter_map(|item| match item.unwrap() {
                SourceItem::Pair(found) => Some(found.pair),
                SourceItem::Dropped { .. } => None,
            })
            .collect();
        let texts: Vec<PairText<'_>> = pairs.iter().map(PairText::preferred_first).collect();
        assert!(texts.len() > 2_000);
        assert_eq!(auto.encode(&texts).unwrap(), plain.encode(&texts).unwrap(), "{name}");
    }
}
