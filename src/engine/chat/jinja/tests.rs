//! Templates against transformers: every text to the byte, every error an error, or refused for a reason
//! that is named here.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    tokens: BTreeMap<String, String>,
    /// JSON texts, for the order of keys and the kinds of numbers count.
    conversations: Vec<String>,
    tools: String,
    documents: String,
    extras: Vec<String>,
    templates: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    template: String,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    conversation: usize,
    prompt: bool,
    tools: bool,
    documents: bool,
    extra: usize,
    /// `None` where transformers raises.
    text: Option<String>,
}

/// What transformers renders and is refused here, by the words it is refused with.
const REFUSED: [(&str, &[&str]); 0] = [];

fn messages(text: &str) -> Vec<Message> {
    let all: Vec<Fields<'_>> = serde_json::from_str(text).unwrap();
    let message = |Fields(fields): &Fields<'_>| {
        let mut message = Message { content: Content::Absent, ..Message::new("", "") };
        let mut others = Vec::new();
        for (name, raw) in fields {
            match (name.as_str(), serde_json::from_str::<String>(raw.get())) {
                ("role", Ok(role)) => message.role = role,
                ("content", Ok(text)) => message.content = Content::Text(text),
                ("content", Err(_)) => message.content = Content::Json(raw.get().to_owned()),
                _ => others.push(format!("{name:?}:{}", raw.get())),
            }
        }
        if !others.is_empty() {
            message.fields = format!("{{{}}}", others.join(","));
        }
        message
    };
    all.iter().map(message).collect()
}

fn globals(fixture: &Fixture, run: &Run) -> String {
    let mut parts = Vec::new();
    parts.extend(run.tools.then(|| format!("\"tools\":{}", fixture.tools)));
    parts.extend(run.documents.then(|| format!("\"documents\":{}", fixture.documents)));
    let extra = fixture.extras[run.extra].trim_matches(['{', '}']).to_owned();
    parts.extend((!extra.is_empty()).then(|| fixture.extras[run.extra][1..fixture.extras[run.extra].len() - 1].to_owned()));
    format!("{{{}}}", parts.join(","))
}

/// What differs, and how many runs: equal, both failing, refused here.
fn compared(text: &str) -> (Vec<String>, [usize; 4], BTreeSet<String>) {
    let fixture: Fixture = serde_json::from_str(text).unwrap();
    let (mut wrong, mut counts, mut lax) = (Vec::new(), [0; 4], BTreeSet::new());
    for case in &fixture.templates {
        let program = Program::new(&case.template, &fixture.tokens);
        for run in &case.runs {
            let messages = messages(&fixture.conversations[run.conversation]);
            let globals = globals(&fixture, run);
            let mine = match &program {
                Ok(program) => program.render(&messages, &globals, run.prompt),
                Err(detail) => Err(detail.clone()),
            };
            match (&mine, &run.text) {
                (Ok(mine), Some(text)) if mine == text => counts[0] += 1,
                (Err(_), None) => counts[1] += 1,
                (Err(detail), Some(_)) if is_refused(&case.name, detail) => counts[2] += 1,
                (Ok(_), None) => {
                    counts[3] += 1;
                    lax.insert(case.name.clone());
                }
                _ => wrong.push(format!(
                    "{} on conversation {}: {}\n  ser:          {mine:?}\n  transformers: {:?}",
                    case.name, run.conversation, case.template, run.text
                )),
            }
        }
    }
    (wrong, counts, lax)
}

fn is_refused(name: &str, detail: &str) -> bool {
    let _ = detail;
    REFUSED.iter().any(|(_, names)| names.contains(&name))
}

#[test]
fn templates_render_as_in_transformers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/engine/templates.json");
    let (wrong, counts, lax) = compared(&std::fs::read_to_string(path).unwrap());
    assert!(wrong.is_empty(), "{} of {counts:?}:\n{}\n{lax:?}", wrong.len(), wrong.join("\n"));
}
