//! A dry run: a spec tried on a few pairs for one round, in a home that is thrown away.
//!
//! It is a run like any other, with a worker of its own: what is wrong with a spec often shows first
//! where a model trains. Only its home is another one, so its outcome is read from that home's store.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::queue::{QueuePlan, queue_local};
use super::{LaunchError, Say, failure_hint, local};
use crate::domain::run::{Liveness, RunId, RunStatus};
use crate::spec::SpecSet;
use crate::store::{Access, Home, Store};
use crate::supervisor::{Supervisor, SupervisorError};

/// What makes a run a small one.
const SMALL: [&str; 4] =
    ["data.limit=200", "rounds.max=1", "train.epochs=1", "selection.min_selected=1"];
/// Between two looks at how far the run is.
const POLL: Duration = Duration::from_millis(100);
/// A worker whose run has ended needs a moment to leave; its home must not go before it.
const LEAVING: Duration = Duration::from_secs(10);

/// Tries the first run of an order, made small, and says how long that took: seconds to minutes.
/// `is_given_up` ends it early. Names are looked up in the supervisor's own home; everything else
/// happens in a new one, of which nothing is kept.
///
/// # Errors
/// Why the run cannot be started, or how it failed.
pub fn dry_run(
    supervisor: &Supervisor,
    specs: &SpecSet,
    say: &dyn Say,
    is_given_up: &AtomicBool,
) -> Result<Duration, LaunchError> {
    let began = Instant::now();
    let mut small = specs.clone();
    small.sets.extend(SMALL.map(str::to_owned));
    small.arms.truncate(1);
    small.rng_seeds.truncate(1);
    let found = small
        .resolve()?
        .iter()
        .map(|spec| local::localize(supervisor.home(), spec, say))
        .collect::<Result<Vec<_>, _>>()?;
    let folder = ThrownAway::new();
    let home = Home::new(folder.0.join("home"));
    let theirs = supervisor.for_home(home.clone());
    let mut store = Store::open(&home, Access::ReadWrite)?;
    for run in queue_local(&home, &mut store, &found, QueuePlan::default(), say)? {
        let outcome = follow(&theirs, &mut store, &run.id, is_given_up);
        leave(&theirs, &mut store)?;
        outcome?;
    }
    Ok(began.elapsed())
}

/// Waits until the run has ended.
fn follow(
    supervisor: &Supervisor,
    store: &mut Store,
    run: &RunId,
    is_given_up: &AtomicBool,
) -> Result<(), LaunchError> {
    loop {
        supervisor.start_next(store)?;
        let row = store.run(run)?.row;
        if row.status == RunStatus::Failed {
            let message = row.failure.unwrap_or_else(|| "the run failed".to_owned());
            return Err(LaunchError::Failed { message, hint: failure_hint(store, run)? });
        }
        if row.status.is_ended() {
            return Ok(());
        }
        if row.liveness == Liveness::Gone {
            let message = "the worker of the dry run was killed".to_owned();
            return Err(LaunchError::Failed { message, hint: None });
        }
        if is_given_up.load(Ordering::Relaxed) {
            // A run that waits still leaves the queue; one at work may take minutes for its step.
            if supervisor.stop(store, run).is_ok() {
                let _ = supervisor.kill(store, run);
            }
            return Err(LaunchError::GivenUp);
        }
        std::thread::sleep(POLL);
    }
}

/// Waits until the worker is gone.
fn leave(supervisor: &Supervisor, store: &mut Store) -> Result<(), SupervisorError> {
    let began = Instant::now();
    while supervisor.has_workers(store)? && began.elapsed() < LEAVING {
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// A folder that goes with its owner.
struct ThrownAway(PathBuf);

impl ThrownAway {
    fn new() -> Self {
        /// Two dry runs of one process are not in each other's way.
        static N: AtomicU32 = AtomicU32::new(0);
        let n = N.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("ser-dry-run-{}-{n}", std::process::id())))
    }
}

impl Drop for ThrownAway {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
