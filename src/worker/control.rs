//! What people ask of a running worker, read between steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::WorkerError;

/// How often the requests and verdicts of a run are read at most.
const READ_EVERY: Duration = Duration::from_millis(250);

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Continue,
    Stop,
}

/// A flag that SIGTERM and SIGINT raise.
#[derive(Debug, Clone)]
pub struct Signals {
    stop: Arc<AtomicBool>,
}

impl Signals {
    /// Signals that nothing raises.
    #[cfg(test)]
    pub fn quiet() -> Self {
        Self { stop: Arc::new(AtomicBool::new(false)) }
    }

    /// Signals of a process that was asked to end.
    #[cfg(test)]
    pub fn raised() -> Self {
        Self { stop: Arc::new(AtomicBool::new(true)) }
    }

    /// Whether the system asked the process to end.
    #[must_use]
    pub fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Installs the handlers: SIGTERM and SIGINT ask for a clean stop, SIGHUP means nothing here (a
/// lost terminal never ends a run).
///
/// # Errors
/// When the system refuses a handler.
pub fn watch_signals() -> Result<Signals, WorkerError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(WorkerError::Signals)?;
    }
    let ignored = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, ignored).map_err(WorkerError::Signals)?;
    Ok(Signals { stop })
}

/// Limits how often something happens.
#[derive(Debug)]
pub struct Throttle {
    interval: Duration,
    last: Option<Instant>,
}

impl Throttle {
    /// For reading the database between steps.
    #[must_use]
    pub fn for_reading() -> Self {
        Self { interval: READ_EVERY, last: None }
    }

    /// The interval at which progress is reported.
    #[must_use]
    pub fn for_progress() -> Self {
        Self { interval: Duration::from_millis(500), last: None }
    }

    /// Whether it is time again; the first time always is.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= self.interval);
        if is_due {
            self.last = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_lets_the_first_through_and_then_waits() {
        let mut throttle = Throttle { interval: Duration::from_millis(20), last: None };
        assert!(throttle.is_due());
        assert!(!throttle.is_due());
        throttle.last = throttle.last.and_then(|last| last.checked_sub(Duration::from_millis(21)));
        assert!(throttle.is_due());
    }
}
