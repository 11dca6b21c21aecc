//! `cargo bench --bench serve -- --model DIR`: rewards a second over HTTP with several clients at once,
//! beside texts that are scored one at a time in this process.
//!
//! Each client sends one text a request, as OpenRLHF does for each rollout, and waits for its reward;
//! a last row sends 64 texts a request. `--seconds N` measures each row for so long (default 5),
//! `--threads N` gives the model so many. Without a model the embedded one is measured, with random
//! rewards.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ser::engine::scoring::{Text, encode_texts, open_to_score, score_texts, use_settings};
use ser::engine::{Backbone, OpenSettings};
use serde_json::{Value, json};

/// Clients and texts a request of each row.
const ROWS: [(usize, usize); 4] = [(1, 1), (8, 1), (32, 1), (1, 64)];
/// Texts that are sent round and round.
const N_TEXTS: usize = 512;
/// Tokens scored together at most.
const TOKENS: usize = 8192;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let value = |name: &str| {
        arguments.iter().position(|it| it == name).and_then(|i| arguments.get(i + 1)).cloned()
    };
    let model = value("--model");
    let seconds = value("--seconds").and_then(|it| it.parse().ok()).unwrap_or(5.0);
    let time = Duration::from_secs_f64(seconds);
    let threads = value("--threads").and_then(|it| it.parse().ok()).unwrap_or(0);
    let texts = texts();
    let alone = one_at_a_time(model.as_deref(), threads, &texts, time);
    println!("one at a time, no server: {alone:.0} texts/s");
    let server = Server::start(model.as_deref(), threads);
    for (n_clients, n_texts) in ROWS {
        let mut waits = server.measure(n_clients, n_texts, &texts, time);
        waits.sort_unstable();
        let rate = waits.len() as f64 / seconds;
        let quantile =
            |share: f64| waits[(share * (waits.len() - 1) as f64) as usize].as_secs_f64();
        println!(
            "{n_clients} clients, {n_texts} texts a request: {rate:.0} requests/s, {:.0} texts/s ({:.1} times \
             one at a time); a request takes {:.1} ms, one in twenty {:.1} ms or more",
            rate * n_texts as f64,
            rate * n_texts as f64 / alone,
            1e3 * quantile(0.5),
            1e3 * quantile(0.95)
        );
    }
}

/// Prompts and answers of the embedded test pairs.
fn texts() -> Vec<[String; 2]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pocket-test.jsonl.gz");
    let file = std::fs::File::open(path).expect("the embedded pairs");
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines();
    lines
        .take(N_TEXTS)
        .map(|line| {
            let pair: Value = serde_json::from_str(&line.expect("a line")).expect("a pair");
            ["prompt", "chosen"].map(|key| pair[key].as_str().unwrap_or_default().to_owned())
        })
        .collect()
}

fn one_at_a_time(
    model: Option<&str>,
    n_threads: usize,
    texts: &[[String; 2]],
    time: Duration,
) -> f64 {
    let backbone = model.map_or(Backbone::Embedded, |dir| Backbone::Directory(PathBuf::from(dir)));
    let settings = use_settings(&backbone, None).expect("a model").open;
    let mut model =
        open_to_score(&OpenSettings { n_threads, ..settings }, None).expect("a reward model");
    let form = &ser::domain::text::conversation::TextForm::Dialogue;
    let (begin, mut n) = (Instant::now(), 0);
    while begin.elapsed() < time {
        let [prompt, response] = &texts[n % texts.len()];
        let encoded = encode_texts(model.as_ref(), &[Text { form, prompt, response }]);
        score_texts(model.as_mut(), &encoded.expect("tokens"), TOKENS).expect("a reward");
        n += 1;
    }
    n as f64 / begin.elapsed().as_secs_f64()
}

/// `ser serve`, which ends with the bench.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(model: Option<&str>, threads: usize) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ser"))
            .args(["serve", model.unwrap_or("embedded"), "--untrained-head"])
            .args(["--listen", "127.0.0.1:0", "--threads", &threads.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut line = String::new();
        let mut said = BufReader::new(child.stderr.take().expect("piped"));
        said.read_line(&mut line).expect("its first line");
        let (_, url) = line.split_once("http://").expect("an address");
        let address = url.split('/').next().unwrap_or_default().to_owned();
        Self { child, address }
    }

    /// How long each request took that began within the time.
    fn measure(
        &self,
        n_clients: usize,
        n_texts: usize,
        texts: &[[String; 2]],
        time: Duration,
    ) -> Vec<Duration> {
        let begin = Instant::now();
        let client = |first: usize| {
            let stream = TcpStream::connect(&self.address).expect("a connection");
            let _ = stream.set_nodelay(true);
            let mut stream = BufReader::new(stream);
            let (mut waits, mut at) = (Vec::new(), first * 17);
            while begin.elapsed() < time {
                let some: Vec<&[String; 2]> =
                    (at..at + n_texts).map(|i| &texts[i % texts.len()]).collect();
                at += n_texts;
                let column =
                    |i: usize| some.iter().map(|text| text[i].as_str()).collect::<Vec<_>>();
                let body = json!({"prompts": column(0), "responses": column(1)}).to_string();
                let start = Instant::now();
                ask(&mut stream, &body);
                waits.push(start.elapsed());
            }
            waits
        };
        std::thread::scope(|scope| {
            let clients: Vec<_> =
                (0..n_clients).map(|first| scope.spawn(move || client(first))).collect();
            clients.into_iter().flat_map(|it| it.join().expect("a client")).collect()
        })
    }
}

/// Sends a request and reads its answer; the connection stays open.
fn ask(stream: &mut BufReader<TcpStream>, body: &str) {
    let head = "POST /get_reward HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.get_mut().write_all(request.as_bytes()).expect("a request");
    let (mut n_bytes, mut line) = (0, String::new());
    loop {
        line.clear();
        stream.read_line(&mut line).expect("a head");
        if n_bytes == 0 && line.starts_with("HTTP/1.1 ") {
            assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        }
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            n_bytes = length.trim().parse().expect("a length");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut answer = vec![0; n_bytes];
    stream.read_exact(&mut answer).expect("a body");
}
