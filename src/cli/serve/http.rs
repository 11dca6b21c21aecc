//! Requests and answers over HTTP.

use std::io::{self, Write};
use std::os::unix::net::UnixStream as Pipe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::{
    ALLOW, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

use super::connection::Door;
use super::contract::{self, Asked};
use super::queue::Queue;
use super::refusal::Refusal;
use super::token::Token;
use crate::domain::text::clean::clean_line;

/// Where rewards are asked for; OpenRLHF's documentation names this path.
pub const REWARDS: &str = "/get_reward";
/// Where to ask whether the server runs.
const HEALTH: &str = "/health";
/// How long a body may take to arrive.
pub const RECEIVE: Duration = Duration::from_secs(30);
/// How long a connection may be idle between two requests.
const IDLE: Duration = Duration::from_mins(1);
/// Bodies that may be held at a time, as a multiple of the largest one.
const N_BODIES: u64 = 8;

/// What a request may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a body.
    pub n_bytes: u64,
    /// Texts of a request.
    pub n_texts: usize,
    /// Time from the arrival of a body to its rewards.
    pub time: Duration,
}

/// What is written to standard error while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Telling {
    Nothing,
    /// It writes that it stops, and how much is left to do.
    Stop,
    /// It writes a line for each request as well.
    Requests,
}

/// What all requests share.
pub struct Site {
    /// Where texts wait.
    pub queue: Arc<Queue>,
    /// What callers have to show, if anything.
    pub token: Option<Token>,
    pub limits: Limits,
    /// What the model is, in words.
    pub model: String,
    pub telling: Telling,
    bodies: Semaphore,
    n_requests: AtomicU64,
    n_texts: AtomicU64,
    is_stopping: AtomicBool,
}

impl Site {
    /// A site that has answered nothing yet.
    #[must_use]
    pub fn new(
        queue: Arc<Queue>,
        token: Option<Token>,
        limits: Limits,
        model: String,
        telling: Telling,
    ) -> Self {
        let n_held = (N_BODIES * limits.n_bytes) as usize;
        let bodies = Semaphore::new(n_held.min(Semaphore::MAX_PERMITS));
        let (n_requests, n_texts, is_stopping) = Default::default();
        Self { queue, token, limits, model, telling, bodies, n_requests, n_texts, is_stopping }
    }

    /// How many requests got rewards, and for how many texts.
    #[must_use]
    pub fn answered(&self) -> [u64; 2] {
        [&self.n_requests, &self.n_texts].map(|n| n.load(Ordering::Relaxed))
    }

    fn check_token(&self, request: &Request) -> Result<(), Refusal> {
        let shown = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let is_let_in = self.token.as_ref().is_none_or(|token| token.is_shown(shown));
        if is_let_in { Ok(()) } else { Err(Refusal::NoToken) }
    }

    /// Room for the body of a request, so that many large ones do not fill the memory.
    fn room(&self, request: &Request) -> Result<SemaphorePermit<'_>, Refusal> {
        let n_max = self.limits.n_bytes;
        let length = request.headers().get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
        let n_bytes = length.and_then(|it| it.parse::<u64>().ok()).unwrap_or(n_max);
        if n_bytes > n_max {
            return Err(Refusal::LargeBody { n_max });
        }
        let full = |_| Refusal::FullOfBytes {
            n_max: N_BODIES * n_max,
            retry_after_s: self.queue.retry_after_s(),
        };
        // The largest body has less than 2^32 bytes.
        self.bodies.try_acquire_many(n_bytes as u32).map_err(full)
    }

    async fn receive(&self, mut request: Request) -> Result<Bytes, Refusal> {
        let n_max = self.limits.n_bytes;
        DefaultBodyLimit::max(n_max as usize).apply(&mut request);
        match timeout(RECEIVE, Bytes::from_request(request, &())).await {
            Err(_) => Err(Refusal::SlowBody { seconds: RECEIVE.as_secs() }),
            Ok(Ok(body)) => Ok(body),
            Ok(Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(
                _,
            )))) => Err(Refusal::LargeBody { n_max }),
            Ok(Err(error)) => Err(Refusal::CutBody { detail: error.body_text() }),
        }
    }

    /// The body of the answer, and how many texts it is about.
    async fn rewards(&self, request: Request) -> Result<(Vec<u8>, usize), Refusal> {
        self.check_token(&request)?;
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(Refusal::Stopping);
        }
        let _room = self.room(&request)?;
        let body = self.receive(request).await?;
        let n_max = self.limits.n_texts;
        // Large bodies take a while to read, and this thread serves all connections.
        let read = tokio::task::spawn_blocking(move || contract::read(&body, n_max));
        let gone = || Refusal::Failed { detail: "the request could not be computed".to_owned() };
        let asked: Vec<Asked> = read.await.map_err(|_| gone())??;
        let n_texts = asked.len();
        let outcome = self.queue.submit(asked)?;
        let limit = self.limits.time;
        let late = |_| Refusal::Late {
            seconds: limit.as_secs(),
            retry_after_s: self.queue.retry_after_s(),
        };
        let scored = timeout(limit, outcome).await.map_err(late)?.map_err(|_| gone())??;
        Ok((contract::answer(&scored), n_texts))
    }
}

