//! Numbers as people read them, written once for every message, table and screen.

/// A share as a percentage with one decimal: `64.5 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
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
    grouped(&n.to_string(), ',')
}

/// Digits with a separator before every third from the end.
#[must_use]
pub fn grouped(digits: &str, separator: char) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(separator);
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

/// Beyond so many milliseconds a time of day could be meant of several days.
const DAY_MS: i64 = 18 * 3_600_000;

/// When something ends, as a range of times of day: `ends 23:52–23:58`. `least` and `most` are
/// milliseconds since 1970, as is `now_ms`; `offset_s` is the time zone, in seconds east of UTC.
#[must_use]
pub fn ends_between(least: i64, most: i64, now_ms: i64, offset_s: i32) -> String {
    if most - now_ms > DAY_MS {
        let hours = |at: i64| (at - now_ms) / 3_600_000;
        return format!("ends in {}–{}h", hours(least), hours(most) + 1);
    }
    let minute = |at: i64| {
        let minutes = (at.div_euclid(1000) + i64::from(offset_s)).rem_euclid(86_400) / 60;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    };
    // Whole minutes, outward.
    let (first, last) = (minute(least), minute(most.saturating_add(59_999)));
    if first == last { format!("ends {first}") } else { format!("ends {first}–{last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_range_of_whole_minutes() {
        let now = 1_795_524_000_000; // 12:40:00 UTC
        for (least_s, most_s, expected) in [
            (60, 600, "ends 12:41–12:50"),
            (65, 601, "ends 12:41–12:51"),
            (60, 60, "ends 12:41"),
            (0, 12 * 3600, "ends 12:40–00:40"),
            (7_000, 30 * 3600, "ends in 1–31h"),
        ] {
            let words = ends_between(now + least_s * 1000, now + most_s * 1000, now, 0);
            assert_eq!(words, expected);
        }
        assert_eq!(ends_between(now, now, now, 3600), "ends 13:40");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(grouped("48112", ' '), "48 112");
        assert_eq!(percent(0.6449), "64.5 %");
        assert_eq!(duration(41_230), "41.2 s");
        assert_eq!(duration(200_000), "3 min 20 s");
        assert_eq!(duration(7_500_000), "2 h 05 min");
        assert_eq!(rate(500, 250), Some(2000));
        assert_eq!(rate(500, 0), None);
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(3 << 29), "1.5 GiB");
    }
}
