//! One line of what is to be scored, and what comes out for it.

use serde_json::{Map, Value, json};

use crate::data::{Answer, Answers};
use crate::domain::stats::bradley_terry::preference_probability;

/// The answers of a record, with the record itself where it is to be given back.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    answers: Answers,
    keys: Map<String, Value>,
}

impl Record {
    /// Reads a JSON object as [`Answers::read`] does.
    ///
    /// # Errors
    /// In words, with what helps.
    pub fn parse(line: &str, is_full: bool) -> Result<Self, (String, String)> {
        let answers = Answers::read(line).map_err(|error| (error.to_string(), error.hint()))?;
        let keys =
            if is_full { serde_json::from_str(line).unwrap_or_default() } else { Map::new() };
        Ok(Self { answers, keys })
    }

    /// The answers, in order.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        match &self.answers {
            Answers::One(answer) => std::slice::from_ref(answer),
            Answers::Pair(_, pair) => pair,
            Answers::List(answers) => answers,
        }
    }

    /// What comes out: the rewards, in an object of their own or with the record's own keys.
    #[must_use]
    pub fn result(self, line: u64, rewards: &[f32], is_cut: bool, is_full: bool) -> Value {
        let mut out =
            if is_full { self.keys } else { Map::from_iter([("line".into(), json!(line))]) };
        match (self.answers, rewards) {
            (Answers::One(_), [reward, ..]) => {
                out.insert("reward".into(), number(*reward));
            }
            (Answers::Pair([name_a, name_b], _), [a, b, ..]) => {
                let margin = f64::from(*a) - f64::from(*b);
                out.insert(format!("reward_{name_a}"), number(*a));
                out.insert(format!("reward_{name_b}"), number(*b));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn result(line: &str, rewards: &[f32]) -> Value {
        Record::parse(line, false).unwrap().result(7, rewards, false, false)
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
        let full =
            Record::parse(r#"{"id":3,"text":"x"}"#, true).unwrap().result(1, &[0.5], true, true);
        assert_eq!(full, json!({"id": 3, "text": "x", "reward": 0.5, "truncated": true}));
    }

    #[test]
    fn one_conversation_is_the_same_in_every_spelling() {
        let answers = |line: &str| Record::parse(line, false).unwrap().answers().to_vec();
        let whole = r#"{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes."}]}"#;
        let messages = |answer: &Answer| answer.form.messages(&answer.prompt, &answer.text, 0);
        let expected = messages(&answers(whole)[0]).unwrap();
        assert_eq!(expected.len(), 2);
        for line in [
            r#"{"prompt":"Hi","response":"Yes."}"#,
            r#"{"prompt":[{"role":"user","content":"Hi"}],"response":[{"role":"assistant","content":"Yes."}]}"#,
            r#"{"prompt":"Hi","responses":["Yes.","No."]}"#,
            r#"{"prompt":"Hi","chosen":"Yes.","rejected":"Yes."}"#,
            r#"{"prompt":"Hi","chosen":"Yes.","rejected":"No."}"#,
            r#"{"chosen":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes."}],
                "rejected":[{"role":"user","content":"Hi"},{"role":"assistant","content":"No."}]}"#,
            r#"{"prompt":"Hi","chosen":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes."}],
                "rejected":[{"role":"user","content":"Hi"},{"role":"assistant","content":"No."}]}"#,
            r#"{"prompt":"\n\nHuman: Hi\n\nAssistant:","chosen":" Yes.","rejected":" No."}"#,
            r#"{"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Yes."}]}"#,
            r#"{"prompt":"Hi","response_a":"Yes.","response_b":"No."}"#,
        ] {
            assert_eq!(messages(&answers(line)[0]).as_ref(), Some(&expected), "{line}");
        }
        let text = &answers(r#"{"text":"<s>Hi"}"#)[0];
        assert_eq!((messages(text), text.text.as_str()), (None, "<s>Hi"));
        let no_answer = &answers(r#"{"messages":[{"role":"user","content":"q"}]}"#)[0];
        assert_eq!(messages(no_answer).unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |line: &str| Record::parse(line, false).unwrap_err().0;
        assert_eq!(message("[1]"), "not a JSON object: `[1]`");
        assert!(message(r#"{"prompt":"x""#).starts_with("broken JSON at column 13: EOF"));
        assert!(message(r#"{"id":"x"}"#).ends_with("among `id`"));
        let number = message(r#"{"response":5}"#);
        assert_eq!(number, "field `response` is `5`, not a text or a list of messages");
        assert!(message(r#"{"responses":[]}"#).contains("`responses` has `0` entries"));
        assert!(message(r#"{"response":[{"role":"user"}]}"#).contains("without `content`"));
        assert!(message(r#"{"prompt":"x"}"#).ends_with("among `prompt`"));
    }
}
