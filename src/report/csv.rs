//! Comma-separated values (RFC 4180), and a comparison written so, one value a line.

use crate::analysis::Comparison;

/// One line of comma-separated values with its line end.
#[must_use]
pub fn record<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Memory takes every byte, and what was text in the fields is text in the line.
    let written = writer.write_record(fields).is_ok();
    let bytes = writer.into_inner().ok().filter(|_| written).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// `kind,key,run,name,value,difference,ci_low,ci_high,p,p_holm,n`: a line for each metric and each
/// differing setting of each run. What does not exist is empty.
#[must_use]
pub fn comparison_csv(comparison: &Comparison) -> String {
    let mut out = String::from("kind,key,run,name,value,difference,ci_low,ci_high,p,p_holm,n\n");
    for row in &comparison.metrics {
        for ((run, value), difference) in
            comparison.runs.iter().zip(&row.values).zip(&row.differences)
        {
            let head = ["metric", row.name, run.row.id.as_str(), &run.row.name];
            let value = value.map(|value| value.to_string()).unwrap_or_default();
            let tail = difference.as_ref().map_or_else(Default::default, |d| {
                let (p, interval) = (&d.paired, &d.paired.interval);
                let numbers = [p.difference, interval.low, interval.high, p.p_value, d.p_holm]
                    .map(|x| x.to_string());
                let [difference, low, high, p_value, p_holm] = numbers;
                [difference, low, high, p_value, p_holm, p.n.to_string()]
            });
            let fields = head.into_iter().chain([value.as_str()]);
            out += &record(fields.chain(tail.iter().map(String::as_str)));
        }
    }
    for row in comparison.settings.iter().filter(|row| row.is_different) {
        for (run, value) in comparison.runs.iter().zip(&row.values) {
            let value = super::setting_value(value.as_deref().or(Some("\"\"")));
            let head = ["setting", &row.key, run.row.id.as_str(), &run.row.name, &value];
            out += &record(head.into_iter().chain([""; 6]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_must_be() {
        assert_eq!(record(["a", "", "b c", "1.5"]), "a,,b c,1.5\n");
        assert_eq!(
            record(["a,b", "say \"x\"", "two\nlines", "\r"]),
            "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",\"\r\"\n"
        );
    }
}
