//! Curves over each other, and histograms on one scale.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::analysis::{ComparedRun, Comparison};
use crate::report::{CurveAxis, CurveMetric, CurvePoint, coinciding, curve, letter};

use super::{Compare, legend};
use crate::tui::kit::draw::{pane, put};
use crate::tui::kit::text;
use crate::tui::kit::text::share;
use crate::tui::kit::widgets::{LineChart, Point};
use crate::tui::shell::model::Model;

/// More intervals than this hide the lines.
const N_WITH_INTERVALS: usize = 3;
/// Columns of one histogram.
const N_HISTOGRAM_COLUMNS: usize = 25;

/// Draws the curves of every run; those that are one are drawn once.
pub fn draw(model: &Model, comparison: &Comparison, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let compare = &model.compare;
    let is_normalized = compare.is_normalized && compare.metric != CurveMetric::Loss;
    let curves = curves(compare, comparison, is_normalized);
    let minus = if is_normalized { " minus base" } else { "" };
    let title = format!("{}{minus}", compare.metric.words());
    let groups = coinciding(&curves, comparison.base);
    let names: Vec<String> = comparison.runs.iter().map(|run| run.row.name.clone()).collect();
    let room = usize::from(area.width).saturating_sub(6);
    let legend = legend::words(&groups, &names, Some(comparison.base), room);
    let inside = pane(buffer, area, theme, [&title, compare.axis.words(compare.metric)], &legend);
    if curves.iter().all(Vec::is_empty) {
        put(buffer, inside, 0, Line::styled(" no value yet", theme.dim));
        return;
    }
    let shows_intervals = groups.len() <= N_WITH_INTERVALS && !is_normalized;
    let xs = || curves.iter().flatten().map(|point| point.x);
    let low = if compare.axis == CurveAxis::Round { 0.0 } else { xs().fold(f64::MAX, f64::min) };
    let high = xs().fold(f64::MIN, f64::max);
    let points = |index: usize| {
        let points = curves[index].iter().map(|point| Point {
            x: point.x,
            y: point.y,
            interval: point.interval.filter(|_| shows_intervals),
        });
        points.collect()
    };
    let series = legend::series(model, &groups, Some(comparison.base), points);
    let chart = LineChart {
        series: &series,
        marks: &[],
        x_bounds: (low, if high > low { high } else { low + 1.0 }),
        x_whole: compare.axis != CurveAxis::WallTime,
        y_label: if is_normalized {
            |value| crate::report::signed(value)
        } else {
            |value| share(Some(value), 3)
        },
        axis_style: theme.border,
        is_steady: false,
    };
    chart.render(inside, buffer);
}

fn curves(compare: &Compare, comparison: &Comparison, is_normalized: bool) -> Vec<Vec<CurvePoint>> {
    let of = |run: &ComparedRun| curve(run, compare.metric, compare.axis);
    let mut curves: Vec<Vec<CurvePoint>> = comparison.runs.iter().map(of).collect();
    if is_normalized {
        let base = curves[comparison.base].clone();
        for points in &mut curves {
            points.retain_mut(|point| {
                let beside = base.iter().find(|known| known.round == point.round);
                beside.is_some_and(|known| {
                    point.y -= known.y;
                    true
                })
            });
        }
    }
    curves
}

/// Draws the confidences of every run's latest selection, one run a line, all on one scale.
pub fn draw_histograms(model: &Model, comparison: &Comparison, area: Rect, buffer: &mut Buffer) {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let theme = &model.theme;
    let inside = pane(buffer, area, theme, ["confidence", "same scale"], "");
    let columns = |run: &ComparedRun| {
        let summary = run.selection_round()?.selection.as_ref()?;
        let total = summary.histogram.total().max(1) as f64;
        let columns = summary.histogram.columns(N_HISTOGRAM_COLUMNS);
        Some(columns.into_iter().map(|n| n as f64 / total).collect::<Vec<f64>>())
    };
    let all: Vec<Option<Vec<f64>>> = comparison.runs.iter().map(columns).collect();
    let peak = all.iter().flatten().flatten().copied().fold(0.0, f64::max);
    let n_rows = usize::from(inside.height.saturating_sub(1));
    let first = (model.compare.column + 1).saturating_sub(n_rows);
    let shown = comparison.runs.iter().zip(&all).enumerate().skip(first).take(n_rows);
    for (row, (index, (run, densities))) in shown.enumerate() {
        let head = Span::styled(format!("{:>2} ", letter(index)), legend::style(theme, index));
        let Some(densities) = densities else {
            let words = Span::styled("no selection", theme.dim);
            put(buffer, inside, row as u16, Line::from(vec![head, words]));
            continue;
        };
        let bars: String = densities
            .iter()
            .map(|density| {
                let eighths = (density / peak * 8.0).round() as usize;
                EIGHTHS[if *density > 0.0 { eighths.clamp(1, 8) } else { 0 }]
            })
            .collect();
        let summary = run.selection_round().and_then(|round| round.selection.as_ref());
        let words = summary.map_or(String::new(), |summary| {
            let kept = text::short_count(summary.n_selected);
            let median = share(summary.histogram.median(), 2);
            let precision = share(summary.pseudo_label_precision, 3);
            format!("  selected {kept} median {median} precision {precision}")
        });
        let bars = Span::styled(bars, legend::style(theme, index));
        let line = Line::from(vec![head, bars, Span::styled(words, theme.dim)]);
        put(buffer, inside, row as u16, line);
    }
    let axis = format!("   {}1.0", text::left(".50", N_HISTOGRAM_COLUMNS - 3));
    put(buffer, inside, inside.height.saturating_sub(1), Line::styled(axis, theme.dim));
}
