//! Where workers run: the seam between the queue and a machine, or a cluster.

use std::time::Duration;

use super::SupervisorError;
use crate::domain::event::WorkerIdentity;
use crate::domain::run::RunId;
use crate::store::Home;

/// Starts workers in some place, looks after them until they take their run, and ends them.
///
/// A worker reports everything else through the store, wherever it runs, so a launcher needs no
/// other way back.
pub trait Launcher: std::fmt::Debug + Send + Sync {
    /// How many workers may be at work at the same time.
    fn n_slots(&self) -> usize;

    /// How long a worker may need from [`Launcher::submit`] until it takes its run. The run is
    /// claimed for so long: where jobs wait for a machine this is days.
    fn patience(&self) -> Duration;

    /// Starts the worker of a run and does not wait for it.
    ///
    /// # Errors
    /// When it cannot be started; the run stays in the queue.
    fn submit(&self, home: &Home, run: &RunId) -> Result<Job, SupervisorError>;

    /// What has become of a worker that this launcher has started. One that has ended is forgotten.
    fn state(&self, job: &Job) -> JobState;

    /// Ends the worker that holds a run, at once and without its help.
    ///
    /// # Errors
    /// When this place cannot reach it.
    fn cancel(&self, worker: &WorkerIdentity) -> Result<(), SupervisorError>;
}

/// What a launcher calls a worker that it has started: a process id, or the number of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job(pub String);

/// What has become of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// It waits or works.
    Going,
    /// It has ended, as these words say: `exit status: 3`.
    Ended(String),
}
