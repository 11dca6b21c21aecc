//! The charts that only the live screen shows: loss, reliability, and the rounds as a table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::domain::metrics::Evaluation;
use crate::domain::told;
use crate::report::round_starts;
use crate::store::rows::LossPoint;
use crate::tui::feed::data::RunData;
use crate::tui::kit::draw::{pane, put};
use crate::tui::kit::text;
use crate::tui::kit::text::share;
use crate::tui::kit::widgets::{
    LineChart, Mark, Point, ReliabilityChart, Series, Stroke, is_too_sure,
};
use crate::tui::kit::words;
use crate::tui::panels::empty::why_empty;
use crate::tui::shell::model::Model;

/// The least loss that a logarithmic scale shows.
const LOSS_MIN: f64 = 1e-4;

/// Weight of the previous value in the smoothed loss (an exponential moving average over the points
/// drawn).
const SMOOTHING: f64 = 0.9;

/// Train loss by optimizer step, with the range of each bucket of steps and a line where a round begins.
pub fn draw_loss(model: &Model, data: &RunData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let last = data.loss.last();
    let mut step = last.map_or(String::new(), |p| format!("step {}", text::count(p.global_step)));
    if data.loss_stride > 1 {
        step = format!("1 in {} · {step}", data.loss_stride);
    }
    let footer = last.map_or(String::new(), |p| format!("latest {:.3}", p.loss));
    let live = model.live.as_ref();
    let (is_smooth, is_log) = live.map_or((false, false), |live| (live.is_smooth, live.is_log));
    let how = match (is_smooth, is_log) {
        (false, false) => "",
        (true, false) => ", smoothed",
        (false, true) => ", log scale",
        (true, true) => ", smoothed, log scale",
    };
    let ways = [format!("train loss by step{how}"), format!("train loss{how}")];
    let room = usize::from(area.width).saturating_sub(8 + text::width(&step));
    let title = text::first_that_fits(&ways, room);
    let inside = pane(buffer, area, theme, [title, &step], &footer);
    if data.loss.is_empty() {
        put(
            buffer,
            inside,
            0,
            Line::styled(why_empty(model, "no step was trained yet"), theme.dim),
        );
        return;
    }
    let series =
        |points, stroke, style, label| Series { points, stroke, style, whiskers: theme.dim, label };
    let ghost = model.shown_ghost().map_or(&[][..], |ghost| &ghost.loss);
    let mut behind = loss_points(ghost, is_smooth, is_log);
    for point in &mut behind {
        point.interval = None;
    }
    let label = (!behind.is_empty()).then(|| "g".to_owned());
    let starts = round_starts(&data.rounds, &data.loss).into_iter();
    let marks: Vec<Mark> =
        starts.map(|(round, at)| Mark { at, label: format!("r{round}") }).collect();
    let ends = [last, ghost.last()].into_iter().flatten().map(|p| p.global_step as f64);
    let chart = LineChart {
        series: &[
            series(behind, Stroke::DashDotted, theme.text, label),
            series(loss_points(&data.loss, is_smooth, is_log), Stroke::Solid, theme.main, None),
        ],
        marks: &marks,
        x_bounds: (0.0, ends.fold(1.0, f64::max)),
        x_whole: true,
        y_label: if is_log {
            |value| format!("{:.1e}", 10_f64.powf(value))
        } else {
            |value| format!("{value:.2}")
        },
        axis_style: theme.border,
        is_steady: true,
    };
    chart.render(inside, buffer);
}

/// The points of a train loss as they are drawn.
fn loss_points(loss: &[LossPoint], is_smooth: bool, is_log: bool) -> Vec<Point> {
    // A loss that has fallen to nothing stands at the bottom.
    let scaled = |y: f64| if is_log { y.max(LOSS_MIN).log10() } else { y };
    let mut smoothed = None;
    let mut smooth = |y: f64| {
        let before = smoothed.unwrap_or(y);
        let now = if is_smooth { SMOOTHING * before + (1.0 - SMOOTHING) * y } else { y };
        smoothed = Some(now);
        now
    };
    let point = |p: &LossPoint| Point {
        x: p.global_step as f64,
        y: scaled(smooth(f64::from(p.loss))),
        interval: (p.max > p.min).then_some((scaled(f64::from(p.min)), scaled(f64::from(p.max)))),
    };
    loss.iter().map(point).collect()
}

