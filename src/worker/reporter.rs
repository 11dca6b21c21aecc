//! The link between a step and the outside: events and progress go out, requests and decisions come
//! in.

use std::time::{Duration, Instant};

use crate::domain::event::RunEvent;
use crate::domain::phase::PhaseKey;
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

/// A phase that has begun.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    key: PhaseKey,
    n_total: u64,
    clock: StepClock,
}

/// Measures the work of a step in this attempt, without the time for which a person held it.
#[derive(Debug, Clone, Copy)]
pub struct StepClock {
    since: Instant,
    /// For how long the run had been held when the clock began.
    held: Duration,
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
    /// For how long people have held the run in this attempt.
    held: Duration,
}

impl<'a> Reporter<'a> {
    /// Starts the clock of a reporter.
    #[must_use]
    pub fn new(record: Box<dyn RunRecord + 'a>, signals: Signals) -> Self {
        let (reading, progress) = (Throttle::for_reading(), Throttle::for_progress());
        let (clock, held) = (RoundClock::start(), Duration::ZERO);
        Self { record, clock, signals, reading, progress, held }
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

    /// Starts the clock of a step.
    #[must_use]
    pub fn start_clock(&self) -> StepClock {
        StepClock { since: Instant::now(), held: self.held }
    }

    /// Returns the milliseconds of work since a clock was started.
    #[must_use]
    pub fn elapsed_ms(&self, clock: StepClock) -> u64 {
        let held = self.held.saturating_sub(clock.held);
        clock.since.elapsed().saturating_sub(held).as_millis() as u64
    }

    /// Reports that a phase begins. It is one of `n_parts` folds, or of none; `n_before` of
    /// `n_total` units were done by an earlier attempt.
    ///
    /// # Errors
    /// As [`Reporter::send`].
    pub fn begin(
        &self,
        key: PhaseKey,
        n_parts: u32,
        [n_before, n_total]: [u64; 2],
    ) -> Result<Begun, WorkerError> {
        let PhaseKey { round, phase: step, part } = key;
        self.send(RunEvent::StepStarted { round, step, part, n_parts, n_before, n_total })?;
        Ok(Begun { key, n_total, clock: self.start_clock() })
    }

    /// Reports how far a phase is, at most twice a second: units done, those of earlier attempts
    /// included, and tokens handled in this attempt.
    ///
    /// # Errors
    /// As [`Reporter::send`].
    pub fn progress(
        &mut self,
        begun: Begun,
        n_done: u64,
        n_tokens: u64,
    ) -> Result<(), WorkerError> {
        if n_done < begun.n_total && !self.progress.is_due() {
            return Ok(());
        }
        let PhaseKey { round, phase: step, part } = begun.key;
        let (n_total, elapsed_ms) = (begun.n_total, self.elapsed_ms(begun.clock));
        self.send(RunEvent::Progressed { round, step, part, n_done, n_total, n_tokens, elapsed_ms })
    }

    /// Reads requests, and decisions into the state. While the run is paused this call does not
    /// return.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn read_people(&mut self, state: &mut impl TakesDecisions) -> Result<Flow, WorkerError> {
        if self.signals.stop_requested() {
            return Ok(Flow::Stop);
        }
        if !self.reading.is_due() {
            return Ok(Flow::Continue);
        }
        state.read_decisions(self)?;
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

    /// Holds the run until a person resumes or stops it, or for as long as `at_most`. Meanwhile others
    /// may take its slot; then it waits for another one.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn hold(
        &mut self,
        state: &mut impl TakesDecisions,
        reason: &str,
        at_most: Option<Duration>,
    ) -> Result<Flow, WorkerError> {
        self.send(RunEvent::Paused { reason: reason.to_owned() })?;
        // A paused run holds no slot, which others see in what is on disk.
        self.flush()?;
        let begin = Instant::now();
        let mut is_released = false;
        loop {
            if self.signals.stop_requested() {
                return Ok(Flow::Stop);
            }
            match self.next_request()? {
                Some(RequestKind::Resume) => is_released = true,
                Some(RequestKind::Stop) => return Ok(Flow::Stop),
                Some(RequestKind::Pause) => is_released = false,
                None => {}
            }
            let is_over = at_most.is_some_and(|limit| begin.elapsed() >= limit);
            if is_over && !is_released {
                let seconds = at_most.unwrap_or_default().as_secs();
                self.warn(format!(
                    "nobody let the run go on within {seconds} s: it goes on by itself"
                ))?;
                is_released = true;
            }
            if is_released && self.record.take_slot()? {
                break;
            }
            let looked_at = Instant::now();
            std::thread::sleep(HELD_LOOK);
            let held = looked_at.elapsed();
            self.clock.held += held;
            self.held += held;
        }
        state.read_decisions(self)?;
        self.send(RunEvent::Resumed)?;
        Ok(Flow::Continue)
    }
}

