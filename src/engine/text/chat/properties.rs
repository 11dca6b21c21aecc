//! What holds for every conversation that a template of the program writes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::ChatTemplate;
use crate::domain::text::conversation::Message;
use crate::engine::files::source::Source;

/// A named template writes every message, in order, and ends where the answer begins.
#[test]
fn templates_write_every_message() {
    let place = tempfile::tempdir().unwrap();
    let source = Source::Directory(place.path());
    let tokens = BTreeMap::from([
        ("bos_token".to_owned(), "<s>".to_owned()),
        ("eos_token".to_owned(), "</s>".to_owned()),
    ]);
    for name in ["hh", "question-answer", "alpaca", "chatml", "llama-2", "llama-3", "zephyr"] {
        let template = ChatTemplate::resolve(name, &source, None, &tokens).unwrap().unwrap();
        proptest!(|(turns in prop::collection::vec("[a-z]{1,12}", 1..4))| {
            let turns: Vec<String> =
                turns.iter().enumerate().map(|(i, text)| format!("{text}{i}x")).collect();
            let messages: Vec<Message> = turns
                .iter()
                .enumerate()
                .map(|(i, text)| Message::new(if i % 2 == 0 { "user" } else { "assistant" }, text))
                .collect();
            if let Ok(text) = template.render(&messages, "") {
                let mut rest = text.as_str();
                for turn in &turns {
                    let Some(at) = rest.find(turn.as_str()) else {
                        return Err(TestCaseError::fail(format!("{name}: `{turn}` is not in {text}")));
                    };
                    rest = &rest[at + turn.len()..];
                }
            } else {
                // One question and one answer is all that some templates are made for.
                prop_assert!(turns.len() > 2, "{}: {:?}", name, turns);
            }
        });
    }
}
