//! Runs ONE run to its end, in its own process.
//!
//! The loop is short: ask [`crate::domain::ser::SerLoop`] (of a policy run
//! [`crate::domain::policy::run_loop::PolicyLoop`], in `policy`) for the pending step, execute it with the
//! engine, report its outcome as events, and hand the outcome to the loop. Between steps the worker
//! reads what people wrote: requests (pause, resume, stop) and verdicts. It owns no terminal and no
//! socket; the database is the only way in and out. The decisions of the method are in
//! [`crate::domain::teacher`] and [`crate::domain::selection`]; this room keeps order, files and
//! events.
//!
//! A step is given the three things it may need as separate arguments: the state of the run, its
//! resources (the model, the pairs, the folder) and its reporter (events, requests, verdicts). The
//! reporter speaks to a trait, so every step is tested with a record in memory and the mock model.
//!
//! A worker can die at any moment. What it has reported stays. The next attempt starts from the
//! newest whole checkpoint and repeats the very same steps, because all randomness is a function of
//! its place.

mod checkpoints;
mod control;
mod cross_fit;
mod error;
mod evaluate;
mod gold;
mod inputs;
mod listening;
mod pass;
mod policy;
mod pool;
mod record;
mod reporter;
mod resources;
mod select;
mod session;
mod shared_round;
mod state;
#[cfg(test)]
mod testing;
mod train;
mod views;

use error::StepResult;
pub use error::WorkerError;

use crate::domain::event::RunEvent;
use crate::domain::run::{RunId, RunKind, StopReason};
use crate::domain::run_loop::{Driven, Executor, drive};
use crate::domain::ser::{Outcome, SerLoop, Step};
use crate::domain::text::causes::one_line;
use crate::store::events::liveness;
use crate::store::{Access, EventWriter, Home, Store, StoreError};

use control::Flow;
use policy::PolicySession;
use session::{Session, finish_step, wait_for_release};

/// How a worker's part in a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The loop came to its end.
    Finished,
    /// A person asked it to stop; a checkpoint holds its state.
    Stopped,
    /// Another worker has the run, or took it over: this one wrote nothing more.
    Superseded,
}

/// Executes a run until it ends, fails or is stopped.
///
/// # Errors
/// Whatever ended the run; it has been recorded as [`RunEvent::RunFailed`] where that was possible.
pub fn run(home: &Home, run: &RunId) -> Result<Ending, WorkerError> {
    let signals = control::watch_signals()?;
    let mut store = Store::open(home, Access::ReadWrite)?;
    let identity = liveness::current_worker();
    let attempt = match store.begin_attempt(run, &identity) {
        Ok(attempt) => attempt,
        Err(error) if is_superseded(&error) => {
            tracing::info!(%run, %error, "another worker has this run");
            return Ok(Ending::Superseded);
        }
        Err(error) => return Err(error.into()),
    };
    let writer = EventWriter::new(home, run, attempt)?;
    let result =
        store.run(run).map_err(WorkerError::from).and_then(|detail| match detail.row.kind {
            RunKind::Ser => Session::open(home, run, store, &writer, identity, signals)
                .and_then(|mut session| drive(&mut session)),
            RunKind::Policy => PolicySession::open(home, run, store, &writer, identity, signals)
                .and_then(|mut session| drive(&mut session)),
        });
    let ending = match result {
        Ok(Driven::Finished) => Ending::Finished,
        Ok(Driven::Stopped) => Ending::Stopped,
        Err(WorkerError::Store(error)) if is_superseded(&error) => return Ok(Ending::Superseded),
        Err(error) => {
            let message = one_line(&error);
            tracing::error!(%run, error = %message, "the run failed");
            let reason = error.is_non_finite().then_some(StopReason::NonFinite);
            let failed = RunEvent::RunFailed { message, hint: error.hint(), reason };
            // The first error is the one to report; a store that fails now cannot hold a second.
            let _ = writer.send(failed).and_then(|()| writer.flush());
            return Err(error);
        }
    };
    writer.flush()?;
    Ok(ending)
}

/// Whether another worker has the run: a fact to respect, not a failure to report.
fn is_superseded(error: &StoreError) -> bool {
    matches!(error, StoreError::Superseded { .. } | StoreError::Held { .. })
}

impl Executor<SerLoop> for Session<'_> {
    type Error = WorkerError;

    fn run_loop(&self) -> &SerLoop {
        &self.state.saved.ser
    }

    fn is_to_stop(&mut self) -> Result<bool, WorkerError> {
        Ok(self.reporter.read_people(&mut self.state.saved)? == Flow::Stop)
    }

    fn execute(&mut self, step: Step) -> StepResult {
        tracing::info!("{step}");
        let Self { state, resources, reporter } = self;
        match step {
            Step::Train { round } => train::train(state, resources, reporter, round),
            Step::Evaluate { round, split } => {
                evaluate::evaluate(state, resources, reporter, round, split)
            }
            Step::Answer { round } => pool::answer(state, resources, reporter, round),
            Step::CrossFit { round } => cross_fit::cross_fit(state, resources, reporter, round),
            Step::Score { round } => select::score_pool(state, resources, reporter, round),
            Step::Select { round } => select::select(state, resources, reporter, round),
            Step::Review { .. } => wait_for_release(state, resources, reporter),
            Step::Finish { .. } => Ok(None),
        }
    }

    fn take(&mut self, step: Step, outcome: Outcome) -> Result<(), WorkerError> {
        let Self { state, resources, reporter } = self;
        finish_step(state, resources, reporter, step, outcome)
    }

    fn finish(&mut self, step: Step) -> Result<(), WorkerError> {
        tracing::info!("{step}");
        let Step::Finish { reason } = step else { return Ok(()) };
        let Self { state, resources, reporter } = self;
        checkpoints::roll_back(state, resources, reporter, reason)?;
        self.checkpoint("finish")?;
        self.reporter.send(RunEvent::RunFinished { reason })
    }

    fn stop(&mut self) -> Result<(), WorkerError> {
        Session::stop(self)
    }
}
