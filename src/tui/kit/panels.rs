//! Parts that more than one screen shows: what a run is and does, its charts, its event log.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::metrics::Evaluation;
use crate::store::rows::{RoundRow, RunRow};

use super::charts::draw_histogram;
use super::text;
use super::text::share;
use super::theme::Theme;
use super::widgets::{LineChart, Point, Series, Stroke, TrendScale, gauge, trend};
use super::words;
use super::words::{Condition, LogLine};
use crate::tui::feed::data::{Ghost, RunData};
use crate::tui::screens::runs::view as runs;
use crate::tui::shell::model::{Model, Screen};
use crate::tui::shell::view::{condition_style, pane, put, rule};

/// Recipe, seed, model and data in one line.
pub fn identity_line(model: &Model, row: &RunRow, width: usize) -> Line<'static> {
    let mut parts = vec![row.arm.to_string(), format!("rng seed {}", row.rng_seed)];
    parts.extend(row.experiment.as_ref().map(|name| format!("experiment {name}")));
    if row.attempt > 1 {
        parts.push(format!("attempt {}", row.attempt));
    }
    if let Some(data) = model.current_data() {
        parts.extend(data.detail.model.clone());
    }
    parts.push(row.id.to_string());
    Line::styled(text::cut(&parts.join(" · "), width), model.theme.dim)
}

/// Columns before the text of an event: its time and kind.
const N_LOG_HEAD: usize = 20;
/// Lines that one event is wrapped into at most.
const N_EVENT_LINES: usize = 12;
/// The step in which a run waits for a person.
const REVIEW: &str = "review";

/// Whether the run is held after a selection until a person releases it.
pub fn waits_for_review(row: &RunRow) -> bool {
    let is_paused = Condition::of(row) == Condition::Paused;
    is_paused && row.progress.as_ref().is_some_and(|progress| progress.step == REVIEW)
}

/// What the run does now, or why it does nothing.
pub fn progress_line(model: &Model, row: &RunRow, width: usize) -> Line<'static> {
    let theme = &model.theme;
    let condition = Condition::of(row);
    let head = Span::styled(
        format!("{} {}", condition.glyph(), condition.word()),
        condition_style(theme, condition),
    );
    let round = format!(" · round {} of {}", row.round, row.rounds_max);
    let plain = |words: String| Line::from(vec![head.clone(), Span::raw(words)]);
    match condition {
        Condition::Queued => plain(" · waits for a free slot".to_owned()),
        Condition::Failed => {
            let why = row.failure.clone().unwrap_or_default();
            plain(format!("{round} · {why}"))
        }
        Condition::Done | Condition::Stopped => {
            let why = row.stop_reason.map_or("R resumes", words::stop_reason);
            plain(format!("{round} · {why}"))
        }
        Condition::Interrupted => plain(format!("{round} · its worker is gone, R resumes")),
        Condition::Paused if waits_for_review(row) => {
            plain(format!("{round} · waits for you: 3 shows the pairs, p releases them"))
        }
        Condition::Running | Condition::Silent | Condition::Paused => {
            let mut spans = vec![head.clone(), Span::raw(round)];
            let used: usize = spans.iter().map(Span::width).sum();
            spans.extend(step_spans(theme, row, width.saturating_sub(used)));
            Line::from(spans)
        }
    }
}

/// ` · train ▕████▊   ▏ 61% · 4m08s left`, as much as fits.
fn step_spans(theme: &Theme, row: &RunRow, width: usize) -> Vec<Span<'static>> {
    let Some(progress) = &row.progress else { return Vec::new() };
    let done = progress.n_done as f64 / progress.n_total.max(1) as f64;
    let mut after = format!(" {:.0}%", done * 100.0);
    if progress.n_done > 0 && progress.n_done < progress.n_total {
        let left = progress.elapsed_ms as f64 * (1.0 - done) / done;
        after = format!("{after} · {} left", text::coarse(left as u64));
    }
    let before = format!(" · {} ", progress.step);
    let room = width.saturating_sub(text::width(&before) + text::width(&after));
    let bar = if room >= 6 { gauge(done, room.min(24)) } else { String::new() };
    vec![Span::raw(before), Span::styled(bar, theme.main), Span::raw(after)]
}

