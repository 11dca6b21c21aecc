//! A command of the user's that scores: one process for all answers, asked and answering in JSON lines.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::ScorerError;
use super::request::{line, read};
use crate::engine::scoring::Text;

/// The longest wait for the next reply: a judge may have to load a large model before its first.
pub const TIME_LIMIT: Duration = Duration::from_mins(5);
/// Answers that are sent before the first of their scores is awaited.
const N_AT_ONCE: usize = 256;
/// Replies that wait to be taken; a command that writes more is held up.
const N_REPLIES: usize = 1024;
/// A longer line is no reply.
const REPLY_BYTES_MAX: u64 = 1 << 20;
/// Lines of standard error that are kept, and characters of each.
const N_SAID: usize = 5;
const N_CHARACTERS: usize = 300;
/// How long a command that is at its end may take to say its status and its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long it may go on after the end of its input before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// How often its end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a command did instead of scoring, as the rest of a sentence that begins with its name.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("cannot be started")]
    NotStarted(#[source] std::io::Error),
    #[error("ended ({status}) after {n_replies} of {n_asked} replies")]
    Ended {
        /// How, in words.
        status: String,
        n_replies: usize,
        n_asked: usize,
    },
    #[error("has not replied for {seconds} s, after {n_replies} of {n_asked} replies")]
    Silent { seconds: u64, n_replies: usize, n_asked: usize },
    #[error("wrote no JSON object in line {line} of its output: `{shown}`")]
    NotJson { line: u64, shown: String },
    #[error("wrote line {line} of its output with more than {} MiB", REPLY_BYTES_MAX >> 20)]
    TooLong { line: u64 },
    #[error("left `id` out of line {line} of its output: `{shown}`")]
    NoId { line: u64, shown: String },
    #[error("left `score` out of line {line} of its output: `{shown}`")]
    NoScore { line: u64, shown: String },
    #[error("gave `{shown}` as `score` in line {line} of its output")]
    NotANumber { line: u64, shown: String },
    #[error("replied to `id` {id} in line {line} of its output, which {why}")]
    WrongId { line: u64, id: u64, why: &'static str },
}

impl Problem {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotStarted(_) => "commands are run by `sh -c`; check that there is a `sh`".into(),
            Self::Ended { .. } => {
                "it has to go on until its input ends; try it by hand: \
                 `echo '{\"id\": 0, \"prompt\": \"Hi\", \"response\": \"Hello\", \"left\": 0}' | …`"
                    .into()
            }
            Self::Silent { .. } => {
                "it has to reply to each line without waiting for another one once `left` is 0, and to \
                 flush its output (`print(…, flush=True)`); `--reward-timeout` gives it longer"
                    .into()
            }
            Self::NotJson { .. } => {
                "write `{\"id\": 0, \"score\": 1.5}` a line, `null` where there is no score (NaN is no \
                 JSON), and everything else to standard error"
                    .into()
            }
            Self::TooLong { .. } => {
                "write `{\"id\": 0, \"score\": 1.5}` and the end of a line after it".into()
            }
            Self::NoId { .. } | Self::WrongId { .. } => {
                "give back the `id` of the line that is replied to, once".into()
            }
            Self::NoScore { .. } => "`\"score\": null` says that there is none".into(),
            Self::NotANumber { .. } => "a score is a number, or `null` where there is none".into(),
        }
    }
}

/// A line of the command's output.
enum Said {
    Reply(u64, String),
    TooLong(u64),
}

/// The process, its pipes, and what it was asked.
pub(super) struct CommandScorer {
    command: String,
    child: Child,
    /// Ends the process where this one is killed.
    guard: Option<Child>,
    /// Lines on their way to its input; nothing once that is closed.
    requests: Option<Sender<String>>,
    said: Receiver<Said>,
    last_words: Arc<Mutex<VecDeque<String>>>,
    /// Disconnected at the end of its standard error.
    silence: Receiver<()>,
    next_id: u64,
    limit: Duration,
}

