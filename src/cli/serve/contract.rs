//! What is asked and answered, in JSON.
//!
//! A request of OpenRLHF 0.11 to its remote reward model holds `query`, `prompts` and `labels`, three
//! lists of one length, and its answer `rewards`, `scores` and `extra_logs`. A query is a prompt and its
//! answer as one text, decoded from the policy's tokens with the special tokens kept.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::refusal::Refusal;
use crate::data::{Answer, Answers};
use crate::domain::text::words;

/// One text whose reward is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A text that the caller's chat template has written; `prompt` is empty where nobody says where
    /// the answer begins.
    Written { prompt: String, answer: String },
    /// An answer to a prompt, read as `ser score` does.
    Said(Answer),
}

/// A reward and what it was read from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    pub reward: f32,
    pub n_tokens: usize,
    /// Whether the text was cut to the model's limit.
    pub is_cut: bool,
}

/// The body of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow, default)]
    query: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    responses: Option<&'a RawValue>,
    #[serde(borrow, default)]
    records: Option<&'a RawValue>,
    /// Reference answers, which OpenRLHF always sends. No reward model reads them.
    #[serde(borrow, default)]
    labels: Option<&'a RawValue>,
}

/// The body of an answer. OpenRLHF takes `rewards` to train and `scores` to filter prompts, and logs the
/// mean of each of `extra_logs` under its name.
#[derive(Debug, PartialEq, Serialize)]
struct Reply {
    rewards: Vec<f32>,
    scores: Vec<f32>,
    extra_logs: ExtraLogs,
}

#[derive(Debug, PartialEq, Serialize)]
struct ExtraLogs {
    reward_tokens: Vec<f32>,
    /// 1 where the text was cut, else 0.
    reward_truncated: Vec<f32>,
}

/// A list of the request, with its name.
struct List<'a> {
    name: &'static str,
    items: Vec<&'a RawValue>,
}

/// Reads a request of at most `n_max` texts.
///
/// # Errors
/// Names the field, the place in it and what is wrong.
pub fn read(body: &[u8], n_max: usize) -> Result<Vec<Asked>, Refusal> {
    let body: &RawValue = serde_json::from_slice(body).map_err(|error| broken(&error))?;
    if !body.get().starts_with('{') {
        let error = format!("the body is `{}`, not a JSON object", excerpt(body.get()));
        return Err(wrong(&error, FORMS));
    }
    let body: Body<'_> = serde_json::from_str(body.get()).map_err(|error| broken(&error))?;
    let prompts = List::read("prompts", body.prompts)?;
    let labels = List::read("labels", body.labels)?;
    let [query, responses, records] = [
        List::read("query", body.query)?,
        List::read("responses", body.responses)?,
        List::read("records", body.records)?,
    ];
    let counted = |texts: &List<'_>| {
        texts.check_count(n_max)?;
        [&prompts, &labels].into_iter().flatten().try_for_each(|it| it.check_beside(texts))
    };
    match (query, responses, records) {
        (Some(query), None, None) => {
            counted(&query)?;
            written(&query, prompts.as_ref())
        }
        (None, Some(responses), None) => {
            counted(&responses)?;
            let Some(prompts) = prompts else {
                return Err(wrong(
                    "`responses` without `prompts`",
                    "send both, one prompt to each",
                ));
            };
            said(&prompts, &responses)
        }
        (None, None, Some(records)) => {
            counted(&records)?;
            if prompts.is_some() {
                let hint = "write the prompt into each record";
                return Err(wrong("`prompts` beside `records`", hint));
            }
            of_records(&records)
        }
        (None, None, None) => {
            Err(wrong("there is nothing to score: no `query`, `responses` or `records`", FORMS))
        }
        _ => Err(wrong("more than one of `query`, `responses` and `records`", FORMS)),
    }
}

/// The three forms of a request.
const FORMS: &str = "send `query` (whole texts), or `prompts` and `responses`, or `records` (lines of \
                     `ser score`)";

/// The body of the answer to a request.
#[must_use]
pub fn answer(scored: &[Scored]) -> Vec<u8> {
    let column = |of: fn(&Scored) -> f32| -> Vec<f32> { scored.iter().map(of).collect() };
    let rewards = column(|it| it.reward);
    let extra_logs = ExtraLogs {
        reward_tokens: column(|it| it.n_tokens as f32),
        reward_truncated: column(|it| f32::from(u8::from(it.is_cut))),
    };
    // Lists of numbers cannot fail to serialize.
    serde_json::to_vec(&Reply { scores: rewards.clone(), rewards, extra_logs }).unwrap_or_default()
}

