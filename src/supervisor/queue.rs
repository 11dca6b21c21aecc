//! The queue: as many runs at a time as there are slots, the next one when a slot is free.

use std::sync::PoisonError;

use super::launcher::{SubmissionState, Submitted};
use super::{Supervisor, SupervisorError};
use crate::domain::event::RunEvent;
use crate::domain::run::{RunId, RunStatus};
use crate::store::events::liveness;
use crate::store::{QueuedRun, Store};

/// A worker that this process has asked for and not seen end.
#[derive(Debug)]
pub(super) struct StartedWorker {
    /// The run that the worker was started for, and the number of the attempt before its own.
    queued: QueuedRun,
    submitted: Box<dyn Submitted>,
}

impl Supervisor {
    /// Starts the head of the queue if a slot is free, and returns its id. Cheap enough to be
    /// called at every poll.
    ///
    /// # Errors
    /// When the store cannot be read or the process not be started.
    pub fn start_next(&self, store: &mut Store) -> Result<Option<RunId>, SupervisorError> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        reap(&mut children, store)?;
        let this = liveness::current_worker();
        let slots = self.launcher.slots(&self.home)?;
        match store.claim_next(&this, &slots)? {
            Some(queued) => self.start(store, queued, &mut children).map(Some),
            None => Ok(None),
        }
    }

    /// Starts a run of the queue, or lets a paused one go on, whether a slot is free or not.
    ///
    /// # Errors
    /// When the run is neither queued nor paused, or the process cannot be started.
    pub fn start_now(&self, store: &mut Store, run: &RunId) -> Result<(), SupervisorError> {
        if store.run(run)?.row.status == RunStatus::Paused {
            store.waive_slot(run)?;
            return self.resume(store, run);
        }
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        reap(&mut children, store)?;
        // Another process that is starting it does what was asked for.
        if let Some(queued) = store.claim_run(run, &liveness::current_worker())? {
            self.start(store, queued, &mut children)?;
        }
        Ok(())
    }

    /// Asks the launcher for the worker of a run that this process has claimed.
    fn start(
        &self,
        store: &mut Store,
        queued: QueuedRun,
        children: &mut Vec<StartedWorker>,
    ) -> Result<RunId, SupervisorError> {
        let run = queued.run.clone();
        let submitted = match self.launcher.submit(&self.home, &run) {
            Ok(submitted) => submitted,
            Err(error) => {
                store.hand_claim(&run, None)?;
                return Err(error);
            }
        };
        // A submitted job has no process yet, so the claim is made in the name of this process.
        let worker = submitted.worker().unwrap_or_else(liveness::current_worker);
        children.push(StartedWorker { queued, submitted });
        store.hand_claim(&run, Some(&worker))?;
        Ok(run)
    }

    /// Whether a worker that this process has asked for is still there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_workers(&self, store: &mut Store) -> Result<bool, SupervisorError> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        reap(&mut children, store)?;
        Ok(!children.is_empty())
    }
}

