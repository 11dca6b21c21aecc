//! A small server on this machine that answers as a test wants.

#![cfg(feature = "hub")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request, as far as tests look at it.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

/// What is sent back.
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The connection ends after so many bytes of the body, which was announced whole.
    pub cut_after: Option<usize>,
}

impl Response {
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::status(200) }
    }

    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((key, value.into()));
        self
    }

    /// The part of a file that a request asks for.
    pub fn file(content: &[u8], request: &Request) -> Self {
        let start = request.headers.get("range").map(|range| {
            range.trim_start_matches("bytes=").trim_end_matches('-').parse::<usize>().unwrap()
        });
        match start {
            Some(start) => Self { body: content[start..].to_vec(), ..Self::status(206) }.with(
                "content-range",
                format!("bytes {start}-{}/{}", content.len() - 1, content.len()),
            ),
            None => Self::ok(content),
        }
    }
}

/// Runs until it is dropped; remembers what it was asked.
pub struct Server {
    pub endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
    address: std::net::SocketAddr,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn new(mut answer: impl FnMut(&Request) -> Response + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                if request.path == "/stop" {
                    return;
                }
                let response = answer(&request);
                seen.lock().unwrap().push(request);
                // The client may have gone: that is its own affair.
                let _ = write(&mut stream, &response);
            }
        });
        let endpoint = format!("http://{address}");
        Self { endpoint, requests, address, thread: Some(thread) }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _ = stream.write_all(b"GET /stop HTTP/1.1\r\n\r\n");
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line.ok()?;
        let Some((key, value)) = line.split_once(':') else { break };
        headers.insert(key.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request { path, headers })
}

fn write(stream: &mut TcpStream, response: &Response) -> std::io::Result<()> {
    let length = response.body.len();
    let mut head = format!(
        "HTTP/1.1 {} X\r\ncontent-length: {length}\r\nconnection: close\r\n",
        response.status
    );
    head.extend(response.headers.iter().flat_map(|(key, value)| [key, ": ", value, "\r\n"]));
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    let sent = response.cut_after.unwrap_or(length).min(length);
    stream.write_all(&response.body[..sent])
}
