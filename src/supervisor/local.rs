//! Workers as child processes of this one.
//!
//! A worker is started with stdin null, both outputs appended to the run's log, and the home as
//! its current folder. It makes itself the leader of a new session first thing (`setsid(2)` in the
//! child needs no unsafe code there), so no terminal, hang-up or Ctrl-C reaches it. It stays our
//! child: when it ends, [`super::Supervisor::start_next`] reaps it at its next call, and when we
//! end first, init inherits it. A zombie in between does no harm, since liveness counts it as gone.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Job, JobState, Launcher, SupervisorError};
use crate::domain::event::WorkerIdentity;
use crate::domain::run::RunId;
use crate::store::Home;
use crate::store::events::liveness;

/// Workers at the same time: there is one device, and two models in one memory are often too many.
const N_SLOTS: usize = 1;
/// A worker takes its run in a tenth of a second; a machine that swaps may need many.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts workers on this machine.
#[derive(Debug, Default)]
pub struct Local {
    /// The `ser` binary; `None` is the running one.
    program: Option<PathBuf>,
    /// Workers that were started and not seen to end.
    children: Mutex<Vec<Child>>,
}

impl Local {
    /// A launcher that starts another binary: tests are not `ser` themselves.
    #[must_use]
    pub fn with_program(program: PathBuf) -> Self {
        Self { program: Some(program), children: Mutex::default() }
    }

    fn program(&self) -> Result<PathBuf, SupervisorError> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        let path = std::env::current_exe().map_err(|source| {
            let program = PathBuf::from("ser");
            SupervisorError::Start { program, source }
        })?;
        // Linux names a binary that was replaced while it runs like this; the new one will do.
        let replaced = path.to_str().and_then(|text| text.strip_suffix(" (deleted)"));
        Ok(replaced.map(PathBuf::from).unwrap_or(path))
    }
}

impl Launcher for Local {
    fn n_slots(&self) -> usize {
        N_SLOTS
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn submit(&self, home: &Home, run: &RunId) -> Result<Job, SupervisorError> {
        home.ensure_run_dir(run)?;
        let path = home.worker_log(run);
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let opened = options.open(&path).and_then(|log| Ok((log.try_clone()?, log)));
        let (output, errors) = opened.map_err(|source| SupervisorError::Log { path, source })?;
        let program = self.program()?;
        let child = Command::new(&program)
            .args(["worker", "--run", run.as_str(), "--home"])
            .arg(home.root())
            .current_dir(home.root())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| SupervisorError::Start { program, source })?;
        let job = job_of(&child);
        self.children.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        Ok(job)
    }

    fn state(&self, job: &Job) -> JobState {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(index) = children.iter().position(|child| job_of(child) == *job) else {
            return JobState::Ended("it is no child of this process".to_owned());
        };
        let Ok(Some(exit)) = children[index].try_wait() else { return JobState::Going };
        children.swap_remove(index);
        JobState::Ended(exit.to_string())
    }

    fn cancel(&self, worker: &WorkerIdentity) -> Result<(), SupervisorError> {
        let pid = worker.pid;
        if worker.host != liveness::current_worker().host {
            return Err(SupervisorError::Elsewhere { pid, host: worker.host.clone() });
        }
        // The number may belong to another process by now.
        if !liveness::exists(worker) {
            return Ok(());
        }
        kill(Pid::from_raw(pid as i32), Signal::SIGKILL)
            .map_err(|errno| SupervisorError::Signal { pid, source: errno.into() })
    }
}

fn job_of(child: &Child) -> Job {
    Job(child.id().to_string())
}
