//! The run's history as its worker writes it: the state, the way to report, and what people wrote.

use std::time::{Duration, Instant};

use crate::domain::event::RunEvent;
use crate::domain::run::{RequestKind, RunId};
use crate::domain::ser::Step;
use crate::store::{EventWriter, Store};

use super::WorkerError;
use super::control::{Flow, Signals, Throttle};
use super::state::RunState;

/// How long a held worker sleeps between two looks at the requests.
const HELD_LOOK: Duration = Duration::from_millis(100);

/// How far a step is.
#[derive(Debug, Clone, Copy)]
pub struct StepProgress {
    /// Which round.
    pub round: u32,
    /// Which step.
    pub step: &'static str,
    /// Done so far.
    pub n_done: u64,
    /// Of so many.
    pub n_total: u64,
    /// Tokens handled since `clock` began.
    pub n_tokens: u64,
    /// When the step began in this attempt.
    pub clock: Instant,
}

/// Reports facts and reads requests and verdicts.
pub struct Journal<'a> {
    /// Which run.
    pub run: RunId,
    /// Where the run is.
    pub state: RunState,
    /// For reading; rows of this run are written through the writer only.
    pub store: Store,
    writer: &'a EventWriter,
    signals: Signals,
    reading: Throttle,
    progress: Throttle,
    /// How long the run was held since the clock of its round was set: a person's time, not the
    /// run's.
    pub held: Duration,
}

impl<'a> Journal<'a> {
    /// A journal at the given state.
    #[must_use]
    pub fn new(
        run: RunId,
        state: RunState,
        store: Store,
        writer: &'a EventWriter,
        signals: Signals,
    ) -> Self {
        let (reading, progress) = (Throttle::for_reading(), Throttle::for_progress());
        Self { run, state, store, writer, signals, reading, progress, held: Duration::ZERO }
    }

    /// Reports a fact.
    ///
    /// # Errors
    /// When an earlier event could not be stored (disk full, or the run was taken over).
    pub fn send(&mut self, event: RunEvent) -> Result<(), WorkerError> {
        self.writer.send(event).map_err(WorkerError::from)
    }

    /// Reports how far a step is, at most twice a second.
    ///
    /// # Errors
    /// As [`Journal::send`].
    pub fn progress(&mut self, progress: StepProgress) -> Result<(), WorkerError> {
        if progress.n_done < progress.n_total && !self.progress.is_due() {
            return Ok(());
        }
        self.send(RunEvent::Progressed {
            round: progress.round,
            step: progress.step.to_owned(),
            n_done: progress.n_done,
            n_total: progress.n_total,
            n_tokens: progress.n_tokens,
            elapsed_ms: progress.clock.elapsed().as_millis() as u64,
        })
    }

    /// Reads requests and verdicts, holding here while the run is paused.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn read_people(&mut self) -> Result<Flow, WorkerError> {
        if self.signals.stop_requested() {
            return Ok(Flow::Stop);
        }
        if !self.reading.is_due() {
            return Ok(Flow::Continue);
        }
        self.read_verdicts()?;
        match self.next_request()? {
            None | Some(RequestKind::Resume) => Ok(Flow::Continue),
            Some(RequestKind::Stop) => Ok(Flow::Stop),
            Some(RequestKind::Pause) => self.hold("requested", None),
        }
    }

    /// Takes the oldest unread request and reports that it took effect.
    fn next_request(&mut self) -> Result<Option<RequestKind>, WorkerError> {
        let Some(request) = self.store.unread_requests(&self.run)?.first().copied() else {
            return Ok(None);
        };
        self.send(RunEvent::RequestRead { request_id: request.id, kind: request.kind })?;
        // The next look must not see it again.
        self.writer.flush()?;
        Ok(Some(request.kind))
    }

    /// Holds the run until a person resumes or stops it, or for as long as `at_most`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn hold(&mut self, reason: &str, at_most: Option<Duration>) -> Result<Flow, WorkerError> {
        self.send(RunEvent::Paused { reason: reason.to_owned() })?;
        let begin = Instant::now();
        loop {
            if self.signals.stop_requested() {
                return Ok(Flow::Stop);
            }
            match self.next_request()? {
                Some(RequestKind::Resume) => break,
                Some(RequestKind::Stop) => return Ok(Flow::Stop),
                Some(RequestKind::Pause) | None => {
                    let looked_at = Instant::now();
                    std::thread::sleep(HELD_LOOK);
                    self.held += looked_at.elapsed();
                }
            }
            if let Some(limit) = at_most.filter(|limit| begin.elapsed() >= *limit) {
                let message =
                    format!("nobody released the run within {} s: it goes on", limit.as_secs());
                self.send(RunEvent::Warned { message })?;
                break;
            }
        }
        self.read_verdicts()?;
        self.send(RunEvent::Resumed)?;
        Ok(Flow::Continue)
    }

    /// Takes new verdicts into account; the step from which they hold is an event.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn read_verdicts(&mut self) -> Result<(), WorkerError> {
        let before = self.state.last_verdict_id;
        let verdicts = &mut self.state.verdicts;
        let last_verdict_id = self.store.read_verdicts_after(&self.run, before, verdicts)?;
        if last_verdict_id == before {
            return Ok(());
        }
        self.state.last_verdict_id = last_verdict_id;
        self.send(RunEvent::VerdictsRead {
            round: round_of(self.state.ser.pending()),
            global_step: self.state.global_step,
            last_verdict_id,
            n_vetoed: self.state.verdicts.n_vetoed() as u64,
        })
    }

    /// Waits until everything reported is on disk.
    ///
    /// # Errors
    /// As [`Journal::send`].
    pub fn flush(&mut self) -> Result<(), WorkerError> {
        self.writer.flush().map_err(WorkerError::from)
    }
}

/// The round a step belongs to; a finished run has none of its own.
pub fn round_of(step: Step) -> u32 {
    match step {
        Step::Train { round }
        | Step::Evaluate { round, .. }
        | Step::CrossFit { round }
        | Step::Score { round }
        | Step::Select { round }
        | Step::Review { round } => round,
        Step::Finish { .. } => 0,
    }
}
