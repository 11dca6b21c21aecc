//! Rewards of `ser score` beside those of transformers, TRL and PEFT.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Expect, Outcome, Verdict, conclude, first, fixtures, judged, refusal, stored};
use crate::cli::fixture::{Place, jsonl, stderr, stdout};

const TOLERANCE: f64 = 1e-4;
/// The cache of `huggingface_hub`, beside the models.
const HUB: &str = "hub";

#[derive(Deserialize)]
struct Table {
    models: BTreeMap<String, Model>,
    groups: Vec<Group>,
}

/// What the cases share.
#[derive(Deserialize)]
struct Model {
    config: Map<String, Value>,
    tokenizer: String,
    tokenizer_config: Map<String, Value>,
}

/// Cases of one directory.
#[derive(Deserialize)]
struct Group {
    kind: String,
    name: String,
    parts: BTreeMap<String, Part>,
    /// The part that is scored.
    score: String,
    /// Parts that lie in the cache of `huggingface_hub` under an id.
    #[serde(default)]
    hub: BTreeMap<String, String>,
    /// Words that `ser model check` must say of it.
    #[serde(default)]
    model_check: Vec<String>,
    cases: Vec<Case>,
}

/// A directory as changes of a shared model, or an adapter of one.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    model: Option<String>,
    weights: Option<String>,
    config: Map<String, Value>,
    adapter: Option<String>,
    adapter_config: Map<String, Value>,
    /// Whose tokenizer an adapter holds.
    tokens_of: Option<String>,
    tokenizer: Option<String>,
    tokenizer_config: Map<String, Value>,
    no_tokenizer_config: bool,
    files: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// As it is written: of an object the order of its keys counts.
    input: Box<RawValue>,
    expect: Expect,
    words: Vec<String>,
    /// One reward for each text of the input, or what the peer raised.
    peer_says: Value,
}

#[test]
fn rewards_equal_those_of_the_peers_or_are_refused_by_name() {
    let table: Table = stored("rewards.json");
    conclude(&judged(&table.groups, |group| judge(&table.models, group)));
}

fn judge(models: &BTreeMap<String, Model>, group: &Group) -> Vec<Outcome> {
    let place = Place::new();
    for (name, part) in &group.parts {
        let folder =
            group.hub.get(name).map_or_else(|| place.path(name), |id| snapshot(&place, id));
        assemble(models, part, &folder);
    }
    let mut together: Vec<(&Case, Verdict)> = Vec::new();
    let equal: Vec<&Case> =
        group.cases.iter().filter(|case| case.expect == Expect::Equal).collect();
    if let Some(results) = scored(&place, group, &equal) {
        together.extend(
            equal.iter().zip(results).map(|(case, result)| (*case, compared(case, &result))),
        );
    } else {
        // One that fails keeps the others from their results.
        together.extend(equal.iter().map(|case| (*case, alone(&place, group, case))));
    }
    let others = group.cases.iter().filter(|case| case.expect != Expect::Equal);
    together.extend(others.map(|case| (case, alone(&place, group, case))));
    let named = |name: &str| format!("{}: {name}", group.name);
    let mut outcomes: Vec<Outcome> = together
        .into_iter()
        .map(|(case, verdict)| Outcome::new(&group.kind, named(&case.name), verdict))
        .collect();
    if !group.model_check.is_empty() {
        let verdict = model_check(&place, group);
        outcomes.push(Outcome::new(&group.kind, named("model check"), verdict));
    }
    outcomes
}

/// Where the cache of `huggingface_hub` keeps the newest files of a model.
fn snapshot(place: &Place, id: &str) -> PathBuf {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let name = format!("{HUB}/models--{}", id.replace('/', "--"));
    place.write(&format!("{name}/refs/main"), commit);
    place.path(&format!("{name}/snapshots/{commit}"))
}

