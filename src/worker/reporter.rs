//! The link between a step and the outside: events and progress go out, requests and verdicts come
//! in.

use std::time::{Duration, Instant};

use crate::domain::event::RunEvent;
use crate::domain::run::{RequestKind, StopReason};
use crate::domain::ser::Step;
use crate::domain::teacher::halt::Halt;
use crate::domain::verdict::Verdict;

use super::WorkerError;
use super::control::{Flow, Signals, Throttle};
use super::record::RunRecord;
use super::state::SavedState;

/// How long a held worker sleeps between two looks at the requests; a resumed run waits for so long
/// at most.
const HELD_LOOK: Duration = Duration::from_millis(100);

/// How far a step is.
#[derive(Debug, Clone, Copy)]
pub struct StepProgress {
    /// The round it is part of.
    pub round: u32,
    /// The name of the step.
    pub step: &'static str,
    /// Pairs or optimizer steps done.
    pub n_done: u64,
    /// Pairs or optimizer steps in all.
    pub n_total: u64,
    /// Tokens handled since `clock` began.
    pub n_tokens: u64,
    /// The moment the step began in this attempt.
    pub clock: Instant,
}

/// Measures the time that a round has taken, without the time for which a person held it.
#[derive(Debug)]
pub struct RoundClock {
    since: Instant,
    held: Duration,
}

impl RoundClock {
    fn start() -> Self {
        Self { since: Instant::now(), held: Duration::ZERO }
    }

    /// Returns the milliseconds of work since the clock was last reset, and resets it.
    pub fn take_ms(&mut self) -> u64 {
        let worked = self.since.elapsed().saturating_sub(self.held);
        *self = Self::start();
        worked.as_millis() as u64
    }
}

/// Reports facts and reads requests and verdicts.
pub struct Reporter<'a> {
    /// Where events are written, and what people and earlier rounds wrote is read.
    pub record: Box<dyn RunRecord + 'a>,
    /// The clock of the present round.
    pub clock: RoundClock,
    signals: Signals,
    reading: Throttle,
    progress: Throttle,
}

impl<'a> Reporter<'a> {
    /// Starts the clock of a reporter.
    #[must_use]
    pub fn new(record: Box<dyn RunRecord + 'a>, signals: Signals) -> Self {
        let (reading, progress) = (Throttle::for_reading(), Throttle::for_progress());
        Self { record, clock: RoundClock::start(), signals, reading, progress }
    }

    /// Reports a fact.
    ///
    /// # Errors
    /// When an earlier event could not be stored (disk full, or the run was taken over).
    pub fn send(&self, event: RunEvent) -> Result<(), WorkerError> {
        self.record.send(event).map_err(WorkerError::from)
    }

    /// Warns the person.
    ///
    /// # Errors
    /// As [`Reporter::send`].
    pub fn warn(&self, message: String) -> Result<(), WorkerError> {
        self.send(RunEvent::Warned { message })
    }

    /// Tells the person the reason to end the loop, if there is one, and returns it.
    ///
    /// # Errors
    /// As [`Reporter::send`].
    pub fn halt(&self, halt: Option<Halt>) -> Result<Option<StopReason>, WorkerError> {
        let Some(Halt { reason, message }) = halt else { return Ok(None) };
        self.warn(message)?;
        Ok(Some(reason))
    }

    /// Waits until everything reported is on disk.
    ///
    /// # Errors
    /// As [`Reporter::send`].
    pub fn flush(&self) -> Result<(), WorkerError> {
        self.record.flush().map_err(WorkerError::from)
    }

    /// Reports how far a step is, at most twice a second.
    ///
    /// # Errors
    /// As [`Reporter::send`].
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

    /// Reads requests and verdicts into the state. While the run is paused this call does not
    /// return.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn read_people(&mut self, state: &mut SavedState) -> Result<Flow, WorkerError> {
        if self.signals.stop_requested() {
            return Ok(Flow::Stop);
        }
        if !self.reading.is_due() {
            return Ok(Flow::Continue);
        }
        self.read_verdicts(state)?;
        match self.next_request()? {
            None | Some(RequestKind::Resume) => Ok(Flow::Continue),
            Some(RequestKind::Stop) => Ok(Flow::Stop),
            Some(RequestKind::Pause) => self.hold(state, "requested", None),
        }
    }

    /// Takes the oldest unread request and reports that it took effect.
    fn next_request(&mut self) -> Result<Option<RequestKind>, WorkerError> {
        let Some(request) = self.record.unread_requests()?.first().copied() else {
            return Ok(None);
        };
        self.send(RunEvent::RequestRead { request_id: request.id, kind: request.kind })?;
        // Without a flush the next look at the database would find the same request again.
        self.flush()?;
        Ok(Some(request.kind))
    }

    /// Holds the run until a person resumes or stops it, or for as long as `at_most`.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn hold(
        &mut self,
        state: &mut SavedState,
        reason: &str,
        at_most: Option<Duration>,
    ) -> Result<Flow, WorkerError> {
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
                    self.clock.held += looked_at.elapsed();
                }
            }
            if let Some(limit) = at_most.filter(|limit| begin.elapsed() >= *limit) {
                let seconds = limit.as_secs();
                self.warn(format!("nobody released the run within {seconds} s: it goes on"))?;
                break;
            }
        }
        self.read_verdicts(state)?;
        self.send(RunEvent::Resumed)?;
        Ok(Flow::Continue)
    }

    /// Takes new verdicts into account; the step from which they hold is an event.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn read_verdicts(&mut self, state: &mut SavedState) -> Result<(), WorkerError> {
        let before = state.last_verdict_id;
        let last_verdict_id = self.record.read_verdicts_after(before, &mut state.verdicts)?;
        if last_verdict_id == before {
            return Ok(());
        }
        state.last_verdict_id = last_verdict_id;
        self.send(RunEvent::VerdictsRead {
            round: round_of(state.ser.pending()),
            global_step: state.global_step,
            last_verdict_id,
            n_vetoed: state.verdicts.n_vetoed() as u64,
            n_kept: state.verdicts.count(Verdict::Keep) as u64,
            n_flipped: state.verdicts.count(Verdict::Flip) as u64,
        })
    }
}

