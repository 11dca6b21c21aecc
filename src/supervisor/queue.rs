//! The queue: as many runs at a time as the launcher has room for, the next one when a slot is
//! free.

use std::sync::PoisonError;

use super::{Job, JobState, Launcher, Supervisor, SupervisorError};
use crate::domain::event::RunEvent;
use crate::domain::run::{RunId, RunStatus};
use crate::store::Store;

/// A worker that this process has started.
#[derive(Debug)]
pub(super) struct Started {
    run: RunId,
    /// The run's attempt before the worker takes it.
    attempt_before: u32,
    job: Job,
}

impl Supervisor {
    /// Starts the head of the queue if a slot is free; says which run that was. Cheap enough to
    /// be called at every poll.
    ///
    /// # Errors
    /// When the store cannot be read or the process not be started.
    pub fn start_next(&self, store: &mut Store) -> Result<Option<RunId>, SupervisorError> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        reap(&mut started, &*self.launcher, store)?;
        let (n_slots, patience) = (self.launcher.n_slots(), self.launcher.patience());
        let Some(run) = store.claim_next(n_slots, patience)? else { return Ok(None) };
        // A worker that lives and has not taken its run when the claim ends is slow, not lost.
        if started.iter().any(|known| known.run == run) {
            return Ok(None);
        }
        let attempt_before = store.run(&run)?.row.attempt;
        let job = match self.launcher.submit(&self.home, &run) {
            Ok(job) => job,
            Err(error) => {
                store.release_claim(&run)?;
                return Err(error);
            }
        };
        started.push(Started { run: run.clone(), attempt_before, job });
        Ok(Some(run))
    }

    /// Whether a worker that this process has started is still there.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn has_workers(&self, store: &mut Store) -> Result<bool, SupervisorError> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        reap(&mut started, &*self.launcher, store)?;
        Ok(!started.is_empty())
    }
}

