//! Writes a worker's events: a thread that numbers, batches and commits them, and sends heartbeats.
//!
//! Training must not wait for the disk, and the disk must not get a commit for every step. Events
//! are gathered for at most [`BATCH_PERIOD`]; urgent ones are committed at once. A locked database
//! is waited for, because a training run should not end for a lock; any other error ends the
//! writer, and the next `send` returns it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::attempts::Attempt;
use super::liveness::HEARTBEAT_PERIOD;
use super::sink::{EventSink, StoreSink};
use crate::domain::event::{EventRecord, RunEvent};
use crate::domain::run::RunId;
use crate::store::Home;
use crate::store::clock::now_ms;
use crate::store::error::StoreError;

/// How long an event may wait for others before a batch is committed; a viewer sees it as much
/// later.
const BATCH_PERIOD: Duration = Duration::from_millis(250);

/// Most events that wait to be written; then `send` blocks.
const QUEUE_LENGTH: usize = 4096;

/// How long a locked database is waited for before that is an error.
const LOCKED_FOR_MAX: Duration = Duration::from_mins(1);

enum Message {
    Event { at_ms: i64, event: Box<RunEvent> },
    Flush(Sender<()>),
}

/// The error that ended the thread, for the next caller.
type Failure = Arc<Mutex<Option<StoreError>>>;

/// Writes the events of one attempt.
#[derive(Debug)]
pub struct EventWriter {
    /// `None` once it is closed.
    messages: Option<SyncSender<Message>>,
    failure: Failure,
    thread: Option<JoinHandle<()>>,
}

impl EventWriter {
    /// Starts the thread with a connection of its own to the database.
    ///
    /// # Errors
    /// When the database cannot be opened or the thread not be started.
    pub fn new(home: &Home, run: &RunId, attempt: Attempt) -> Result<Self, StoreError> {
        let sink = StoreSink::new(home, run, attempt)?;
        Self::with_sink(Box::new(sink), run, attempt)
    }

    /// Starts the thread that writes to a sink.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn with_sink(
        sink: Box<dyn EventSink>,
        run: &RunId,
        attempt: Attempt,
    ) -> Result<Self, StoreError> {
        let (messages, inbox) = sync_channel(QUEUE_LENGTH);
        let failure = Failure::default();
        let scribe = Scribe {
            sink,
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
            .map_err(StoreError::Thread)?;
        Ok(Self { messages: Some(messages), failure, thread: Some(thread) })
    }

    /// Hands over an event. Blocks while 4096 of them wait.
    ///
    /// # Errors
    /// What ended the writer: a superseded attempt, a full disk, a damaged file.
    pub fn send(&self, event: RunEvent) -> Result<(), StoreError> {
        self.post(Message::Event { at_ms: now_ms(), event: Box::new(event) })
    }

    /// Waits until everything sent before is committed.
    ///
    /// # Errors
    /// As [`EventWriter::send`].
    pub fn flush(&self) -> Result<(), StoreError> {
        let (done, committed) = channel();
        self.post(Message::Flush(done))?;
        // The thread drops `done` without an answer only when an error has ended it.
        committed.recv().map_err(|_| self.failure())
    }

    fn post(&self, message: Message) -> Result<(), StoreError> {
        let Some(messages) = &self.messages else { return Err(StoreError::WriterEnded) };
        messages.send(message).map_err(|_| self.failure())
    }

    fn failure(&self) -> StoreError {
        // The error is stored after the channel closes, so the thread, which is about to end, is
        // waited for.
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
    /// Commits what is left. Errors are lost here; [`EventWriter::flush`] before it reports them.
    fn drop(&mut self) {
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Scribe {
    sink: Box<dyn EventSink>,
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
                self.batch.push(EventRecord { run, attempt, seq, at_ms, event: *event });
                self.next_seq += 1;
                is_urgent
            }
        }
    }

    /// Commits the batch; `false` when the database is locked and it has to wait.
    fn commit(&mut self) -> Result<bool, StoreError> {
        let outcome = self.sink.append(&self.batch);
        if !self.is_done(outcome)? {
            return Ok(false);
        }
        self.batch.clear();
        for done in self.flushes.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = done.send(());
        }
        Ok(true)
    }

    fn heartbeat(&mut self) -> Result<(), StoreError> {
        let outcome = self.sink.heartbeat();
        self.is_done(outcome).map(|_| ())
    }

    /// Whether the writer may go on: `false` for a lock that may still be released, an error for
    /// anything else that failed.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::train_step;
    use crate::store::{Access, Store, testing};

    #[test]
    fn another_connection_sees_an_event_within_a_second() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let viewer = Store::open(&fixture.home, Access::ReadOnly).unwrap();
        let before = viewer.data_version().unwrap();
        let writer = EventWriter::new(&fixture.home, &run, attempt).unwrap();
        let sent = Instant::now();
        writer.send(train_step(1, 0.5)).unwrap();
        while viewer.loss_points(&run, 10).unwrap().is_empty() {
            assert!(sent.elapsed() < Duration::from_secs(1));
            std::thread::yield_now();
        }
        assert_ne!(viewer.data_version().unwrap(), before);
        writer.send(RunEvent::Resumed).unwrap();
        let sent = Instant::now();
        while viewer.last_events(&run, 1).unwrap()[0].seq != 2 {
            assert!(sent.elapsed() < BATCH_PERIOD, "an urgent event does not wait for the batch");
            std::thread::yield_now();
        }
    }

    #[test]
    fn flushing_and_dropping_leave_nothing_behind() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let writer = EventWriter::new(&fixture.home, &run, attempt).unwrap();
        (1..=10).for_each(|step| writer.send(train_step(step, 0.5)).unwrap());
        writer.flush().unwrap();
        assert_eq!(fixture.store.loss_points(&run, 100).unwrap().len(), 10);
        writer.send(train_step(11, 0.5)).unwrap();
        drop(writer);
        assert_eq!(fixture.store.loss_points(&run, 100).unwrap().len(), 11);
    }

    #[test]
    fn a_superseded_writer_ends_with_the_reason() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin_as_dead(&run);
        let writer = EventWriter::new(&fixture.home, &run, attempt).unwrap();
        writer.send(train_step(1, 0.5)).unwrap();
        writer.flush().unwrap();
        fixture.begin(&run);
        writer.send(train_step(2, 0.5)).unwrap();
        let error = writer.flush().unwrap_err();
        assert!(matches!(error, StoreError::Superseded { attempt: 1, current: 2, .. }), "{error}");
        assert!(matches!(writer.send(RunEvent::Resumed), Err(StoreError::WriterEnded)));
        assert_eq!(fixture.store.last_events(&run, 9).unwrap().len(), 1);
    }

    #[test]
    fn a_reader_is_never_locked_out() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let writer = EventWriter::new(&fixture.home, &run, attempt).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let viewer = Store::open(&fixture.home, Access::ReadOnly).unwrap();
                let mut n_reads = 0_u32;
                loop {
                    viewer.runs().unwrap();
                    n_reads += 1;
                    if viewer.last_events(&run, 1).unwrap().iter().any(|last| last.seq == 10_000) {
                        return n_reads;
                    }
                }
            });
            (1..=10_000).for_each(|step| writer.send(train_step(step, 0.5)).unwrap());
            writer.flush().unwrap();
            assert!(reader.join().unwrap() > 0);
        });
        assert_eq!(fixture.store.loss_points(&run, 20_000).unwrap().len(), 10_000);
    }
}