/// The state of a run, as far as people's decisions go into it.
pub trait TakesDecisions {
    /// Takes new decisions into account; the step from which they hold is an event.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn read_decisions(&mut self, reporter: &Reporter<'_>) -> Result<(), WorkerError>;
}

impl TakesDecisions for SavedState {
    fn read_decisions(&mut self, reporter: &Reporter<'_>) -> Result<(), WorkerError> {
        let before = self.last_verdict_id;
        let last_verdict_id = reporter.record.read_verdicts_after(before, &mut self.verdicts)?;
        if last_verdict_id == before {
            return Ok(());
        }
        self.last_verdict_id = last_verdict_id;
        reporter.send(RunEvent::VerdictsRead {
            round: round_of(self.ser.pending()),
            global_step: self.global_step,
            last_verdict_id,
            n_vetoed: self.verdicts.n_vetoed() as u64,
            n_kept: self.verdicts.count(Verdict::Keep) as u64,
            n_flipped: self.verdicts.count(Verdict::Flip) as u64,
        })
    }
}

/// The round that a step belongs to; the final step has none of its own and counts as 0.
pub fn round_of(step: Step) -> u32 {
    match step {
        Step::Train { round }
        | Step::Evaluate { round, .. }
        | Step::Answer { round }
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
    use crate::domain::phase::Phase;
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
    fn a_released_run_waits_for_a_slot_and_can_be_stopped_meanwhile() {
        for (asked, expected) in [(None, Flow::Continue), (Some(RequestKind::Stop), Flow::Stop)] {
            let mut bench = Bench::new(spec(|_| ()));
            bench.record.keep_slots_for(2);
            bench.record.request(Some(RequestKind::Resume));
            bench.record.request(asked);
            let held = bench.reporter.hold(&mut bench.state.saved, "requested", None).unwrap();
            assert_eq!(held, expected);
            let ends_resumed = names(&bench.record.take_events()).last() == Some(&"resumed");
            assert_eq!(ends_resumed, expected == Flow::Continue);
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
        bench.state.saved.read_decisions(&bench.reporter).unwrap();
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
        bench.state.saved.read_decisions(&bench.reporter).unwrap();
        assert!(bench.record.take_events().is_empty());
        assert_eq!(bench.state.saved.verdicts.get(PairId(3)), Some(Verdict::Veto));
    }

    #[test]
    fn the_last_progress_of_a_step_is_always_told() {
        let mut bench = Bench::new(spec(|_| ()));
        let key = PhaseKey::new(0, Phase::Score);
        let begun = bench.reporter.begin(key, 0, [0, 5]).unwrap();
        for n_done in 1..=5 {
            bench.reporter.progress(begun, n_done, 1).unwrap();
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
    fn a_phase_takes_no_time_while_a_person_holds_the_run() {
        let mut bench = Bench::new(spec(|_| ()));
        let mut clock = bench.reporter.start_clock();
        clock.since -= Duration::from_secs(10);
        bench.reporter.held += Duration::from_secs(4);
        let worked = bench.reporter.elapsed_ms(clock);
        assert!((6_000..7_000).contains(&worked), "{worked}");
        let later = bench.reporter.start_clock();
        assert!(bench.reporter.elapsed_ms(later) < 1_000, "what was held before counts for none");
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
