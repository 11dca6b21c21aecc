//! Numbers, times and states in the words of the command line.

pub use crate::report::words::{accuracy, bytes, count, elapsed as duration, percent, rate};
pub use crate::report::{status, timestamp};

/// What is said of a chat template that writes what day it is.
pub const THE_DAY: &str = "writes the day (`strftime_now`), which is always 26 Jul 2024 here: no reward depends on the day it is computed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(duration(41_230), "41.2 s");
        assert_eq!(duration(200_000), "3 min 20 s");
        assert_eq!(duration(7_500_000), "2 h 05 min");
        assert_eq!(rate(500, 250), Some(2000));
        assert_eq!(rate(500, 0), None);
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(3 << 29), "1.5 GiB");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(timestamp(0).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(timestamp(1_700_000_000_123).as_deref(), Some("2023-11-14T22:13:20.123Z"));
        assert_eq!(timestamp(i64::MAX), None);
    }
}
