//! The page of several runs.

use std::fmt::Write as _;

use crate::analysis::{Comparison, Difference};
use crate::domain::told;
use crate::report::curve::{CurveAxis, CurveMetric, CurvePoint, curve};
use crate::report::legend::{coinciding, letters};
use crate::report::words::{letter, metric_value, same_runs, setting_value, signed};

use super::chart::{Range, Series, curves};
use super::element::{NONE, card, count, line, percent, table};
use super::parts::{RunPart, figures, legend, p_value, test_reliability};

/// What differs, what was measured, and how sure one can be.
pub fn page(comparison: &Comparison, parts: &[RunPart]) -> String {
    let n = comparison.runs.len();
    let mut out = format!("<h1>{n} runs side by side</h1>\n");
    let _ = writeln!(
        out,
        "<p class=\"lead\">Measured against {}; differences are paired, over the test pairs that both \
         runs were tested on.</p>",
        line(&comparison.runs[comparison.base].row.name)
    );
    out.push_str(&cards(comparison));
    out.push_str("<h2>Curves</h2>\n");
    out.push_str(&charts(comparison));
    out.push_str("<h2>Metrics</h2>\n");
    out.push_str(&metrics(comparison));
    out.push_str("<h2>Settings that differ</h2>\n");
    out.push_str(&differing(comparison));
    out.push_str(&groups(comparison));
    out.push_str("<h2>Reliability</h2>\n");
    let charts: Vec<(Option<String>, String)> = comparison
        .runs
        .iter()
        .enumerate()
        .map(|(index, run)| (test_reliability(run), format!("{} {}", letter(index), run.row.name)))
        .collect();
    let charts: Vec<_> =
        charts.iter().map(|(chart, name)| (chart.clone(), name.as_str())).collect();
    out.push_str(&figures(&charts));
    out.push_str("<h2>Runs</h2>\n");
    out.push_str(&runs(comparison, parts));
    out
}

fn cards(comparison: &Comparison) -> String {
    let cards: String = comparison
        .runs
        .iter()
        .enumerate()
        .filter_map(|(index, run)| {
            let round = run.compared_round()?;
            let test = round.test.as_ref()?;
            let detail = format!(
                "[{}, {}] of {} pairs, round {}",
                percent(test.ci_low),
                percent(test.ci_high),
                count(test.n),
                round.round
            );
            let what = format!("{} {}", letter(index), run.row.name);
            Some(card(&format!("{} %", percent(test.accuracy)), &what, &detail))
        })
        .collect();
    format!("<div class=\"cards\">{cards}</div>\n")
}

/// What the charts of the page show, each with its caption.
const CHARTS: [(CurveMetric, CurveAxis, &str); 5] = [
    (CurveMetric::TestAccuracy, CurveAxis::Round, "With 95 % Wilson intervals."),
    (
        CurveMetric::TestAccuracy,
        CurveAxis::Labels,
        "The same by labels trained on: a pair counts in every round that uses it.",
    ),
    (CurveMetric::Precision, CurveAxis::Round, ""),
    (CurveMetric::Coverage, CurveAxis::Round, ""),
    (CurveMetric::Loss, CurveAxis::Round, ""),
];

/// The charts below one legend for all of them. Curves that are one in a single chart are told in its
/// caption.
fn charts(comparison: &Comparison) -> String {
    let of_chart = |(metric, axis, _): (CurveMetric, CurveAxis, &str)| -> Vec<Vec<CurvePoint>> {
        comparison.runs.iter().map(|run| curve(run, metric, axis)).collect()
    };
    let drawn = CHARTS.map(of_chart);
    let whole: Vec<Vec<CurvePoint>> = (0..comparison.runs.len())
        .map(|run| drawn.iter().flat_map(|curves| curves[run].clone()).collect())
        .collect();
    let groups = coinciding(&whole, comparison.base);
    let figure = |((metric, axis, caption), curves): (_, &Vec<Vec<CurvePoint>>)| {
        let own = coinciding(curves, comparison.base);
        let chart = chart((metric, axis), curves, &own);
        let only_here = own.iter().filter(|group| group.len() > 1 && !groups.contains(group));
        let told: Vec<String> = only_here.map(|group| letters(group)).collect();
        let one = if told.is_empty() {
            String::new()
        } else {
            format!(" One curve: {}.", told.join(", "))
        };
        (chart, format!("{caption}{one}").trim().to_owned())
    };
    let charts: Vec<_> = CHARTS.into_iter().zip(&drawn).map(figure).collect();
    let charts: Vec<_> = charts.iter().map(|(chart, it)| (chart.clone(), it.as_str())).collect();
    legend(comparison, &groups) + &figures(&charts)
}