/// Forgets workers that ended. A run whose worker ended without ever taking it has failed: left
/// at the head of the queue it would be started again for ever.
fn reap(
    started: &mut Vec<Started>,
    launcher: &dyn Launcher,
    store: &mut Store,
) -> Result<(), SupervisorError> {
    let mut index = 0;
    while index < started.len() {
        let JobState::Ended(exit) = launcher.state(&started[index].job) else {
            index += 1;
            continue;
        };
        let Started { run, attempt_before, .. } = started.swap_remove(index);
        let Ok(detail) = store.run(&run) else { continue };
        if detail.row.status == RunStatus::Queued && detail.row.attempt == attempt_before {
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
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::super::Local;
    use super::*;
    use crate::domain::event::WorkerIdentity;
    use crate::domain::run::{Liveness, RequestKind};
    use crate::store::testing::{self, Fixture};
    use crate::store::{Access, Home};

    /// A place of two machines, whose workers wait until the test says what became of them.
    #[derive(Debug, Default)]
    struct Cluster {
        submitted: Mutex<Vec<RunId>>,
        ended: Mutex<Option<String>>,
        is_full: Mutex<bool>,
        cancelled: Mutex<Vec<u32>>,
    }

    impl Launcher for Cluster {
        fn n_slots(&self) -> usize {
            2
        }

        fn patience(&self) -> Duration {
            Duration::from_secs(3600)
        }

        fn submit(&self, _: &Home, run: &RunId) -> Result<Job, SupervisorError> {
            if *self.is_full.lock().unwrap() {
                let source = std::io::Error::other("the queue is full");
                return Err(SupervisorError::Start { program: "sbatch".into(), source });
            }
            let mut submitted = self.submitted.lock().unwrap();
            submitted.push(run.clone());
            Ok(Job(submitted.len().to_string()))
        }

        fn state(&self, _: &Job) -> JobState {
            let ended = self.ended.lock().unwrap().clone();
            ended.map_or(JobState::Going, JobState::Ended)
        }

        fn cancel(&self, worker: &WorkerIdentity) -> Result<(), SupervisorError> {
            self.cancelled.lock().unwrap().push(worker.pid);
            Ok(())
        }
    }

    /// A supervisor whose workers are a shell script.
    fn supervisor(fixture: &Fixture, script: &str) -> Supervisor {
        use std::os::unix::fs::PermissionsExt;
        let path: PathBuf = fixture.home.root().join("fake-ser");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Supervisor::with_launcher(fixture.home.clone(), Arc::new(Local::with_program(path)))
    }

    #[test]
    fn another_place_starts_as_many_as_it_has_room_for() {
        let mut fixture = testing::store();
        let [a, b, c] = ["a", "b", "c"].map(|name| fixture.run(name));
        let place = Arc::new(Cluster::default());
        let ours = Supervisor::with_launcher(fixture.home.clone(), place.clone());
        let theirs = Supervisor::with_launcher(fixture.home.clone(), place.clone());
        let mut store = Store::open(&fixture.home, Access::ReadWrite).unwrap();
        assert_eq!(ours.start_next(&mut fixture.store).unwrap(), Some(a.clone()));
        assert_eq!(theirs.start_next(&mut store).unwrap(), Some(b.clone()));
        for _ in 0..3 {
            assert_eq!(ours.start_next(&mut fixture.store).unwrap(), None);
            assert_eq!(theirs.start_next(&mut store).unwrap(), None);
        }
        assert_eq!(*place.submitted.lock().unwrap(), [a.clone(), b.clone()]);
        // Both take their run, and one ends it: there is room again.
        let attempt = fixture.begin(&a);
        fixture.begin(&b);
        fixture.apply(&a, attempt, vec![RunEvent::RunStopped]);
        *place.ended.lock().unwrap() = Some("COMPLETED".to_owned());
        *place.is_full.lock().unwrap() = true;
        assert!(ours.start_next(&mut fixture.store).is_err());
        *place.is_full.lock().unwrap() = false;
        assert_eq!(theirs.start_next(&mut store).unwrap(), Some(c.clone()), "the claim is back");
        // It ended without taking the run.
        *place.ended.lock().unwrap() = Some("NODE_FAIL".to_owned());
        assert_eq!(theirs.start_next(&mut store).unwrap(), None);
        let row = fixture.store.run(&c).unwrap().row;
        assert!(row.failure.unwrap().contains("(NODE_FAIL)"));
        ours.kill(&fixture.store, &b).unwrap();
        assert_eq!(*place.cancelled.lock().unwrap(), [std::process::id()]);
    }

    #[test]
    fn the_head_of_the_queue_is_started_once() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let supervisor = supervisor(&fixture, "echo \"$@\"; read line; pwd; exit 3");
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), Some(run.clone()));
        // The worker never takes the run: it fails, and the log says what it did.
        while fixture.store.run(&run).unwrap().row.status == RunStatus::Queued {
            assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), None);
            std::thread::yield_now();
        }
        let row = fixture.store.run(&run).unwrap().row;
        assert_eq!(row.status, RunStatus::Failed);
        assert!(row.failure.unwrap().contains("exit status: 3"));
        let log = std::fs::read_to_string(fixture.home.worker_log(&run)).unwrap();
        let home = fixture.home.root().display();
        assert_eq!(log, format!("worker --run {run} --home {home}\n{home}\n"));
    }

    #[test]
    fn a_slow_worker_is_not_doubled_when_its_claim_ends() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let place = Arc::new(Cluster::default());
        let supervisor = Supervisor::with_launcher(fixture.home.clone(), place.clone());
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), Some(run.clone()));
        fixture.store.release_claim(&run).unwrap();
        assert_eq!(supervisor.start_next(&mut fixture.store).unwrap(), None);
        assert_eq!(place.submitted.lock().unwrap().len(), 1);
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
        assert_eq!(supervisor.started.lock().unwrap().len(), 1);
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