/// The round that a step belongs to; the final step has none of its own and counts as 0.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::preference::PairId;
    use crate::worker::testing::{Bench, names, spec};

    fn read(bench: &mut Bench) -> Flow {
        bench.reporter.read_people(&mut bench.state.saved).unwrap()
    }

    #[test]
    fn requests_take_effect_one_at_a_look_and_once() {
        for (requests, flow, said) in [
            (&[][..], Flow::Continue, &[][..]),
            (&[RequestKind::Resume][..], Flow::Continue, &["request_read"][..]),
            (&[RequestKind::Stop][..], Flow::Stop, &["request_read"][..]),
            (
                &[RequestKind::Pause, RequestKind::Pause, RequestKind::Resume][..],
                Flow::Continue,
                &["request_read", "paused", "request_read", "request_read", "resumed"][..],
            ),
            (
                &[RequestKind::Pause, RequestKind::Stop][..],
                Flow::Stop,
                &["request_read", "paused", "request_read"][..],
            ),
        ] {
            let mut bench = Bench::new(spec(|_| ()));
            for kind in requests {
                bench.record.request(Some(*kind));
            }
            assert_eq!(read(&mut bench), flow, "{requests:?}");
            assert_eq!(names(&bench.record.take_events()), said);
        }
    }

    #[test]
    fn people_are_read_at_most_every_quarter_of_a_second() {
        let mut bench = Bench::new(spec(|_| ()));
        assert_eq!(read(&mut bench), Flow::Continue);
        bench.record.request(Some(RequestKind::Stop));
        assert_eq!(read(&mut bench), Flow::Continue, "too soon to look again");
        bench.reporter = bench.fresh_reporter();
        assert_eq!(read(&mut bench), Flow::Stop);
    }

    #[test]
    fn a_signal_stops_without_a_request() {
        let mut bench = Bench::new(spec(|_| ()));
        bench.reporter = Reporter::new(Box::new(bench.record.clone()), Signals::raised());
        assert_eq!(read(&mut bench), Flow::Stop);
        let held = bench.reporter.hold(&mut bench.state.saved, "review", None).unwrap();
        assert_eq!(held, Flow::Stop);
    }

    #[test]
    fn new_verdicts_are_an_event_and_old_ones_are_none() {
        let mut bench = Bench::new(spec(|_| ()));
        bench.record.decide(PairId(3), Verdict::Veto);
        bench.record.decide(PairId(4), Verdict::Keep);
        bench.state.saved.global_step = 9;
        bench.reporter.read_verdicts(&mut bench.state.saved).unwrap();
        let events = bench.record.take_events();
        let [
            RunEvent::VerdictsRead {
                global_step: 9,
                last_verdict_id: 2,
                n_vetoed: 1,
                n_kept: 1,
                ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        bench.reporter.read_verdicts(&mut bench.state.saved).unwrap();
        assert!(bench.record.take_events().is_empty());
        assert_eq!(bench.state.saved.verdicts.get(PairId(3)), Some(Verdict::Veto));
    }

    #[test]
    fn the_last_progress_of_a_step_is_always_told() {
        let mut bench = Bench::new(spec(|_| ()));
        let clock = Instant::now();
        for n_done in 1..=5 {
            let progress =
                StepProgress { round: 0, step: "score", n_done, n_total: 5, n_tokens: 1, clock };
            bench.reporter.progress(progress).unwrap();
        }
        let told: Vec<u64> = bench
            .record
            .take_events()
            .iter()
            .filter_map(|event| match event {
                RunEvent::Progressed { n_done, .. } => Some(*n_done),
                _ => None,
            })
            .collect();
        assert_eq!(told, [1, 5]);
    }

    #[test]
    fn time_that_a_person_held_the_run_is_not_work() {
        let mut clock = RoundClock::start();
        clock.since -= Duration::from_secs(10);
        clock.held = Duration::from_secs(4);
        let worked = clock.take_ms();
        assert!((6_000..7_000).contains(&worked), "{worked}");
        assert!(clock.take_ms() < 1_000, "the clock begins anew");
    }
}