impl CommandScorer {
    pub(super) fn start(command: &str) -> Result<Self, ScorerError> {
        let failed = |error| ScorerError::Command {
            command: command.to_owned(),
            problem: Box::new(Problem::NotStarted(error)),
            said: Vec::new(),
        };
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Of its own, so that its children end with it.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let (requests, to_write) = channel();
        let (to_read, said) = sync_channel(N_REPLIES);
        let (end, silence) = channel();
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        if let (Some(input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        {
            let words = Arc::clone(&last_words);
            std::thread::spawn(move || write_all(input, &to_write));
            std::thread::spawn(move || read_all(output, &to_read));
            std::thread::spawn(move || listen(errors, &words, end));
        }
        let guard = guard(&child);
        Ok(Self {
            command: command.to_owned(),
            child,
            guard,
            requests: Some(requests),
            said,
            last_words,
            silence,
            next_id: 0,
            limit: TIME_LIMIT,
        })
    }

    pub(super) fn set_time_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// The score of each text, in order; `None` where the command has none.
    pub(super) fn scores(&mut self, texts: &[Text<'_>]) -> Result<Vec<Option<f64>>, ScorerError> {
        let mut all = Vec::with_capacity(texts.len());
        for texts in texts.chunks(N_AT_ONCE) {
            match self.ask(texts) {
                Ok(scores) => all.extend(scores),
                Err(problem) => return Err(self.failed(problem)),
            }
        }
        Ok(all)
    }

    fn ask(&mut self, texts: &[Text<'_>]) -> Result<Vec<Option<f64>>, Problem> {
        let (first, n_asked) = (self.next_id, texts.len());
        self.next_id += n_asked as u64;
        if let Some(requests) = &self.requests {
            for (i, text) in texts.iter().enumerate() {
                // Of a closed input its output tells.
                let _ = requests.send(line(first + i as u64, text, n_asked - 1 - i));
            }
        }
        let mut scores: Vec<Option<Option<f64>>> = vec![None; n_asked];
        for n_replies in 0..n_asked {
            let (number, reply) = match self.said.recv_timeout(self.limit) {
                Ok(Said::Reply(number, reply)) => (number, reply),
                Ok(Said::TooLong(line)) => return Err(Problem::TooLong { line }),
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = self.limit.as_secs();
                    return Err(Problem::Silent { seconds, n_replies, n_asked });
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = in_words(self.ended_within(LAST_WORDS));
                    return Err(Problem::Ended { status, n_replies, n_asked });
                }
            };
            let (id, score) = read(number, &reply)?;
            let place = id.checked_sub(first).and_then(|at| scores.get_mut(at as usize));
            match place {
                Some(place @ None) => *place = Some(score),
                Some(Some(_)) => {
                    let why = "it has replied to before";
                    return Err(Problem::WrongId { line: number, id, why });
                }
                None => {
                    let why = "is none of those that wait for a reply";
                    return Err(Problem::WrongId { line: number, id, why });
                }
            }
        }
        Ok(scores.into_iter().flatten().collect())
    }

    /// The error, with what the command said last on its standard error.
    fn failed(&mut self, problem: Problem) -> ScorerError {
        if matches!(problem, Problem::Ended { .. }) {
            let _ = self.silence.recv_timeout(LAST_WORDS);
        }
        let said = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let (command, said) = (self.command.clone(), said.iter().cloned().collect());
        ScorerError::Command { command, problem: Box::new(problem), said }
    }

    fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let begin = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if begin.elapsed() < limit => std::thread::sleep(LOOK_EVERY),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for CommandScorer {
    /// Closes the command's input and waits a little, then kills what is left of its process group.
    fn drop(&mut self) {
        self.requests = None;
        // Read on, so that it is not held up on its way to its end.
        let begin = Instant::now();
        while let Some(rest) = GRACE.checked_sub(begin.elapsed())
            && self.said.recv_timeout(rest).is_ok()
        {}
        self.ended_within(GRACE.saturating_sub(begin.elapsed()));
        let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
        let _ = self.child.wait();
        if let Some(mut guard) = self.guard.take() {
            let _ = killpg(Pid::from_raw(guard.id() as i32), Signal::SIGKILL);
            let _ = guard.wait();
        }
    }
}

/// A shell that waits for the end of this process, which closes its input, and then ends the command with
/// its children: a killed worker drops nothing, and a judge may hold a whole graphics card.
fn guard(child: &Child) -> Option<Child> {
    let script = format!(
        "cat >/dev/null; sleep {}; kill -s KILL -- -{} 2>/dev/null",
        GRACE.as_secs(),
        child.id()
    );
    let mut guard = Command::new("sh");
    guard.args(["-c", &script]).process_group(0);
    guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}

/// The end of a process in words.
fn in_words(status: Option<ExitStatus>) -> String {
    match status {
        Some(status) => status.to_string(),
        None => "its output is closed".to_owned(),
    }
}

/// Writes requests until there are no more, or nobody reads them.
fn write_all(mut input: ChildStdin, requests: &Receiver<String>) {
    while let Ok(request) = requests.recv() {
        if input.write_all(request.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads lines that are not blank until the end, or until nobody takes them.
fn read_all(output: ChildStdout, said: &SyncSender<Said>) {
    let mut output = BufReader::new(output);
    let mut number = 0;
    loop {
        let mut bytes = Vec::new();
        number += 1;
        match output.by_ref().take(REPLY_BYTES_MAX + 1).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) if bytes.iter().all(u8::is_ascii_whitespace) => continue,
            Ok(_) => {}
        }
        let is_too_long = bytes.len() as u64 > REPLY_BYTES_MAX;
        let reply = Said::Reply(number, String::from_utf8_lossy(&bytes).into_owned());
        let sent = said.send(if is_too_long { Said::TooLong(number) } else { reply });
        if sent.is_err() || is_too_long {
            return;
        }
    }
}

/// Keeps the last lines of standard error. `_end` is dropped at its end.
fn listen(errors: ChildStderr, last: &Mutex<VecDeque<String>>, _end: Sender<()>) {
    let mut errors = BufReader::new(errors);
    let mut bytes = Vec::new();
    // In parts, so that a line without an end takes no memory.
    while errors.by_ref().take(1 << 16).read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
        let line = String::from_utf8_lossy(&bytes);
        // Progress bars write over one line many times.
        let line = line.trim_end().rsplit('\r').next().unwrap_or_default();
        if !line.trim().is_empty() {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            last.push_back(line.chars().take(N_CHARACTERS).collect());
            if last.len() > N_SAID {
                last.pop_front();
            }
        }
        bytes.clear();
    }
}

#[cfg(test)]
mod tests;
