//! What a worker on this machine takes, read from `/proc`. Elsewhere nothing is known.

use std::time::Instant;

use crate::domain::event::WorkerIdentity;
use crate::store::events::liveness;

/// Clock ticks a second in `/proc/PID/stat`: fixed at 100 for every Linux program.
const TICKS: f64 = 100.0;

/// What a worker takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resources {
    /// Bytes in memory now.
    pub memory_bytes: u64,
    /// Most bytes in memory so far.
    pub peak_bytes: u64,
    /// Processor cores busy since the last look; `None` at the first.
    pub n_cores: Option<f64>,
    /// Processor cores of the machine that this process may use.
    pub n_machine_cores: usize,
    /// Threads of the whole machine that want a core, as a mean over the last minute.
    pub load: f64,
}

impl Resources {
    /// Whether other programs take the worker's share of the processor: more threads want a core
    /// than there are cores, and the worker gets clearly less than all of them.
    pub fn is_machine_busy(&self) -> bool {
        let all = self.n_machine_cores as f64;
        self.load > 1.25 * all && self.n_cores.is_some_and(|n| n < 0.75 * all)
    }
}

/// Remembers the last look, since processor time only makes sense as a difference.
#[derive(Default)]
pub struct ResourceReader {
    last: Option<(u32, Instant, f64)>,
}

impl ResourceReader {
    /// What the worker takes now; `None` when it is not of this machine or gone.
    pub fn read(&mut self, worker: &WorkerIdentity) -> Option<Resources> {
        if !liveness::exists(worker) || worker.host != liveness::current_worker().host {
            return None;
        }
        let folder = format!("/proc/{}", worker.pid);
        let status = std::fs::read_to_string(format!("{folder}/status")).ok()?;
        let stat = std::fs::read_to_string(format!("{folder}/stat")).ok()?;
        let (now, seconds) = (Instant::now(), cpu_seconds(&stat)?);
        let n_cores =
            self.last.filter(|(pid, ..)| *pid == worker.pid).and_then(|(_, at, before)| {
                let elapsed = now.duration_since(at).as_secs_f64();
                (elapsed > 0.2).then(|| ((seconds - before) / elapsed).max(0.0))
            });
        self.last = Some((worker.pid, now, seconds));
        Some(Resources {
            memory_bytes: kilobytes(&status, "VmRSS:")? * 1024,
            peak_bytes: kilobytes(&status, "VmHWM:")? * 1024,
            n_cores,
            n_machine_cores: std::thread::available_parallelism().map_or(1, usize::from),
            load: load_of_last_minute().unwrap_or(0.0),
        })
    }
}

/// User and system time of a process. Its name may hold spaces and parentheses: the fields are
/// counted from the last one.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// The first number of `/proc/loadavg`.
fn load_of_last_minute() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_takes_something() {
        let mut reader = ResourceReader::default();
        let me = liveness::current_worker();
        let first = reader.read(&me).unwrap();
        assert!(first.memory_bytes > 1_000_000 && first.peak_bytes >= first.memory_bytes);
        assert_eq!(first.n_cores, None);
        let elsewhere = WorkerIdentity { host: "elsewhere".to_owned(), ..me };
        assert_eq!(reader.read(&elsewhere), None);
    }

    #[test]
    fn a_machine_is_busy_if_others_take_the_cores() {
        for (load, n_cores, is_busy) in [
            (11.0, Some(0.3), true),
            (11.0, None, false),
            // The worker has what there is, or wants no more.
            (2.6, Some(1.9), false),
            (1.0, Some(0.3), false),
        ] {
            let resources =
                Resources { memory_bytes: 0, peak_bytes: 0, n_cores, n_machine_cores: 2, load };
            assert_eq!(resources.is_machine_busy(), is_busy, "{load} {n_cores:?}");
        }
    }

    #[test]
    fn names_with_spaces_do_not_shift_the_fields() {
        let stat = "1 (a ) b) S 1 1 1 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 5 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
    }
}
