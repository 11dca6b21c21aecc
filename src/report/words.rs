//! Values as people read them.

use std::error::Error;

use crate::domain::metrics::Evaluation;
use crate::domain::text::clean::clean_line;

/// What a value that does not exist shows.
const NONE: &str = "–";

/// The short name of a run in a comparison: `A` to `Z`, then `AA`, `AB`, …
#[must_use]
pub fn letter(index: usize) -> String {
    let last = char::from(b'A' + (index % 26) as u8);
    if index < 26 { last.to_string() } else { format!("{}{last}", letter(index / 26 - 1)) }
}

/// A share with four digits and no leading zero: `.7241`.
#[must_use]
pub fn share(value: f64) -> String {
    format!("{value:.4}").replacen("0.", ".", 1)
}

/// A difference of shares with its sign: `+.0043`, `-.0071`, `.0000`.
#[must_use]
pub fn signed(value: f64) -> String {
    let text = format!("{value:+.4}").replacen("0.", ".", 1);
    if text[1..] == *".0000" { ".0000".to_owned() } else { text }
}

/// A metric's value in the form that suits its kind.
#[must_use]
pub fn metric_value(name: &str, value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return NONE.to_owned() };
    match name {
        "test/nll" => format!("{value:.4}"),
        "gap_closed" => format!("{:.0} %", value * 100.0),
        "n_selected" | "n_vetoed" | "human_labels" | "labels_trained_on" | "n_tokens" => {
            thousands(value as u64)
        }
        "wall_s" => duration(value),
        _ => share(value),
    }
}

/// A setting's JSON as people write it: texts without quotation marks.
#[must_use]
pub fn setting_value(json: Option<&str>) -> String {
    let Some(json) = json else { return NONE.to_owned() };
    let text = serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
    clean_line(&text)
}

/// A count with thousands apart by spaces, as in tables that hold commas: `48 112`.
fn thousands(n: u64) -> String {
    grouped(n, ' ')
}

/// A count with thousands apart: `12,345`.
#[must_use]
pub fn count(n: u64) -> String {
    grouped(n, ',')
}

fn grouped(n: u64, separator: char) -> String {
    let digits = n.to_string();
    let mut text = String::new();
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

/// `41s`, `4m08s`, `1h52m`
pub(super) fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{seconds:.1}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        _ => format!("{}h{:02}m", s / 3600, s / 60 % 60),
    }
}

/// The message and its causes, joined by colons; a cause that repeats what stands before is left
/// out.
#[must_use]
pub fn one_line(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text =
            cause.downcast_ref::<std::io::Error>().map_or_else(|| cause.to_string(), io_reason);
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        source = cause.source();
    }
    message
}

/// What the system said, in lower case and without `(os error 2)`.
#[must_use]
pub fn io_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" (os error").map_or(text.as_str(), |(head, _)| head);
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().collect::<String>() + chars.as_str())
}

/// A share as a percentage with one decimal: `64.5 %`.
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

/// A duration in a sentence: `41.2 s`, `3 min 20 s`, `2 h 05 min`.
#[must_use]
pub fn elapsed(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_on_after_z() {
        let letters = [0, 25, 26, 51, 52, 99].map(letter);
        assert_eq!(letters, ["A", "Z", "AA", "AZ", "BA", "CV"]);
    }

    #[test]
    fn values_suit_their_kind() {
        assert_eq!(share(0.7241), ".7241");
        assert_eq!(share(1.0), "1.0000");
        assert_eq!(
            [0.0043, -0.0071, 0.0, -0.000_01].map(signed),
            ["+.0043", "-.0071", ".0000", ".0000"]
        );
        assert_eq!(metric_value("n_selected", Some(48_112.0)), "48 112");
        assert_eq!(metric_value("wall_s", Some(248.0)), "4m08s");
        assert_eq!(metric_value("gap_closed", Some(0.636)), "64 %");
        assert_eq!(metric_value("test/accuracy", None), "–");
        assert_eq!(setting_value(Some("\"embedded\"")), "embedded");
        assert_eq!(setting_value(Some("[\"a\"]")), "[\"a\"]");
        assert_eq!(setting_value(Some("\"\\u001b[2J\"")), "⟨ESC⟩[2J");
    }
}