/// Worker, speed and what the latest selection came to.
pub fn worker_line(model: &Model, data: &RunData, width: usize) -> Line<'static> {
    let row = &data.detail.row;
    let mut parts = Vec::new();
    if let Some(worker) = data.detail.worker.as_ref().filter(|_| Condition::of(row).has_worker()) {
        let beat = data.detail.heartbeat_at_ms.map(|at| text::age(at, model.now_ms));
        parts.push(format!("worker {} ♥ {}", worker.pid, beat.unwrap_or("–".to_owned())));
    }
    if let Some(progress) = row.progress.as_ref().filter(|p| p.elapsed_ms > 0 && p.n_tokens > 0) {
        if Condition::of(row) == Condition::Running {
            let per_second = progress.n_tokens * 1000 / progress.elapsed_ms;
            parts.push(format!("{} tokens/s", text::count(text::two_digits(per_second))));
        }
        parts.push(format!("step {}/{}", progress.n_done, progress.n_total));
    }
    if let Some(resources) = &data.resources {
        let cores = resources.n_cores.map_or(String::new(), |n| format!(" · {n:.1} cores"));
        parts.push(format!("{}{cores}", words::size(resources.memory_bytes)));
    }
    if let Some(left) = time_left_ms(data) {
        parts.push(format!("ends in ~{}", text::rough(left)));
    }
    if row.n_vetoed > 0 {
        parts.push(format!("{} vetoed", text::count(row.n_vetoed)));
    }
    if let Some(sizes) = &data.detail.sizes {
        parts.push(format!(
            "human labels {} · pool {}",
            text::count(sizes.n_seed_set + sizes.n_validation),
            text::count(sizes.n_unlabeled_pool)
        ));
    }
    // Whole facts or none: the last ones give way on a narrow terminal.
    while text::width(&parts.join(" · ")) > width && parts.pop().is_some() {}
    Line::styled(parts.join(" · "), model.theme.dim)
}

/// What the rounds to come will take if they take what complete ones took, milliseconds.
fn time_left_ms(data: &RunData) -> Option<u64> {
    let row = &data.detail.row;
    if Condition::of(row) != Condition::Running {
        return None;
    }
    // Round 0 scores no pool: it says less about the others than any of them.
    let known = |first: u32| {
        let complete = data.rounds.iter().filter(|round| round.round >= first);
        let times: Vec<u64> = complete.filter_map(|round| round.wall_ms).collect();
        times.iter().sum::<u64>().checked_div(times.len() as u64)
    };
    let mean = known(1).or_else(|| known(0))?;
    let n_whole = row.rounds_max.saturating_sub(row.round);
    let step_left = row
        .progress
        .as_ref()
        .filter(|p| p.n_done > 0)
        .map_or(0, |p| p.elapsed_ms * p.n_total.saturating_sub(p.n_done) / p.n_done);
    Some(mean * u64::from(n_whole) + step_left)
}

/// The latest selection of the current run in one line.
pub fn selection_line(model: &Model) -> Line<'static> {
    let theme = &model.theme;
    let Some((round, summary)) = model.current_data().and_then(RunData::selection) else {
        return Line::styled("no selection yet", theme.dim);
    };
    // A divisor of the number of buckets, so that every block stands for as many of them.
    let columns = summary.histogram.columns(10);
    let peak = columns.iter().copied().max().unwrap_or(0).max(1);
    let levels: Vec<Option<f64>> = columns.iter().map(|n| Some(*n as f64 / peak as f64)).collect();
    let blocks = trend(&levels, 10, 10, TrendScale::of([0.0, 1.0]));
    Line::from(vec![
        Span::raw("confidence .5 "),
        Span::styled(blocks, theme.main),
        Span::raw(format!(
            " 1.0 · round {round} · selected {} of {} · precision {}{}",
            text::short_count(summary.n_selected),
            text::short_count(summary.n_scored),
            share(summary.pseudo_label_precision, 3),
            words::error_bound(summary)
        )),
    ])
}

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
    let right = match shown_ghost(model).and_then(|ghost| model.row(&ghost.run)) {
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
        put(b, inside, 0, Line::styled(" no evaluation yet", theme.dim));
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
    let rounds = shown_ghost(model).map_or(&[][..], |ghost| &ghost.rounds);
    let tests = rounds.iter().filter_map(|round| Some(point(round.round, round.test.as_ref()?)));
    Series {
        points: tests.map(|point| Point { interval: None, ..point }).collect(),
        stroke: Stroke::DashDotted,
        style: theme.text,
        whiskers: theme.dim,
        label: Some("g".to_owned()),
    }
}