async fn get_rewards(State(site): State<Arc<Site>>, request: Request) -> Response {
    let begin = Instant::now();
    let (response, what) = match site.rewards(request).await {
        Ok((body, n_texts)) => {
            site.n_requests.fetch_add(1, Ordering::Relaxed);
            site.n_texts.fetch_add(n_texts as u64, Ordering::Relaxed);
            (response(StatusCode::OK, body), format!("200, texts {n_texts}"))
        }
        Err(refusal) => (refused(&refusal), format!("{}, {refusal}", refusal.status())),
    };
    if site.telling == Telling::Requests {
        tell(&format!("POST {REWARDS} {what}, {} ms", begin.elapsed().as_millis()));
    }
    response
}

async fn get_health(State(site): State<Arc<Site>>, request: Request) -> Response {
    if site.is_stopping.load(Ordering::Relaxed) {
        return refused(&Refusal::Stopping);
    }
    // Who watches whether the server runs needs no token, and learns nothing else.
    let body = if site.check_token(&request).is_ok() {
        json!({"status": "ok", "model": site.model, "waiting": site.queue.n_waiting()})
    } else {
        json!({"status": "ok"})
    };
    response(StatusCode::OK, body.to_string().into_bytes())
}

async fn no_page(request: Request) -> Response {
    refused(&Refusal::NoPage { path: request.uri().path().to_owned() })
}

async fn no_method(request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let allowed = if path == REWARDS { "POST" } else { "GET,HEAD" };
    refused(&Refusal::NoMethod { method: request.method().to_string(), path, allowed })
}

fn response(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn refused(refusal: &Refusal) -> Response {
    let body = json!({"error": refusal.to_string(), "hint": refusal.hint()});
    let status = StatusCode::from_u16(refusal.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = response(status, body.to_string().into_bytes());
    let headers = response.headers_mut();
    if let Some(seconds) = refusal.retry_after_s() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match refusal {
        Refusal::NoToken => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Refusal::NoMethod { allowed, .. } => {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        // The rest of the body may still come, and nobody reads it.
        Refusal::LargeBody { .. } | Refusal::SlowBody { .. } | Refusal::CutBody { .. } => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Refusal::BrokenJson { .. }
        | Refusal::Wrong { .. }
        | Refusal::NoPage { .. }
        | Refusal::Full { .. }
        | Refusal::FullOfBytes { .. }
        | Refusal::Late { .. }
        | Refusal::Stopping
        | Refusal::Failed { .. } => {}
    }
    response
}

/// Writes a line about what happens.
pub fn tell(line: &str) {
    // A closed standard error must not end the server.
    let _ = writeln!(io::stderr(), "{}", clean_line(line));
}

/// Answers requests until a byte comes out of the pipe, and then those that are there.
///
/// # Errors
/// When the system refuses to listen.
pub fn answer(listener: std::net::TcpListener, site: &Arc<Site>, stop: Pipe) -> io::Result<()> {
    let router = Router::new()
        .route(REWARDS, post(get_rewards))
        .route(HEALTH, get(get_health))
        .fallback(no_page)
        .method_not_allowed_fallback(no_method)
        .with_state(Arc::clone(site));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let limit = RECEIVE + site.limits.time;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        stop.set_nonblocking(true)?;
        let door = Door::new(tokio::net::TcpListener::from_std(listener)?, limit + IDLE);
        let stop = tokio::net::UnixStream::from_std(stop)?;
        let (stopped, stopping) = tokio::sync::oneshot::channel::<()>();
        let site = Arc::clone(site);
        let signal = async move {
            // A pipe that is closed stops the server as well.
            let _ = stop.readable().await;
            site.is_stopping.store(true, Ordering::Relaxed);
            let n_waiting = site.queue.n_waiting();
            if n_waiting > 0 && site.telling >= Telling::Stop {
                tell(&format!(
                    "stopping when the last {n_waiting} texts are scored; once more, at once"
                ));
            }
            let _ = stopped.send(());
        };
        let late = async move {
            let _ = stopping.await;
            sleep(limit).await;
        };
        let served = axum::serve(door, router).with_graceful_shutdown(signal);
        tokio::select! {
            served = served => served,
            () = late => Ok(()),
        }
    })
}
