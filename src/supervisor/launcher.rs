//! Where workers are started: [`Local`] starts a process on this machine; a cluster would submit a
//! job.

use std::fmt::Debug;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill as send_signal};
use nix::unistd::Pid;

use super::SupervisorError;
use crate::domain::event::WorkerIdentity;
use crate::domain::run::RunId;
use crate::store::events::liveness;
use crate::store::{Home, Slots};

/// A way to start workers, and to end one that does not respond.
pub trait Launcher: Debug + Send + Sync {
    /// How many workers may be at work at a time in a home.
    ///
    /// # Errors
    /// When the home says something about it that cannot be understood.
    fn slots(&self, home: &Home) -> Result<Slots, SupervisorError>;

    /// Starts `ser worker --run ID --home DIR`, or submits it as a job, without waiting for it.
    ///
    /// # Errors
    /// When it cannot be started or asked for.
    fn submit(&self, home: &Home, run: &RunId) -> Result<Box<dyn Submitted>, SupervisorError>;

    /// Ends the process of a run by force.
    ///
    /// # Errors
    /// When it is out of reach.
    fn cancel(&self, worker: &WorkerIdentity) -> Result<(), SupervisorError>;
}

/// A worker that was started or submitted.
pub trait Submitted: Debug + Send {
    /// The process of the worker; `None` while the job waits and has no process yet.
    fn worker(&self) -> Option<WorkerIdentity>;

    /// What has become of it.
    fn state(&mut self) -> SubmissionState;
}

/// What has become of a worker that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmissionState {
    /// It waits or works.
    Going,
    /// It is gone; how it ended, in words: `exit status: 3`.
    Ended(String),
}

/// Workers as processes of this machine, as many at a time as its home has slots.
#[derive(Debug, Default)]
pub struct Local {
    /// The `ser` binary; `None` is the running one. Tests are not `ser` themselves.
    pub(super) program: Option<PathBuf>,
}

impl Local {
    /// The binary to start.
    pub(super) fn program(&self) -> Result<PathBuf, SupervisorError> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        let path = std::env::current_exe().map_err(|source| {
            let program = PathBuf::from("ser");
            SupervisorError::Start { program, source }
        })?;
        // Linux marks the path of a running binary that was replaced by this suffix; the new binary
        // will do.
        let replaced = path.to_str().and_then(|text| text.strip_suffix(" (deleted)"));
        Ok(replaced.map(PathBuf::from).unwrap_or(path))
    }
}

impl Launcher for Local {
    fn slots(&self, home: &Home) -> Result<Slots, SupervisorError> {
        Ok(Slots::load(home)?)
    }

    /// The worker has no standard input, both its outputs go to the run's log, and the home is its
    /// folder. It makes itself the leader of a new session first thing (`setsid(2)` in the child needs
    /// no unsafe code there), so no terminal, hang-up or Ctrl-C reaches it. It stays our child: when we
    /// end first, init inherits it. A zombie in between does no harm, since liveness counts it as gone.
    fn submit(&self, home: &Home, run: &RunId) -> Result<Box<dyn Submitted>, SupervisorError> {
        home.ensure_run_dir(run)?;
        let path = home.worker_log(run);
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let opened = options.open(&path).and_then(|log| Ok((log.try_clone()?, log)));
        let (output, errors) = opened.map_err(|source| SupervisorError::Log { path, source })?;
        let program = self.program()?;
        let process = Command::new(&program)
            .args(["worker", "--run", run.as_str(), "--home"])
            .arg(home.root())
            .current_dir(home.root())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| SupervisorError::Start { program, source })?;
        Ok(Box::new(process))
    }

    fn cancel(&self, worker: &WorkerIdentity) -> Result<(), SupervisorError> {
        let pid = worker.pid;
        if worker.host != liveness::current_worker().host {
            return Err(SupervisorError::Elsewhere { pid, host: worker.host.clone() });
        }
        if !liveness::exists(worker) {
            return Ok(());
        }
        let target = Pid::from_raw(pid as i32);
        send_signal(target, Signal::SIGKILL)
            .map_err(|errno| SupervisorError::Signal { pid, source: errno.into() })
    }
}

impl Submitted for Child {
    fn worker(&self) -> Option<WorkerIdentity> {
        liveness::identity_of(self.id())
    }

    fn state(&mut self) -> SubmissionState {
        match self.try_wait() {
            Ok(Some(exit)) => SubmissionState::Ended(exit.to_string()),
            // If the state cannot be asked for, the heartbeat decides later whether the worker is
            // gone.
            Ok(None) | Err(_) => SubmissionState::Going,
        }
    }
}
