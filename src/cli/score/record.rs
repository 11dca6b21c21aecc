//! One line of what is to be scored, and what comes out for it.

use serde_json::{Map, Value, json};

use crate::data::{ASSISTANT, HUMAN};
use crate::domain::bradley_terry::preference_probability;

/// The texts of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Everything before the answers.
    pub prompt: String,
    /// The answers.
    pub responses: Vec<String>,
    /// What the answers are to each other.
    shape: Shape,
    /// The record itself, to be given back.
    keys: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    One,
    /// The names of the two answers.
    Pair([&'static str; 2]),
    List,
}

const PAIRS: [[&str; 2]; 2] = [["chosen", "rejected"], ["response_a", "response_b"]];

impl Record {
    /// Reads a JSON object: `prompt` with `response`, with `responses`, or with the two answers of a
    /// pair; or a conversation as `messages`; or a whole text as `text`. Texts or message lists.
    ///
    /// # Errors
    /// In words.
    pub fn parse(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| {
            let text = error.to_string();
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
            format!("column {}: {text}", error.column())
        })?;
        let Value::Object(keys) = value else {
            return Err(format!("{} is not an object", excerpt(&value)));
        };
        let has = |key: &str| keys.get(key).is_some_and(|value| !value.is_null());
        let prompt = || match keys.get("prompt") {
            None | Some(Value::Null) => Ok(String::new()),
            Some(value) => prompt(value),
        };
        let one = |prompt, response| Ok((prompt, vec![response], Shape::One));
        let (prompt, responses, shape) = if has("response") {
            one(prompt()?, answer("response", &keys["response"])?)
        } else if has("responses") {
            let responses = list("responses", &keys["responses"])?.iter();
            let responses = responses.map(|response| answer("responses", response));
            Ok((prompt()?, responses.collect::<Result<_, _>>()?, Shape::List))
        } else if let Some(names) = PAIRS.into_iter().find(|names| names.iter().all(|it| has(it))) {
            let [a, b] = names.map(|name| answer(name, &keys[name]));
            Ok((prompt()?, vec![a?, b?], Shape::Pair(names)))
        } else if has("messages") {
            let (prompt, response) = conversation(&keys["messages"])?;
            one(prompt, response)
        } else if has("text") {
            one(String::new(), text("text", &keys["text"])?.to_owned())
        } else {
            let found: Vec<&str> = keys.keys().map(String::as_str).take(8).collect();
            Err(format!(
                "no `response`, `responses`, `chosen` and `rejected`, `messages` or `text` among \
                 `{}`",
                found.join("`, `")
            ))
        }?;
        if responses.is_empty() {
            return Err("`responses` is empty".to_owned());
        }
        Ok(Self { prompt, responses, shape, keys })
    }

    /// What comes out: the rewards, in an object of their own or with the record's own keys.
    #[must_use]
    pub fn result(self, line: u64, rewards: &[f32], is_cut: bool, is_full: bool) -> Value {
        let mut out =
            if is_full { self.keys } else { Map::from_iter([("line".into(), json!(line))]) };
        match (self.shape, rewards) {
            (Shape::One, [reward, ..]) => {
                out.insert("reward".into(), number(*reward));
            }
            (Shape::Pair([name_a, name_b]), [a, b, ..]) => {
                let margin = f64::from(*a) - f64::from(*b);
                out.insert(format!("reward_{}", short(name_a)), number(*a));
                out.insert(format!("reward_{}", short(name_b)), number(*b));
                out.insert("margin".into(), json!(margin));
                let probability = preference_probability(margin);
                out.insert("preference_probability".into(), json!(probability));
            }
            (_, rewards) => {
                let best = rewards.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                out.insert("rewards".into(), rewards.iter().copied().map(number).collect());
                out.insert("best".into(), json!(best.map(|(i, _)| i)));
            }
        }
        if is_cut {
            out.insert("truncated".into(), json!(true));
        }
        Value::Object(out)
    }
}

/// The shortest decimal that reads back as the same `f32`.
fn number(reward: f32) -> Value {
    reward.to_string().parse::<f64>().map_or(Value::Null, |value| json!(value))
}

fn short(name: &str) -> &str {
    name.strip_prefix("response_").unwrap_or(name)
}

fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    let head: String = text.chars().take(40).collect();
    if head.len() < text.len() { format!("`{head}…`") } else { format!("`{head}`") }
}

fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| format!("`{key}` is {}, not a text", excerpt(value)))
}

