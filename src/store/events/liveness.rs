//! Whether the process behind a run is alive. This is computed on every read and never stored.
//!
//! A pid can be reused, so a process is known by pid, start time and boot id together. A zombie
//! (ended, not yet reaped by its parent) counts as gone.

use crate::domain::event::WorkerIdentity;
use crate::domain::run::{Liveness, RunStatus};

/// A worker writes a heartbeat this often.
pub const HEARTBEAT_PERIOD: std::time::Duration = std::time::Duration::from_secs(2);

/// How long after its last heartbeat a worker that exists counts as silent.
const SILENT_AFTER_MS: i64 = 15_000;

/// How long after its last heartbeat a worker on another host, whose process cannot be checked,
/// counts as gone.
const GONE_ELSEWHERE_AFTER_MS: i64 = 300_000;

/// Which process holds a run, and when it last spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The attempt in force.
    pub attempt: u32,
    /// Whether the attempt has not ended by an event.
    pub is_held: bool,
    pub worker: WorkerIdentity,
    /// Its latest heartbeat, milliseconds since 1970.
    pub at_ms: i64,
}

/// The identity of this process, to be written when it takes a run.
#[must_use]
pub fn current_worker() -> WorkerIdentity {
    let pid = std::process::id();
    let process_start = process_start(pid).unwrap_or(0);
    WorkerIdentity { pid, process_start, boot_id: boot_id(), host: host() }
}

/// The identity of a living process of this host.
#[must_use]
pub fn identity_of(pid: u32) -> Option<WorkerIdentity> {
    let process_start = process_start(pid)?;
    Some(WorkerIdentity { pid, process_start, boot_id: boot_id(), host: host() })
}

/// The liveness to show for the process of a run with this status.
#[must_use]
pub fn liveness(status: RunStatus, claim: Option<&Claim>, now_ms: i64) -> Liveness {
    if !status.wants_worker() {
        return Liveness::NotExpected;
    }
    match claim {
        Some(claim) if claim.is_held => claim_liveness(claim, now_ms),
        _ => Liveness::Gone,
    }
}

fn claim_liveness(claim: &Claim, now_ms: i64) -> Liveness {
    // A heartbeat in the future means that the clock was set back; the worker is not silent.
    let age_ms = now_ms.saturating_sub(claim.at_ms);
    let spoken = if age_ms > SILENT_AFTER_MS { Liveness::Silent } else { Liveness::Alive };
    if claim.worker.host != host() {
        return if age_ms > GONE_ELSEWHERE_AFTER_MS { Liveness::Gone } else { spoken };
    }
    if exists(&claim.worker) { spoken } else { Liveness::Gone }
}

/// Whether this very process, not a later one with its pid, exists on this host.
#[must_use]
pub fn exists(worker: &WorkerIdentity) -> bool {
    worker.boot_id == boot_id() && process_start(worker.pid) == Some(worker.process_start)
}

/// Whether a process is on another host, where it cannot be checked.
pub(in crate::store) fn is_elsewhere(worker: &WorkerIdentity) -> bool {
    worker.host != host()
}

/// Whether a process may still be working: it exists here, or is on a host where it cannot be
/// checked.
pub(in crate::store) fn may_exist(worker: &WorkerIdentity) -> bool {
    is_elsewhere(worker) || exists(worker)
}

fn host() -> String {
    nix::unistd::gethostname().map_or_else(|_| String::new(), |name| name.to_string_lossy().into())
}

#[cfg(target_os = "linux")]
fn boot_id() -> String {
    let path = "/proc/sys/kernel/random/boot_id";
    std::fs::read_to_string(path).map_or_else(|_| String::new(), |text| text.trim().to_owned())
}

#[cfg(not(target_os = "linux"))]
fn boot_id() -> String {
    String::new()
}

/// Start time of a process in clock ticks since boot; `None` when it does not exist or is a zombie.
#[cfg(target_os = "linux")]
fn process_start(pid: u32) -> Option<u64> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Elsewhere only the pid's existence is known, so every start time is 0.
#[cfg(not(target_os = "linux"))]
fn process_start(pid: u32) -> Option<u64> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).ok()?);
    nix::sys::signal::kill(pid, None).is_ok().then_some(0)
}

/// Field 22 of `proc_pid_stat(5)`. The second field is the program's name in parentheses, which
/// may itself hold spaces and parentheses, so fields are counted after the last one.
#[cfg(target_os = "linux")]
fn parse_stat(stat: &str) -> Option<u64> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(worker: WorkerIdentity, at_ms: i64) -> Claim {
        Claim { attempt: 1, is_held: true, worker, at_ms }
    }

    #[test]
    fn this_process_is_alive_until_it_falls_silent() {
        let mine = claim(current_worker(), 100_000);
        let at = |now_ms| liveness(RunStatus::Running, Some(&mine), now_ms);
        assert_eq!(at(101_000), Liveness::Alive);
        assert_eq!(at(90_000), Liveness::Alive);
        assert_eq!(at(115_001), Liveness::Silent);
        assert_eq!(liveness(RunStatus::Finished, Some(&mine), 101_000), Liveness::NotExpected);
        assert_eq!(liveness(RunStatus::Running, None, 0), Liveness::Gone);
    }

    #[test]
    fn a_reused_pid_or_another_boot_is_gone() {
        let worker = current_worker();
        let later = WorkerIdentity { process_start: worker.process_start + 1, ..worker.clone() };
        let rebooted = WorkerIdentity { boot_id: "other".into(), ..worker };
        for worker in [later, rebooted] {
            let gone = liveness(RunStatus::Paused, Some(&claim(worker, 0)), 0);
            assert_eq!(gone, Liveness::Gone);
        }
    }

    #[test]
    fn a_worker_elsewhere_is_judged_by_its_heartbeat() {
        let away = WorkerIdentity { host: "elsewhere".into(), ..current_worker() };
        let at = |now_ms| liveness(RunStatus::Running, Some(&claim(away.clone(), 0)), now_ms);
        assert_eq!([at(1_000), at(16_000)], [Liveness::Alive, Liveness::Silent]);
        assert_eq!(at(300_001), Liveness::Gone);
    }

    #[test]
    fn an_unreaped_child_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let path = format!("/proc/{}/stat", child.id());
        // The child ends by itself and stays a zombie until `wait`.
        while !std::fs::read_to_string(&path).unwrap().contains(") Z") {
            std::thread::yield_now();
        }
        assert_eq!(process_start(child.id()), None);
        child.wait().unwrap();
    }

    #[test]
    fn odd_program_names_do_not_shift_fields() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(parse_stat(&format!("7 (a) b (c) {tail}")), Some(4242));
        assert_eq!(parse_stat("7 (a) Z 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242"), None);
        assert_eq!(parse_stat(""), None);
    }
}
