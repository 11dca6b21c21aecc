//! The queue: one run at a time on the device, the next one when the slot is free.

use std::sync::PoisonError;

use super::child::StartedWorker;
use super::{Supervisor, SupervisorError, has_worker};
use crate::domain::event::RunEvent;
use crate::domain::run::{RunId, RunStatus};
use crate::store::Store;

/// Workers at the same time. There is one device.
const N_SLOTS: usize = 1;

impl Supervisor {
    /// Starts the head of the queue if a slot is free; says which run that was. Cheap enough to
    /// be called at every poll.
    ///
    /// # Errors
    /// When the store cannot be read or the process not be started.
    pub fn start_next(&self, store: &mut Store) -> Result<Option<RunId>, SupervisorError> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        reap(&mut children, store)?;
        let n_working = store.running()?.iter().filter(|detail| has_worker(&detail.row)).count();
        let Some(run) = store.next_queued()? else { return Ok(None) };
        // A worker that was just started needs a moment until it takes its run.
        let is_started = children.iter().any(|child| child.run == run);
        if n_working >= N_SLOTS || is_started {
            return Ok(None);
        }
        let attempt_before = store.run(&run)?.row.attempt;
        let process = self.start_worker(&run)?;
        children.push(StartedWorker { run: run.clone(), attempt_before, process });
        Ok(Some(run))
    }
}

/// Collects children that ended. A run whose worker ended without ever taking it has failed: left
/// at the head of the queue it would be started again for ever.
fn reap(children: &mut Vec<StartedWorker>, store: &mut Store) -> Result<(), SupervisorError> {
    let mut index = 0;
    while index < children.len() {
        let Ok(Some(exit)) = children[index].process.try_wait() else {
            index += 1;
            continue;
        };
        let child = children.swap_remove(index);
        let Ok(detail) = store.run(&child.run) else { continue };
        let row = detail.row;
        if row.status == RunStatus::Queued && row.attempt == child.attempt_before {
            let log = store.home().worker_log(&child.run);
            let event = RunEvent::RunFailed {
                message: format!("the worker ended before it took the run ({exit})"),
                hint: Some(format!("read `{}`", log.display())),
            };
            store.end_queued(&child.run, event)?;
        }
    }
    Ok(())
}
