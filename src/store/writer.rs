//! The worker's pen: a thread that numbers, batches and commits events, and sends heartbeats.
//!
//! Training must not wait for the disk, and the disk must not see a commit per step. Events are
//! gathered for at most [`BATCH_PERIOD`]; urgent ones are committed at once. A locked database is
//! waited for, because a bookkeeping error should not end a training run; any other error ends
//! the writer, and the next `send` returns it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::attempts::Attempt;
use super::clock::now_ms;
use super::error::StoreError;
use super::liveness::HEARTBEAT_PERIOD;
use super::{Access, Home, Store};
use crate::domain::event::{EventRecord, RunEvent};
use crate::domain::run::RunId;

/// Events wait at most this long for company.
const BATCH_PERIOD: Duration = Duration::from_millis(250);

/// `send` blocks while so many events wait.
const QUEUE_LENGTH: usize = 4096;

/// A database that stays locked for so long is an error.
const LOCKED_FOR_MAX: Duration = Duration::from_secs(60);

enum Message {
    Event { at_ms: i64, event: RunEvent },
    Flush(Sender<()>),
}

/// Why the thread ended, for the next caller.
type Failure = Arc<Mutex<Option<StoreError>>>;

/// Writes the events of one attempt.
#[derive(Debug)]
pub struct EventWriter {
    /// `None` once closed.
    messages: Option<SyncSender<Message>>,
    failure: Failure,
    thread: Option<JoinHandle<()>>,
}

impl EventWriter {
    /// Starts the thread with a connection of its own.
    ///
    /// # Errors
    /// When the database cannot be opened or the thread not be started.
    pub fn new(home: &Home, run: &RunId, attempt: Attempt) -> Result<Self, StoreError> {
        let store = Store::open(home, Access::ReadWrite)?;
        let (messages, inbox) = sync_channel(QUEUE_LENGTH);
        let failure = Failure::default();
        let scribe = Scribe {
            store,
            run: run.clone(),
            attempt: attempt.number,
            next_seq: attempt.next_seq,
            batch: Vec::new(),
            flushes: Vec::new(),
            locked_since: None,
        };
        let slot = Arc::clone(&failure);
        let thread = std::thread::Builder::new()
            .name("event-writer".to_owned())
            .spawn(move || {
                if let Err(error) = scribe.run(&inbox) {
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            })
            .map_err(|source| StoreError::Io { path: home.database(), source })?;
        Ok(Self { messages: Some(messages), failure, thread: Some(thread) })
    }

    /// Hands over an event. Blocks while 4096 of them wait.
    ///
    /// # Errors
    /// What ended the writer: a superseded attempt, a full disk, a damaged file.
    pub fn send(&self, event: RunEvent) -> Result<(), StoreError> {
        self.post(Message::Event { at_ms: now_ms(), event })
    }

    /// Waits until everything sent before is committed.
    ///
    /// # Errors
    /// As [`EventWriter::send`].
    pub fn flush(&self) -> Result<(), StoreError> {
        let (done, committed) = channel();
        self.post(Message::Flush(done))?;
        // The thread drops `done` without an answer only when it ends by an error.
        committed.recv().map_err(|_| self.failure())
    }

    fn post(&self, message: Message) -> Result<(), StoreError> {
        let Some(messages) = &self.messages else { return Err(StoreError::WriterEnded) };
        messages.send(message).map_err(|_| self.failure())
    }

    fn failure(&self) -> StoreError {
        // The slot is filled after the channel closes; the thread is about to end.
        if let Some(thread) = &self.thread {
            while !thread.is_finished() {
                std::thread::yield_now();
            }
        }
        let mut slot = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take().unwrap_or(StoreError::WriterEnded)
    }
}

impl Drop for EventWriter {
    /// Commits what is left. Call [`EventWriter::flush`] before to learn of errors.
    fn drop(&mut self) {
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's state.
struct Scribe {
    store: Store,
    run: RunId,
    attempt: u32,
    next_seq: u64,
    batch: Vec<EventRecord>,
    flushes: Vec<Sender<()>>,
    locked_since: Option<Instant>,
}

impl Scribe {
    fn run(mut self, inbox: &Receiver<Message>) -> Result<(), StoreError> {
        let mut next_heartbeat = Instant::now();
        let mut due: Option<Instant> = None;
        loop {
            let now = Instant::now();
            if now >= next_heartbeat {
                self.heartbeat()?;
                next_heartbeat = now + HEARTBEAT_PERIOD;
            }
            let wake = due.map_or(next_heartbeat, |due| due.min(next_heartbeat));
            let is_open = match inbox.recv_timeout(wake.saturating_duration_since(now)) {
                Ok(message) => {
                    let mut is_urgent = self.take(message);
                    for message in inbox.try_iter().take(QUEUE_LENGTH) {
                        is_urgent |= self.take(message);
                    }
                    let latest = Instant::now() + BATCH_PERIOD;
                    due = if is_urgent { Some(now) } else { due.or(Some(latest)) };
                    true
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if !is_open || due.is_some_and(|due| Instant::now() >= due) {
                due = if self.commit()? { None } else { Some(Instant::now() + BATCH_PERIOD) };
                if !is_open && due.is_none() {
                    return Ok(());
                }
            }
        }
    }

    /// Numbers an event; says whether it should be committed now.
    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Flush(done) => {
                self.flushes.push(done);
                true
            }
            Message::Event { at_ms, event } => {
                let is_urgent = event.is_urgent();
                let (run, attempt, seq) = (self.run.clone(), self.attempt, self.next_seq);
                self.batch.push(EventRecord { run, attempt, seq, at_ms, event });
                self.next_seq += 1;
                is_urgent
            }
        }
    }

    /// Commits the batch; `false` when the database is locked and it has to wait.
    fn commit(&mut self) -> Result<bool, StoreError> {
        let outcome = self.store.apply(&self.batch);
        if !self.is_done(outcome)? {
            return Ok(false);
        }
        self.batch.clear();
        for done in self.flushes.drain(..) {
            // Nobody may be waiting any more.
            let _ = done.send(());
        }
        Ok(true)
    }

    fn heartbeat(&mut self) -> Result<(), StoreError> {
        let outcome = self.store.heartbeat(&self.run, self.attempt);
        let is_current = outcome.as_ref().map_or(true, |is_current| *is_current);
        self.is_done(outcome.map(|_| ()))?;
        if is_current {
            return Ok(());
        }
        let current = self.store.run(&self.run)?.row.attempt;
        Err(StoreError::Superseded { run: self.run.clone(), attempt: self.attempt, current })
    }

    /// `false` for a lock that may still be lifted.
    fn is_done(&mut self, outcome: Result<(), StoreError>) -> Result<bool, StoreError> {
        match outcome {
            Ok(()) => {
                self.locked_since = None;
                Ok(true)
            }
            Err(error) if error.is_locked() => {
                let since = *self.locked_since.get_or_insert_with(Instant::now);
                if since.elapsed() < LOCKED_FOR_MAX { Ok(false) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }
}
