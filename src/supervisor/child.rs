//! Child processes: workers in the background, and launches that are waited for.
//!
//! A worker is started with stdin null, both outputs appended to the run's log, and the home as
//! its current folder. It makes itself the leader of a new session first thing (`setsid(2)` in the
//! child needs no unsafe code there), so no terminal, hang-up or Ctrl-C reaches it. It stays our
//! child: when it ends, [`super::Supervisor::start_next`] reaps it at its next call, and when we
//! end first, init inherits it. A zombie in between does no harm, since liveness counts it as gone.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill as send_signal};
use nix::unistd::Pid;

use super::{Supervisor, SupervisorError};
use crate::domain::event::WorkerIdentity;
use crate::domain::run::RunId;
use crate::store::events::liveness;

/// A worker process this process has started.
#[derive(Debug)]
pub(super) struct StartedWorker {
    /// What it should work on.
    pub(super) run: RunId,
    /// The run's attempt before the worker takes it.
    pub(super) attempt_before: u32,
    /// The process.
    pub(super) process: Child,
}

impl Supervisor {
    /// Starts `ser worker --run ID --home DIR` and does not wait for it.
    pub(super) fn start_worker(&self, run: &RunId) -> Result<Child, SupervisorError> {
        self.home.ensure_run_dir(run)?;
        let path = self.home.worker_log(run);
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let opened = options.open(&path).and_then(|log| Ok((log.try_clone()?, log)));
        let (output, errors) = opened.map_err(|source| SupervisorError::Log { path, source })?;
        let program = self.program()?;
        Command::new(&program)
            .args(["worker", "--run", run.as_str(), "--home"])
            .arg(self.home.root())
            .current_dir(self.home.root())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| SupervisorError::Start { program, source })
    }

    /// Runs `ser run --detach ARGS` to its end and returns the last line it prints. Importing a
    /// large data set first can take minutes: call this off the thread that draws.
    ///
    /// # Errors
    /// With the command's own sentence and hint when it fails.
    pub fn launch_detached(&self, args: &[String]) -> Result<String, SupervisorError> {
        let program = self.program()?;
        let output = Command::new(&program)
            .args(["run", "--detach", "--home"])
            .arg(self.home.root())
            .args(args)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| SupervisorError::Start { program, source })?;
        if output.status.success() {
            let text = String::from_utf8_lossy(&output.stdout);
            return Ok(text.trim_end().lines().last().unwrap_or_default().to_owned());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let (message, hint) = split_error(&text);
        let message = if message.is_empty() {
            format!("the launch ended with {}", output.status)
        } else {
            message
        };
        Err(SupervisorError::Launch { message, hint })
    }

    /// What `ser ARGS` prints about this home. Nothing is changed by it.
    ///
    /// # Errors
    /// With the command's own sentence and hint when it fails.
    pub fn output(&self, args: &[String]) -> Result<String, SupervisorError> {
        let program = self.program()?;
        let output = Command::new(&program)
            .args(args)
            .args(["--read-only", "--home"])
            .arg(self.home.root())
            .stdin(Stdio::null())
            .output()
            .map_err(|source| SupervisorError::Start { program, source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let (message, hint) = split_error(&String::from_utf8_lossy(&output.stderr));
        Err(SupervisorError::Launch { message, hint })
    }

    /// Runs a spec on a few pairs for one round in a home that is thrown away, and says what came of
    /// it. Takes seconds to minutes.
    ///
    /// # Errors
    /// With the run's own sentence and hint when it fails.
    pub fn dry_run(&self, spec: &str) -> Result<String, SupervisorError> {
        let program = self.program()?;
        let name = format!("ser-dry-run-{}", std::process::id());
        let folder = ThrownAway(std::env::temp_dir().join(name));
        let file = folder.0.join("spec.toml");
        let written = std::fs::create_dir_all(&folder.0).and_then(|()| std::fs::write(&file, spec));
        written.map_err(|source| SupervisorError::Log { path: file.clone(), source })?;
        let started = std::time::Instant::now();
        let mut command = Command::new(&program);
        command.args(["run", "--json", "--quiet", "--home"]).arg(folder.0.join("home")).arg(&file);
        for set in DRY_RUN {
            command.args(["--set", set]);
        }
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|source| SupervisorError::Start { program, source })?;
        let took = started.elapsed().as_secs_f64();
        if output.status.success() {
            return Ok(format!("ok: 200 pairs and one round in {took:.0} s, nothing kept"));
        }
        let (message, hint) = split_error(&String::from_utf8_lossy(&output.stderr));
        Err(SupervisorError::Launch { message, hint })
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

/// What makes a run a small one.
const DRY_RUN: [&str; 4] =
    ["data.limit=200", "rounds.max=1", "train.epochs=1", "selection.min_selected=1"];

/// A folder that goes with its owner.
struct ThrownAway(PathBuf);

impl Drop for ThrownAway {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Kills a process of this host, if it is still the one that was meant.
pub(super) fn kill(worker: &WorkerIdentity) -> Result<(), SupervisorError> {
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

/// The message and the `hint:` line of a failed command.
fn split_error(text: &str) -> (String, Option<String>) {
    let mut message = Vec::new();
    let mut hint = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("hint:") {
            Some(rest) => hint = Some(rest.trim().to_owned()),
            None => message.push(line.strip_prefix("error:").unwrap_or(line).trim()),
        }
    }
    (message.join(" "), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_commands_sentence_and_hint_come_apart() {
        let (message, hint) = split_error("error: `x` is unknown\nhint: use `y`\n");
        assert_eq!(message, "`x` is unknown");
        assert_eq!(hint.as_deref(), Some("use `y`"));
        assert_eq!(split_error(""), (String::new(), None));
    }
}
