//! `ser show RUN --json --follow`: the events of a run as JSON lines, as they come.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::cli::run::follow::interruption;
use crate::cli::{CliError, CliResult, ErrorKind};
use crate::domain::run::{Liveness, RunId, RunStatus};
use crate::store::Store;
use crate::store::rows::EventLine;

/// Between two looks at the database.
const POLL: Duration = Duration::from_millis(200);
/// Events read at once, which bounds the memory of a follower that starts late.
const EVENTS_MAX: usize = 1000;

/// Prints every event of the run from its first on, a line each, until the run ends.
///
/// # Errors
/// When the run fails or its worker is lost, on Ctrl-C, or when the store cannot be read. A reader
/// that went away is none to report.
pub fn follow(store: &Store, run: &RunId) -> CliResult {
    let is_interrupted = interruption()?;
    let mut seen = 0;
    loop {
        if is_interrupted.load(Ordering::Relaxed) {
            return Err(CliError::interrupted(format!("run `{run}` goes on without this command"))
                .with_hint(format!("watch it with `ser attach {run}`")));
        }
        // Its state before its events: what ends it is then among those that are read next.
        let row = store.run(run)?.row;
        seen = print_after(store, run, seen)?;
        if row.status.is_ended() {
            let failure = row.failure.unwrap_or_else(|| "it says nothing about why".to_owned());
            return match row.status {
                RunStatus::Failed => {
                    Err(CliError::failure(format!("run `{}` failed: {failure}", row.name))
                        .with_hint(format!("`ser show {run}` shows it")))
                }
                _ => Ok(()),
            };
        }
        if row.liveness == Liveness::Gone {
            let message = format!("the worker of `{}` is gone: the run is interrupted", row.name);
            return Err(CliError::failure(message)
                .with_hint(format!("go on from its last checkpoint with `ser resume {run}`")));
        }
        if is_closed() {
            let (kind, message) = (ErrorKind::BrokenPipe, String::new());
            return Err(CliError { kind, message, details: Vec::new(), hint: None });
        }
        std::thread::sleep(POLL);
    }
}

fn print_after(store: &Store, run: &RunId, mut seen: u64) -> CliResult<u64> {
    loop {
        let lines = store.events_after(run, seen, EVENTS_MAX)?;
        let n_lines = lines.len();
        let mut out = io::stdout().lock();
        for line in lines {
            writeln!(out, "{}", json_line(&line))?;
            seen = line.seq;
        }
        out.flush()?;
        if n_lines < EVENTS_MAX {
            return Ok(seen);
        }
    }
}

/// `{"seq":1,"attempt":1,"at_ms":0,"event":"run_started",…}`: the event as the database holds it, with
/// its place before it.
fn json_line(line: &EventLine) -> String {
    let EventLine { seq, attempt, at_ms, body } = line;
    let fields = body.trim_start().strip_prefix('{').unwrap_or("}");
    format!(r#"{{"seq":{seq},"attempt":{attempt},"at_ms":{at_ms},{fields}"#)
}

/// Whether nobody reads the output any more, which a write would tell only at the next event.
fn is_closed() -> bool {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let gone = PollFlags::POLLERR | PollFlags::POLLNVAL | PollFlags::POLLHUP;
    poll(&mut fds, PollTimeout::ZERO).is_ok()
        && fds[0].revents().is_some_and(|events| events.intersects(gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_its_fields_behind_its_place() {
        let body = r#"{"event":"warned","message":"a, {b}"}"#.to_owned();
        let line = json_line(&EventLine { seq: 3, attempt: 2, at_ms: 9, body });
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&value["seq"], &value["attempt"], &value["at_ms"]),
            (&3.into(), &2.into(), &9.into())
        );
        assert_eq!((&value["event"], &value["message"]), (&"warned".into(), &"a, {b}".into()));
    }
}
