//! Values as people read them.

use crate::analysis::Comparison;
use crate::domain::metrics::Evaluation;
use crate::domain::text::clean::clean_line;
use crate::domain::text::words::{grouped, percent};

/// What a value that does not exist shows.
const NONE: &str = "–";

/// The short name of a run in a comparison: `A` to `Z`, then `AA`, `AB`, …
#[must_use]
pub fn letter(index: usize) -> String {
    let last = char::from(b'A' + (index % 26) as u8);
    if index < 26 { last.to_string() } else { format!("{}{last}", letter(index / 26 - 1)) }
}

/// A sentence for each run that is another one again: the same settings and the same random seed.
#[must_use]
pub fn same_runs(comparison: &Comparison) -> Vec<String> {
    let sentence = |(run, first): (usize, &Option<usize>)| {
        let (run, first) = (letter(run), letter((*first)?));
        Some(format!(
            "{run} is the same run as {first}: every setting and the random seed are equal"
        ))
    };
    comparison.same_as.iter().enumerate().filter_map(sentence).collect()
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
            grouped(&(value as u64).to_string(), ' ')
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

/// An accuracy with its 95 % interval: `66.1 % [63.9, 68.2]`.
#[must_use]
pub fn accuracy(evaluation: &Evaluation) -> String {
    let Evaluation { accuracy, ci_low, ci_high, .. } = evaluation;
    format!("{} [{:.1}, {:.1}]", percent(*accuracy), ci_low * 100.0, ci_high * 100.0)
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
