//! Numbers, times and states in the words of the command line.

use crate::domain::metrics::Evaluation;
pub use crate::report::{status, timestamp};

/// What is said of a chat template that writes what day it is.
pub const THE_DAY: &str = "writes the day (`strftime_now`), which is always 26 Jul 2024 here: no reward depends on the day it is computed";

/// A share as a percentage with one decimal.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// An accuracy with its 95 % interval: `66.1 % [63.9, 68.2]`.
#[must_use]
pub fn accuracy(evaluation: &Evaluation) -> String {
    let Evaluation { accuracy, ci_low, ci_high, .. } = evaluation;
    format!("{} [{:.1}, {:.1}]", percent(*accuracy), ci_low * 100.0, ci_high * 100.0)
}

/// A duration: `41.2 s`, `3 min 20 s`, `2 h 05 min`.
#[must_use]
pub fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A count with thousands apart: `12,345`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Things a second, rounded; `None` before any time has passed.
#[must_use]
pub fn rate(n: u64, milliseconds: u64) -> Option<u64> {
    (milliseconds > 0).then(|| (n as f64 * 1000.0 / milliseconds as f64).round() as u64)
}

/// Bytes in binary units: `1.5 GiB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

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
