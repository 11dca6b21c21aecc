//! A comparison as comma-separated values (RFC 4180), one value a line.

use std::fmt::Write as _;

use crate::analysis::Comparison;

/// `kind,key,run,name,value,difference,ci_low,ci_high,p,p_holm,n`: a line for each metric and each
/// differing setting of each run. What does not exist is empty.
#[must_use]
pub fn comparison_csv(comparison: &Comparison) -> String {
    let mut out = String::from("kind,key,run,name,value,difference,ci_low,ci_high,p,p_holm,n\n");
    for row in &comparison.metrics {
        for ((run, value), difference) in
            comparison.runs.iter().zip(&row.values).zip(&row.differences)
        {
            let (id, name) = (run.row.id.as_str(), field(&run.row.name));
            let value = value.map(|value| value.to_string()).unwrap_or_default();
            let _ = write!(out, "metric,{},{id},{name},{value},", row.name);
            match difference {
                Some(d) => {
                    let (p, interval) = (&d.paired, &d.paired.interval);
                    let _ = writeln!(
                        out,
                        "{},{},{},{},{},{}",
                        p.difference, interval.low, interval.high, p.p_value, d.p_holm, p.n
                    );
                }
                None => out.push_str(",,,,,\n"),
            }
        }
    }
    for row in comparison.settings.iter().filter(|row| row.is_different) {
        for (run, value) in comparison.runs.iter().zip(&row.values) {
            let (id, name) = (run.row.id.as_str(), field(&run.row.name));
            let value = super::setting_value(value.as_deref().or(Some("\"\"")));
            let _ = writeln!(out, "setting,{},{id},{name},{},,,,,,", row.key, field(&value));
        }
    }
    out
}

/// Quoted where RFC 4180 asks for it.
fn field(value: &str) -> String {
    if value.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}
