//! Starting runs and what belongs to it, for both front ends: names become files, files become data
//! sets of the store, specs become queued runs, and the first of them is started.
//!
//! A front end hands in what the person asked for as a value and gets a value or a typed error back;
//! what is said on the way goes through [`Say`]. Nothing here knows a terminal.

mod dry_run;
mod error;
pub mod import;
pub mod local;
mod queue;
pub mod read_ahead;
mod say;
#[cfg(test)]
mod tests;

pub use dry_run::dry_run;
pub use error::LaunchError;
pub use queue::{QueuePlan, queue};
pub use say::Say;

use crate::domain::event::RunEvent;
use crate::domain::run::RunId;
use crate::spec::SpecSet;
use crate::store::rows::RunRow;
use crate::store::{Store, StoreError};
use crate::supervisor::Supervisor;

/// What a person asks for: runs, and what they are called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// A run for each arm and random seed of it.
    pub specs: SpecSet,
    /// The name of the run, or of the experiment where there are several; made up otherwise.
    pub name: Option<String>,
}

/// What an order came to.
#[derive(Debug, Clone)]
pub struct Launched {
    /// The runs, in the order in which they wait.
    pub runs: Vec<RunRow>,
    /// The experiment they belong to, where there are several.
    pub experiment: Option<String>,
}

/// Checks an order, imports its data, queues its runs and starts the first one if a slot is free.
/// Importing a large data set can take minutes: call this off the thread that draws. A process that
/// ends on the way leaves no run, and the half of a data set that it imported is swept away by
/// whoever opens the store next.
///
/// # Errors
/// Anything wrong with a spec, its model or its data; nothing is left behind then. When the runs
/// are queued and the first one cannot be started, they stay in the queue.
pub fn start(
    supervisor: &Supervisor,
    store: &mut Store,
    order: &Order,
    say: &dyn Say,
) -> Result<Launched, LaunchError> {
    let specs = order.specs.resolve()?;
    let experiment = match &order.name {
        _ if specs.len() == 1 => None,
        Some(name) => Some(name.clone()),
        None => Some(store.unused_experiment_name()?),
    };
    let plan = QueuePlan {
        name: order.name.as_deref().filter(|_| experiment.is_none()),
        experiment: experiment.as_deref(),
        reuses_runs: false,
    };
    let runs = queue(supervisor.home(), store, &specs, plan, say)?;
    supervisor.start_next(store)?;
    Ok(Launched { runs, experiment })
}

/// The hint that a worker left with its failure.
///
/// # Errors
/// When the store cannot be read.
pub fn failure_hint(store: &Store, run: &RunId) -> Result<Option<String>, StoreError> {
    let events = store.last_events(run, 1)?;
    Ok(events.first().and_then(|line| match serde_json::from_str(&line.body) {
        Ok(RunEvent::RunFailed { hint, .. }) => hint,
        _ => None,
    }))
}
