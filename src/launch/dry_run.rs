//! A spec tried on a few pairs for one round, in a home that is thrown away.

use std::time::{Duration, Instant};

use super::{Base, LaunchError, LaunchResult, Place, Request, Silent, start};
use crate::domain::event::RunEvent;
use crate::domain::run::RunStatus;
use crate::store::{Access, Home, Store};
use crate::supervisor::Supervisor;

/// What makes a run a small one.
const SMALL: [&str; 4] =
    ["data.limit=200", "rounds.max=1", "train.epochs=1", "selection.min_selected=1"];
/// Between two looks at whether it has ended.
const POLL: Duration = Duration::from_millis(200);

/// What came of a dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DryRun {
    /// How long it took, the reading of data and model included.
    pub took: Duration,
}

/// Runs a spec on 200 pairs for one round and waits for its end: seconds to minutes. `spec` is the
/// text of a spec file.
///
/// # Errors
/// What the run would fail with, so far as 200 pairs show it.
pub fn dry_run(spec: &str) -> LaunchResult<DryRun> {
    let began = Instant::now();
    let write = |path: &std::path::Path| {
        let path = path.to_owned();
        move |source| LaunchError::Write { path, source }
    };
    let temporary = std::env::temp_dir();
    let folder =
        tempfile::Builder::new().prefix("ser-dry-run-").tempdir().map_err(write(&temporary))?;
    let file = folder.path().join("spec.toml");
    std::fs::write(&file, spec).map_err(write(&file))?;
    let home = Home::new(folder.path().join("home"));
    let mut store = Store::open(&home, Access::ReadWrite)?;
    let sets = SMALL.map(str::to_owned).to_vec();
    let request = Request { base: Base::File(file), sets, ..Request::default() };
    let place = Place { home: &home, say: &Silent };
    let started = start(place, &mut store, &request)?;
    let supervisor = Supervisor::new(home.clone());
    for run in &started.runs {
        loop {
            supervisor.start_next(&mut store)?;
            let row = store.run(&run.id)?.row;
            match row.status {
                RunStatus::Failed => {
                    let last = store.last_events(&run.id, 1)?;
                    let told = last.first().and_then(|line| serde_json::from_str(&line.body).ok());
                    let hint =
                        if let Some(RunEvent::RunFailed { hint, .. }) = told { hint } else { None };
                    let message = row.failure.unwrap_or_else(|| "the run failed".to_owned());
                    return Err(LaunchError::DryRun { message, hint });
                }
                status if status.is_ended() => break,
                _ => std::thread::sleep(POLL),
            }
        }
    }
    Ok(DryRun { took: began.elapsed() })
}