/// Collects workers that have ended. If a worker ended without ever taking its run, the run has
/// failed; left in the queue it would be started again and again.
fn reap(children: &mut Vec<StartedWorker>, store: &mut Store) -> Result<(), SupervisorError> {
    let mut index = 0;
    while index < children.len() {
        let SubmissionState::Ended(exit) = children[index].submitted.state() else {
            index += 1;
            continue;
        };
        let QueuedRun { run, attempt } = children.swap_remove(index).queued;
        let Ok(detail) = store.run(&run) else { continue };
        let row = detail.row;
        if row.status == RunStatus::Queued && row.attempt == attempt {
            let log = store.home().worker_log(&run);
            let event = RunEvent::RunFailed {
                reason: None,
                message: format!("the worker ended before it took the run ({exit})"),
                hint: Some(format!("read `{}`", log.display())),
            };
            store.end_queued(&run, event)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::domain::event::WorkerIdentity;
    use crate::domain::run::{Liveness, RequestKind};
    use crate::store::testing::{self, Fixture};
    use crate::store::{Home, Slots};
    use crate::supervisor::{Launcher, Local};

    /// A supervisor whose workers are a shell script.
    fn supervisor(fixture: &Fixture, script: &str) -> Supervisor {
        use std::os::unix::fs::PermissionsExt;
        let path: PathBuf = fixture.home.root().join("fake-ser");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Supervisor::with_launcher(fixture.home.clone(), Arc::new(Local { program: Some(path) }))
    }

    /// Waits until the children of a supervisor have ended, without reaping them.
    fn wait(supervisor: &Supervisor) {
        let children = supervisor.children.lock().unwrap();
        for child in children.iter() {
            let Some(worker) = child.submitted.worker() else { continue };
            let stat = format!("/proc/{}/stat", worker.pid);
            while !std::fs::read_to_string(&stat).unwrap().contains(") Z") {
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn the_head_of_the_queue_is_started_once() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let supervisor = supervisor(&fixture, "echo \"$@\"; read line; pwd; exit 3");
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), Some(run.clone()));
        wait(&supervisor);
        // The worker never took the run: it has failed, and the log says what it did.
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), None);
        let row = fixture.store.run(&run).unwrap().row;
        assert_eq!(row.status, RunStatus::Failed);
        assert!(row.failure.unwrap().contains("exit status: 3"));
        let log = std::fs::read_to_string(fixture.home.worker_log(&run)).unwrap();
        let home = fixture.home.root().display();
        assert_eq!(log, format!("worker --run {run} --home {home}\n{home}\n"));
    }

    #[test]
    fn a_worker_that_has_not_taken_its_run_yet_is_not_doubled() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let supervisor = supervisor(&fixture, "exec sleep 600");
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), Some(run));
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), None);
        let children = supervisor.children.lock().unwrap();
        assert_eq!(children.len(), 1);
        supervisor.launcher.cancel(&children[0].submitted.worker().unwrap()).unwrap();
    }

    /// A viewer looks at the queue while a command has just started its head.
    #[test]
    fn of_two_supervisors_one_starts_a_worker() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let [first, second] = [(); 2].map(|()| supervisor(&fixture, "exec sleep 600"));
        assert_eq!(first.start_next(&mut fixture.store).unwrap(), Some(run.clone()));
        assert_eq!(second.start_next(&mut fixture.store).unwrap(), None);
        let worker = first.children.lock().unwrap()[0].submitted.worker().unwrap();
        first.launcher.cancel(&worker).unwrap();
        wait(&first);
        // The worker died before it took the run: who has started it says so, or, when that process
        // is gone, the next one starts the run again.
        drop(first);
        assert_eq!(second.start_next(&mut fixture.store).unwrap(), Some(run));
        let worker = second.children.lock().unwrap()[0].submitted.worker().unwrap();
        second.launcher.cancel(&worker).unwrap();
    }

    /// Jobs that wait in a queue of somebody else's, two at a time.
    #[derive(Debug, Default)]
    struct Cluster {
        asked: std::sync::Mutex<Vec<RunId>>,
    }

    #[derive(Debug)]
    struct Job;

    impl Submitted for Job {
        fn worker(&self) -> Option<WorkerIdentity> {
            None
        }

        fn state(&mut self) -> SubmissionState {
            SubmissionState::Going
        }
    }

    impl Launcher for Cluster {
        fn slots(&self, _: &Home) -> Result<Slots, SupervisorError> {
            Ok(Slots::all(2))
        }

        fn submit(&self, _: &Home, run: &RunId) -> Result<Box<dyn Submitted>, SupervisorError> {
            self.asked.lock().unwrap().push(run.clone());
            Ok(Box::new(Job))
        }

        fn cancel(&self, worker: &WorkerIdentity) -> Result<(), SupervisorError> {
            Err(SupervisorError::Elsewhere { pid: worker.pid, host: worker.host.clone() })
        }
    }

    #[test]
    fn jobs_that_wait_elsewhere_are_submitted_once() {
        let mut fixture = testing::store();
        let [a, b, c] = ["a", "b", "c"].map(|name| fixture.run(name));
        let cluster = Arc::new(Cluster::default());
        let supervisor = Supervisor::with_launcher(fixture.home.clone(), cluster.clone());
        for expected in [Some(&a), Some(&b), None, None] {
            let started = supervisor.start_next(&mut fixture.store).unwrap();
            assert_eq!(started.as_ref(), expected);
        }
        assert_eq!(*cluster.asked.lock().unwrap(), [a.clone(), b]);
        // A job that has begun and ended leaves its slot to the next one.
        let attempt = fixture.begin(&a);
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), None);
        fixture.apply(&a, attempt, vec![RunEvent::RunStopped]);
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), Some(c));
    }

    #[test]
    fn a_busy_slot_keeps_the_next_run_waiting() {
        let mut fixture = testing::store();
        let [a, b] = [fixture.run("a"), fixture.run("b")];
        let supervisor = supervisor(&fixture, "exit 0");
        let attempt = fixture.begin(&a);
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), None);
        // A worker that has reported its end starts the next run while its process still lives.
        fixture.apply(&a, attempt, vec![RunEvent::RunStopped]);
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), Some(b));
    }

    #[test]
    fn an_interrupted_run_frees_the_slot_and_is_resumed() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        fixture.begin_as_dead(&run);
        let supervisor = supervisor(&fixture, "exit 0");
        let error = supervisor.stop(&mut fixture.store, &run).unwrap_err();
        assert_eq!(error.to_string(), "nothing to stop: `a` is interrupted");
        supervisor.resume(&mut fixture.store, &run).unwrap();
        assert_eq!(fixture.store.run(&run).unwrap().row.status, RunStatus::Queued);
        assert_eq!(supervisor.children.lock().unwrap().len(), 1);
    }

    #[test]
    fn people_ask_and_workers_read() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let supervisor = supervisor(&fixture, "exit 0");
        let error = supervisor.pause(&mut fixture.store, &run).unwrap_err();
        assert_eq!(error.to_string(), "nothing to pause: `a` is queued");
        let attempt = fixture.begin(&run);
        let error = supervisor.resume(&mut fixture.store, &run).unwrap_err();
        assert_eq!(error.to_string(), "nothing to resume: `a` is running");
        supervisor.pause(&mut fixture.store, &run).unwrap();
        supervisor.resume(&mut fixture.store, &run).unwrap();
        fixture.apply(&run, attempt, vec![RunEvent::Paused { reason: "requested".into() }]);
        supervisor.resume(&mut fixture.store, &run).unwrap();
        supervisor.stop(&mut fixture.store, &run).unwrap();
        let error = supervisor.resume(&mut fixture.store, &run).unwrap_err();
        assert_eq!(error.to_string(), "nothing to resume: `a` is stopping");
        assert!(error.hint().unwrap().contains("then `ser resume a` goes on"), "{error:?}");
        let asked = fixture.store.unread_requests(&run).unwrap();
        let kinds: Vec<RequestKind> = asked.iter().map(|request| request.kind).collect();
        let expected =
            [RequestKind::Pause, RequestKind::Resume, RequestKind::Resume, RequestKind::Stop];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn a_waiting_run_is_stopped_without_a_worker() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let supervisor = supervisor(&fixture, "exit 0");
        supervisor.stop(&mut fixture.store, &run).unwrap();
        let row = fixture.store.run(&run).unwrap().row;
        assert_eq!((row.status, row.liveness), (RunStatus::Stopped, Liveness::NotExpected));
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), None);
        assert!(supervisor.stop(&mut fixture.store, &run).is_err());
    }

    #[test]
    fn killing_ends_the_very_process_that_holds_the_run() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let supervisor = supervisor(&fixture, "exit 0");
        assert!(supervisor.kill(&fixture.store, &run).is_err());
        let mut victim = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let worker = crate::store::events::liveness::identity_of(victim.id()).unwrap();
        fixture.store.begin_attempt(&run, &worker).unwrap();
        supervisor.kill(&fixture.store, &run).unwrap();
        assert!(!victim.wait().unwrap().success());
        assert_eq!(fixture.store.run(&run).unwrap().row.liveness, Liveness::Gone);
    }
}
