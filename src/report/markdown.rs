//! A comparison as a Markdown table, for a note, an issue or a paper.

use super::words::{letter, metric_value, same_runs, setting_value, share, signed};
use crate::analysis::{Comparison, Difference, MetricRow, RoundChoice};
use crate::domain::text::clean::clean_line;
use crate::domain::told;

/// A table of what differs, runs as columns, and a line that says how it was computed.
#[must_use]
pub fn comparison_markdown(comparison: &Comparison) -> String {
    let mut lines = Vec::new();
    let heads = comparison.runs.iter().enumerate().map(|(index, run)| {
        let base = if index == comparison.base { " (base)" } else { "" };
        format!("{} {}{base}", letter(index), clean_line(&run.row.name))
    });
    lines.push(line(std::iter::once("field".to_owned()).chain(heads)));
    lines.push(line((0..=comparison.runs.len()).map(|_| "---".to_owned())));
    for row in comparison.metrics.iter().filter(|row| row.is_different()) {
        lines.push(line(std::iter::once(told::metric(row.name)).chain(metric_cells(row))));
    }
    for row in comparison.settings.iter().filter(|row| row.is_different) {
        let values = row.values.iter().map(|value| setting_value(value.as_deref()));
        lines.push(line(std::iter::once(format!("`{}`", row.key)).chain(values)));
    }
    lines.push(String::new());
    lines.push(footnote(comparison));
    lines.extend(same_runs(comparison));
    for group in &comparison.groups {
        let Some((mean, interval)) = group.accuracy else { continue };
        let letters: Vec<String> = group.runs.iter().map(|index| letter(*index)).collect();
        let interval = interval.map_or_else(String::new, |interval| {
            format!(" [{}, {}]", share(interval.low), share(interval.high))
        });
        let letters = letters.join(" ");
        lines.push(format!(
            "{letters} differ only in their random seed: mean test accuracy {}{interval} (95 % t interval).",
            share(mean)
        ));
    }
    lines.join("\n") + "\n"
}

/// `.7241 +.0013 [-.0040, +.0070]`
fn metric_cells(row: &MetricRow) -> impl Iterator<Item = String> + '_ {
    row.values.iter().zip(&row.differences).map(|(value, difference)| {
        let value = metric_value(row.name, *value);
        match difference {
            Some(difference) => format!("{value} {}", difference_words(difference)),
            None => value,
        }
    })
}

fn difference_words(difference: &Difference) -> String {
    let paired = &difference.paired;
    let holds = if difference.is_significant() { "" } else { " ns" };
    format!(
        "{} [{}, {}]{holds}",
        signed(paired.difference),
        signed(paired.interval.low),
        signed(paired.interval.high)
    )
}

/// How the differences were computed, over how many pairs.
fn footnote(comparison: &Comparison) -> String {
    let round = match comparison.rounds {
        RoundChoice::Last => "the last tested round",
        RoundChoice::Best => "the best round by validation",
    };
    let pairs: Vec<u64> = comparison.outcomes.iter().flatten().map(|outcomes| outcomes.n).collect();
    let n = match (pairs.iter().min(), pairs.iter().max()) {
        (Some(min), Some(max)) if min == max => format!("{min}"),
        (Some(min), Some(max)) => format!("{min} to {max}"),
        _ => {
            return format!(
                "Values are of {round} of each run. No run shares test pairs with the base."
            );
        }
    };
    format!(
        "Values are of {round} of each run. Differences to the base over the {n} common test pairs \
         with 95 % intervals (accuracy: paired bootstrap of 2000 resamples and exact McNemar test; \
         losses: paired t). ns: p of 0.05 or more after Holm's adjustment."
    )
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}