/// Confidence against accuracy on the test pairs, or on the validation pairs before there are any.
pub fn draw_reliability(model: &Model, data: &RunData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let mut rounds = data.rounds.iter().rev();
    let latest = rounds.find_map(|round| {
        let test = round.test.as_ref().map(|evaluation| (round.round, "test", evaluation));
        test.or_else(|| round.validation.as_ref().map(|e| (round.round, "validation", e)))
    });
    let Some((round, split, evaluation)) = latest else {
        let inside = pane(buffer, area, theme, ["reliability", ""], "");
        put(buffer, inside, 0, Line::styled(why_empty(model, "no evaluation yet"), theme.dim));
        return;
    };
    let right = format!("round {round} · {split}");
    let footer = reliability_footer(evaluation, usize::from(area.width).saturating_sub(4));
    let inside = pane(buffer, area, theme, ["reliability", &right], &footer);
    let calibrated = data.selections().find_map(|(_, summary)| summary.audit.calibration);
    let room = usize::from(inside.width).saturating_sub(1);
    let words_of = calibrated.map_or(String::new(), |report| words::calibration(&report, room));
    // A line of its own below the chart, where there is something to say.
    let n_words = u16::from(!words_of.is_empty() && inside.height > 6);
    let below = Rect { y: inside.bottom() - n_words, height: n_words, ..inside };
    put(buffer, below, 0, Line::styled(format!(" {words_of}"), theme.dim));
    let inside = Rect { height: inside.height - n_words, ..inside };
    let chart = ReliabilityChart {
        bins: &evaluation.reliability,
        good: theme.main,
        bad: theme.second,
        axis: theme.border,
    };
    chart.render(inside, buffer);
}

/// The numbers of a reliability diagram and what its marks mean, in at most `room` columns.
fn reliability_footer(evaluation: &Evaluation, room: usize) -> String {
    let ece = share(Some(evaluation.ece), 3);
    let brier = share(Some(evaluation.brier), 3);
    let is_marked = evaluation.reliability.iter().any(is_too_sure);
    let sure = if is_marked { " · ░ too sure" } else { "" };
    let ways = [
        format!("ECE {ece} · Brier {brier} · ┄ as right as sure{sure}"),
        format!("ECE {ece} · Brier {brier}{sure}"),
        format!("ECE {ece}{sure}"),
    ];
    text::first_that_fits(&ways, room).to_owned()
}

/// The rounds as a table, the latest ones where there are more than fit.
pub fn draw_rounds(model: &Model, data: &RunData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let hidden = "precision is told by hidden labels";
    let latest = data.selection().map(|(_, summary)| words::by_origin(summary));
    let ways = match latest.filter(|it| !it.is_empty()) {
        Some(by_origin) => vec![format!("{hidden}:{by_origin}"), format!("precision{by_origin}")],
        None => vec![hidden.to_owned()],
    };
    let footer = text::first_that_fits(&ways, usize::from(area.width).saturating_sub(4));
    let inside = pane(buffer, area, theme, ["rounds", "test ±95%"], footer);
    let has_bound = data.selections().any(|(_, summary)| summary.audit.certificate.is_some());
    let middle = if has_bound { "  error≤" } else { "" };
    let head = format!(
        "round  status    selected  precision{middle}  valid    test   ±95%    ECE    wall"
    );
    put(buffer, inside, 0, Line::styled(head, theme.heading));
    if data.rounds.is_empty() {
        put(buffer, inside, 1, Line::styled(why_empty(model, "no round yet"), theme.dim));
    }
    let n_rows = usize::from(inside.height.saturating_sub(1));
    let first = data.rounds.len().saturating_sub(n_rows);
    for (i, round) in data.rounds[first..].iter().enumerate() {
        let selection = round.selection.as_ref();
        let status = selection
            .map_or("seed set", |s| told::learning_status(s.learning_status).unwrap_or(text::NONE));
        let selected = selection.map_or(text::NONE.to_owned(), |s| text::count(s.n_selected));
        let precision = selection.and_then(|s| s.pseudo_label_precision);
        let test = round.test.as_ref();
        let wall = round.wall_ms.map_or(text::NONE.to_owned(), text::duration);
        let bound = selection.and_then(|s| s.audit.certificate).map(|found| found.bound);
        let bound = if has_bound { text::right(&share(bound, 3), 8) } else { String::new() };
        let line = format!(
            "{}  {} {} {}{bound} {} {} {} {} {}",
            text::right(&round.round.to_string(), 5),
            text::left(status, 9),
            text::right(&selected, 8),
            text::right(&share(precision, 3), 10),
            text::right(&share(round.validation.as_ref().map(|e| e.accuracy), 4), 6),
            text::right(&share(test.map(|e| e.accuracy), 4), 7),
            text::right(&share(test.map(words::half_interval), 4), 6),
            text::right(&share(test.map(|e| e.ece), 3), 6),
            text::right(&wall, 7),
        );
        put(buffer, inside, i as u16 + 1, Line::styled(line, theme.text));
    }
}
