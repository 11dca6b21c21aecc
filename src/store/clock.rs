//! The store's wall clock, by which rows carry milliseconds since 1970, and its patience.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a statement waits while another process holds the lock.
pub(in crate::store) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Now, in milliseconds since 1970; 0 for a clock set before that.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
