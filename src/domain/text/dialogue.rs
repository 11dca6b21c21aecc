//! The plain dialogue layout of stored texts, and its turns.
//!
//! A data set keeps a prompt as one text: what a system message says, then `\n\nHuman: …` and
//! `\n\nAssistant: …` in turn, up to the `\n\nAssistant:` that the answer follows (the layout of
//! HH-RLHF). [`messages`] reads such a prompt and its answer as a conversation, which is what a chat
//! template takes. Texts that came as messages are not read so: see `conversation`.

use super::message::{ASSISTANT_ROLE, Content, Message, SYSTEM_ROLE, USER_ROLE};

/// Starts the assistant's turn.
pub const ASSISTANT: &str = "\n\nAssistant:";
/// Starts the person's turn.
pub const HUMAN: &str = "\n\nHuman:";

/// The conversation of a flat prompt and its answer; no content keeps the white space around it, which
/// belongs to the layout.
///
/// A prompt without a marker is one message of a person. Text before the first marker is the system
/// message. A prompt that stops inside an assistant's turn is continued by the answer, and markers in
/// an answer start turns as they do in a prompt. Two turns of one speaker in a row become one.
#[must_use]
pub fn messages(prompt: &str, answer: &str) -> Vec<Message> {
    let mut turns = Vec::new();
    let markers = markers(prompt);
    let Some((_, _, last)) = markers.last().copied() else {
        push(&mut turns, USER_ROLE, prompt);
        push(&mut turns, ASSISTANT_ROLE, answer);
        return turns;
    };
    let mut text = prompt.to_owned();
    if last == USER_ROLE {
        text.push_str(ASSISTANT);
    }
    text.push_str(answer);
    let markers = self::markers(&text);
    let first = markers.first().map_or(0, |(start, ..)| *start);
    if !text[..first].trim().is_empty() {
        push(&mut turns, SYSTEM_ROLE, &text[..first]);
    }
    let ends = markers.iter().skip(1).map(|(start, ..)| *start).chain([text.len()]);
    for ((_, start, role), end) in markers.iter().zip(ends) {
        push(&mut turns, role, &text[*start..end]);
    }
    turns
}

fn push(turns: &mut Vec<Message>, role: &str, text: &str) {
    let text = text.trim();
    match turns.last_mut() {
        Some(Message { role: last, content: Content::Text(content), .. }) if last == role => {
            if !content.is_empty() && !text.is_empty() {
                content.push_str("\n\n");
            }
            content.push_str(text);
        }
        _ => turns.push(Message::new(role, text)),
    }
}

/// Where each marker starts and ends, in order. The first may lack its empty line.
fn markers(text: &str) -> Vec<(usize, usize, &'static str)> {
    let named = [(HUMAN, USER_ROLE), (ASSISTANT, ASSISTANT_ROLE)];
    let mut found: Vec<_> = named
        .iter()
        .flat_map(|(marker, role)| {
            text.match_indices(marker).map(|(at, marker)| (at, at + marker.len(), *role))
        })
        .collect();
    let at = text.len() - text.trim_start().len();
    for (marker, role) in named {
        let marker = marker.trim_start();
        if text[at..].starts_with(marker) && !text[..at].ends_with("\n\n") {
            found.push((0, at + marker.len(), role));
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(prompt: &str, answer: &str) -> Vec<Message> {
        messages(prompt, answer)
    }

    fn expected(turns: &[(&str, &str)]) -> Vec<Message> {
        turns.iter().map(|(role, text)| Message::new(role, text)).collect()
    }

    #[test]
    fn a_dialogue_is_read_back_into_turns() {
        let prompt = "\n\nHuman: a\n\nb\n\nAssistant: c\n\nHuman: d\n\nAssistant:";
        let turns = [("user", "a\n\nb"), ("assistant", "c"), ("user", "d"), ("assistant", "e")];
        assert_eq!(read(prompt, " e "), expected(&turns));
        let system = format!("Be brief.{prompt}");
        let with_system = [&[("system", "Be brief.")][..], &turns].concat();
        assert_eq!(read(&system, " e"), expected(&with_system));
        assert_eq!(read(prompt.trim_start(), "e"), expected(&turns));
    }

    #[test]
    fn a_prompt_without_turns_is_what_a_person_says() {
        assert_eq!(
            read("Add 1 and 2.", " 3"),
            expected(&[("user", "Add 1 and 2."), ("assistant", "3")])
        );
        assert_eq!(read("", "text"), expected(&[("user", ""), ("assistant", "text")]));
    }

    #[test]
    fn an_answer_goes_on_where_the_prompt_stops() {
        let prompt = "\n\nHuman: q\n\nAssistant: Sure! Here is";
        let turns = [("user", "q"), ("assistant", "Sure! Here is the link")];
        assert_eq!(read(prompt, " the link"), expected(&turns));
        let longer =
            [("user", "q"), ("assistant", "Sure! Here is x"), ("user", "y"), ("assistant", "z")];
        assert_eq!(read(prompt, " x\n\nHuman: y\n\nAssistant: z"), expected(&longer));
        // A prompt that ends with what the person said.
        assert_eq!(read("\n\nHuman: q", " a"), expected(&[("user", "q"), ("assistant", "a")]));
    }

    #[test]
    fn one_speaker_twice_is_one_turn() {
        let prompt = "\n\nHuman: a\n\nHuman: b\n\nAssistant:";
        assert_eq!(read(prompt, ""), expected(&[("user", "a\n\nb"), ("assistant", "")]));
    }
}
