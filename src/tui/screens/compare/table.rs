//! The table of the compare screen: a row for each metric and setting, a column for each run.

use crate::analysis::{Comparison, Difference, Direction, MetricRow};
use crate::domain::told;
use crate::report::{letter, metric_value, setting_value, signed};

use super::{Compare, policies};

/// How a cell is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Plain,
    /// Better than the base beyond chance.
    Better,
    Worse,
    Dim,
}

/// One line of the table, with a cell for each run.
pub struct TableRow {
    /// What it is about.
    pub label: String,
    pub cells: Vec<(String, Meaning)>,
}

/// How many rows there are.
pub fn n_rows(compare: &Compare) -> usize {
    compare.data.as_ref().map_or(0, |data| {
        let comparison = &data.comparison;
        let shown = comparison.metrics.iter().filter(|row| is_shown(compare, row));
        let n_metrics: usize = shown.map(|row| if has_differences(row) { 2 } else { 1 }).sum();
        let settings = comparison.settings.iter();
        let n_of_policies =
            data.policies.as_ref().map_or(0, |it| policies::rows(it, comparison.base).len());
        n_of_policies
            + n_metrics
            + usize::from(comparison.same_as.iter().any(Option::is_some))
            + settings.filter(|row| compare.shows_all || row.is_different).count()
    })
}

/// The lines of the table, from top to bottom.
pub fn rows(compare: &Compare, comparison: &Comparison) -> Vec<TableRow> {
    let of_policies = compare.policies().map(|it| policies::rows(it, comparison.base));
    let mut rows = of_policies.unwrap_or_default();
    for metric in comparison.metrics.iter().filter(|row| is_shown(compare, row)) {
        rows.push(value_row(compare, comparison, metric));
        if has_differences(metric) {
            rows.push(interval_row(metric));
        }
    }
    if comparison.same_as.iter().any(Option::is_some) {
        let first = |same: &Option<usize>| {
            same.map_or_else(String::new, |first| format!("is {}", letter(first)))
        };
        let cells = comparison.same_as.iter().map(|same| (first(same), Meaning::Plain));
        rows.push(TableRow { label: "same run".to_owned(), cells: cells.collect() });
    }
    let settings = comparison.settings.iter();
    for setting in settings.filter(|row| compare.shows_all || row.is_different) {
        let cells = setting.values.iter().map(|value| {
            let is_same = *value == setting.values[comparison.base] && setting.is_different;
            let meaning = if is_same { Meaning::Dim } else { Meaning::Plain };
            (setting_value(value.as_deref()), meaning)
        });
        rows.push(TableRow { label: setting.key.clone(), cells: cells.collect() });
    }
    rows
}

/// The metric or setting that the cursor stands on, as the glossary and the spec call it.
pub fn word_at(compare: &Compare) -> Option<String> {
    let comparison = &compare.data.as_ref()?.comparison;
    let rows = rows(compare, comparison);
    let at = compare.row.min(rows.len().checked_sub(1)?);
    // An interval stands below its metric.
    let named = rows[..=at].iter().rev().find(|row| !row.label.starts_with(' '));
    named.map(|row| row.label.clone())
}

fn is_shown(compare: &Compare, row: &MetricRow) -> bool {
    let has_value = row.values.iter().any(Option::is_some);
    has_value && (compare.shows_all || row.is_different() || row.name == "test/accuracy")
}

fn has_differences(row: &MetricRow) -> bool {
    row.differences.iter().any(Option::is_some)
}

fn value_row(compare: &Compare, comparison: &Comparison, row: &MetricRow) -> TableRow {
    let base = row.values[comparison.base];
    let cells = row.values.iter().enumerate().map(|(index, value)| {
        let is_base = index == comparison.base;
        let meaning = row.differences[index].map_or(Meaning::Plain, |d| meaning(row, &d));
        let unpaired = value.zip(base).map(|(value, base)| value - base);
        let difference = match row.differences[index] {
            Some(difference) => Some(difference.paired.difference),
            None => unpaired.filter(|_| !is_base && is_small(row.name)),
        };
        let words = match difference {
            Some(difference) if compare.is_normalized => signed(difference),
            Some(difference) => {
                format!("{} {}", metric_value(row.name, *value), signed(difference))
            }
            None => metric_value(row.name, *value),
        };
        (words, meaning)
    });
    TableRow { label: told::metric(row.name), cells: cells.collect() }
}

/// Whether a metric is a share or a loss, whose differences are told with four digits.
fn is_small(name: &str) -> bool {
    name.contains('/') || matches!(name, "pseudo_label_precision" | "coverage" | "flip_rate")
}

fn interval_row(row: &MetricRow) -> TableRow {
    let cells = row.differences.iter().map(|difference| match difference {
        None => (String::new(), Meaning::Dim),
        Some(difference) => {
            let interval = difference.paired.interval;
            let meaning = meaning(row, difference);
            let mark = match meaning {
                Meaning::Better => "▲",
                Meaning::Worse => "▼",
                _ => "ns",
            };
            let [low, high] = [interval.low, interval.high].map(end);
            (format!("[{low},{high}] {mark}"), meaning)
        }
    });
    TableRow { label: "  95% interval".to_owned(), cells: cells.collect() }
}

/// The end of an interval in at most seven columns.
fn end(value: f64) -> String {
    if value.abs() < 1.0 { signed(value) } else { format!("{value:+.3}") }
}

fn meaning(row: &MetricRow, difference: &Difference) -> Meaning {
    let is_better = match row.direction {
        Direction::Higher => difference.paired.difference > 0.0,
        Direction::Lower => difference.paired.difference < 0.0,
        Direction::Neither => return Meaning::Plain,
    };
    match (difference.is_significant(), is_better) {
        (false, _) => Meaning::Plain,
        (true, true) => Meaning::Better,
        (true, false) => Meaning::Worse,
    }
}