/// Whole texts. Where a query begins with its prompt, what follows is the answer.
fn written(query: &List<'_>, prompts: Option<&List<'_>>) -> Result<Vec<Asked>, Refusal> {
    let mut texts = Vec::with_capacity(query.items.len());
    for at in 0..query.items.len() {
        let whole = query.text(at)?;
        let prompt = prompts.map_or(Ok(String::new()), |prompts| prompts.text(at))?;
        texts.push(match whole.strip_prefix(prompt.as_str()) {
            Some(answer) => Asked::Written { answer: answer.to_owned(), prompt },
            None => Asked::Written { prompt: String::new(), answer: whole },
        });
    }
    Ok(texts)
}

/// Prompts and answers, each a text or a list of messages.
fn said(prompts: &List<'_>, responses: &List<'_>) -> Result<Vec<Asked>, Refusal> {
    let pairs = prompts.items.iter().zip(&responses.items).enumerate();
    pairs
        .map(|(at, (prompt, response))| {
            let record = format!("{{\"prompt\":{prompt},\"response\":{response}}}");
            one(&record, &format!("text {at}"))
        })
        .collect()
}

fn of_records(records: &List<'_>) -> Result<Vec<Asked>, Refusal> {
    let records = records.items.iter().enumerate();
    records.map(|(at, record)| one(record.get(), &format!("`records[{at}]`"))).collect()
}

/// A record of one answer; `place` is for messages.
fn one(record: &str, place: &str) -> Result<Asked, Refusal> {
    match Answers::read(record) {
        Ok(Answers::One(answer)) => Ok(Asked::Said(answer)),
        Ok(Answers::Pair(..) | Answers::List(_)) => {
            let error = format!("{place} holds several answers, and one reward is asked for");
            Err(Refusal::Wrong { error, hint: "send each answer as a text of its own".to_owned() })
        }
        Err(error) => {
            Err(Refusal::Wrong { error: format!("{place}: {error}"), hint: error.hint() })
        }
    }
}

impl<'a> List<'a> {
    fn read(name: &'static str, raw: Option<&'a RawValue>) -> Result<Option<Self>, Refusal> {
        let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(None) };
        match serde_json::from_str(raw.get()) {
            Ok(items) => Ok(Some(Self { name, items })),
            Err(_) => {
                let error = format!("`{name}` is `{}`, not a list", excerpt(raw.get()));
                let hint = format!("write `\"{name}\": […]`, one entry for each text");
                Err(Refusal::Wrong { error, hint })
            }
        }
    }

    fn check_count(&self, n_max: usize) -> Result<(), Refusal> {
        let n = self.items.len();
        if n <= n_max {
            return Ok(());
        }
        let counts = [n, n_max].map(|n| words::count(n as u64));
        Err(Refusal::Wrong {
            error: format!("`{}` holds {} texts, more than {}", self.name, counts[0], counts[1]),
            hint: "send them in parts, or start the server with a larger `--max-texts`".to_owned(),
        })
    }

    fn check_beside(&self, texts: &List<'_>) -> Result<(), Refusal> {
        let (own, n) = (self.items.len(), texts.items.len());
        if own == n {
            return Ok(());
        }
        let error = format!("`{}` has {own} entries and `{}` has {n}", self.name, texts.name);
        Err(Refusal::Wrong { error, hint: "send one entry for each text, in one order".to_owned() })
    }

    fn text(&self, at: usize) -> Result<String, Refusal> {
        let raw = self.items[at].get();
        serde_json::from_str(raw).map_err(|error| {
            let place = format!("`{}[{at}]`", self.name);
            if raw.starts_with('"') {
                let hint = "write it as JSON does: UTF-8, or `\\u` escapes in pairs".to_owned();
                return Refusal::Wrong { error: format!("{place}: {error}"), hint };
            }
            let error = format!("{place} is `{}`, not a text", excerpt(raw));
            let hint = "messages go into `prompts` and `responses`, or into `records`".to_owned();
            Refusal::Wrong { error, hint }
        })
    }
}

fn wrong(error: &str, hint: &str) -> Refusal {
    Refusal::Wrong { error: error.to_owned(), hint: hint.to_owned() }
}

fn broken(error: &serde_json::Error) -> Refusal {
    let error_text = error.to_string();
    if error.is_data() {
        let hint =
            "a request is a JSON object of `query`, `prompts`, `responses`, `records`, `labels`";
        return Refusal::Wrong { error: error_text, hint: hint.to_owned() };
    }
    Refusal::BrokenJson { detail: error_text }
}