/// The directory that a part describes, as `assemble` of `models.py` makes it for the peers.
fn assemble(models: &BTreeMap<String, Model>, part: &Part, dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let write = |name: &str, keys: &Map<String, Value>| {
        std::fs::write(dir.join(name), serde_json::to_string(keys).unwrap()).unwrap();
    };
    let copy = |from: String, to: &str| {
        std::fs::copy(fixtures().join(from), dir.join(to)).unwrap();
    };
    let model = part.model.as_ref().map(|name| &models[name]);
    if let (Some(name), Some(model)) = (&part.model, model) {
        let weights = part.weights.as_ref().unwrap_or(name);
        copy(format!("models/{weights}.safetensors"), "model.safetensors");
        write("config.json", &merged(&model.config, &part.config));
    }
    if let Some(adapter) = &part.adapter {
        copy(format!("adapters/{adapter}.safetensors"), "adapter_model.safetensors");
        write("adapter_config.json", &part.adapter_config);
    }
    if let Some(model) = model.or_else(|| part.tokens_of.as_ref().map(|name| &models[name])) {
        let tokenizer = part.tokenizer.as_ref().unwrap_or(&model.tokenizer);
        copy(format!("tokenizers/{tokenizer}.json"), "tokenizer.json");
        if !part.no_tokenizer_config {
            let keys = merged(&model.tokenizer_config, &part.tokenizer_config);
            write("tokenizer_config.json", &keys);
        }
    }
    for (name, text) in &part.files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// Keys of `changes` over those of `base`; a null takes a key out.
fn merged(base: &Map<String, Value>, changes: &Map<String, Value>) -> Map<String, Value> {
    let mut keys = base.clone();
    for (key, value) in changes {
        if value.is_null() {
            keys.remove(key);
        } else {
            keys.insert(key.clone(), value.clone());
        }
    }
    keys
}

fn score(place: &Place, group: &Group, cases: &[&Case]) -> Output {
    let lines: Vec<String> = cases.iter().map(|case| case.input.get().replace('\n', " ")).collect();
    place.write("lines.jsonl", jsonl(&lines));
    let model = format!("./{}", group.score);
    place
        .command(&["score", &model, "lines.jsonl", "--threads", "1"])
        .env("HF_HUB_CACHE", place.path(HUB))
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap()
}

/// The results of several cases in one process; `None` when it does not end well.
fn scored(place: &Place, group: &Group, cases: &[&Case]) -> Option<Vec<Value>> {
    if cases.is_empty() {
        return Some(Vec::new());
    }
    let output = score(place, group, cases);
    let results: Vec<Value> = results(&output)?;
    (output.status.success() && results.len() == cases.len()).then_some(results)
}

fn results(output: &Output) -> Option<Vec<Value>> {
    stdout(output).lines().map(|line| serde_json::from_str(line).ok()).collect()
}

/// One case in a process of its own.
fn alone(place: &Place, group: &Group, case: &Case) -> Verdict {
    let output = score(place, group, &[case]);
    match case.expect {
        Expect::Refused => refusal(&output, &case.words),
        Expect::Either if !output.status.success() => refusal(&output, &case.words),
        Expect::Equal | Expect::Either => match results(&output).as_deref() {
            Some([result]) if output.status.success() => compared(case, result),
            _ => Verdict::Wrong(format!("not scored: {}", first(&stderr(&output)))),
        },
    }
}

fn compared(case: &Case, result: &Value) -> Verdict {
    let Some(expected) = case.peer_says.as_array() else {
        return Verdict::Wrong(format!("the peer says {}", case.peer_says));
    };
    let expected: Vec<f64> = expected.iter().map(|value| value.as_f64().unwrap()).collect();
    let found = rewards(result);
    let is_near = |(a, b): (&f64, &f64)| (a - b).abs() <= TOLERANCE * b.abs().max(1.0);
    if found.len() == expected.len() && found.iter().zip(&expected).all(is_near) {
        return Verdict::Equal;
    }
    Verdict::Wrong(format!("{found:.4?}, the peer says {expected:.4?}"))
}

/// The rewards of a result, in the order of the input's texts.
fn rewards(result: &Value) -> Vec<f64> {
    if let Some(list) = result["rewards"].as_array() {
        return list.iter().filter_map(Value::as_f64).collect();
    }
    let keys = ["reward", "reward_chosen", "reward_rejected", "reward_a", "reward_b"];
    keys.iter().filter_map(|key| result[*key].as_f64()).collect()
}

fn model_check(place: &Place, group: &Group) -> Verdict {
    let output = place.ser(&["model", "check", &format!("./{}", group.score)]);
    let said = stdout(&output) + &stderr(&output);
    match group.model_check.iter().find(|word| !said.contains(word.as_str())) {
        None => Verdict::Equal,
        Some(word) => Verdict::Wrong(format!("`ser model check` does not say `{word}`")),
    }
}
