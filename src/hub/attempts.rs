//! Requests that are made again after a failure.

use std::time::Duration;

use super::reply::{NoAnswer, Reply};
use super::{HubError, Progress, Settings};

/// Requests in a row that may fail before the download gives up.
const ATTEMPTS_MAX: u32 = 5;
/// A server that asks for a longer wait than this is not waited for.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// Requests for one thing, with the waits between them.
pub(super) struct Attempts<'a> {
    settings: &'a Settings,
    n_failed: u32,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, n_failed: 0 }
    }

    /// Asks until there is an answer that is not `429` or `5xx`.
    pub(super) fn ask(
        &mut self,
        get: impl Fn() -> Result<Reply, NoAnswer>,
        url: &str,
        progress: &mut dyn Progress,
    ) -> Result<Reply, HubError> {
        loop {
            let (reason, wait) = match get() {
                Err(NoAnswer(detail)) => (detail, None),
                Ok(reply) if reply.status == 429 || reply.status >= 500 => {
                    let wait = reply.retry_after.map(Duration::from_secs);
                    if wait.is_some_and(|wait| wait > WAIT_MAX) || self.is_last() {
                        return Err(HubError::Busy {
                            url: url.to_owned(),
                            status: reply.status,
                            retry_after: reply.retry_after,
                        });
                    }
                    (format!("it answers {}", reply.status), wait)
                }
                Ok(reply) => return Ok(reply),
            };
            self.wait(url, &reason, wait, progress)?;
        }
    }

    /// Waits before the next request when a body ended too early.
    pub(super) fn wait_after_cut(
        &mut self,
        url: &str,
        error: &std::io::Error,
        progress: &mut dyn Progress,
    ) -> Result<(), HubError> {
        self.wait(url, &error.to_string(), None, progress)
    }

    /// Resets the count of failures: bytes have come, so the connection works, if not for long.
    pub(super) fn forget(&mut self) {
        self.n_failed = 0;
    }

    fn is_last(&self) -> bool {
        self.n_failed + 1 >= ATTEMPTS_MAX
    }

    fn wait(
        &mut self,
        url: &str,
        reason: &str,
        wait: Option<Duration>,
        progress: &mut dyn Progress,
    ) -> Result<(), HubError> {
        if self.is_last() {
            return Err(HubError::Unreachable { url: url.to_owned(), reason: reason.to_owned() });
        }
        let wait = wait.unwrap_or(self.settings.patience * 2u32.pow(self.n_failed));
        self.n_failed += 1;
        progress.said(&format!("`{url}`: {reason}; again in {:.0} s", wait.as_secs_f32()));
        std::thread::sleep(wait);
        Ok(())
    }
}