/// The run behind the curves of the live screen.
pub fn shown_ghost(model: &Model) -> Option<&Ghost> {
    let live = model.live.as_ref().filter(|_| model.screen == Screen::Live)?;
    model.ghost.as_ref().filter(|ghost| Some(&ghost.run) == live.ghost.as_ref())
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

/// The event log, newest at the bottom, `back` lines scrolled back.
pub fn draw_log(model: &Model, area: Rect, title: &str, back: usize, buffer: &mut Buffer) {
    let theme = &model.theme;
    rule(buffer, area, 0, theme, title);
    let Some(data) = model.current_data() else { return };
    let n_rows = usize::from(area.height.saturating_sub(1));
    let last = data.log.len().saturating_sub(back);
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    let width = usize::from(inside.width);
    let mut lines: VecDeque<Line> = VecDeque::new();
    // From the newest upwards: of an old one that does not fit, the end is shown.
    for line in data.log[..last].iter().rev() {
        if lines.len() >= n_rows {
            break;
        }
        for words in log_lines(model, line, width).into_iter().rev() {
            lines.push_front(words);
        }
    }
    let n_over = lines.len().saturating_sub(n_rows);
    for (i, line) in lines.into_iter().skip(n_over).enumerate() {
        put(buffer, inside, i as u16 + 1, line);
    }
}

/// A line of the event log: one, or as many as its text needs where events are wrapped.
fn log_lines(model: &Model, line: &LogLine, width: usize) -> Vec<Line<'static>> {
    let room = width.saturating_sub(N_LOG_HEAD);
    if !model.wraps_events || text::width(&line.text) <= room {
        return vec![log_words(model, line, width)];
    }
    let style = if line.is_warning { model.theme.warn } else { model.theme.text };
    let mut parts = text::wrap(&line.text, room, N_EVENT_LINES).into_iter();
    let first = LogLine { text: parts.next().unwrap_or_default(), ..line.clone() };
    let indent = " ".repeat(N_LOG_HEAD);
    let rest = parts.map(|part| Line::styled(format!("{indent}{part}"), style));
    std::iter::once(log_words(model, &first, width)).chain(rest).collect()
}

/// `12:34:40 select   round 1 · …`
pub fn log_words(model: &Model, line: &LogLine, width: usize) -> Line<'static> {
    let theme = &model.theme;
    let time = text::time_of_day(line.at_ms, model.utc_offset_s);
    let style = if line.is_warning { theme.warn } else { theme.text };
    let room = width.saturating_sub(N_LOG_HEAD);
    Line::from(vec![
        Span::styled(format!("{time} "), theme.dim),
        Span::styled(text::left(line.kind, 11), theme.strong),
        Span::styled(text::cut(&line.text, room), style),
    ])
}

/// The selected run beside the list on a wide terminal.
pub fn draw_side(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some(row) = model.current() else { return };
    let width = usize::from(area.width);
    put(buffer, area, 0, Line::styled(text::cut(&row.name, width), theme.heading));
    put(buffer, area, 1, progress_line(model, row, width));
    put(buffer, area, 2, identity_line(model, row, width));
    let Some(data) = model.current_data() else { return };
    put(buffer, area, 3, worker_line(model, data, width));
    put(buffer, area, 4, runs::kept_line(model, row, width));
    let half = area.height.saturating_sub(6) / 2;
    let chart = Rect { y: area.y + 6, height: half, ..area };
    draw_accuracy(model, &data.rounds, row.rounds_max, chart, buffer);
    let chart = Rect { y: chart.bottom(), ..chart };
    draw_histogram(model, data, chart, buffer);
}
