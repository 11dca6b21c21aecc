//! What other programs say of tiny models and files, and what `ser` says: equal, or refused by name.
//!
//! The cases lie in `tests/fixtures/peers`: `rewards.json` holds rewards of transformers, TRL and PEFT,
//! `data.json` pairs that files hold by what their publishers say of the fields. `make_cases.py` there
//! makes both anew. A case is `equal` (rewards within 1e-4, pairs turn by turn), `refused` (exit code 2,
//! a word of the case in the error line, and a hint) or `either`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde::Deserialize;

use crate::cli::fixture::stderr;

mod data;
mod exports;
mod rewards;

/// What must come of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Equal,
    Refused,
    Either,
}

/// What came of it.
enum Verdict {
    Equal,
    Refused,
    Wrong(String),
}

/// One line of the table.
struct Outcome {
    kind: String,
    name: String,
    verdict: Verdict,
}

impl Outcome {
    fn new(kind: &str, name: String, verdict: Verdict) -> Self {
        Self { kind: kind.to_owned(), name, verdict }
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peers")
}

fn stored<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let text = std::fs::read(fixtures().join(file)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Whether a command refused as it should: exit code 2, one of the words in the error line, a hint.
fn refusal(output: &Output, words: &[String]) -> Verdict {
    let said = stderr(output);
    let error = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    let lower = error.to_lowercase();
    if output.status.code() != Some(2) {
        let wrong = format!("not refused (exit {:?}): {}", output.status.code(), first(&said));
        return Verdict::Wrong(wrong);
    }
    if !words.iter().any(|word| lower.contains(&word.to_lowercase())) {
        return Verdict::Wrong(format!("refused without a word of {words:?}: {error}"));
    }
    if !said.lines().any(|line| line.starts_with("hint: ")) {
        return Verdict::Wrong(format!("refused without a hint: {error}"));
    }
    Verdict::Refused
}

/// The error of a program that was not asked to refuse, in short.
fn first(said: &str) -> String {
    let line = said.lines().find(|line| line.contains("error") || line.contains("panicked"));
    line.or_else(|| said.lines().last()).unwrap_or("nothing said").chars().take(200).collect()
}

/// Judges every item on as many threads as the machine has, in the order of the items.
fn judged<T: Sync>(items: &[T], judge: impl Fn(&T) -> Vec<Outcome> + Sync) -> Vec<Outcome> {
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let judge = &judge;
    let mut found: Vec<(usize, Vec<Outcome>)> = std::thread::scope(|scope| {
        let of_thread = |first: usize| {
            scope.spawn(move || {
                let own = items.iter().enumerate().skip(first).step_by(n_threads);
                own.map(|(i, item)| (i, judge(item))).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..n_threads).map(of_thread).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    found.sort_by_key(|(i, _)| *i);
    found.into_iter().flat_map(|(_, outcomes)| outcomes).collect()
}

/// Prints the table by kinds and fails when a line of it is wrong.
fn conclude(outcomes: &[Outcome]) {
    let mut kinds: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for outcome in outcomes {
        let counts = kinds.entry(&outcome.kind).or_default();
        match outcome.verdict {
            Verdict::Equal => counts[0] += 1,
            Verdict::Refused => counts[1] += 1,
            Verdict::Wrong(_) => counts[2] += 1,
        }
    }
    println!("{:<16} {:>6} {:>8} {:>6}", "kind", "equal", "refused", "wrong");
    for (kind, [equal, refused, wrong]) in kinds {
        println!("{kind:<16} {equal:>6} {refused:>8} {wrong:>6}");
    }
    let mut n_wrong = 0;
    for outcome in outcomes {
        if let Verdict::Wrong(why) = &outcome.verdict {
            n_wrong += 1;
            println!("wrong: {}: {}: {why}", outcome.kind, outcome.name);
        }
    }
    assert_eq!(n_wrong, 0, "of {} cases", outcomes.len());
}
