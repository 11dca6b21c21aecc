//! Starts, steers and ends worker processes.
//!
//! There is no daemon. Whichever process finds a free slot starts the head of the queue: a command,
//! a viewer, or a worker that has just ended. The store gives each start to one process
//! ([`Store::claim_next`]), and each run to one worker ([`Store::begin_attempt`]).
//!
//! People never signal a worker to steer it. They append a request, which the worker reads between
//! two steps. Only [`Supervisor::kill`] ends a process, for a worker that no longer reads requests.

mod error;
mod launcher;
mod queue;

use std::sync::{Arc, Mutex};

pub use error::SupervisorError;
pub use launcher::{Launcher, Local, Submitted};

use crate::domain::event::RunEvent;
use crate::domain::run::{Liveness, RequestKind, RunId, RunStatus};
use crate::store::{Home, RunRow, STOPPING, Store, StoreError};

/// Starts and steers the workers of one home. Shared by reference: every method takes `&self`.
#[derive(Debug)]
pub struct Supervisor {
    home: Home,
    launcher: Arc<dyn Launcher>,
    /// Workers this process has started and not seen end.
    children: Mutex<Vec<queue::StartedWorker>>,
}

impl Supervisor {
    /// A supervisor that starts the running binary on this machine.
    #[must_use]
    pub fn new(home: Home) -> Self {
        Self::with_launcher(home, Arc::new(Local::default()))
    }

    /// A supervisor that starts workers elsewhere, or otherwise.
    #[must_use]
    pub fn with_launcher(home: Home, launcher: Arc<dyn Launcher>) -> Self {
        Self { home, launcher, children: Mutex::default() }
    }

    /// A supervisor of another home that starts workers in the same way.
    #[must_use]
    pub fn of_home(&self, home: Home) -> Self {
        Self::with_launcher(home, Arc::clone(&self.launcher))
    }

    /// Asks a running worker to hold.
    ///
    /// # Errors
    /// When the run is not running.
    pub fn pause(&self, store: &mut Store, run: &RunId) -> Result<(), SupervisorError> {
        let row = store.run(run)?.row;
        if row.status != RunStatus::Running || !has_worker(&row) {
            return Err(refused("nothing to pause", row));
        }
        store.add_request(run, RequestKind::Pause)?;
        Ok(())
    }

    /// Lets a paused worker go on, or puts an ended or interrupted run back into the queue and
    /// starts the head of the queue.
    ///
    /// # Errors
    /// When the run is at work, waiting, or finished.
    pub fn resume(&self, store: &mut Store, run: &RunId) -> Result<(), SupervisorError> {
        let row = store.run(run)?.row;
        if has_worker(&row) {
            // A worker that was asked to pause, but has not read that yet, can be resumed as well.
            let asked = store.unread_requests(run)?;
            let last = asked.last().map(|request| request.kind);
            let will_hold = match row.status {
                RunStatus::Paused => last != Some(RequestKind::Stop),
                _ => last == Some(RequestKind::Pause),
            };
            if !will_hold {
                let action = "nothing to resume";
                if last == Some(RequestKind::Stop) {
                    let name = row.name;
                    return Err(StoreError::WrongState { action, name, state: STOPPING }.into());
                }
                return Err(refused(action, row));
            }
            store.add_request(run, RequestKind::Resume)?;
            return Ok(());
        }
        store.spec(run)?;
        store.requeue(run)?;
        self.start_next(store)?;
        Ok(())
    }

    /// Asks a worker to save a checkpoint and end; takes a waiting run out of the queue.
    ///
    /// # Errors
    /// When the run has ended already.
    pub fn stop(&self, store: &mut Store, run: &RunId) -> Result<(), SupervisorError> {
        let row = store.run(run)?.row;
        if row.status == RunStatus::Queued {
            match store.end_queued(run, RunEvent::RunStopped) {
                // A worker has taken the run in this moment, so that worker is asked to stop.
                Err(StoreError::WrongState { .. }) => {}
                outcome => return Ok(outcome?),
            }
        } else if !has_worker(&row) {
            return Err(refused("nothing to stop", row));
        }
        store.add_request(run, RequestKind::Stop)?;
        Ok(())
    }

    /// Kills the worker of a run. What it did after its last checkpoint will be done again when
    /// the run is resumed.
    ///
    /// # Errors
    /// When no worker is alive, or it lives on another host.
    pub fn kill(&self, store: &Store, run: &RunId) -> Result<(), SupervisorError> {
        let detail = store.run(run)?;
        match detail.worker {
            Some(worker) if has_worker(&detail.row) => self.launcher.cancel(&worker),
            _ => Err(refused("nothing to kill", detail.row)),
        }
    }
}

/// Whether a process works on the run.
fn has_worker(row: &RunRow) -> bool {
    matches!(row.liveness, Liveness::Alive | Liveness::Silent)
}

fn refused(action: &'static str, row: RunRow) -> SupervisorError {
    let state = if row.liveness == Liveness::Gone { "interrupted" } else { row.status.name() };
    StoreError::WrongState { action, name: row.name, state }.into()
}