fn chart(
    (metric, axis): (CurveMetric, CurveAxis),
    points: &[Vec<CurvePoint>],
    groups: &[Vec<usize>],
) -> Option<String> {
    let of_group =
        |group: &Vec<usize>| Series { points: points[group[0]].clone(), style: group[0] };
    let mut series: Vec<Series> = groups.iter().map(of_group).collect();
    // A run of one round is a single mark, which a longer curve would hide.
    series.sort_by_key(|it| std::cmp::Reverse(it.points.len()));
    let mut title = metric.words().to_owned();
    title[..1].make_ascii_uppercase();
    if axis == CurveAxis::Labels {
        title.push_str(" by labels trained on");
    }
    let axis = axis.words(metric).trim_start_matches("by ");
    let range = match metric {
        CurveMetric::Loss => Range::Values,
        CurveMetric::Precision | CurveMetric::Coverage => Range::AllShares,
        _ => Range::Shares,
    };
    curves(&title, axis, &series, range)
}

fn metrics(comparison: &Comparison) -> String {
    let heads: Vec<String> = (0..comparison.runs.len())
        .map(|index| {
            let base = if index == comparison.base { " (base)" } else { "" };
            format!("{}{base}", letter(index))
        })
        .collect();
    let mut columns = vec![("metric", false)];
    columns.extend(heads.iter().map(|head| (head.as_str(), true)));
    let rows: Vec<Vec<String>> = comparison
        .metrics
        .iter()
        .filter(|row| row.values.iter().any(Option::is_some))
        .map(|row| {
            let cells = row.values.iter().zip(&row.differences).map(|(value, difference)| {
                let value = metric_value(row.name, *value);
                match difference {
                    Some(difference) => format!("{value}\n{}", words(difference)),
                    None => value,
                }
            });
            std::iter::once(told::metric(row.name)).chain(cells).collect()
        })
        .collect();
    table(&columns, &rows)
        + "<p class=\"soft\">Below a value its paired difference from the base with the 95 % interval; p after Holm for \
           all runs of the row.</p>\n"
}

fn words(difference: &Difference) -> String {
    let it = &difference.paired;
    format!(
        "{}\n[{}, {}]\np {}",
        signed(it.difference),
        signed(it.interval.low),
        signed(it.interval.high),
        p_value(difference.p_holm)
    )
}

fn differing(comparison: &Comparison) -> String {
    let letters: Vec<String> = (0..comparison.runs.len()).map(letter).collect();
    let mut columns = vec![("key", false)];
    columns.extend(letters.iter().map(|letter| (letter.as_str(), false)));
    let rows: Vec<Vec<String>> = comparison
        .settings
        .iter()
        .filter(|row| row.is_different)
        .map(|row| {
            let values = row.values.iter().map(|value| setting_value(value.as_deref()));
            std::iter::once(row.key.clone()).chain(values).collect()
        })
        .collect();
    if rows.is_empty() {
        return "<p>None.</p>\n".to_owned();
    }
    table(&columns, &rows)
}

fn groups(comparison: &Comparison) -> String {
    let mut out = String::new();
    for same in same_runs(comparison) {
        let _ = writeln!(out, "<p>{}.</p>", line(&same));
    }
    for group in &comparison.groups {
        let Some((mean, Some(interval))) = group.accuracy else { continue };
        let letters: Vec<String> = group.runs.iter().map(|index| letter(*index)).collect();
        let _ = writeln!(
            out,
            "<p>{} differ only in their random seed: mean test accuracy {} % [{}, {}], a 95 % t \
             interval.</p>",
            line(&letters.join(" ")),
            percent(mean),
            percent(interval.low),
            percent(interval.high)
        );
    }
    out
}

fn runs(comparison: &Comparison, parts: &[RunPart]) -> String {
    let columns = [
        ("", false),
        ("run", false),
        ("id", false),
        ("arm", false),
        ("random seed", true),
        ("model", false),
        ("human labels", true),
        ("audit", false),
    ];
    let rows: Vec<Vec<String>> = comparison
        .runs
        .iter()
        .zip(parts)
        .enumerate()
        .map(|(index, (run, part))| {
            let audit = part.audit.map_or_else(
                || NONE.to_owned(),
                |it| {
                    let (low, high) = (percent(it.interval.low), percent(it.interval.high));
                    format!("{} % [{low}, {high}] of {}", percent(it.precision), it.n_reviewed)
                },
            );
            vec![
                letter(index),
                run.row.name.clone(),
                run.row.id.to_string(),
                run.row.arm.to_string(),
                run.row.rng_seed.to_string(),
                part.detail.model.clone().unwrap_or_else(|| NONE.to_owned()),
                run.n_labels_spent().map_or_else(|| NONE.to_owned(), count),
                audit,
            ]
        })
        .collect();
    table(&columns, &rows)
}