/// The beginning of a JSON value, for a message.
fn excerpt(json: &str) -> String {
    const N_MAX: usize = 40;
    match json.char_indices().nth(N_MAX) {
        Some((at, _)) => format!("{}…", &json[..at]),
        None => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn asked(body: &Value) -> Vec<Asked> {
        read(body.to_string().as_bytes(), 4).unwrap()
    }

    fn refused(body: &str) -> (u16, String) {
        let refusal = read(body.as_bytes(), 4).unwrap_err();
        assert!(!refusal.hint().is_empty(), "{refusal}");
        (refusal.status(), refusal.to_string())
    }

    #[test]
    fn a_request_of_openrlhf_is_read() {
        let body = json!({"query": ["Hi there", "other"], "prompts": ["Hi ", "Hi"], "labels": ["x", null]});
        let written = |prompt: &str, answer: &str| Asked::Written {
            prompt: prompt.to_owned(),
            answer: answer.to_owned(),
        };
        assert_eq!(asked(&body), [written("Hi ", "there"), written("", "other")]);
        assert_eq!(asked(&json!({"query": ["Hi"], "prompts": null})), [written("", "Hi")]);
        assert_eq!(asked(&json!({"query": []})), []);
    }

    #[test]
    fn prompts_and_answers_are_read_as_score_reads_them() {
        let read = |line: &str| match Answers::read(line).unwrap() {
            Answers::One(answer) => Asked::Said(answer),
            other => panic!("{other:?}"),
        };
        let messages = json!([{"role": "user", "content": "Hi"}]);
        let body = json!({"prompts": ["Hi", messages], "responses": ["Yes.", "No."]});
        let line = json!({"prompt": messages, "response": "No."}).to_string();
        let expected = [read(r#"{"prompt":"Hi","response":"Yes."}"#), read(&line)];
        assert_eq!(asked(&body), expected);
        let records = json!({"records": [{"prompt": "Hi", "response": "Yes."}, {"text": "<s>Hi"}]});
        assert_eq!(asked(&records), [expected[0].clone(), read(r#"{"text":"<s>Hi"}"#)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, status, part) in [
            ("{\"query\":", 400, "EOF while parsing a value at line 1 column 9"),
            ("", 400, "EOF"),
            ("\u{feff}{}", 400, "line 1 column 1"),
            ("[[\"x\"]]", 422, "the body is `[[\"x\"]]`, not a JSON object"),
            ("5", 422, "not a JSON object"),
            ("{}", 422, "nothing to score"),
            (r#"{"queries":["x"]}"#, 422, "unknown field `queries`"),
            (r#"{"query":["x"],"query":["y"]}"#, 422, "duplicate field `query`"),
            (r#"{"query":"x"}"#, 422, "`query` is `\"x\"`, not a list"),
            (r#"{"query":["x",5]}"#, 422, "`query[1]` is `5`, not a text"),
            (r#"{"query":["\ud800"]}"#, 422, "`query[0]`: "),
            (
                r#"{"query":["x"],"prompts":["x","y"]}"#,
                422,
                "`prompts` has 2 entries and `query` has 1",
            ),
            (r#"{"query":["x"],"labels":[]}"#, 422, "`labels` has 0 entries"),
            (r#"{"query":["x"],"responses":["x"]}"#, 422, "more than one of"),
            (r#"{"responses":["x"]}"#, 422, "`responses` without `prompts`"),
            (r#"{"prompts":["x"],"responses":[5]}"#, 422, "text 0: field `response` is `5`"),
            (r#"{"prompts":["x"],"records":[{"text":"x"}]}"#, 422, "`prompts` beside `records`"),
            (r#"{"records":[{"text":"x"},{"id":1}]}"#, 422, "`records[1]`: "),
            (r#"{"records":[{"chosen":"x","rejected":"y"}]}"#, 422, "several answers"),
            (r#"{"query":["","","","",""]}"#, 422, "`query` holds 5 texts, more than 4"),
        ] {
            let (found, message) = refused(body);
            assert!(found == status && message.contains(part), "{body}: {found} {message}");
        }
    }

    #[test]
    fn an_answer_keeps_every_bit() {
        let rewards = [0.1_f32, -1.0e-7, 3.402_823_5e38, 0.0, -2.5, 1.0 / 3.0];
        let scored: Vec<Scored> = rewards
            .iter()
            .map(|&reward| Scored { reward, n_tokens: 7, is_cut: reward < 0.0 })
            .collect();
        let body: Value = serde_json::from_slice(&answer(&scored)).unwrap();
        for (json, reward) in body["rewards"].as_array().unwrap().iter().zip(rewards) {
            let found = json.to_string().parse::<f32>().unwrap();
            assert_eq!(found.to_bits(), reward.to_bits());
            assert_eq!((json.as_f64().unwrap() as f32).to_bits(), reward.to_bits());
        }
        assert_eq!(body["scores"], body["rewards"]);
        assert_eq!(body["extra_logs"]["reward_truncated"], json!([0.0, 1.0, 0.0, 0.0, 1.0, 0.0]));
        assert_eq!(body["extra_logs"]["reward_tokens"][0], 7.0);
    }
}
