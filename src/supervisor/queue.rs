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
                reason: None,
                message: format!("the worker ended before it took the run ({exit})"),
                hint: Some(format!("read `{}`", log.display())),
            };
            store.end_queued(&child.run, event)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::domain::run::{Liveness, RequestKind};
    use crate::store::testing::{self, Fixture};

    /// A supervisor whose workers are a shell script.
    fn supervisor(fixture: &Fixture, script: &str) -> Supervisor {
        use std::os::unix::fs::PermissionsExt;
        let path: PathBuf = fixture.home.root().join("fake-ser");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Supervisor::with_program(fixture.home.clone(), path)
    }

    /// Waits until the children of a supervisor have ended, without reaping them.
    fn wait(supervisor: &Supervisor) {
        let children = supervisor.children.lock().unwrap();
        for child in children.iter() {
            let stat = format!("/proc/{}/stat", child.process.id());
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
        let mut children = supervisor.children.lock().unwrap();
        assert_eq!(children.len(), 1);
        children[0].process.kill().unwrap();
        children[0].process.wait().unwrap();
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

    #[test]
    fn a_launch_returns_its_last_line_or_its_error() {
        let fixture = testing::store();
        let supervisor_of = |script| supervisor(&fixture, script);
        let launched = supervisor_of("echo importing; echo r1234567").launch_detached(&[]);
        assert_eq!(launched.unwrap(), "r1234567");
        let args = ["--set".to_owned(), "rng_seed=2".to_owned()];
        let echoed = supervisor_of("echo \"$@\"").launch_detached(&args).unwrap();
        let home = fixture.home.root().display();
        assert_eq!(echoed, format!("run --detach --home {home} --set rng_seed=2"));
        let script = "echo 'error: `x` is unknown' >&2; echo 'hint: use `y`' >&2; exit 2";
        let error = supervisor_of(script).launch_detached(&[]).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.hint().as_deref()),
            ("`x` is unknown", Some("use `y`"))
        );
    }
}
