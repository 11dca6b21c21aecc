//! Accuracy by round, with the baseline and another run behind it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::domain::metrics::Evaluation;
use crate::store::rows::{RoundRow, RunRow};
use crate::tui::kit::draw::{pane, put};
use crate::tui::kit::text;
use crate::tui::kit::text::share;
use crate::tui::kit::widgets::{LineChart, Point, Series, Stroke};
use crate::tui::kit::words;
use crate::tui::panels::empty::why_empty;
use crate::tui::shell::model::Model;

/// Accuracy by round with intervals: test solid, validation dashed.
pub fn draw_accuracy(model: &Model, rounds: &[RoundRow], n_max: u32, area: Rect, b: &mut Buffer) {
    let theme = &model.theme;
    let latest = |pick: fn(&RoundRow) -> Option<&Evaluation>| rounds.iter().rev().find_map(pick);
    let test = latest(|round| round.test.as_ref());
    let validation = latest(|round| round.validation.as_ref());
    let name = if area.width < 60 { "valid" } else { "validation" };
    let mut footer = format!(
        "━ test {}  ╍ {name} {}",
        words::accuracy(test, 4),
        share(validation.map(|e| e.accuracy), 4)
    );
    let baseline = baseline_points(model, n_max);
    if let Some(last) = baseline.last().filter(|_| area.width >= 60) {
        footer = format!("{footer}  ┈ ★ {}", share(Some(last.y), 4));
    }
    let right = match model.shown_ghost().and_then(|ghost| model.row(&ghost.run)) {
        Some(row) => {
            // Beside the title, its frame and the sign.
            let room = usize::from(area.width.saturating_sub(29));
            format!("┅ g {}", text::cut_name(&row.name, room))
        }
        None => "95% intervals".to_owned(),
    };
    let inside = pane(b, area, theme, ["accuracy by round", &right], &footer);
    let points = |rounds: &[RoundRow], pick: fn(&RoundRow) -> Option<&Evaluation>| {
        rounds.iter().filter_map(|round| Some(point(round.round, pick(round)?))).collect()
    };
    let series = |pick: fn(&RoundRow) -> Option<&Evaluation>, stroke, style| Series {
        points: points(rounds, pick),
        stroke,
        style,
        whiskers: theme.dim,
        label: None,
    };
    let mut validation = series(|round| round.validation.as_ref(), Stroke::Dashed, theme.second);
    // Two intervals in one column cannot be read: only the test's are drawn.
    for point in &mut validation.points {
        point.interval = None;
    }
    let test = series(|round| round.test.as_ref(), Stroke::Solid, theme.main);
    if test.points.is_empty() && validation.points.is_empty() {
        put(b, inside, 0, Line::styled(why_empty(model, "no evaluation yet"), theme.dim));
        return;
    }
    let baseline = Series {
        points: baseline,
        stroke: Stroke::Dotted,
        style: theme.warn,
        whiskers: theme.dim,
        label: Some("★".to_owned()),
    };
    let ghost = ghost_series(model);
    let last = ghost.points.last().map_or(0.0, |point| point.x);
    let chart = LineChart {
        series: &[baseline, ghost, validation, test],
        marks: &[],
        x_bounds: (0.0, f64::from(n_max.max(1)).max(last)),
        x_whole: true,
        y_label: |value| share(Some(value), 3),
        axis_style: theme.border,
        is_steady: false,
    };
    chart.render(inside, b);
}

/// Test accuracy of the run behind the curves of the live screen.
fn ghost_series(model: &Model) -> Series {
    let theme = &model.theme;
    let rounds = model.shown_ghost().map_or(&[][..], |ghost| &ghost.rounds);
    let tests = rounds.iter().filter_map(|round| Some(point(round.round, round.test.as_ref()?)));
    Series {
        points: tests.map(|point| Point { interval: None, ..point }).collect(),
        stroke: Stroke::DashDotted,
        style: theme.text,
        whiskers: theme.dim,
        label: Some("g".to_owned()),
    }
}

/// Test accuracy of the baseline by round. A run of fewer rounds goes on as a level, so that a run
/// trained on all labels once is the line to reach.
fn baseline_points(model: &Model, n_max: u32) -> Vec<Point> {
    let is_other = |base: &&RunRow| model.current().is_none_or(|row| row.id != base.id);
    let Some(base) = model.runs.baseline().filter(is_other) else { return Vec::new() };
    let rounds = (0..=n_max).zip(&base.test_accuracy);
    let known = rounds.filter_map(|(round, accuracy)| Some((round, (*accuracy)?)));
    let mut points: Vec<Point> =
        known.map(|(round, y)| Point { x: f64::from(round), y, interval: None }).collect();
    if let Some(last) = points.last().copied().filter(|last| last.x < f64::from(n_max)) {
        points.push(Point { x: f64::from(n_max), ..last });
    }
    points
}

fn point(round: u32, evaluation: &Evaluation) -> Point {
    Point {
        x: f64::from(round),
        y: evaluation.accuracy,
        interval: Some((evaluation.ci_low, evaluation.ci_high)),
    }
}
