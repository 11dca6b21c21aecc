//! What a command is asked and what it answers, a JSON object a line.

use serde_json::Value;

use super::command::Problem;
use crate::domain::text::conversation::{Message, TextForm};
use crate::domain::text::dialogue;
use crate::engine::scoring::Text;

/// Characters of a line that an error shows.
const N_SHOWN: usize = 80;

/// One line of the input of a command. `n_left` requests follow that are sent without waiting for its
/// reply.
pub(super) fn line(id: u64, text: &Text<'_>, n_left: usize) -> String {
    let (prompt, response) = parts(text);
    let mut line =
        format!("{{\"id\":{id},\"prompt\":{prompt},\"response\":{response},\"left\":{n_left}");
    // What a chat template is given beside the messages: `tools`, `chat_template_kwargs`.
    if let Some(globals) = text.form.globals().strip_prefix('{') {
        line.push(',');
        line.push_str(globals);
    } else {
        line.push('}');
    }
    line.push('\n');
    line
}

/// The prompt and the answer as JSON.
fn parts(Text { form, prompt, response }: &Text<'_>) -> (String, String) {
    let text = |text: &str| Value::from(text).to_string();
    let list = |messages: &[Message]| {
        let each: Vec<String> = messages.iter().map(Message::to_json).collect();
        format!("[{}]", each.join(","))
    };
    match form {
        TextForm::Whole => (text(prompt), text(response)),
        // Not `TextForm::parts`: an answer that runs on into another turn is still one answer.
        TextForm::Dialogue => {
            let mut asked = dialogue::messages(prompt, "");
            if asked.last().is_some_and(|it| it.is_assistant() && it.text().is_empty()) {
                asked.pop();
            }
            (list(&asked), text(response.trim()))
        }
        TextForm::Plain | TextForm::Messages(_) => match form.parts(prompt, response, 0) {
            Some([asked, answer]) => {
                let is_text =
                    |it: &Message| it.is_assistant() && it.is_text() && it.fields.is_empty();
                let answer = match answer.as_slice() {
                    [one] if is_text(one) => text(one.text()),
                    several => list(several),
                };
                (list(&asked), answer)
            }
            None => (text(prompt), text(response)),
        },
    }
}

/// The id and the score of a reply; `null` is no score.
pub(super) fn read(line: u64, reply: &str) -> Result<(u64, Option<f64>), Problem> {
    let not_json = || Problem::NotJson { line, shown: shown(reply) };
    let Ok(Value::Object(keys)) = serde_json::from_str(reply) else { return Err(not_json()) };
    let id = keys.get("id").and_then(Value::as_u64);
    let id = id.ok_or_else(|| Problem::NoId { line, shown: shown(reply) })?;
    match keys.get("score") {
        Some(Value::Null) => Ok((id, None)),
        Some(Value::Number(score)) => {
            let score = score.as_f64().filter(|it| it.is_finite()).ok_or_else(not_json)?;
            Ok((id, Some(score)))
        }
        Some(other) => Err(Problem::NotANumber { line, shown: shown(&other.to_string()) }),
        None => Err(Problem::NoScore { line, shown: shown(reply) }),
    }
}

/// The beginning of a text.
fn shown(text: &str) -> String {
    let mut shown: String = text.trim().chars().take(N_SHOWN).collect();
    if shown.len() < text.trim().len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Answers;

    #[test]
    fn conversations_are_messages_and_other_texts_are_texts() {
        for (record, want) in [
            (
                r#"{"prompt": "Why?", "response": "So."}"#,
                r#"{"id":7,"prompt":[{"role":"user","content":"Why?"}],"response":"So.","left":2}"#,
            ),
            (
                r#"{"prompt": "\n\nHuman: Why?\n\nAssistant:", "response": " So.\n\nHuman: Oh."}"#,
                r#"{"id":7,"prompt":[{"role":"user","content":"Why?"}],"response":"So.\n\nHuman: Oh.","left":2}"#,
            ),
            (
                r#"{"prompt": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}],
                    "response": [{"role": "assistant", "content": "So."}], "tools": [{"name": "f"}]}"#,
                r#"{"id":7,"prompt":[{"role":"system","content":"Be kind."},{"role":"user","content":"Why?"}],"response":"So.","left":2,"tools":[{"name":"f"}]}"#,
            ),
            (
                r#"{"prompt": "Why?", "response": [{"role": "assistant", "content": "a", "name": "b"}]}"#,
                r#"{"id":7,"prompt":[{"role":"user","content":"Why?"}],"response":[{"role":"assistant","content":"a","name":"b"}],"left":2}"#,
            ),
            (
                r#"{"text": "Once \"upon\" a time"}"#,
                r#"{"id":7,"prompt":"","response":"Once \"upon\" a time","left":2}"#,
            ),
        ] {
            let Ok(Answers::One(answer)) = Answers::read(record) else { panic!("{record}") };
            let text = Text { form: &answer.form, prompt: &answer.prompt, response: &answer.text };
            let found = line(7, &text, 2);
            let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(value(&found), value(want), "{record}");
            assert!(found.ends_with('\n') && found.lines().count() == 1, "{found}");
        }
    }

    #[test]
    fn a_reply_has_an_id_and_a_number_or_null() {
        assert_eq!(read(1, r#"{"id": 3, "score": 4, "why": "brief"}"#).unwrap(), (3, Some(4.0)));
        assert_eq!(read(1, r#"{"id": 3, "score": -0.25}"#).unwrap(), (3, Some(-0.25)));
        assert_eq!(read(1, r#"{"id": 3, "score": null}"#).unwrap(), (3, None));
        for (reply, want) in [
            ("Loading model", "wrote no JSON object in line 5 of its output: `Loading model`"),
            ("[1, 2]", "wrote no JSON object in line 5 of its output: `[1, 2]`"),
            (r#"{"id": 1, "score": NaN}"#, "wrote no JSON object in line 5"),
            (r#"{"id": 1, "score": 1e999}"#, "wrote no JSON object in line 5"),
            (r#"{"score": 1}"#, "left `id` out of line 5 of its output: `{\"score\": 1}`"),
            (r#"{"id": "1", "score": 1}"#, "left `id` out of line 5"),
            (r#"{"id": 1}"#, "left `score` out of line 5"),
            (r#"{"id": 1, "score": "4"}"#, "gave `\"4\"` as `score` in line 5 of its output"),
            (r#"{"id": 1, "score": true}"#, "gave `true` as `score`"),
        ] {
            let error = read(5, reply).unwrap_err();
            assert!(error.to_string().starts_with(want), "{reply}: {error}");
            assert!(!error.hint().is_empty());
        }
        let long = read(5, &"x".repeat(500)).unwrap_err().to_string();
        assert!(long.len() < 160 && long.contains('…'), "{long}");
    }
}
