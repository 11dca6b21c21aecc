//! A dry run: a spec tried on a few pairs for one round, in a temporary home.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::queue::{LaunchPlan, launch_local};
use super::{Base, LaunchError, LaunchResult, Place, Request, Silent, by_name};
use crate::domain::event::RunEvent;
use crate::domain::run::{Liveness, RunId, RunStatus};
use crate::domain::spec::{Amount, ExperimentSpec};
use crate::store::{Access, Home, Store};
use crate::supervisor::Supervisor;

/// Pairs of a dry run.
const N_PAIRS: u64 = 200;
/// Between two looks at whether it has ended.
const POLL: Duration = Duration::from_millis(200);

/// Longest wait for the worker of an ended run to exit.
const LEAVING: Duration = Duration::from_secs(10);

/// Runs a spec on 200 pairs for one round and waits for its end: seconds to minutes. `spec` is the
/// text of a spec file. Names of models are looked up in `own`, the home of the person; the run has
/// one that is thrown away, and its worker is started as `supervisor` starts those of `own`.
/// `is_given_up` ends it early. Returns how long it took, the reading of data and model included.
///
/// # Errors
/// What the run would fail with, so far as 200 pairs show it.
pub fn dry_run(
    own: &Home,
    supervisor: &Supervisor,
    spec: &str,
    is_given_up: &AtomicBool,
) -> LaunchResult<Duration> {
    let began = Instant::now();
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| LaunchError::Write { path, source }
    };
    let temporary = std::env::temp_dir();
    let folder =
        tempfile::Builder::new().prefix("ser-dry-run-").tempdir().map_err(write(&temporary))?;
    let file = folder.path().join("spec.toml");
    std::fs::write(&file, spec).map_err(write(&file))?;
    let request = Request { base: Base::File(file), ..Request::default() };
    let own = Place { home: own, say: &Silent };
    let specs = request
        .specs(own)?
        .iter()
        .map(|spec| by_name::localize(own, &small(spec.clone())))
        .collect::<LaunchResult<Vec<_>>>()?;
    let home = Home::new(folder.path().join("home"));
    let mut store = Store::open(&home, Access::ReadWrite)?;
    let place = Place { home: &home, say: &Silent };
    let supervisor = supervisor.of_home(home.clone());
    for run in launch_local(place, &mut store, &specs, LaunchPlan::default())? {
        let ended = follow(&supervisor, &mut store, &run.id, is_given_up);
        leave(&supervisor, &mut store)?;
        ended?;
    }
    Ok(began.elapsed())
}

/// The same run on few pairs, for at most one round.
fn small(mut spec: ExperimentSpec) -> ExperimentSpec {
    spec.data.limit = N_PAIRS;
    spec.rounds.max = spec.rounds.max.min(1);
    spec.train.epochs = 1;
    spec.selection.min_selected = Amount::Count(1);
    spec
}

/// Waits until the run has ended.
fn follow(
    supervisor: &Supervisor,
    store: &mut Store,
    run: &RunId,
    is_given_up: &AtomicBool,
) -> LaunchResult {
    let failed = |message: String, hint| Err(LaunchError::DryRun { message, hint });
    loop {
        supervisor.start_next(store)?;
        let row = store.run(run)?.row;
        match row.status {
            RunStatus::Failed => {
                let last = store.last_events(run, 1)?;
                let told = last.first().and_then(|line| serde_json::from_str(&line.body).ok());
                let hint =
                    if let Some(RunEvent::RunFailed { hint, .. }) = told { hint } else { None };
                return failed(row.failure.unwrap_or_else(|| "the run failed".to_owned()), hint);
            }
            status if status.is_ended() => return Ok(()),
            _ if row.liveness == Liveness::Gone => {
                return failed("the worker of the dry run was killed".to_owned(), None);
            }
            _ if is_given_up.load(Ordering::Relaxed) => {
                // A waiting run leaves the queue at once; one that is working may need minutes to
                // finish its step.
                if supervisor.stop(store, run).is_ok() {
                    let _ = supervisor.kill(store, run);
                }
                return failed("the dry run was given up".to_owned(), None);
            }
            _ => std::thread::sleep(POLL),
        }
    }
}

/// Waits until the worker has exited. It opens its store once more after its run has ended, which
/// would create the temporary home again after it was deleted.
fn leave(supervisor: &Supervisor, store: &mut Store) -> LaunchResult {
    let began = Instant::now();
    while supervisor.has_workers(store)? && began.elapsed() < LEAVING {
        std::thread::sleep(POLL);
    }
    Ok(())
}
