//! Charts as pictures of their own: the charts of the HTML report, with their colors written out, so
//! that every program that draws SVG shows them.

use std::fmt::Write as _;

use super::curve::{CurveAxis, CurveMetric, CurvePoint, curve};
use super::html::chart::{self, HEIGHT, LEFT, Range, Series, WIDTH};
use super::html::{accuracy_chart, label_chart, loss_chart, test_reliability};
use super::legend::{coinciding, run_legend};
use crate::analysis::{ComparedRun, Comparison};
use crate::domain::text::clean::clean_line;

/// Colors by the names that the report's style sheet gives them (its light scheme).
const COLORS: [(&str, &str); 11] = [
    ("--ink", "#1b1f24"),
    ("--soft", "#5b6470"),
    ("--grid", "#e7eaee"),
    ("--s0", "#0072b2"),
    ("--s1", "#c04f00"),
    ("--s2", "#00795a"),
    ("--s3", "#a8497f"),
    ("--s4", "#8a6200"),
    ("--s5", "#2b7bab"),
    ("--s6", "#4b5563"),
    ("--s7", "#7a7000"),
];
/// Height of a line of the legend.
const LEGEND_LINE: f64 = 18.0;
/// Columns of a histogram.
const N_COLUMNS: usize = 50;

/// A chart of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// Test and validation accuracy by round.
    Accuracy,
    /// Pseudo-label precision and coverage by round.
    Labels,
    /// Training loss by optimizer step.
    Loss,
    /// Accuracy against confidence on the test pairs.
    Reliability,
    /// Confidences of the pool in the latest selection.
    Confidence,
}

impl Picture {
    /// Every picture, in the order in which a menu lists them.
    pub const ALL: [Self; 5] =
        [Self::Accuracy, Self::Labels, Self::Loss, Self::Reliability, Self::Confidence];

    /// The name of its file, without the ending.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Labels => "labels",
            Self::Loss => "loss",
            Self::Reliability => "reliability",
            Self::Confidence => "confidence",
        }
    }

    /// What it shows.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Accuracy => "test and validation accuracy with intervals",
            Self::Labels => "how many pseudo-labels are right, and how many are kept",
            Self::Loss => "the training loss, rounds marked",
            Self::Reliability => "is the model as sure as it is right",
            Self::Confidence => "confidences of the pool and of what was kept",
        }
    }
}

/// Draws a chart of a run as an SVG file; `None` while the run has nothing to show in it.
#[must_use]
pub fn run_svg(run: &ComparedRun, picture: Picture) -> Option<String> {
    let (drawn, legend): (Option<String>, &[(usize, &str)]) = match picture {
        Picture::Accuracy => {
            (accuracy_chart(run), &[(0, "test accuracy"), (1, "validation accuracy")])
        }
        Picture::Labels => {
            (label_chart(run), &[(2, "pseudo-label precision"), (3, "coverage of the pool")])
        }
        Picture::Loss => (loss_chart(run), &[(4, "mean, smallest and largest of each bucket")]),
        Picture::Reliability => (test_reliability(run), &[]),
        Picture::Confidence => (confidence_chart(run), &[]),
    };
    let what = match picture {
        Picture::Reliability => {
            ": a disc is a bin of pairs, a line how far it is from the dashed one"
        }
        Picture::Confidence => ": all pairs gray, the kept ones blue",
        Picture::Accuracy | Picture::Labels | Picture::Loss => "",
    };
    let mut lines = vec![(None, format!("{}{what}", run.row.name))];
    lines.extend(legend.iter().map(|(style, words)| (Some(*style), (*words).to_owned())));
    Some(standalone(&drawn?, &lines))
}

fn confidence_chart(run: &ComparedRun) -> Option<String> {
    let round = run.selection_round()?;
    let selection = round.selection.as_ref()?;
    let title = format!(
        "Confidence of {} pool pairs, {} kept (round {})",
        selection.n_scored, selection.n_selected, round.round
    );
    let all = selection.histogram.columns(N_COLUMNS);
    chart::histogram(&title, &all, &selection.selected_histogram.columns(N_COLUMNS))
}

/// Draws a metric of every compared run as an SVG file, with the intervals that there are.
#[must_use]
pub fn comparison_svg(comparison: &Comparison, metric: CurveMetric, axis: CurveAxis) -> String {
    let curves: Vec<Vec<CurvePoint>> =
        comparison.runs.iter().map(|run| curve(run, metric, axis)).collect();
    let groups = coinciding(&curves, comparison.base);
    let of_group =
        |group: &Vec<usize>| Series { points: curves[group[0]].clone(), style: group[0] };
    let mut series: Vec<Series> = groups.iter().map(of_group).collect();
    // A run of one round is a single mark, which a longer curve would hide.
    series.sort_by_key(|it| std::cmp::Reverse(it.points.len()));
    let range = match metric {
        CurveMetric::Loss => Range::Values,
        _ => Range::Shares,
    };
    let axis = axis.words(metric).trim_start_matches("by ");
    let drawn = chart::curves(metric.words(), axis, &series, range);
    let drawn = drawn.unwrap_or_else(|| chart::empty(metric.words()));
    let lines = run_legend(comparison, &groups).into_iter();
    let legend: Vec<_> = lines.map(|(style, words)| (Some(style), words)).collect();
    standalone(&drawn, &legend)
}

/// Makes a file of a chart of the page: colors instead of their names, a white ground, and a legend
/// of styles and words below it.
fn standalone(chart: &str, legend: &[(Option<usize>, String)]) -> String {
    let inside = chart.split_once('>').map_or("", |(_, inside)| inside);
    let inside = inside.trim_end().trim_end_matches("</svg>");
    let height = HEIGHT + LEGEND_LINE * legend.len() as f64 + 8.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{}\" height=\"{}\">\n<style>text {{ fill: var(--soft); font-family: sans-serif; font-size: 12px }} \
         .axis {{ stroke: var(--soft); fill: none }} .grid {{ stroke: var(--grid); fill: none }} \
         .title {{ fill: var(--ink); font-size: 13px; font-weight: 600 }}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n{inside}",
        2.0 * WIDTH,
        2.0 * height
    );
    for (line, (style, words)) in legend.iter().enumerate() {
        let y = HEIGHT + LEGEND_LINE * line as f64 + 4.0;
        if let Some(style) = style {
            out.push_str(&chart::sign_at(*style, LEFT, y));
        }
        let x = LEFT + if style.is_some() { 42.0 } else { 0.0 };
        let words = chart::escaped(&clean_line(words));
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{:.1}\">{words}</text>", y + 4.0);
    }
    out.push_str("</svg>\n");
    COLORS.iter().fold(out, |out, (name, color)| out.replace(&format!("var({name})"), color))
}
