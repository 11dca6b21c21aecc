//! `ser serve` as programs meet it: a real process, asked over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::fixture::{Place, SPEC, jsonl, stderr, stdout};
use crate::patience::seconds;

/// A server that is killed at the end of its test.
struct Server {
    child: Child,
    address: String,
    first_line: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Server {
    fn start(place: &Place, model: &[&str], more: &[&str]) -> Self {
        let arguments = [&["serve"], model, &["--listen", "127.0.0.1:0"], more].concat();
        let mut command = place.command(&arguments);
        let mut child = command.env_remove("SER_TOKEN").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first_line = lines.next().unwrap().unwrap();
        let url = first_line.split_once("http://").unwrap_or_else(|| panic!("{first_line}")).1;
        let address = url.split('/').next().unwrap().to_owned();
        // Nobody else reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, first_line }
    }

    /// The embedded model with random rewards: it takes its time.
    fn slow(place: &Place, more: &[&str]) -> Self {
        Self::start(place, &["embedded", "--untrained-head"], more)
    }

    fn send(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(seconds(120))).unwrap();
        let length = body.len();
        write!(
            stream,
            "{head}Host: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }

    fn ask(&self, body: &Value) -> Answer {
        receive(self.send("POST /get_reward HTTP/1.1\r\n", &body.to_string()))
    }

    fn ask_with(&self, authorization: &str) -> Answer {
        let head = format!("POST /get_reward HTTP/1.1\r\nAuthorization: {authorization}\r\n");
        receive(self.send(&head, r#"{"query":["x"]}"#))
    }

    fn health(&self) -> Answer {
        receive(self.send("GET /health HTTP/1.1\r\n", ""))
    }

    /// Sends many long texts, and returns when they wait or are computed.
    fn occupy(&self, n: usize) -> TcpStream {
        let text = "\n\nHuman: Is it far?\n\nAssistant: It is not far, and it is nice. ".repeat(20);
        let stream = self
            .send("POST /get_reward HTTP/1.1\r\n", &json!({"query": vec![text; n]}).to_string());
        self.wait_until(|waiting| waiting as usize >= n);
        stream
    }

    fn wait_until(&self, is_so: impl Fn(u64) -> bool) {
        let begin = Instant::now();
        while !self.health().body["waiting"].as_u64().is_some_and(&is_so) {
            assert!(begin.elapsed() < seconds(60), "{:?}", self.health());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn receive(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = serde_json::from_str(body).unwrap_or_else(|_| panic!("{text}"));
    Answer { status, head: head.to_ascii_lowercase(), body }
}

/// A finished run named `a`.
fn with_run() -> Place {
    let place = Place::with_spec(SPEC);
    let output = place.ser(&["run", "spec.toml", "--plain", "--name", "a"]);
    assert!(output.status.success(), "{}", stderr(&output));
    place
}

fn score(place: &Place, model: &[&str], lines: &str) -> Vec<f32> {
    let arguments = [&["score"], model, &["-q"]].concat();
    let mut command = place.command(&arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output: Output = child.wait_with_output().unwrap();
    let reward = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        value["reward"].to_string().parse().unwrap()
    };
    stdout(&output).lines().map(reward).collect()
}

fn rewards(answer: &Answer) -> Vec<f32> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let rewards = answer.body["rewards"].as_array().unwrap();
    rewards.iter().map(|it| it.to_string().parse().unwrap()).collect()
}

#[test]
fn rewards_are_those_of_score_bit_for_bit_in_every_form() {
    let place = with_run();
    let prompts = ["question one", "Is it so?", "Why?"];
    let responses = ["good answer", "poor answer of several words", "good"];
    let pairs: Vec<Value> = prompts
        .iter()
        .zip(responses)
        .map(|(prompt, response)| json!({"prompt": prompt, "response": response}))
        .collect();
    let lines = jsonl(&pairs.iter().map(Value::to_string).collect::<Vec<_>>());
    // The embedded model writes dialogues, as a policy of its template would.
    let query: Vec<String> = prompts
        .iter()
        .zip(responses)
        .map(|(prompt, response)| format!("\n\nHuman: {prompt}\n\nAssistant: {response}"))
        .collect();
    for model in [&["a"][..], &["embedded", "--untrained-head"]] {
        let expected = score(&place, model, &lines);
        let server = Server::start(&place, model, &[]);
        let said = server.ask(&json!({"prompts": prompts, "responses": responses}));
        assert_eq!(rewards(&said), expected, "{model:?}");
        assert_eq!(
            (&said.body["scores"], said.body.as_object().unwrap().len()),
            (&said.body["rewards"], 3)
        );
        assert_eq!(rewards(&server.ask(&json!({"records": pairs}))), expected, "{model:?}");
        for (at, expected) in expected.iter().enumerate() {
            let alone = json!({"prompts": [prompts[at]], "responses": [responses[at]]});
            assert_eq!(rewards(&server.ask(&alone)), [*expected], "{model:?}");
        }
        if model.len() > 1 {
            let prompts: Vec<&str> = query
                .iter()
                .zip(responses)
                .map(|(it, end)| it.strip_suffix(end).unwrap())
                .collect();
            let body = json!({"query": query, "prompts": prompts, "labels": ["", "", ""]});
            assert_eq!(rewards(&server.ask(&body)), expected);
            assert_eq!(rewards(&server.ask(&json!({"query": query}))), expected);
        }
    }
}

#[test]
fn concurrent_requests_get_their_own_rewards() {
    let place = with_run();
    let server = Server::start(&place, &["a"], &[]);
    let texts: Vec<String> =
        (0..40).map(|i| format!("good text number {i} {}", "x ".repeat(i))).collect();
    let all = rewards(&server.ask(&json!({"query": texts})));
    std::thread::scope(|scope| {
        let (server, all) = (&server, &all);
        for (i, text) in texts.iter().enumerate() {
            scope.spawn(move || {
                assert_eq!(rewards(&server.ask(&json!({"query": [text]}))), [all[i]], "{text}");
            });
        }
    });
    let health = server.health();
    assert_eq!((health.status, &health.body["model"]), (200, &json!("round 1 of `a`")));
}

#[test]
fn a_token_is_asked_for() {
    let place = with_run();
    place.write("token", "s3cret\n");
    let server = Server::start(&place, &["a"], &["--token-file", "token"]);
    assert!(server.first_line.contains("$(cat 'token')"), "{}", server.first_line);
    for wrong in ["Bearer other", "s3cret", "Basic c2VyOm90aGVy"] {
        let answer = server.ask_with(wrong);
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
        assert!(answer.body["error"].as_str().unwrap().contains("no token"), "{answer:?}");
    }
    assert_eq!(server.ask(&json!({"query": ["x"]})).status, 401);
    assert_eq!(server.ask_with("Bearer s3cret").status, 200);
    assert_eq!(server.ask_with("Basic c2VyOnMzY3JldA==").status, 200, "ser:s3cret");
    assert_eq!(server.health().body, json!({"status": "ok"}), "without a token it says no more");
}

#[test]
fn what_cannot_be_answered_is_refused_in_a_sentence() {
    let place = with_run();
    let server = Server::start(&place, &["a"], &["--max-body", "1", "--max-texts", "3"]);
    let large = "POST /get_reward HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n";
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(large.as_bytes()).unwrap();
    let answer = receive(stream);
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(answer.body["error"], "the body is larger than 1.0 MiB");
    let texts = server.ask(&json!({"query": ["", "", "", ""]}));
    assert_eq!(
        (texts.status, &texts.body["error"]),
        (422, &json!("`query` holds 4 texts, more than 3"))
    );
    let broken = receive(server.send("POST /get_reward HTTP/1.1\r\n", "{"));
    assert_eq!(broken.status, 400, "{broken:?}");
    let nowhere = receive(server.send("GET / HTTP/1.1\r\n", ""));
    assert_eq!(nowhere.status, 404, "{nowhere:?}");
    let method = receive(server.send("GET /get_reward HTTP/1.1\r\n", ""));
    assert_eq!(method.status, 405, "{method:?}");
    assert!(method.head.contains("allow: post"), "{method:?}");
    for answer in [&answer, &texts, &broken, &nowhere, &method] {
        assert!(answer.body["hint"].as_str().is_some_and(|it| !it.is_empty()), "{answer:?}");
    }
    // The port of this server is taken.
    for (arguments, part) in [
        (["a", "--listen", &server.address], "cannot listen at"),
        (["a", "--listen", "0.0.0.0:0"], "no token is set"),
        (["a", "--token-file", "nothing"], "cannot read `nothing`"),
        (["nothing", "--listen", "127.0.0.1:0"], "no run and no model folder `nothing`"),
    ] {
        let output = place.ser(&[&["serve"], arguments.as_slice()].concat());
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(part) && text.contains("\nhint: "), "{arguments:?}: {text}");
    }
}

#[test]
fn a_full_queue_refuses_until_there_is_room() {
    let place = Place::new();
    let server = Server::slow(&place, &["--max-waiting", "48", "--max-texts", "48"]);
    let occupied = server.occupy(48);
    let one = json!({"query": ["Hi"]});
    let full = server.ask(&one);
    assert_eq!(full.status, 503, "{full:?}");
    assert_eq!(full.body["error"], "48 texts wait already");
    let after = full.head.lines().find_map(|line| line.strip_prefix("retry-after: "));
    assert!(after.unwrap().parse::<u64>().unwrap() >= 1, "{full:?}");
    // Whoever goes away leaves room.
    drop(occupied);
    server.wait_until(|waiting| waiting == 0);
    assert_eq!(server.ask(&one).status, 200);
}

#[test]
fn a_request_without_rewards_is_given_up_in_time() {
    let place = Place::new();
    let server = Server::slow(&place, &["--timeout", "1"]);
    let late = receive(server.occupy(1000));
    assert_eq!(late.status, 503, "{late:?}");
    assert_eq!(late.body["error"], "no rewards within 1 s");
    assert!(late.head.contains("retry-after: "), "{late:?}");
}

#[test]
fn a_stop_in_the_middle_finishes_what_runs() {
    let place = Place::new();
    let mut server = Server::slow(&place, &[]);
    let occupied = server.occupy(40);
    let id = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let begin = Instant::now();
    while TcpStream::connect(&server.address).is_ok() {
        assert!(begin.elapsed() < seconds(30), "it still takes connections");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(server.child.try_wait().unwrap().is_none(), "it has work to finish");
    let answer = receive(occupied);
    assert_eq!(rewards(&answer).len(), 40);
    assert!(server.child.wait().unwrap().success());
}
