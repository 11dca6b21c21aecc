//! Pairs that `ser data import` reads from a file beside what the file's publisher says is in it.

use std::collections::BTreeMap;
use std::process::Output;

use serde::Deserialize;
use serde_json::Value;

use ser::domain::preference::{PairId, PreferencePair};
use ser::domain::text::conversation;
use ser::domain::text::conversation::Message;
use ser::store::{Access, Home, Store};

use super::{Expect, Outcome, Verdict, conclude, first, judged, refusal, stored};
use crate::cli::fixture::{Place, stderr, stdout};

#[derive(Deserialize)]
struct Case {
    name: String,
    files: BTreeMap<String, Content>,
    arguments: Vec<String>,
    expect: Expect,
    words: Vec<String>,
    /// The pairs that are in it, where it can be read.
    says: Option<Vec<Expected>>,
    /// Words that an import says of it.
    notes: Vec<String>,
    /// Words of which a refusal's hint has one.
    hint: Vec<String>,
    /// Pairs that are left out under a name.
    n_dropped: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Bytes { base64: String },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    /// Messages of the prompt and of the answers.
    Turns { prompt: Vec<Value>, chosen: Vec<Value>, rejected: Vec<Value> },
    /// Texts that begin with their prompt, wherever the cut between prompt and answer is.
    Wholes { wholes: [String; 2] },
}

/// Who speaks, and what is said.
type Turn = (String, String);

#[test]
fn files_hold_the_pairs_that_their_publishers_mean_or_are_refused_by_name() {
    let cases: Vec<Case> = stored("data.json");
    conclude(&judged(&cases, |case| vec![Outcome::new("data", case.name.clone(), judge(case))]));
}

fn judge(case: &Case) -> Verdict {
    let place = Place::new();
    for (name, content) in &case.files {
        match content {
            Content::Text(text) => place.write(name, text),
            Content::Bytes { base64 } => place.write(name, decoded(base64)),
        };
    }
    let mut arguments = vec!["data", "import"];
    arguments.extend(case.arguments.iter().map(String::as_str));
    let output = place.ser(&arguments);
    let is_refused = !output.status.success();
    match case.expect {
        Expect::Refused => refused(case, &output),
        Expect::Either if is_refused => refused(case, &output),
        _ if is_refused => Verdict::Wrong(format!("not read: {}", first(&stderr(&output)))),
        _ => read(case, &place, &output),
    }
}

fn refused(case: &Case, output: &Output) -> Verdict {
    let verdict = refusal(output, &case.words);
    let said = stderr(output);
    let hint = said.lines().find(|line| line.starts_with("hint: ")).unwrap_or_default();
    if matches!(verdict, Verdict::Refused)
        && !case.hint.is_empty()
        && !case.hint.iter().any(|word| hint.contains(word.as_str()))
    {
        return Verdict::Wrong(format!("the hint has no word of {:?}: {hint}", case.hint));
    }
    verdict
}

fn read(case: &Case, place: &Place, output: &Output) -> Verdict {
    let said = stdout(output) + &stderr(output);
    if let Some(word) = case.notes.iter().find(|word| !said.contains(word.as_str())) {
        return Verdict::Wrong(format!("nothing is said of `{word}`"));
    }
    let Some(expected) = &case.says else { return Verdict::Equal };
    let store = Store::open(&Home::new(place.home()), Access::ReadOnly).unwrap();
    let dataset = store.datasets().unwrap().remove(0);
    let ids: Vec<PairId> = (0..dataset.n_pairs as u32).map(PairId).collect();
    let mut left = store.preference_pairs(dataset.id, &ids).unwrap();
    for one in expected {
        let Some(at) = left.iter().position(|pair| is_same(one, pair)) else {
            return Verdict::Wrong(format!("not there: {}; found: {}", shown(one), found(&left)));
        };
        left.remove(at);
    }
    match left.as_slice() {
        [] if dataset.n_dropped == case.n_dropped => Verdict::Equal,
        [] => Verdict::Wrong(format!("{} left out, not {}", dataset.n_dropped, case.n_dropped)),
        _ => Verdict::Wrong(format!("found too: {}", found(&left))),
    }
}

fn is_same(expected: &Expected, pair: &PreferencePair) -> bool {
    match expected {
        Expected::Turns { prompt, chosen, rejected } => {
            let [a, b] = turns(pair);
            let is_side = |answer: &[Value], side: &[Turn]| {
                let messages = prompt.iter().chain(answer);
                side.len() == prompt.len() + answer.len()
                    && messages.zip(side).all(|(message, turn)| is_turn(message, turn))
            };
            is_side(chosen, &a) && is_side(rejected, &b)
        }
        Expected::Wholes { wholes } => {
            *wholes
                == [&pair.chosen, &pair.rejected]
                    .map(|answer| [&pair.prompt, answer].map(String::as_str).concat())
        }
    }
}

/// The conversations of a stored pair: prompt and chosen answer, prompt and rejected answer.
fn turns(pair: &PreferencePair) -> [Vec<Turn>; 2] {
    let side = |answer: &str, which| {
        let messages = pair.form.messages(&pair.prompt, answer, which).unwrap_or_default();
        let said = |message: &Message| match message.content {
            conversation::Content::Text(_) if !message.text().is_empty() => {
                message.text().to_owned()
            }
            _ => message.to_json(),
        };
        messages.iter().map(|message| (message.role.clone(), said(message))).collect()
    };
    [side(&pair.chosen, 0), side(&pair.rejected, 1)]
}

/// Whether a turn says what a message does; a tool call may be written in any way that names it.
fn is_turn(message: &Value, (role, content): &Turn) -> bool {
    let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    let says = |text: &str| {
        if calls.is_empty() { content == text } else { content.contains(text) }
    };
    message["role"] == role.as_str()
        && says(message["content"].as_str().unwrap_or_default())
        && calls.iter().all(|call| says(call["function"]["name"].as_str().unwrap()))
}

fn shown(expected: &Expected) -> String {
    match expected {
        Expected::Turns { prompt, chosen, rejected } => {
            let contents = [prompt, chosen, rejected].map(|messages| {
                let content =
                    |message: &Value| format!("{}: {}", message["role"], message["content"]);
                messages.iter().map(content).collect::<Vec<_>>().join(", ")
            });
            contents.join(" / ")
        }
        Expected::Wholes { wholes } => format!("{wholes:?}"),
    }
}

fn found(pairs: &[PreferencePair]) -> String {
    match pairs {
        [] => "no more pairs".to_owned(),
        [pair, rest @ ..] => {
            let PreferencePair { prompt, chosen, rejected, .. } = pair;
            format!("{prompt:?} / {chosen:?} / {rejected:?} and {} more", rest.len())
        }
    }
}

/// The bytes of a text in base64 with its padding.
fn decoded(base64: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let text = base64.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for four in text.chunks(4) {
        let bits = four.iter().fold(0_u32, |bits, c| bits << 6 | u32::from(digit(*c)));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}