fn list<'a>(key: &str, value: &'a Value) -> Result<&'a [Value], String> {
    let list = value.as_array().map(Vec::as_slice);
    list.ok_or_else(|| format!("`{key}` is {}, not a list", excerpt(value)))
}

/// Messages in the plain dialogue template.
fn render(key: &str, messages: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    for message in messages {
        let field = |name: &str| {
            let value = message.get(name).and_then(Value::as_str);
            value.ok_or_else(|| {
                format!("a message of `{key}` has no `{name}`: {}", excerpt(message))
            })
        };
        let (role, content) = (field("role")?, field("content")?.trim());
        match role {
            "system" if out.is_empty() => out.push_str(content),
            "system" => out.extend(["\n\n", content]),
            "assistant" => out.extend([ASSISTANT, " ", content]),
            _ => out.extend([HUMAN, " ", content]),
        }
    }
    Ok(out)
}

fn prompt(value: &Value) -> Result<String, String> {
    match value {
        Value::Array(messages) => Ok(render("prompt", messages)? + ASSISTANT),
        other => text("prompt", other).map(str::to_owned),
    }
}

fn answer(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Array(messages) => {
            let text = render(key, messages)?;
            Ok(text.strip_prefix(ASSISTANT).map_or(text.clone(), str::to_owned))
        }
        other => text(key, other).map(str::to_owned),
    }
}

/// A conversation whose last turn is the answer.
fn conversation(value: &Value) -> Result<(String, String), String> {
    let messages = list("messages", value)?;
    let is_answer = |message: &Value| message.get("role").is_some_and(|role| role == "assistant");
    match messages.split_last() {
        Some((last, before)) if is_answer(last) => {
            let answer = answer("messages", &Value::Array(vec![last.clone()]))?;
            Ok((render("messages", before)? + ASSISTANT, answer))
        }
        _ => Err("`messages` does not end with an assistant's turn".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(line: &str, rewards: &[f32]) -> Value {
        Record::parse(line).unwrap().result(7, rewards, false, false)
    }

    #[test]
    fn every_shape_has_its_result() {
        assert_eq!(
            result(r#"{"prompt":"p","response":"r"}"#, &[0.1]),
            json!({"line": 7, "reward": 0.1})
        );
        let pair = result(r#"{"prompt":"p","chosen":"c","rejected":"r"}"#, &[1.0, 1.0]);
        assert_eq!(pair["preference_probability"], 0.5);
        assert_eq!((&pair["reward_chosen"], &pair["margin"]), (&json!(1.0), &json!(0.0)));
        let sides = result(r#"{"response_a":"c","response_b":"r"}"#, &[3.0, 1.0]);
        assert_eq!((&sides["reward_a"], &sides["margin"]), (&json!(3.0), &json!(2.0)));
        let list = result(r#"{"prompt":"p","responses":["x","y","z"]}"#, &[0.0, 2.5, 1.0]);
        assert_eq!(list, json!({"line": 7, "rewards": [0.0, 2.5, 1.0], "best": 1}));
        let full = Record::parse(r#"{"id":3,"text":"x"}"#).unwrap().result(1, &[0.5], true, true);
        assert_eq!(full, json!({"id": 3, "text": "x", "reward": 0.5, "truncated": true}));
    }

    #[test]
    fn messages_become_the_plain_dialogue() {
        let record = Record::parse(
            r#"{"prompt":[{"role":"system","content":"s"},{"role":"user","content":"q"}],
                "response":[{"role":"assistant","content":"a"}]}"#,
        );
        let record = record.unwrap();
        assert_eq!(record.prompt, "s\n\nHuman: q\n\nAssistant:");
        assert_eq!(record.responses, [" a"]);
        let whole =
            r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#;
        let whole = Record::parse(whole).unwrap();
        assert_eq!(
            (whole.prompt.as_str(), whole.responses[0].as_str()),
            ("\n\nHuman: q\n\nAssistant:", " a")
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |line: &str| Record::parse(line).unwrap_err();
        assert_eq!(message("[1]"), "`[1]` is not an object");
        assert!(message(r#"{"prompt":"x""#).starts_with("column 13: EOF"), "{}", message("{"));
        assert!(message(r#"{"prompt":"x"}"#).ends_with("among `prompt`"));
        assert_eq!(message(r#"{"response":5}"#), "`response` is `5`, not a text");
        assert_eq!(message(r#"{"responses":[]}"#), "`responses` is empty");
        assert!(
            message(r#"{"messages":[{"role":"user","content":"q"}]}"#).contains("assistant's turn")
        );
        assert!(message(r#"{"response":[{"role":"user"}]}"#).contains("has no `content`"));
    }
}
